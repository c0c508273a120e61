"""taskiq over its aio-pika broker: quorum queues, confirms, acknowledged after the task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from taskiq import TaskiqEvents, TaskiqState
from taskiq_aio_pika import AioPikaBroker, Queue, QueueType

from tests.bench.peers.common import AMQP_URL, QUEUE, UNDER_WAY, app_of, store
from tests.bench.peers.common import deliver as deliver_it

broker = AioPikaBroker(AMQP_URL, qos=UNDER_WAY, task_queues=[Queue(name=QUEUE, type=QueueType.QUORUM)])
_open = AsyncExitStack()


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def started(_: TaskiqState) -> None:
    await _open.enter_async_context(store())


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stopped(_: TaskiqState) -> None:
    await _open.aclose()


@broker.task
async def deliver(notification_id: str) -> None:
    await deliver_it(notification_id)


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


app = app_of(deliver.kiq, opened)
