"""What the open streams of a user carry, in every protocol."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.domain.notifications import Notification


class EventKind(StrEnum):
    """What an event tells."""

    CHANGED = "changed"
    """The latest version of a notification."""
    REMOVED = "removed"
    """It has left the inbox (deleted, bounced, expired); carries its last version."""
    ALL_READ = "all_read"
    """Everything up to `up_to` was marked read at once."""
    RESYNC = "resync"
    """Not everything missed can be replayed: read the list afresh."""
    HEARTBEAT = "heartbeat"
    """The stream lives; the first event of every stream, then one every 15 seconds."""


@dataclass(frozen=True, slots=True)
class InboxPosition:
    """A place in the order of an inbox: (`delivered_at`, `id`)."""

    delivered_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class UnreadCount:
    """Unread items of an inbox: exact up to 1,000, beyond that 1,000 and `capped`."""

    count: int
    capped: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream. `cursor` resumes after it; `id` and `version` tell repeats apart."""

    kind: EventKind
    cursor: str
    unread: UnreadCount
    notification: Notification | None = None
    up_to: InboxPosition | None = None
