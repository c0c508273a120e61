"""The primary steps down, dies and freezes under load: clients wait a little, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.read_concern import ReadConcern

from tests.good_client import GoodClient
from tests.hub_process import RunningHub, running_hub
from tests.replica_set import ReplicaSet
from tests.waiting import until

DATABASE = "hub_failover"
MOST_OUTAGE_SECONDS = 10.0
DEADLINE_SECONDS = 15.0
"""The hub's own, of every request."""
SETTINGS = {"HUB_PIPELINE__LEASE": "55"}
"""Longer than the test waits: what is left to a lease that runs out fails it."""

Fault = Callable[[ReplicaSet], Awaitable[int]]


async def step_down(replica_set: ReplicaSet) -> int:
    return await replica_set.step_down()


async def kill(replica_set: ReplicaSet) -> int:
    number = await replica_set.primary()
    await replica_set.members[number].kill()
    return number


async def freeze(replica_set: ReplicaSet) -> int:
    number = await replica_set.primary()
    replica_set.members[number].pause()
    return number


async def heal(replica_set: ReplicaSet, number: int) -> None:
    member = replica_set.members[number]
    await member.start()
    member.resume()
    await replica_set.healthy()


async def test_clients_wait_a_little_and_nothing_is_lost_or_doubled(own_amqp_url: str) -> None:
    async with (
        ReplicaSet() as replica_set,
        running_hub(replica_set.url, DATABASE, own_amqp_url, more=SETTINGS) as hub,
        GoodClient([hub.base_url], "user123") as client,
    ):
        record = client.record
        async with client.load(streams=4, pause=0.05):
            for fault in (step_down, kill, freeze):
                await accepted_more(client, 20)
                number = await fault(replica_set)
                await until(partial(moved_on, replica_set, number), 30)
                await accepted_more(client, 5)
                await heal(replica_set, number)
        assert record.longest_outage < MOST_OUTAGE_SECONDS, record
        assert record.longest_refusal < MOST_OUTAGE_SECONDS, record
        assert record.slowest < DEADLINE_SECONDS + 1, record
        await until(lambda: all_done(replica_set), 30)
        # Every try had its key: what was accepted is there, and nothing else.
        stored = {str(row["_id"]): row for row in await rows(replica_set)}
        assert set(stored) == set(record.accepted.values())
        assert await sent_without_reason_twice(hub, stored) == []
        assert "Traceback" not in "".join(process.log_text() for process in hub.processes.values())


async def accepted_more(client: GoodClient, by: int) -> None:
    wanted = len(client.record.accepted) + by
    await until(lambda: len(client.record.accepted) >= wanted, 60)


async def moved_on(replica_set: ReplicaSet, former: int) -> bool:
    return await replica_set.primary() != former


async def rows(replica_set: ReplicaSet) -> list[dict[str, Any]]:
    async with AsyncMongoClient[dict[str, Any]](replica_set.url, uuidRepresentation="standard") as client:
        found = client[DATABASE].get_collection("notifications", read_concern=ReadConcern("majority"))
        return [row async for row in found.find()]


async def all_done(replica_set: ReplicaSet) -> bool:
    await asyncio.sleep(0.2)
    return {row["status"] for row in await rows(replica_set)} <= {"sent", "delivered"}


async def sent_without_reason_twice(hub: RunningHub, stored: dict[str, dict[str, Any]]) -> list[str]:
    """Mails and texts that the sinks took more often than there are attempts on record."""
    taken = Counter(str(message["notification_id"]) for message in await hub.outbox())
    return [one for one, times in taken.items() if times > len(stored[one]["attempts"])]
