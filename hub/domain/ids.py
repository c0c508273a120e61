"""Identifiers: UUIDv7 (RFC 9562, section 5.7), made by the hub before the first write."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MILLISECONDS_OF_AN_HOUR = 3_600_000
_last = 0


def new_id() -> UUID:
    """A new UUIDv7 that sorts after every earlier one of this process.

    The 12 bits of `rand_a` carry the fraction of the millisecond (RFC 9562, section 6.2, method 3).
    """
    global _last  # noqa: PLW0603 - one counter per process is what makes the ids monotonic
    nanoseconds = time.time_ns()
    ticks = (nanoseconds // 1_000_000 << 12) | ((nanoseconds % 1_000_000) * 4096 // 1_000_000)
    _last = max(ticks, _last + 1)
    random = int.from_bytes(os.urandom(8)) >> 2
    return UUID(int=(_last >> 12 << 80) | _VERSION_AND_VARIANT | ((_last & 0xFFF) << 64) | random)


def time_of(identifier: UUID) -> datetime:
    """The moment an identifier was made, UTC, to the millisecond."""
    return _EPOCH + (identifier.int >> 80) * _MILLISECOND


def hour_of(identifier: UUID) -> int:
    """The hour in which an identifier was made, counted since 1970."""
    return (identifier.int >> 80) // _MILLISECONDS_OF_AN_HOUR


def first_id_at(moment: datetime) -> UUID:
    """The smallest identifier that could have been made at `moment`; for ranges over time."""
    return UUID(int=max(0, (moment - _EPOCH) // _MILLISECOND) << 80)


def first_id_after(moment: datetime) -> UUID:
    """The smallest identifier of the millisecond after; exists even where the calendar ends."""
    return UUID(int=first_id_at(moment).int + (1 << 80))


def parse_id(text: str) -> UUID | None:
    """The identifier in its one spelling (lower-case, with hyphens), or None if it can't be one."""
    try:
        identifier = UUID(text)
    except ValueError:
        return None
    return identifier if str(identifier) == text else None
