"""FastAPI, Beanie and aio-pika, with nothing between them. `python -m tests.bench.peers.plain` is the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel

from tests.bench.peers.common import AMQP_URL, QUEUE, UNDER_WAY, app_of, deliver, store

_ARGUMENTS = {"x-queue-type": "quorum"}
_channels: list[AbstractRobustChannel] = []


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    connection = await aio_pika.connect_robust(AMQP_URL)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(QUEUE, durable=True, arguments=dict(_ARGUMENTS))
        _channels.append(channel)
        yield


async def publish(notification_id: str) -> None:
    message = aio_pika.Message(notification_id.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await _channels[0].default_exchange.publish(message, QUEUE)


app = app_of(publish, opened)


async def received(message: AbstractIncomingMessage) -> None:
    async with message.process(requeue=True):
        await deliver(message.body.decode())


async def work() -> None:
    connection = await aio_pika.connect_robust(AMQP_URL)
    async with store(), connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=UNDER_WAY)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments=dict(_ARGUMENTS))
        await queue.consume(received)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(work())
