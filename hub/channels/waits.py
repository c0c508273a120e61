"""How long the other side of an HTTP request wants us to wait."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT = timedelta(hours=24)


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """The wait a Retry-After header asks for (RFC 9110, section 10.2.3), at most a day; None if it makes no sense."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,10}", text.strip(), re.ASCII):
        wait = timedelta(seconds=int(text))
    else:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        wait = until.replace(tzinfo=until.tzinfo or UTC) - now
    return min(max(wait, timedelta(0)), LONGEST_WAIT)
