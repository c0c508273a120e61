"""Where a reader of a stream stands, and the token of it that all three protocols give out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hub.domain.paging import Filter, ListKind, Position, encode_cursor

OVERLAP = timedelta(seconds=15)
"""How far before its place a reader looks again: longer than a write takes at most, plus what clocks may differ."""
LONGEST_ABSENCE = timedelta(hours=24)
"""What changed longer ago is not replayed."""

_LAST = 2**128 - 1
_MILLISECOND = timedelta(milliseconds=1)
_MOST_BEHIND = LONGEST_ABSENCE // _MILLISECOND
_EVERYTHING = Filter()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a reader has come."""

    at: datetime
    """The latest change told of. A mark-all up to this cursor marks that far."""
    complete: datetime
    """Everything that changed until then was told of; of what changed later, all but what hints may have lost."""

    @property
    def since(self) -> datetime:
        """From where a reader that stands here has to look again."""
        return self.complete - OVERLAP


def encode(tenant: str, user_id: str, progress: Progress) -> str:
    """The token of a place.

    Its id is the last of all, less the milliseconds by which what is complete lies behind: any real id (UUIDv7)
    is smaller by far, so that it takes in everything delivered at that moment.
    """
    behind = max(0, (progress.at - progress.complete) // _MILLISECOND)
    place = Position(progress.at, UUID(int=_LAST - min(behind, _MOST_BEHIND)))
    return encode_cursor(ListKind.EVENTS, (tenant, user_id), _EVERYTHING, place)


def decode(position: Position, now: datetime) -> Progress:
    """Where the bearer of a token stands; nobody stands in the future."""
    at = max(min(position.at, now), now - 2 * LONGEST_ABSENCE)
    return Progress(at, at - min(_LAST - position.id.int, _MOST_BEHIND) * _MILLISECOND)
