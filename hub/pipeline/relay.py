"""The hand-over from memory: the process that inserted publishes the ids at once, no query, no write."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from uuid import UUID

from hub.broker.connection import BrokerAwayError
from hub.domain.notifications import Lane
from hub.log import get_logger
from hub.pipeline.transport import Transport

log = get_logger(__name__)

IDS_PER_MESSAGE = 50
APART_SECONDS = 0.005
"""From one hand-over of a lane to the next at least; a lone one leaves at once."""
REMEMBERED = 5_000
"""Ids a lane holds in memory at most; what comes beyond that is the sweep's."""


class Relay:
    """Wakes workers for what is due now. Whatever it drops, the sweep finds in the store."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._waiting: defaultdict[Lane, list[UUID]] = defaultdict(list)
        self._busy: set[Lane] = set()
        self._awake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def wake(self, lane: Lane, notification_id: UUID) -> None:
        """Takes note of work; never blocks and never raises."""
        ids = self._waiting[lane]
        if len(ids) < REMEMBERED:
            ids.append(notification_id)
            self._idle.clear()
            self._awake.set()

    async def run(self) -> None:
        """Publishes what was woken until cancelled. Each lane goes its own pace: a full one holds up no other."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._awake.wait()
                self._awake.clear()
                for lane in self._waiting.keys() - self._busy:
                    self._busy.add(lane)
                    group.create_task(self._hand_over(lane))

    async def flush(self) -> None:
        """Waits until everything woken so far was handed over or dropped."""
        await self._idle.wait()

    async def _hand_over(self, lane: Lane) -> None:
        """Until nothing of the lane waits. What gathers during one round trip leaves in the next."""
        while ids := self._waiting.pop(lane, None):
            apart = asyncio.get_running_loop().time() + APART_SECONDS
            await self._publish(lane, ids)
            # What comes in meanwhile is one message for the broker, and one batch for the worker.
            await asyncio.sleep(max(0.0, apart - asyncio.get_running_loop().time()))
        self._busy.discard(lane)
        if not self._busy and not self._waiting:
            self._idle.set()

    async def _publish(self, lane: Lane, ids: list[UUID]) -> None:
        try:
            for start in range(0, len(ids), IDS_PER_MESSAGE):
                if not await self._transport.publish(lane, ids[start : start + IDS_PER_MESSAGE]):
                    log.debug("lane_full", lane=str(lane))
                    return
        except BrokerAwayError:
            log.debug("handover_missed", lane=str(lane), count=len(ids))
