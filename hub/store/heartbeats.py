"""Heartbeats: what each process says of itself, and the age of the oldest work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub.store.client import Row, Rows, translated
from hub.store.documents import HeartbeatDocument
from hub.store.outbox import OutboxStore
from hub.store.updates import NOW, after, literal


@dataclass(frozen=True, slots=True)
class ChannelOutcome:
    """How the last attempts of a channel ended in one process."""

    type: str
    outcome: str
    at: datetime
    failures: int
    """Attempts in a row that the provider did not take for a passing or unknown reason."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a process says of itself."""

    id: str
    role: str
    version: str
    started_at: datetime
    lag_ms: float
    broker: bool | None
    channels: tuple[str, ...]
    outcomes: tuple[ChannelOutcome, ...]
    beat_at: datetime | None = None
    """By the store's clock; None in one that is yet to be written."""


class HeartbeatStore:
    """Writes and reads heartbeats."""

    def __init__(self, outbox: OutboxStore) -> None:
        self._rows: Rows = HeartbeatDocument.get_pymongo_collection()
        self._outbox = outbox

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Writes a heartbeat over the one before."""
        outcomes = [
            {"type": o.type, "outcome": o.outcome, "at": o.at, "failures": o.failures} for o in heartbeat.outcomes
        ]
        fields: Row = {
            "role": literal(heartbeat.role),
            "version": literal(heartbeat.version),
            "started_at": heartbeat.started_at,
            "beat_at": NOW,
            "lag_ms": heartbeat.lag_ms,
            "broker": heartbeat.broker,
            "channels": literal(list(heartbeat.channels)),
            "outcomes": literal(outcomes),
        }
        with translated():
            await self._rows.update_one({"_id": heartbeat.id}, [{"$set": fields}], upsert=True)

    async def leave(self, process_id: str) -> None:
        """Takes the heartbeat of a process that stops in order away."""
        with translated():
            await self._rows.delete_one({"_id": process_id})

    async def alive(self, within: timedelta) -> list[Heartbeat]:
        """Processes that have been heard of lately, by the store's clock."""
        query: Row = {"$expr": {"$gte": ["$beat_at", after(-within)]}}
        with translated():
            return [_to_heartbeat(row) async for row in self._rows.find(query).sort("_id", 1)]

    async def oldest_due(self) -> datetime | None:
        """Since when the oldest work has been waiting for a worker."""
        return min((await self._outbox.waiting_since()).values(), default=None)


def _to_heartbeat(row: Row) -> Heartbeat:
    return Heartbeat(
        id=row["_id"],
        role=row["role"],
        version=row["version"],
        started_at=row["started_at"].astimezone(UTC),
        lag_ms=row["lag_ms"],
        broker=row["broker"],
        channels=tuple(row["channels"]),
        outcomes=tuple(ChannelOutcome(o["type"], o["outcome"], o["at"], o["failures"]) for o in row["outcomes"]),
        beat_at=row["beat_at"].astimezone(UTC),
    )
