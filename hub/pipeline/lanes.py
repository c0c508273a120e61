"""How full and how late each lane is, for metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from hub.broker.connection import BrokerAwayError
from hub.domain.errors import HubError
from hub.domain.times import now
from hub.pipeline.topology import lanes
from hub.pipeline.transport import Transport
from hub.store.outbox import OutboxStore

INTERVAL = 10.0

Update = Callable[[Mapping[str, float]], None]


class LaneGauges:
    """Looks at every lane from time to time."""

    def __init__(
        self, outbox: OutboxStore, transport: Transport, channels: Iterable[str], depth: Update, age: Update
    ) -> None:
        self._outbox = outbox
        self._transport = transport
        self._lanes = lanes(channels)
        self._depth = depth
        self._age = age

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(INTERVAL)

    async def _look(self) -> None:
        try:
            self._depth({str(lane): await self._transport.depth(lane) for lane in self._lanes})
        except BrokerAwayError:
            self._depth({})
        try:
            self._age(await self._ages())
        except HubError:
            self._age({})

    async def _ages(self) -> dict[str, float]:
        waiting = await self._outbox.waiting_since()
        ages = {lane: max(0.0, (now() - since).total_seconds()) for lane, since in waiting.items()}
        return {str(lane): 0.0 for lane in self._lanes} | ages
