"""Hints over RabbitMQ: a direct exchange, and one queue of each process, bound for the users connected there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
    HeadersType,
)

from hub.broker.connection import ANSWER_SECONDS, keep_connected
from hub.core.ports import Hint
from hub.core.tasks import checkpoint
from hub.live import wire
from hub.live.sources import BIND_SECONDS, Deaf, HintSink
from hub.log import get_logger

log = get_logger(__name__)

EXCHANGE = "hub.events.v1"
QUEUE_ARGUMENTS: dict[str, str | int] = {"x-queue-type": "classic", "x-max-length": 10_000, "x-overflow": "drop-head"}
"""What a process can't take in is dropped: heartbeats look again."""
_ANNOUNCED = 10_000
"""Hints that wait for the broker at most; the oldest give way."""
_GATHER_SECONDS = 0.002
_UNBOUND_AT_ONCE = 100


class RabbitHints:
    """Announcer and source in one, on a connection each; needs no broker to start, and comes back by itself."""

    def __init__(self, url: str) -> None:
        self._announcing = _Announcing()
        self._listening = _Listening()
        self._url = url

    async def run(self) -> None:
        """Keeps both connections until cancelled; the one that listens only once somebody watches."""
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_connected(self._url, "announce", self._announcing.session, _nothing))
            await self._listening.wanted.wait()
            group.create_task(keep_connected(self._url, "listen", self._listening.session, self._listening.away))

    def announce(self, hints: Sequence[Hint]) -> None:
        """Queues hints for every process; never blocks and never raises."""
        self._announcing.add(hints)

    def listen(self, sink: HintSink) -> None:
        """From now on, tell this one."""
        self._listening.sink = sink

    async def bind(self, tenant: str, user_id: str) -> None:
        """Asks for a user's hints and waits, not for long, until the broker has confirmed it."""
        await self._listening.bind(wire.routing_key(tenant, user_id))

    def unbind(self, tenant: str, user_id: str) -> None:
        """Nobody here watches that user any more."""
        self._listening.unbind(wire.routing_key(tenant, user_id))


class _Announcing:
    """Publishes without confirms: a lost hint is found by looking again."""

    def __init__(self) -> None:
        self._waiting: deque[Hint] = deque(maxlen=_ANNOUNCED)
        self._awake = asyncio.Event()

    def add(self, hints: Sequence[Hint]) -> None:
        self._waiting.extend(hints)
        self._awake.set()

    async def session(self, connection: AbstractConnection, lost: asyncio.Event) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            channel = await connection.channel(publisher_confirms=False)
            channel.close_callbacks.add(lambda *_: lost.set())
            exchange = await _declare(channel)
        flushed = 0
        while True:
            checkpoint()
            await self._awake.wait()
            if flushed > 1:
                # Under load a moment's patience makes one message of many hints.
                await asyncio.sleep(_GATHER_SECONDS)
            self._awake.clear()
            flushed = len(self._waiting)
            await self._flush(exchange)

    async def _flush(self, exchange: AbstractExchange) -> None:
        hints, self._waiting = self._waiting, deque(maxlen=_ANNOUNCED)
        try:
            for (key, *others), body in wire.messages(hints):
                # RabbitMQ routes by all keys that CC names as well, and gives a queue one copy however many fit: what is
                # published once reaches whoever is bound for any of its users (rabbitmq.com/docs/sender-selected).
                headers: HeadersType = {"CC": [*others]} if others else {}
                message = aio_pika.Message(body, headers=headers, delivery_mode=aio_pika.DeliveryMode.NOT_PERSISTENT)
                async with asyncio.timeout(ANSWER_SECONDS):
                    await exchange.publish(message, key, mandatory=False)
        except BaseException:
            # Some may have gone out already; saying it twice does no harm.
            hints.extend(self._waiting)
            self._waiting = hints
            self._awake.set()
            raise


class _Listening:
    """Keeps the bindings of this process's queue what they should be, over as many connections as it takes."""

    def __init__(self) -> None:
        self.sink: HintSink = Deaf()
        self.wanted = asyncio.Event()
        """Set once somebody watches."""
        self._keys: dict[str, asyncio.Event] = {}
        """Routing keys to be bound, and whether the broker has confirmed it."""
        self._changed: dict[str, None] = {}
        self._awake = asyncio.Event()
        self._away = False

    async def bind(self, key: str) -> None:
        confirmed = self._keys.setdefault(key, asyncio.Event())
        if confirmed.is_set():
            return
        self._touch(key)
        self.wanted.set()
        if self._away:
            return
        try:
            async with asyncio.timeout(BIND_SECONDS):
                await confirmed.wait()
        except TimeoutError:
            log.debug("live_binding_unconfirmed")

    def unbind(self, key: str) -> None:
        if self._keys.pop(key, None) is not None:
            self._touch(key)

    async def session(self, connection: AbstractConnection, lost: asyncio.Event) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            channel = await connection.channel(publisher_confirms=False)
            channel.close_callbacks.add(lambda *_: lost.set())
            await _declare(channel)
            queue = await channel.declare_queue(exclusive=True, auto_delete=True, arguments=dict(QUEUE_ARGUMENTS))
            await queue.consume(self._received, no_ack=True)
        await self._keep_bound(channel, queue)

    def away(self) -> None:
        """Nothing is bound any more, and whoever begins meanwhile need not wait for it."""
        self._away = True
        for confirmed in self._keys.values():
            confirmed.clear()

    async def _keep_bound(self, channel: AbstractChannel, queue: AbstractQueue) -> None:
        bound: set[str] = set()
        self._changed = dict.fromkeys(self._keys)
        await self._settle(channel, queue, bound)
        self._away = False
        log.info("live_broker_connected")
        self.sink.reconnected()
        while True:
            checkpoint()
            await self._awake.wait()
            self._awake.clear()
            await self._settle(channel, queue, bound)

    async def _settle(self, channel: AbstractChannel, queue: AbstractQueue, bound: set[str]) -> None:
        """Binds what is new, all in one round trip, and unbinds some of what is not wanted any more."""
        changed, self._changed = self._changed, {}
        new = [key for key in changed if key in self._keys and key not in bound]
        gone = [key for key in changed if key not in self._keys and key in bound]
        raw = await channel.get_underlay_channel()
        async with asyncio.timeout(ANSWER_SECONDS):
            for key in new[:-1]:
                await raw.queue_bind(queue.name, EXCHANGE, key, nowait=True)
            for key in new[-1:]:
                # The broker works in order: its answer to the last one answers for all.
                await raw.queue_bind(queue.name, EXCHANGE, key)
        bound.update(new)
        for key in changed:
            if key in bound and (confirmed := self._keys.get(key)) is not None:
                confirmed.set()
        async with asyncio.timeout(ANSWER_SECONDS):
            for key in gone[:_UNBOUND_AT_ONCE]:
                await raw.queue_unbind(queue.name, EXCHANGE, key)
                bound.discard(key)
        for key in gone[_UNBOUND_AT_ONCE:]:
            self._touch(key)

    async def _received(self, message: AbstractIncomingMessage) -> None:
        try:
            hints = wire.decode(message.body)
        except wire.UnreadableError:
            log.debug("live_hint_unreadable", bytes=len(message.body))
            return
        self.sink.hints(hints)

    def _touch(self, key: str) -> None:
        self._changed[key] = None
        self._awake.set()


async def _declare(channel: AbstractChannel) -> AbstractExchange:
    return await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.DIRECT, durable=True)


def _nothing() -> None:
    pass
