"""What MongoDB holds: the Beanie documents, which define fields and indexes. Queries use the collections beneath.

Every document carries its tenant, and every index of a caller's list starts with it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from beanie import Document
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from hub.store.access_documents import ApiKeyDocument, AuditDocument, RateDocument
from hub.store.rollup_documents import DayRollupDocument, DirtyHourDocument, RollupDocument


class FaultField(BaseModel):
    """A stable code and a sentence."""

    code: str
    message: str


class AttemptField(BaseModel):
    """One finished attempt."""

    number: int
    provider: str
    provider_id: str | None
    started_at: datetime
    finished_at: datetime
    outcome: str
    error: FaultField | None


class ClaimField(BaseModel):
    """The lease of the worker that sends now; every write of that worker is fenced by the token."""

    token: UUID
    started_at: datetime


class BudgetField(BaseModel):
    """What the retry limit counts; begun anew by a replay."""

    started_at: datetime | None = None
    counted: int = 0
    earlier: int = 0
    """Attempts before the replay: numbers go on, waits begin anew."""


class NotificationDocument(Document):
    """A notification together with the intention to send it (`due`)."""

    id: UUID  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours is made before the first write
    tenant: str
    user_id: str
    title: str
    message: str
    type: str
    html: str | None
    to: str | None
    metadata: dict[str, Any]
    priority: str
    category: str | None
    lane: str
    """The work queue, `<type>.<priority>`."""
    status: str
    status_reason: FaultField | None
    attempts: list[AttemptField]
    attempt_count: int
    """All attempts ever; `attempts` keeps the last hundred."""
    budget: BudgetField
    claim: ClaimField | None = None
    overtaken: ClaimField | None = None
    """The claim of a worker that was still sending when a receipt told what became of it: its attempt is yet to come."""
    recorded_by: UUID | None = None
    """Stamp of the record written last: tells a repeated record from a lost lease."""
    due: datetime | None = None
    """The outbox: when the sweep has something to do here; absent when there is nothing to do ever again."""
    scheduled_at: datetime | None
    expires_at: datetime | None
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime
    """Set by the server's clock with every change."""
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    seen_at: datetime | None = None
    """Absent while nobody has seen it. Before there was this field, what was read was seen all the same."""
    archived_at: datetime | None = None
    """Absent while it is not put away."""
    inbox_at: datetime | None = None
    """Present while the item is in its user's inbox."""
    unread_until: datetime | None = None
    """Present while it is there and unread: when it expires, or the end of time. What is unseen is unread."""
    read_operation: UUID | None = None
    """The mark-all that read it last; for processes that know `operation` not yet."""
    operation: UUID | None = None
    """The operation on a whole inbox that changed it last."""
    operation_version: int | None = None
    """Its version by that operation: whoever has changed it since has raised it."""
    operation_saw: bool | None = None
    """Whether it was unseen before that operation."""
    deleted_at: datetime | None = None
    """A tombstone, without content, kept until every watcher could see that it is gone."""
    purge_at: datetime | None = None
    version: int
    correlation_id: str

    class Settings:
        """Collection and indexes."""

        name = "notifications"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("tenant", ASCENDING), ("_id", DESCENDING)], name="tenant_list"),
            IndexModel([("tenant", ASCENDING), ("user_id", ASCENDING), ("_id", DESCENDING)], name="user_list"),
            IndexModel(
                [("tenant", ASCENDING), ("lane", ASCENDING), ("due", ASCENDING)],
                name="due",
                partialFilterExpression={"due": {"$exists": True}},
            ),
            IndexModel(
                [("tenant", ASCENDING), ("user_id", ASCENDING), ("inbox_at", DESCENDING), ("_id", DESCENDING)],
                name="inbox",
                partialFilterExpression={"inbox_at": {"$exists": True}},
            ),
            IndexModel(
                # Unread and unseen, of all categories and of one: each count is a walk over what it counts.
                [
                    ("tenant", ASCENDING),
                    ("user_id", ASCENDING),
                    ("category", ASCENDING),
                    ("seen_at", ASCENDING),
                    ("unread_until", ASCENDING),
                ],
                name="counts",
                partialFilterExpression={"unread_until": {"$exists": True}},
            ),
            IndexModel(
                # Written when something is archived, and at no other time.
                [("tenant", ASCENDING), ("user_id", ASCENDING), ("delivered_at", DESCENDING), ("_id", DESCENDING)],
                name="archive",
                partialFilterExpression={"archived_at": {"$exists": True}},
            ),
            IndexModel(
                [("tenant", ASCENDING), ("user_id", ASCENDING), ("updated_at", ASCENDING)],
                name="replay",
                partialFilterExpression={"type": "in_app"},
            ),
            IndexModel(
                # With the status among the keys, or Beanie takes it for `tenant_list` and drops one of the two.
                [("tenant", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)],
                name="failed",
                partialFilterExpression={"status": "failed"},
            ),
            IndexModel([("purge_at", ASCENDING)], name="purge", expireAfterSeconds=0),
        ]


