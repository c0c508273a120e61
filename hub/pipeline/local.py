"""The in-process transport: bounded queues in memory, for a hub that runs as one process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from hub.core.ports import DeadLetter
from hub.domain.notifications import Lane
from hub.pipeline.topology import LANE_LIMIT
from hub.pipeline.transport import Handed

_Message = tuple[UUID, ...]


class LocalTransport:
    """Loses what it holds with the process, as a broker may: the sweep finds it again."""

    def __init__(self, lane_limit: int = LANE_LIMIT) -> None:
        self._queues: defaultdict[Lane, asyncio.Queue[_Message]] = defaultdict(
            lambda: asyncio.Queue(maxsize=lane_limit)
        )

    async def publish(self, lane: Lane, ids: Sequence[UUID]) -> bool:
        """Hands over ids in one message; False if the lane is full."""
        try:
            self._queues[lane].put_nowait(tuple(ids))
        except asyncio.QueueFull:
            return False
        return True

    async def depth(self, lane: Lane) -> int:
        """Messages that wait in a lane."""
        return self._queues[lane].qsize()

    @asynccontextmanager
    async def consume(self, lane: Lane, prefetch: int) -> AsyncIterator[AsyncIterator[Handed]]:
        """Messages of a lane; those not acknowledged when the context is left go back to the queue."""
        slots = asyncio.Semaphore(prefetch)
        held: dict[int, _Message] = {}
        yield self._messages(lane, slots, held)
        for message in held.values():
            await self.publish(lane, message)

    def bury(self, letter: DeadLetter) -> None:
        """There is no dead-letter queue without a broker: the document is all there is."""

    @property
    def connected(self) -> bool:
        """Always."""
        return True

    async def _messages(self, lane: Lane, slots: asyncio.Semaphore, held: dict[int, _Message]) -> AsyncIterator[Handed]:
        number = 0
        while True:
            await slots.acquire()
            message = await self._queues[lane].get()
            number += 1
            held[number] = message

            async def acknowledge(mine: int = number) -> None:
                if held.pop(mine, None) is not None:
                    slots.release()

            yield Handed(message, acknowledge)
