"""FastStream over RabbitMQ: a quorum queue, confirms, acknowledged after the handler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from faststream import FastStream
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue

from tests.bench.peers.common import AMQP_URL, QUEUE, UNDER_WAY, app_of, deliver, store

broker = RabbitBroker(AMQP_URL, default_channel=Channel(prefetch_count=UNDER_WAY), logger=None)
queue = RabbitQueue(QUEUE, durable=True, queue_type=QueueType.QUORUM)


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    async with store():
        yield


worker = FastStream(broker, lifespan=lifespan)


@broker.subscriber(queue)
async def received(notification_id: str) -> None:
    await deliver(notification_id)


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    # Connected only: the API is no consumer.
    await broker.connect()
    await broker.declare_queue(queue)
    yield
    await broker.stop()


async def publish(notification_id: str) -> None:
    await broker.publish(notification_id, queue, persist=True)


app = app_of(publish, opened)
