"""Messages on the broker that are none of ours, or refer to nothing: set aside with a reason, and nobody else is held up."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import aio_pika
import httpx2
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from hub.domain.notifications import Lane, Priority
from hub.live.rabbit import EXCHANGE
from hub.live.wire import routing_key
from hub.pipeline.topology import DEAD_LETTERS, work_queue
from tests.good_client import GoodClient
from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

EMAIL = work_queue(Lane("email", Priority.NORMAL)).name
GARBAGE = [
    b"",
    b"\xff\x00\xfe",
    b"hello",
    b"null",
    b"17",
    b'"text"',
    b"[]",
    b"{}",
    b'{"ids":[]}',
    b'{"v":1}',
    b'{"v":1,"ids":null}',
    b'{"v":1,"ids":"00000000000000000000000000000000"}',
    b'{"v":1,"ids":{"00000000000000000000000000000000":1}}',
    b'{"v":1,"ids":[1]}',
    b'{"v":1,"ids":["x"]}',
    b'{"v":1,"ids":["00000000000000000000000000000000",null]}',
    b'{"v":0,"ids":[]}',
    b'{"v":-1,"ids":[]}',
    b'{"v":true,"ids":[]}',
    b'{"v":"1","ids":[]}',
    b'{"v":1.0,"ids":[]}',
    b'{"v":1e999,"ids":[]}',
    b'{"v":' + b"9" * 5000 + b"}",
    b'{"v":1,"ids":[' + b"[" * 50_000 + b"]" * 50_000 + b"]}",
    b"[" * 100_000,
    b"x" * 1_000_000,
]
NEWER = [b'{"v":2,"ids":["00000000000000000000000000000000"]}', b'{"v":2}', b'{"v":3,"lots":[{"of":"news"}]}']
UNKNOWN = [UUID(int=0), UUID(int=17), UUID("01a20632-552b-7685-bad2-76a7f91b6fa6")]


class Nanoseconds(datetime):
    """A timestamp that somebody took in nanoseconds: the driver can't read the frame and drops the connection."""

    def timestamp(self) -> float:
        return 1.8e18


@pytest.fixture(scope="module")
async def hub(mongo_url: str, mongo_database: str, own_amqp_url: str) -> AsyncIterator[RunningHub]:
    async with running_hub(mongo_url, f"{mongo_database}_poison", own_amqp_url) as running:
        yield running


@pytest.fixture
async def channel(own_amqp_url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(own_amqp_url) as connection:
        yield await connection.channel()


async def put(channel: AbstractChannel, body: bytes, queue: str = EMAIL) -> None:
    await channel.default_exchange.publish(aio_pika.Message(body), queue)


async def dead_letters(channel: AbstractChannel, count: int) -> list[AbstractIncomingMessage]:
    """So many messages of the dead-letter queue, once they are there; it is empty then."""
    queue = await channel.get_queue(DEAD_LETTERS.name)
    found: list[AbstractIncomingMessage] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            message = await queue.get(no_ack=True, fail=False)
            if message is None:
                await asyncio.sleep(0.05)
            else:
                found.append(message)
    assert await queue.get(no_ack=True, fail=False) is None
    return found


async def waiting(channel: AbstractChannel, queue: str) -> int:
    declared = await channel.declare_queue(queue, passive=True)
    return declared.declaration_result.message_count or 0


@asynccontextmanager
async def unharmed(hub: RunningHub) -> AsyncIterator[GoodClient]:
    """All lanes deliver as if nothing had been, and no process stumbled."""
    async with GoodClient([hub.base_url], "user123") as client:
        yield client
        ids = [await client.create(kind) for kind in ("email", "sms", "in_app") for _ in range(5)]
        async with httpx2.AsyncClient(base_url=hub.base_url) as reader:

            async def delivered() -> bool:
                found = await asyncio.gather(*(reader.get(f"/api/v1/notifications/{one}") for one in ids))
                return {answer.json()["status"] for answer in found} <= {"sent", "delivered"}

            await until(delivered, 10)
        taken = Counter(message["notification_id"] for message in await hub.outbox())
        assert {taken[one] for one in client.record.accepted.values()} <= {0, 1}


async def test_what_can_not_be_decoded_is_set_aside_with_its_reason(hub: RunningHub, channel: AbstractChannel) -> None:
    async with unharmed(hub):
        # Together more than the worker takes at a time: a slot that one of them kept would be missed.
        bodies = [body for body in GARBAGE for _ in range(4)]
        for body in bodies:
            await put(channel, body)
        found = await dead_letters(channel, len(bodies))
        assert Counter(message.body for message in found) == Counter(bodies)
        assert {(message.headers["reason"], message.headers["queue"]) for message in found} == {("UNDECODABLE", EMAIL)}
    assert "Traceback" not in hub.processes["worker"].log_text()


async def test_what_refers_to_nothing_is_set_aside_with_its_reason(hub: RunningHub, channel: AbstractChannel) -> None:
    async with unharmed(hub) as client:
        real = UUID(await client.create("email"))
        await put(channel, json.dumps({"v": 1, "ids": [one.hex for one in [*UNKNOWN, real]]}).encode())
        found = await dead_letters(channel, len(UNKNOWN))
        assert {json.loads(message.body)["ids"][0] for message in found} == {one.hex for one in UNKNOWN}
        assert {message.headers["reason"] for message in found} == {"UNKNOWN_NOTIFICATION"}
    assert "Traceback" not in hub.processes["worker"].log_text()


async def test_a_newer_version_is_acknowledged_and_nothing_more(hub: RunningHub, channel: AbstractChannel) -> None:
    async with unharmed(hub):
        for body in NEWER:
            await put(channel, body)
        await until(lambda: emptied(channel))
        assert await dead_letters(channel, 0) == []


async def emptied(channel: AbstractChannel) -> bool:
    return await waiting(channel, EMAIL) == 0


async def test_a_message_that_breaks_connections_does_not_do_so_for_long(
    hub: RunningHub, channel: AbstractChannel
) -> None:
    async with unharmed(hub):
        message = aio_pika.Message(b"{}", timestamp=Nanoseconds.now(UTC))
        await channel.default_exchange.publish(message, EMAIL)
        # Not read here: whoever gets it loses the connection.
        await until(lambda: set_aside(channel), 20)
        await (await channel.get_queue(DEAD_LETTERS.name)).purge()


async def set_aside(channel: AbstractChannel) -> bool:
    return await waiting(channel, DEAD_LETTERS.name) == 1


async def test_garbage_among_the_hints_ends_no_stream(hub: RunningHub, channel: AbstractChannel) -> None:
    exchange = await channel.get_exchange(EXCHANGE, ensure=False)
    key = routing_key("default", "user123")
    async with (
        unharmed(hub) as client,
        httpx2.AsyncClient(base_url=hub.base_url, timeout=30) as reader,
        reader.stream("GET", "/api/v1/users/user123/inbox/stream") as response,
    ):
        lines = response.aiter_lines()
        async for line in lines:
            if line.startswith("event: heartbeat"):
                break
        for body in [*GARBAGE, *NEWER, b'{"v":1,"t":"default","u":"user123","n":["x"],"a":[[1e99,"",null]]}']:
            await exchange.publish(aio_pika.Message(body), key)
        created = await client.create("in_app")
        async with asyncio.timeout(10):
            async for line in lines:
                if created in line:
                    break
    assert "Traceback" not in hub.processes["api"].log_text()
