"""Times: UTC, to the millisecond, RFC 3339 on the wire."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)


def to_milliseconds(moment: datetime) -> datetime:
    """The same moment in UTC with finer digits cut, as MongoDB keeps it."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def now() -> datetime:
    """The present moment; what needs a clock that tests can turn takes one as an argument instead."""
    return to_milliseconds(datetime.now(UTC))


def format_time(moment: datetime) -> str:
    """RFC 3339 with milliseconds and `Z`: the one spelling of every time the hub gives out."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """A moment from RFC 3339 text with an offset; finer digits than milliseconds are cut.

    Raises ValueError with a sentence for people.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        msg = "must be an RFC 3339 time with an offset, such as 2030-01-31T08:00:00Z"
        raise ValueError(msg)
    date, clock, fraction, offset = match.groups()
    milliseconds = (fraction or "").ljust(3, "0")[:3]
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}.{milliseconds}{offset.upper()}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        msg = "is not a real moment in time"
        raise ValueError(msg) from None
