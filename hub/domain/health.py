"""Health: what each component says, and the word for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Health(StrEnum):
    """How well something does."""

    OK = "ok"
    DEGRADED = "degraded"
    """Creates are accepted; something is late or stands still."""
    DOWN = "down"
    """The store does not answer: nothing is accepted."""


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """One process by its last heartbeat."""

    id: str
    role: str
    version: str
    started_at: datetime
    beat_at: datetime
    lag_ms: float
    """How late its event loop is, in milliseconds."""


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """The store or the broker."""

    name: str
    status: Health
    detail: str


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """One channel: how many workers serve it, and how its last attempts ended. Never a probe."""

    type: str
    status: Health
    workers: int
    last_outcome: str | None
    last_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The overall word; the rest is for callers with a credential, and empty for others."""

    status: Health
    version: str | None = None
    processes: tuple[ProcessHealth, ...] = ()
    components: tuple[ComponentHealth, ...] = ()
    channels: tuple[ChannelHealth, ...] = ()
    oldest_due_seconds: float | None = None
    """How long the oldest unsettled notification has been due; null if none is."""
