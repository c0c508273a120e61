"""The broker stopped, wiped, or cut off while notifications are created: creates go on, and everything is delivered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from hub.domain.notifications import Notification
from hub.domain.status import Status
from tests.assembly import Assembly, ScriptedChannel, Timing, assembled
from tests.servers import RabbitServer
from tests.waiting import until

TIMING = Timing(requeue_after=timedelta(seconds=1), sweep_interval=timedelta(milliseconds=100))
PATIENCE = 40.0
"""The node takes six seconds to start, and connections are sought with growing pauses."""


@pytest.fixture(scope="module")
async def database(mongo_url: str, run_id: str) -> AsyncIterator[str]:
    name = f"hub_test_{run_id}_broker_away"
    yield name
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        await client.drop_database(name)


@pytest.fixture(scope="module")
async def node() -> AsyncIterator[RabbitServer]:
    """Of these tests alone: stopping it is nobody else's trouble."""
    async with RabbitServer() as server:
        yield server


@pytest.fixture
async def hub(mongo_url: str, database: str, node: RabbitServer) -> AsyncIterator[Assembly]:
    await node.start()
    channel = ScriptedChannel()
    async with assembled(mongo_url, database, channel, amqp_url=node.url, timing=TIMING) as made:
        await made.comes_to(await made.created(), Status.DELIVERED, PATIENCE)
        yield made


class Load:
    """Creates, a few hundred a second, and how long each took."""

    def __init__(self, hub: Assembly) -> None:
        self._hub = hub
        self._ended = False
        self.accepted: list[Notification] = []
        self.slowest = 0.0

    async def run(self) -> None:
        # Ends with the first create that fails, which fails the test.
        while not self._ended:
            started = time.monotonic()
            self.accepted += await asyncio.gather(*(self._hub.created(f"user{n}") for n in range(5)))
            self.slowest = max(self.slowest, time.monotonic() - started)
            await asyncio.sleep(0.02)

    def end(self) -> None:
        self._ended = True


@asynccontextmanager
async def load_on(hub: Assembly) -> AsyncIterator[Load]:
    load = Load(hub)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        await until(lambda: len(load.accepted) >= 20)
        yield load
        load.end()


async def all_delivered(hub: Assembly, load: Load) -> None:
    """Everything accepted, in the documents and at the provider."""

    async def settled() -> bool:
        ids = [n.id for n in load.accepted]
        return await hub.rows.count_documents({"_id": {"$in": ids}, "status": "delivered"}) == len(ids)

    await until(settled, PATIENCE)
    sent = {message.id for message in hub.channels["in_app"].sent}
    assert sent >= {n.id for n in load.accepted}
    # Nobody was told twice: what is lost in the broker was never begun, and what was begun is in the document.
    assert len(hub.channels["in_app"].sent) == len(sent)


async def grown(load: Load, by: int) -> None:
    wanted = len(load.accepted) + by
    await until(lambda: len(load.accepted) >= wanted)


async def test_stopped_for_a_while_nothing_fails_and_nothing_is_lost(hub: Assembly, node: RabbitServer) -> None:
    async with load_on(hub) as load:
        await node.stop()
        await until(lambda: not hub.transport.connected)
        # Away for five seconds of load, in which creates are as quick as ever.
        ends = time.monotonic() + 5
        await until(lambda: time.monotonic() > ends)
        await grown(load, 20)
        assert not hub.transport.connected
        await node.start()
        await until(lambda: hub.transport.connected, PATIENCE)
        await grown(load, 20)
    assert load.slowest < 2
    await all_delivered(hub, load)


async def test_wiped_with_work_in_its_queues_nothing_is_lost(hub: Assembly, node: RabbitServer) -> None:
    channel = hub.channels["in_app"]
    channel.gate.clear()
    async with load_on(hub) as load:
        # Some of it is being sent, some waits in the worker's hands, some in the queues.
        await grown(load, 300)
        await node.wipe()
        await until(lambda: not hub.transport.connected)
        channel.gate.set()
        await node.start()
        await until(lambda: hub.transport.connected, PATIENCE)
        await grown(load, 20)
    await all_delivered(hub, load)


async def test_connections_closed_by_force_come_back(hub: Assembly, node: RabbitServer) -> None:
    async with load_on(hub) as load:
        closing: Callable[[], Any] = lambda: node.ctl("close_all_connections", "by force")  # noqa: E731
        await closing()
        await grown(load, 50)
        await closing()
        await until(lambda: hub.transport.connected, PATIENCE)
        await grown(load, 20)
    await all_delivered(hub, load)
    # Both connections work again: at once, without the sweep's help.
    last = await hub.created()
    seen = await hub.comes_to(last, Status.DELIVERED, PATIENCE)
    assert seen.delivered_at is not None


async def test_frozen_it_holds_up_no_create(hub: Assembly, node: RabbitServer) -> None:
    """Connections stay open and nothing answers: confirms run into their timeout."""
    async with load_on(hub) as load:
        node.pause()
        try:
            ends = time.monotonic() + 2
            await until(lambda: time.monotonic() > ends)
            await grown(load, 20)
        finally:
            node.resume()
        await grown(load, 20)
    assert load.slowest < 2
    await all_delivered(hub, load)
