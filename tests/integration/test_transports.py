"""One conformance suite for both transports: what the relay and the worker may rely on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import aio_pika
import pytest

from hub.core.ports import DeadLetter
from hub.domain.ids import new_id
from hub.domain.notifications import Lane, Priority
from hub.pipeline.local import LocalTransport
from hub.pipeline.rabbit import RabbitTransport
from hub.pipeline.topology import DEAD_LETTERS, work_queue
from hub.pipeline.transport import Handed, Transport
from tests.waiting import until

LANE = Lane("email", Priority.HIGH)
OTHER = Lane("email", Priority.LOW)


@asynccontextmanager
async def connected(own_amqp_url: str) -> AsyncIterator[RabbitTransport]:
    transport = RabbitTransport(own_amqp_url, ["email"])
    running = asyncio.get_running_loop().create_task(transport.run())
    try:
        await until(lambda: transport.connected)
        yield transport
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def local() -> LocalTransport:
    return LocalTransport()


@pytest.fixture
async def rabbit_transport(own_amqp_url: str) -> AsyncIterator[RabbitTransport]:
    async with connected(own_amqp_url) as transport:
        await _purge(own_amqp_url)
        yield transport


@pytest.fixture(params=["local", "rabbit_transport"])
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.getfixturevalue(request.param)
    return chosen


async def _purge(own_amqp_url: str) -> None:
    async with await aio_pika.connect(own_amqp_url) as connection:
        channel = await connection.channel()
        for name in (work_queue(LANE).name, work_queue(OTHER).name, DEAD_LETTERS.name):
            await (await channel.get_queue(name)).purge()


async def take(messages: AsyncIterator[Handed]) -> Handed:
    async with asyncio.timeout(5):
        return await anext(messages)


async def test_ids_arrive_in_one_message_in_their_lane(transport: Transport) -> None:
    ids = tuple(new_id() for _ in range(3))
    async with transport.consume(LANE, 10) as messages, transport.consume(OTHER, 10) as others:
        assert await transport.publish(LANE, ids)
        handed = await take(messages)
        assert handed.ids == ids
        await handed.acknowledge()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(others)


async def test_what_was_not_acknowledged_comes_again(transport: Transport) -> None:
    ids = (new_id(),)
    async with transport.consume(LANE, 10) as messages:
        await transport.publish(LANE, ids)
        assert (await take(messages)).ids == ids
    async with transport.consume(LANE, 10) as messages:
        handed = await take(messages)
        assert handed.ids == ids
        await handed.acknowledge()
    await until(lambda: _is_empty(transport))


async def _is_empty(transport: Transport) -> bool:
    return await transport.depth(LANE) == 0


async def test_no_more_than_the_prefetch_is_handed_out(transport: Transport) -> None:
    async with transport.consume(LANE, 2) as messages:
        for _ in range(3):
            await transport.publish(LANE, (new_id(),))
        held = [await take(messages), await take(messages)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(messages)
        for handed in held:
            await handed.acknowledge()
    async with transport.consume(LANE, 2) as messages:
        await (await take(messages)).acknowledge()


async def test_a_full_lane_refuses_and_the_others_go_on(transport: Transport) -> None:
    refused = False
    for _ in range(200):
        accepted = await asyncio.gather(*(transport.publish(LANE, (new_id(),)) for _ in range(50)))
        if not all(accepted):
            refused = True
            break
    assert refused
    assert await transport.depth(LANE) >= 1000
    assert await transport.publish(OTHER, (new_id(),))


async def test_acknowledging_twice_is_harmless(transport: Transport) -> None:
    async with transport.consume(LANE, 1) as messages:
        await transport.publish(LANE, (new_id(),))
        handed = await take(messages)
        await handed.acknowledge()
        await handed.acknowledge()
        await transport.publish(LANE, (new_id(),))
        await (await take(messages)).acknowledge()


async def _raw_publish(own_amqp_url: str, body: bytes) -> None:
    async with await aio_pika.connect(own_amqp_url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(body), work_queue(LANE).name)


async def _dead_letter(own_amqp_url: str) -> aio_pika.abc.AbstractIncomingMessage:
    async with await aio_pika.connect(own_amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(DEAD_LETTERS.name)
        async with asyncio.timeout(5):
            while (message := await queue.get(no_ack=True, fail=False)) is None:
                await asyncio.sleep(0.05)
        return message


@pytest.mark.parametrize(
    "body", [b"\xff\x00", b"{}", b"[]", b'{"v":1,"ids":[1]}', b'{"v":1,"ids":["x"]}', b"[" * 100_000]
)
async def test_what_cannot_be_decoded_goes_to_the_dead_letters_and_harms_nothing(
    own_amqp_url: str, rabbit_transport: RabbitTransport, body: bytes
) -> None:
    async with rabbit_transport.consume(LANE, 1) as messages:
        await _raw_publish(own_amqp_url, body)
        dead = await _dead_letter(own_amqp_url)
        assert (dead.body, dead.headers["reason"]) == (body, "UNDECODABLE")
        await rabbit_transport.publish(LANE, (new_id(),))
        await (await take(messages)).acknowledge()


async def test_a_message_of_a_newer_version_is_left_to_the_sweep(
    own_amqp_url: str, rabbit_transport: RabbitTransport
) -> None:
    async with rabbit_transport.consume(LANE, 1) as messages:
        await _raw_publish(own_amqp_url, b'{"v":2,"something":"else"}')
        ids = (new_id(),)
        await rabbit_transport.publish(LANE, ids)
        handed = await take(messages)
        assert handed.ids == ids
        await handed.acknowledge()


async def test_what_is_given_up_is_copied_to_the_dead_letters(
    own_amqp_url: str, rabbit_transport: RabbitTransport
) -> None:
    letter = DeadLetter(UUID(int=7), "default", "REJECTED")
    rabbit_transport.bury(letter)
    dead = await _dead_letter(own_amqp_url)
    assert dead.headers["reason"] == "REJECTED"
    assert letter.notification_id.hex in dead.body.decode()
