"""The RabbitMQ transport: quorum queues, publisher confirms, two connections, each brought back when it is lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import DeliveryError

from hub.broker.connection import ANSWER_SECONDS, BrokerAwayError, keep_connected, translated
from hub.core.ports import DeadLetter
from hub.domain.notifications import Lane
from hub.log import get_logger
from hub.pipeline import wire
from hub.pipeline.topology import DEAD_LETTERS, LANE_LIMIT, Queue, queues, work_queue
from hub.pipeline.transport import Handed

log = get_logger(__name__)

UNDECODABLE = "UNDECODABLE"
"""The reason of a dead letter that was no message of ours."""
CONFIRMS_IN_FLIGHT = 200
_BURIED = 1000


@dataclass(eq=False)
class _Consumer:
    """A lane being consumed, over as many connections as it takes."""

    lane: Lane
    prefetch: int
    messages: asyncio.Queue[Handed] = field(default_factory=asyncio.Queue)
    """Never holds more than `prefetch` of each connection it lived through."""
    channel: AbstractChannel | None = None


class RabbitTransport:
    """`run` keeps both connections; everything else works with what is there, or raises BrokerAwayError."""

    def __init__(self, url: str, channels: Iterable[str]) -> None:
        self._url = url
        self._queues = queues(channels)
        self._publishing: AbstractChannel | None = None
        self._consuming: tuple[AbstractConnection, asyncio.Event] | None = None
        self._consumers: set[_Consumer] = set()
        self._confirms = asyncio.Semaphore(CONFIRMS_IN_FLIGHT)
        self._buried: deque[DeadLetter] = deque(maxlen=_BURIED)
        self._to_bury = asyncio.Event()

    async def run(self) -> None:
        """Keeps the connections until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_connected(self._url, "publish", self._publish_session, self._publish_away))
            group.create_task(keep_connected(self._url, "consume", self._consume_session, self._consume_away))
            group.create_task(self._bury_all())

    @property
    def connected(self) -> bool:
        """Whether work can be handed over now."""
        return self._publishing is not None

    async def publish(self, lane: Lane, ids: Sequence[UUID]) -> bool:
        """Publishes with confirm; False where the queue is full and the broker refused."""
        return await self._publish(work_queue(lane).name, wire.encode(ids), {})

    async def depth(self, lane: Lane) -> int:
        """Messages ready in a lane's queue."""
        channel = self._channel()
        if work_queue(lane) not in self._queues:
            # Another version's: asking for a queue that may not exist would cost the channel. No room, then.
            return LANE_LIMIT
        with translated():
            async with asyncio.timeout(ANSWER_SECONDS):
                queue = await channel.declare_queue(work_queue(lane).name, passive=True)
        return queue.declaration_result.message_count or 0

    @asynccontextmanager
    async def consume(self, lane: Lane, prefetch: int) -> AsyncIterator[AsyncIterator[Handed]]:
        """Messages of a lane; closing its channel gives back what was not acknowledged."""
        consumer = _Consumer(lane, prefetch)
        self._consumers.add(consumer)
        try:
            if self._consuming is not None:
                with suppress(BrokerAwayError):
                    await self._start(*self._consuming, consumer)
            yield _drained(consumer.messages)
        finally:
            self._consumers.discard(consumer)
            await _close(consumer.channel)

    def bury(self, letter: DeadLetter) -> None:
        """Queues a copy for the dead-letter queue; the oldest copies give way if the broker is away for long."""
        self._buried.append(letter)
        self._to_bury.set()

    async def _publish(self, queue: str, body: bytes, headers: dict[str, str]) -> bool:
        channel = self._channel()
        message = aio_pika.Message(
            body,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers=dict(headers),
        )
        async with self._confirms:
            with translated():
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await channel.default_exchange.publish(message, queue, mandatory=True)
                except DeliveryError as error:
                    # Nacked: full. Returned: the queue is gone, and the next connection declares it anew.
                    log.debug("publish_refused", queue=queue, error=type(error).__name__)
                    return False
        return True

    def _channel(self) -> AbstractChannel:
        if self._publishing is None:
            raise BrokerAwayError
        return self._publishing

    async def _publish_session(self, connection: AbstractConnection, lost: asyncio.Event) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        for queue in self._queues:
            await _declare(channel, queue)
        # A channel that dies alone would leave the connection useless: both go together.
        channel.close_callbacks.add(lambda *_: lost.set())
        self._publishing = channel
        self._to_bury.set()
        log.info("broker_connected", purpose="publish")
        await lost.wait()

    def _publish_away(self) -> None:
        self._publishing = None

    async def _consume_session(self, connection: AbstractConnection, lost: asyncio.Event) -> None:
        channel = await connection.channel()
        for queue in self._queues:
            await _declare(channel, queue)
        await channel.close()
        self._consuming = connection, lost
        for consumer in list(self._consumers):
            await self._start(connection, lost, consumer)
        log.info("broker_connected", purpose="consume")
        await lost.wait()

    def _consume_away(self) -> None:
        self._consuming = None

    async def _start(self, connection: AbstractConnection, lost: asyncio.Event, consumer: _Consumer) -> None:
        with translated():
            async with asyncio.timeout(ANSWER_SECONDS):
                channel = await connection.channel(publisher_confirms=False)
                consumer.channel = channel
                await channel.set_qos(prefetch_count=consumer.prefetch)
                queue = await channel.get_queue(work_queue(consumer.lane).name, ensure=False)
                await queue.consume(partial(self._received, consumer))

        def ended(*_: object) -> None:
            # A channel that died while it is still wanted: begin again with a new connection.
            if consumer in self._consumers:
                lost.set()

        channel.close_callbacks.add(ended)

    async def _received(self, consumer: _Consumer, message: AbstractIncomingMessage) -> None:
        """Only passes on: a lost connection would cancel whatever ran in here."""
        try:
            ids = wire.decode(message.body)
        except wire.NewerVersionError:
            await _acknowledge(message)
            return
        except wire.UndecodableError:
            await self._poison(message, work_queue(consumer.lane).name)
            return

        async def acknowledge() -> None:
            await _acknowledge(message)

        if ids:
            consumer.messages.put_nowait(Handed(ids, acknowledge))
        else:
            await acknowledge()

    async def _poison(self, message: AbstractIncomingMessage, queue: str) -> None:
        """Copies what can't be decoded to the dead letters, with a reason, before it is let go."""
        log.warning("poison_message", queue=queue, bytes=len(message.body))
        try:
            copied = await self._publish(DEAD_LETTERS.name, message.body, {"reason": UNDECODABLE, "queue": queue})
        except BrokerAwayError:
            copied = False
        if copied:
            await _acknowledge(message)
        else:
            with suppress(BrokerAwayError), translated():
                await message.reject(requeue=False)

    async def _bury_all(self) -> None:
        while True:
            await self._to_bury.wait()
            self._to_bury.clear()
            while self._buried and self.connected:
                letter = self._buried.popleft()
                headers = {"reason": letter.reason} | ({"tenant": letter.tenant} if letter.tenant else {})
                try:
                    await self._publish(DEAD_LETTERS.name, wire.encode([letter.notification_id]), headers)
                except BrokerAwayError:
                    self._buried.appendleft(letter)
                    break


async def _declare(channel: AbstractChannel, queue: Queue) -> None:
    await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))


async def _acknowledge(message: AbstractIncomingMessage) -> None:
    """Acknowledges; on a connection that is gone the broker has given the message to somebody else already."""
    with suppress(BrokerAwayError), translated():
        async with asyncio.timeout(ANSWER_SECONDS):
            await message.ack()


async def _close(what: AbstractChannel | AbstractConnection | None) -> None:
    if what is None or what.is_closed:
        return
    with suppress(BrokerAwayError), translated():
        async with asyncio.timeout(1):
            await what.close()


async def _drained(messages: asyncio.Queue[Handed]) -> AsyncIterator[Handed]:
    while True:
        yield await messages.get()
