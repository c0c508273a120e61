"""The documents of access: API keys, the audit trail, and what rate limits have given away."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from beanie import Document
from pymongo import ASCENDING, DESCENDING, IndexModel


class ApiKeyDocument(Document):
    """A key of a caller; `_id` is the id in the key's own text. Kept for a while when it has ended."""

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours is part of the key
    tenant: str
    name: str
    hash: str
    """SHA-256 of the whole key, hex."""
    scopes: list[str]
    environment: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """To the minute; written without touching `updated_at`."""
    updated_at: datetime
    """Set by the server's clock: processes look for what changed since they looked last."""
    purge_at: datetime | None = None
    """90 days after its end."""

    class Settings:
        """Collection and indexes."""

        name = "api_keys"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("tenant", ASCENDING), ("created_at", DESCENDING)], name="tenant_list"),
            IndexModel([("updated_at", ASCENDING)], name="changes"),
            IndexModel([("purge_at", ASCENDING)], name="purge", expireAfterSeconds=0),
        ]


class AuditDocument(Document):
    """A deed on record; `_id` is a UUIDv7, so that newest first is the order of ids."""

    id: UUID  # type: ignore[assignment]  # see above
    tenant: str
    at: datetime
    actor: str
    action: str
    subject: str | None
    correlation_id: str
    result: dict[str, int] | None
    purge_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "audit"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("tenant", ASCENDING), ("_id", DESCENDING)], name="tenant_list"),
            IndexModel([("tenant", ASCENDING), ("subject", ASCENDING)], name="subject"),
            IndexModel([("purge_at", ASCENDING)], name="purge", expireAfterSeconds=0),
        ]


class RateDocument(Document):
    """What processes have leased of one subject's allowance in the present window; `_id` is a hash of limit and subject."""

    id: bytes  # type: ignore[assignment]  # see above
    tenant: str
    window: datetime
    """When it began, by the server's clock."""
    at: datetime
    """The server's clock when it was asked last."""
    taken: int
    """By all together."""
    accounts: dict[str, int]
    """By each process."""
    leased: int
    """By the one that asked last."""
    purge_at: datetime
    """The window's end."""

    class Settings:
        """Collection and indexes."""

        name = "rates"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("purge_at", ASCENDING)], name="purge", expireAfterSeconds=0)
        ]
