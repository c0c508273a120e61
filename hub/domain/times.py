"""Times: UTC, to the millisecond, RFC 3339 on the wire."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)
_EPOCH, _EPOCH_OF_UTC = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)  # noqa: DTZ001 - spelled without an offset
_ENDS = [f".{milliseconds:03}Z" for milliseconds in range(1000)]


def to_milliseconds(moment: datetime) -> datetime:
    """The same moment in UTC with finer digits cut, as MongoDB keeps it."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def now() -> datetime:
    """The present moment; what needs a clock that tests can turn takes one as an argument instead."""
    return to_milliseconds(datetime.now(UTC))


def format_time(moment: datetime) -> str:
    """RFC 3339 with milliseconds and `Z`: the one spelling of every time the hub gives out."""
    since = moment - _EPOCH
    return _second(since.days, since.seconds) + _ENDS[since.microseconds // 1000]


# What befalls a notification mostly befalls it within one second. As many as a page may have items: GraphQL writes it by columns.
@lru_cache(maxsize=128)
def _second(days: int, seconds: int) -> str:
    return (_EPOCH_OF_UTC + timedelta(days, seconds)).isoformat(timespec="seconds")


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
