"""The use case of health: every process by its heartbeat, the store, the broker, each channel, the oldest work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hub import __version__
from hub.core import access
from hub.core.access import Operation
from hub.domain.errors import HubError
from hub.domain.health import ChannelHealth, ComponentHealth, Health, HealthReport, ProcessHealth
from hub.domain.principals import Principal
from hub.domain.times import now
from hub.store.heartbeats import Heartbeat, HeartbeatStore

ALIVE_WITHIN = timedelta(seconds=15)
LATE_AFTER = timedelta(seconds=60)
"""Work that has been due for so long makes the hub degraded."""
FAILING_AFTER = 5
"""So many failed attempts in a row, in a process, make its channel degraded."""


class HealthService:
    """Speaks of other processes by what they left in the store, and of providers by their last answers."""

    def __init__(self, store: HeartbeatStore, channels: Sequence[str], *, needs_broker: bool) -> None:
        self._store = store
        self._channels = sorted(channels)
        self._needs_broker = needs_broker

    async def report(self, principal: Principal | None) -> HealthReport:
        """The report; without a credential that may read, the overall word alone."""
        full = await self._full()
        if principal is None or not access.allows(access.RULES[Operation.HEALTH], principal):
            return HealthReport(full.status)
        return full

    async def _full(self) -> HealthReport:
        try:
            alive = await self._store.alive(ALIVE_WITHIN)
            oldest = await self._store.oldest_due()
        except HubError as error:
            store = ComponentHealth("store", Health.DOWN, f"It does not answer: {error.reason}.")
            return HealthReport(Health.DOWN, __version__, components=(store,))
        age = None if oldest is None else max(0.0, (now() - oldest).total_seconds())
        components = (ComponentHealth("store", Health.OK, "A primary answers."), self._broker(alive))
        channels = tuple(_channel(name, alive) for name in self._channels)
        late = age is not None and age > LATE_AFTER.total_seconds()
        no_sweep = not any(beat.role in ("all", "relay") for beat in alive)
        words = [part.status for part in components] + [part.status for part in channels]
        well = set(words) <= {Health.OK} and not late and not no_sweep
        return HealthReport(
            status=Health.OK if well else Health.DEGRADED,
            version=__version__,
            processes=tuple(_process(beat) for beat in alive),
            components=components,
            channels=channels,
            oldest_due_seconds=None if age is None else round(age, 3),
        )

    def _broker(self, alive: Sequence[Heartbeat]) -> ComponentHealth:
        if not self._needs_broker:
            return ComponentHealth("broker", Health.OK, "None: work is handed over inside the process.")
        away = sum(beat.broker is False for beat in alive)
        if away or not alive:
            return ComponentHealth("broker", Health.DEGRADED, f"{away} of {len(alive)} processes have no connection.")
        return ComponentHealth("broker", Health.OK, f"{len(alive)} processes are connected.")


def _process(beat: Heartbeat) -> ProcessHealth:
    return ProcessHealth(
        id=beat.id,
        role=beat.role,
        version=beat.version,
        started_at=beat.started_at,
        beat_at=beat.beat_at or beat.started_at,
        lag_ms=beat.lag_ms,
    )


def _channel(name: str, alive: Sequence[Heartbeat]) -> ChannelHealth:
    workers = sum(name in beat.channels for beat in alive)
    outcomes = [outcome for beat in alive for outcome in beat.outcomes if outcome.type == name]
    last = max(outcomes, key=lambda outcome: outcome.at, default=None)
    failing = any(outcome.failures >= FAILING_AFTER for outcome in outcomes)
    return ChannelHealth(
        type=name,
        status=Health.OK if workers and not failing else Health.DEGRADED,
        workers=workers,
        last_outcome=None if last is None else last.outcome,
        last_attempt_at=None if last is None else last.at,
    )
