"""A rolling upgrade: the present processes beside stand-ins of an older and of a newer version, on one store and one broker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import aio_pika
import httpx2
import pytest
from aio_pika.abc import AbstractChannel
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from hub.domain.ids import new_id
from hub.domain.times import now
from tests.formats import recorded
from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

Row = dict[str, Any]

MESSAGES = recorded.text("v1", "messages")
LATER = timedelta(minutes=10)
"""Longer than the test: the sweep comes too late for what a message has to bring."""
NEW_QUEUE = "hub.work.email.high.v2"


@pytest.fixture(scope="module")
async def hub(mongo_url: str, mongo_database: str, own_amqp_url: str) -> AsyncIterator[RunningHub]:
    async with running_hub(mongo_url, f"{mongo_database}_versions", own_amqp_url) as running:
        yield running


@pytest.fixture
async def database(mongo_url: str, mongo_database: str) -> AsyncIterator[AsyncDatabase[Row]]:
    async with AsyncMongoClient[Row](mongo_url, uuidRepresentation="standard", tz_aware=True) as client:
        yield client[f"{mongo_database}_versions"]


@pytest.fixture
async def channel(own_amqp_url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(own_amqp_url) as connection:
        yield await connection.channel()


def examples(count: int, due_in: timedelta, **more: Any) -> list[Row]:
    """Accepted just now by a process of the recorded version."""
    template = recorded.documents("v1", at=now())["notifications"]["pending"]
    fresh = {"next_attempt_at": now(), "due": now() + due_in}
    return [template | {"_id": new_id()} | fresh | more for _ in range(count)]


async def put(channel: AbstractChannel, queue: str, body: Row) -> None:
    await channel.default_exchange.publish(aio_pika.Message(json.dumps(body).encode()), queue)


async def sent(database: AsyncDatabase[Row], rows: list[Row]) -> bool:
    query = {"_id": {"$in": [row["_id"] for row in rows]}, "status": "sent", "attempt_count": 1}
    return await database["notifications"].count_documents(query) == len(rows)


async def depth(channel: AbstractChannel, queue: str) -> int:
    return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0


async def taken(hub: RunningHub) -> Counter[UUID]:
    return Counter(UUID(str(mail["notification_id"])) for mail in await hub.outbox())


async def test_what_an_older_version_hands_over_is_delivered_at_once(
    hub: RunningHub, database: AsyncDatabase[Row], channel: AbstractChannel
) -> None:
    work = MESSAGES["work"]
    rows = examples(30, due_in=LATER)
    await database["notifications"].insert_many(rows)
    for row in rows:
        # As it was written then, but for the id.
        text = work["body"].replace(UUID(work["ids"][0]).hex, row["_id"].hex)
        await channel.default_exchange.publish(aio_pika.Message(text.encode()), work["queue"])
    await until(lambda: sent(database, rows))
    found = await taken(hub)
    assert [found[row["_id"]] for row in rows] == [1] * len(rows)


async def test_what_a_newer_version_hands_over_is_left_to_the_sweep(
    hub: RunningHub, database: AsyncDatabase[Row], channel: AbstractChannel
) -> None:
    queue = MESSAGES["work"]["queue"]
    rows = examples(30, due_in=timedelta(seconds=2), colour={"name": "red"})
    await database["notifications"].insert_many(rows)
    await channel.declare_queue(NEW_QUEUE, durable=True)
    for row in rows:
        await put(channel, queue, {"v": 2, "ids": [{"id": row["_id"].hex, "shard": 7}]})
        await put(channel, NEW_QUEUE, {"v": 2, "ids": [{"id": row["_id"].hex}]})
    await until(lambda: emptied(channel, queue))
    assert await depth(channel, MESSAGES["queues"][0]["name"]) == 0, "nothing of it is a dead letter"
    await until(lambda: sent(database, rows))
    found = await taken(hub)
    assert [found[row["_id"]] for row in rows] == [1] * len(rows)
    kept = await database["notifications"].find({"_id": {"$in": [row["_id"] for row in rows]}}).to_list()
    assert [row["colour"] for row in kept] == [{"name": "red"}] * len(rows)
    # Its own queues are its own.
    assert await depth(channel, NEW_QUEUE) == len(rows)


async def emptied(channel: AbstractChannel, queue: str) -> bool:
    return await depth(channel, queue) == 0


async def test_streams_hear_of_what_an_older_version_changed(
    hub: RunningHub, database: AsyncDatabase[Row], channel: AbstractChannel
) -> None:
    hint = MESSAGES["hint"]
    exchange = await channel.get_exchange(hint["exchange"], ensure=False)
    row = recorded.documents("v1", at=now())["notifications"]["delivered"] | {"_id": new_id()}
    async with (
        httpx2.AsyncClient(base_url=hub.base_url, timeout=30) as client,
        client.stream("GET", f"/api/v1/users/{hint['user_id']}/inbox/stream") as response,
    ):
        lines = response.aiter_lines()
        await anext(line async for line in lines if line.startswith("event: heartbeat"))
        await database["notifications"].insert_one(row)
        newer = json.dumps({"v": 2, "user": hint["user_id"], "ids": ["all new"]}).encode()
        older = hint["body"].replace(UUID(hint["notification_id"]).hex, row["_id"].hex)
        for body in (newer, older.encode()):
            await exchange.publish(aio_pika.Message(body), hint["routing_key"])
        await until_said(lines, str(row["_id"]))


async def until_said(lines: AsyncIterator[str], text: str) -> None:
    async for line in lines:
        if text in line:
            return
    raise AssertionError(f"the stream ended without {text}")


async def test_health_counts_processes_of_every_version(hub: RunningHub, database: AsyncDatabase[Row]) -> None:
    older = recorded.documents("v1", at=now())["heartbeats"]["example_0"] | {"_id": "older"}
    newer = older | {"_id": "newer", "role": "scheduler", "version": "9.0.0", "beat_at": now(), "colour": "red"}
    await database["heartbeats"].insert_many([older, newer])
    async with httpx2.AsyncClient(base_url=hub.base_url) as client:
        report = (await client.get("/api/v1/health")).json()
    versions = {process["id"]: process["version"] for process in report["processes"]}
    assert len(versions) == 5
    assert (versions["older"], versions["newer"]) == ("0.1.0", "9.0.0")
    await database["heartbeats"].delete_many({"_id": {"$in": ["older", "newer"]}})
