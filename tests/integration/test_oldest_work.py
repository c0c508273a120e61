"""Since when the oldest work has been waiting, whoever holds it: what health and metrics say of a backlog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from hub.domain.times import now
from hub.store.heartbeats import HeartbeatStore
from tests.assembly import TEMPORARY, Assembly, ScriptedChannel, Timing, assembled
from tests.waiting import until

TIMING = Timing(handover_grace=timedelta(milliseconds=500), requeue_after=timedelta(milliseconds=500))
HOUR = timedelta(hours=1)


@pytest.fixture
async def database(mongo_url: str, run_id: str) -> AsyncIterator[str]:
    name = f"hub_test_{run_id}_oldest"
    yield name
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        await client.drop_database(name)


@pytest.fixture
async def hub(mongo_url: str, database: str) -> AsyncIterator[Assembly]:
    """No worker: what is handed over waits."""
    channel = ScriptedChannel(longest_delay=HOUR, give_up_after=24 * HOUR)
    async with assembled(mongo_url, database, channel, timing=TIMING, running="relay sweep") as made:
        yield made


async def test_what_was_handed_over_and_not_taken_is_waiting_all_the_same(hub: Assembly) -> None:
    store = HeartbeatStore(hub.outbox)
    assert await store.oldest_due() is None
    first = await hub.created()
    second = await hub.created(metadata={"priority": "high"})
    # Over several rounds of being published again, each of which sets its due time ahead.
    ends = time.monotonic() + 2
    while time.monotonic() < ends:
        assert await store.oldest_due() == first.created_at
        since = {"in_app.normal": first.created_at, "in_app.high": second.created_at}
        assert await hub.outbox.waiting_since() == since
        await asyncio.sleep(0.05)
    hub.run(hub.worker)
    await until(lambda: nothing_waits(store))


async def test_what_waits_for_its_time_or_is_being_sent_is_not_waiting_for_a_worker(hub: Assembly) -> None:
    store, channel = HeartbeatStore(hub.outbox), hub.channels["in_app"]
    await hub.created(scheduled_at=now() + timedelta(seconds=1))
    channel.script.append(TEMPORARY)
    await hub.delivery.deliver((await hub.created()).id)
    channel.gate.clear()
    sending = hub.group.create_task(hub.delivery.deliver((await hub.created()).id))
    await until(lambda: len(channel.begun) == 2)
    assert await store.oldest_due() is None
    channel.gate.set()
    await sending


async def nothing_waits(store: HeartbeatStore) -> bool:
    return await store.oldest_due() is None