class KeyDocument(Document):
    """A reserved idempotency key; `_id` is the hash of tenant and key."""

    id: bytes  # type: ignore[assignment]  # see above
    tenant: str
    user_id: str
    fingerprint: bytes
    notification_id: UUID
    expires_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "idempotency_keys"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("tenant", ASCENDING), ("user_id", ASCENDING)], name="user"),
            IndexModel([("expires_at", ASCENDING)], name="purge", expireAfterSeconds=0),
        ]


class UserDocument(Document):
    """A person's record; `_id` is `<tenant>/<user_id>`."""

    id: str  # type: ignore[assignment]  # see above
    tenant: str
    user_id: str
    contact_points: dict[str, str] = Field(default_factory=dict)
    locale: str | None = None
    timezone: str | None = None
    created_at: datetime
    updated_at: datetime

    class Settings:
        """Collection."""

        name = "users"


class InboxOperationDocument(Document):
    """An inbox was marked read: what watchers are told once instead of once per item."""

    id: UUID  # type: ignore[assignment]  # see above
    tenant: str
    user_id: str
    category: str | None
    up_to_at: datetime
    up_to_id: UUID
    marked_at: datetime | None = None
    undo_until: datetime | None = None
    expires_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "inbox_operations"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("tenant", ASCENDING), ("user_id", ASCENDING)], name="user"),
            IndexModel([("expires_at", ASCENDING)], name="purge", expireAfterSeconds=0),
        ]


class InboxMarkDocument(Document):
    """An inbox was marked seen, or a mark-all was undone; to older processes all of the other collection is `read`."""

    id: UUID  # type: ignore[assignment]  # see above
    tenant: str
    user_id: str
    kind: str
    """`seen` or `undone`."""
    category: str | None = None
    up_to_at: datetime | None = None
    up_to_id: UUID | None = None
    marked_at: datetime | None = None
    undo_until: datetime | None = None
    expires_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "inbox_marks"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("tenant", ASCENDING), ("user_id", ASCENDING)], name="user"),
            IndexModel([("expires_at", ASCENDING)], name="purge", expireAfterSeconds=0),
        ]


class LeaseDocument(Document):
    """A duty that one process has at a time."""

    id: str  # type: ignore[assignment]  # see above
    owner: str
    until: datetime

    class Settings:
        """Collection."""

        name = "leases"


class HeartbeatDocument(Document):
    """What a process says of itself every few seconds: this is how health knows the others."""

    id: str  # type: ignore[assignment]  # see above
    role: str
    version: str
    started_at: datetime
    beat_at: datetime
    """By the server's clock."""
    lag_ms: float
    """How late the event loop is."""
    broker: bool | None
    """Whether it is connected to the broker; null where there is none."""
    channels: list[str]
    """The channels it works for."""
    outcomes: list[dict[str, Any]]
    """How the last attempts ended, by channel."""

    class Settings:
        """Collection and indexes."""

        name = "heartbeats"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("beat_at", ASCENDING)], name="purge", expireAfterSeconds=300)
        ]


DOCUMENTS: list[type[Document]] = [
    NotificationDocument,
    KeyDocument,
    UserDocument,
    InboxOperationDocument,
    InboxMarkDocument,
    LeaseDocument,
    HeartbeatDocument,
    DirtyHourDocument,
    RollupDocument,
    DayRollupDocument,
    ApiKeyDocument,
    AuditDocument,
    RateDocument,
]
