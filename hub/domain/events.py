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
    """It has left the inbox (archived, deleted, bounced, expired); carries its last version."""
    ALL_READ = "all_read"
    """Everything up to `up_to`, of `category` if one is given, was marked read at once."""
    ALL_SEEN = "all_seen"
    """Everything up to `up_to`, of `category` if one is given, was marked seen at once."""
    RESYNC = "resync"
    """Not everything can be told, of what was missed or what was undone at once: read the list afresh."""
    HEARTBEAT = "heartbeat"
    """The stream lives; the first event of every stream, then one every 15 seconds."""


@dataclass(frozen=True, slots=True)
class InboxPosition:
    """A place in the order of an inbox: (`delivered_at`, `id`)."""

    delivered_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class CappedCount:
    """Items of an inbox: exact up to 1,000, beyond that 1,000 and `capped`."""

    count: int
    capped: bool


@dataclass(frozen=True, slots=True)
class InboxCounts:
    """Items of an inbox, as of one moment. What is unseen is unread too; what is archived counts as neither."""

    unread: CappedCount
    unseen: CappedCount


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    """Items of one category of an inbox."""

    category: str
    counts: InboxCounts


@dataclass(frozen=True, slots=True)
class MarkedAll:
    """What an operation on a whole inbox did; `operation_id` undoes it, and is None where it changed nothing."""

    count: int
    operation_id: UUID | None
    marked_at: datetime | None = None
    """When, by the store's clock: what has changed later than that is none of its business any more."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Event:
    """One event of a stream. `cursor` resumes after it; `id` and `version` tell repeats apart.

    All streams of a user are handed the same object: what is made of it can be kept for as long as it lasts.
    """

    kind: EventKind
    cursor: str
    counts: InboxCounts
    notification: Notification | None = None
    up_to: InboxPosition | None = None
    category: str | None = None
    marked_at: datetime | None = None
