"""Dramatiq over RabbitMQ: a durable queue (it knows no quorum queues), confirms; a worker with threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import dramatiq
from anyio.to_thread import run_sync
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from tests.bench.peers.common import AMQP_URL, QUEUE, app_of, blocking_delivery

dramatiq.set_broker(RabbitmqBroker(url=AMQP_URL, confirm_delivery=True))
_delivery = cache(blocking_delivery)


@dramatiq.actor(queue_name=QUEUE)
def deliver(notification_id: str) -> None:
    _delivery()(notification_id)


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    yield


async def publish(notification_id: str) -> None:
    await run_sync(deliver.send, notification_id)


app = app_of(publish, opened)
