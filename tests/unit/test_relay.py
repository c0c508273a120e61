"""The hand-over from memory, lane by lane."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from hub.domain.notifications import Lane, Priority
from hub.pipeline.relay import Relay
from tests.waiting import until

LOW, HIGH = Lane("in_app", Priority.LOW), Lane("in_app", Priority.HIGH)


class Slow:
    """A transport that takes nothing of one lane before its gate is open."""

    def __init__(self, slow: Lane) -> None:
        self.gate = asyncio.Event()
        self.begun: list[Lane] = []
        self.published: defaultdict[Lane, list[UUID]] = defaultdict(list)
        self._slow = slow

    async def publish(self, lane: Lane, ids: Sequence[UUID]) -> bool:
        self.begun.append(lane)
        if lane == self._slow:
            await self.gate.wait()
        self.published[lane] += ids
        return True


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(relay.run())
        yield
        task.cancel()


async def test_a_lane_that_is_slow_holds_up_no_other():
    transport: Any = Slow(LOW)
    relay, ids = Relay(transport), [uuid4() for _ in range(4)]
    async with running(relay):
        relay.wake(LOW, ids[0])
        await until(lambda: LOW in transport.begun)
        relay.wake(LOW, ids[1])
        relay.wake(HIGH, ids[2])
        await until(lambda: transport.published[HIGH] == [ids[2]])
        relay.wake(HIGH, ids[3])
        await until(lambda: transport.published[HIGH] == ids[2:])
        assert transport.published[LOW] == []
        transport.gate.set()
        await relay.flush()
        assert transport.published[LOW] == ids[:2]


async def test_flush_waits_until_all_is_handed_over():
    transport: Any = Slow(LOW)
    relay = Relay(transport)
    async with running(relay):
        await relay.flush()
        for _ in range(120):
            relay.wake(LOW, uuid4())
        async with asyncio.TaskGroup() as group:
            flushed = group.create_task(relay.flush())
            await until(lambda: LOW in transport.begun)
            assert not flushed.done()
            transport.gate.set()
        assert len(transport.published[LOW]) == 120
