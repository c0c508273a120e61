"""The audit trail: who did what that others may have to answer for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Action(StrEnum):
    """What is put on record."""

    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    NOTIFICATION_DELETED = "notification.deleted"
    DEAD_LETTERS_REPLAYED = "dead_letters.replayed"
    DEAD_LETTERS_PURGED = "dead_letters.purged"
    USER_UPDATED = "user.updated"
    USER_DELETED = "user.deleted"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed. Written before it is done and completed after: without `result` it may have been done in part.

    `subject` is what it was done to: a key's or notification's id, a user's id (blanked when the user is deleted). It
    never holds content or addresses. Times are UTC.
    """

    id: UUID
    tenant: str
    at: datetime
    actor: str
    """The credential: a key's id, `user:<user_id>`, `cli`, or `anonymous` where callers need none."""
    action: Action
    subject: str | None
    correlation_id: str
    result: dict[str, int] | None = field(default=None)
    """Counts, by name; empty where nothing is counted."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries newest first, a cursor for each, and whether there are more."""

    items: tuple[AuditEntry, ...]
    cursors: tuple[str, ...]
    has_next: bool

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins, or None at the end."""
        return self.cursors[-1] if self.has_next and self.cursors else None
