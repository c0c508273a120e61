"""The documents of statistics: counts by the hour and by the day, and which hours have to be counted anew."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from beanie import Document
from pymongo import ASCENDING, IndexModel


class DirtyHourDocument(Document):
    """An hour of a tenant whose roll-ups no longer agree with its notifications; `_id` is `<tenant>/<hour>`."""

    id: str  # type: ignore[assignment]  # see above
    tenant: str
    hour: datetime
    marked_at: datetime

    class Settings:
        """Collection."""

        name = "dirty_hours"


class RollupDocument(Document):
    """Counts of one tenant's notifications created within an hour, of one type, category and status."""

    id: bytes  # type: ignore[assignment]  # a hash of what it is about
    tenant: str
    hour: datetime
    type: str
    category: str | None
    status: str
    total: int
    attempts: int
    latencies: dict[str, int]
    """Times to delivery: how many in each step of a logarithmic scale."""
    stamp: UUID
    """The computation that wrote it."""
    folded: bool | None = None
    """True while the roll-up of its day holds it as it is; counting the hour again writes it anew, without this."""

    class Settings:
        """Collection and indexes; kept beyond the notifications' own retention."""

        name = "rollups"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("tenant", ASCENDING), ("hour", ASCENDING)], name="hours"),
            IndexModel([("folded", ASCENDING), ("hour", ASCENDING), ("tenant", ASCENDING)], name="unfolded"),
        ]


class DayRollupDocument(Document):
    """The roll-ups of a day's hours, of one tenant, type, category and status, folded into one."""

    id: bytes  # type: ignore[assignment]  # a hash of what it is about
    tenant: str
    day: datetime
    type: str
    category: str | None
    status: str
    hours: list[int]
    """How many were created in each of its 24 hours."""
    attempts: int
    latencies: dict[str, int]
    """As those of the hours, added up."""
    stamp: UUID
    """The computation that wrote it."""

    class Settings:
        """Collection and indexes; kept as long as the hours'."""

        name = "day_rollups"
        indexes: ClassVar[list[IndexModel]] = [IndexModel([("tenant", ASCENDING), ("day", ASCENDING)], name="days")]
