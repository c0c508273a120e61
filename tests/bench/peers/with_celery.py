"""Celery: a quorum queue, confirms, acknowledged late; a worker with threads, as all it does is wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio.to_thread import run_sync
from celery import Celery
from celery.signals import worker_init

from tests.bench.peers.common import AMQP_URL, QUEUE, app_of, blocking_delivery

tasks = Celery("peer", broker=AMQP_URL)
tasks.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_default_queue_type="quorum",
    task_default_exchange_type="topic",
    task_ignore_result=True,
    worker_detect_quorum_queues=True,
    worker_prefetch_multiplier=4,
)
_deliver: dict[str, Callable[[str], None]] = {}


@worker_init.connect
def started(**_: object) -> None:
    _deliver["now"] = blocking_delivery()


@tasks.task
def deliver(notification_id: str) -> None:
    _deliver["now"](notification_id)


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    yield


async def publish(notification_id: str) -> None:
    await run_sync(deliver.delay, notification_id)


app = app_of(publish, opened)
