"""The composition root: the one place that builds everything and knows which part gets which."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from hub.channels.registry import build_channels
from hub.core.addresses import Addresses
from hub.core.app import Core
from hub.core.creation import Creation
from hub.core.dead_letters import DeadLetters
from hub.core.delivery import Clocks, Delivery
from hub.core.inbox import Inbox
from hub.core.lists import Lists
from hub.core.notifications import Notifications
from hub.core.ports import Announcer
from hub.dev.capture import Capture, capture
from hub.domain.channels import Channel
from hub.domain.times import now
from hub.live.changes import ChangeHints
from hub.live.feed import LiveFeed
from hub.live.rabbit import RabbitHints
from hub.live.sources import HintSource
from hub.log import get_logger
from hub.pipeline.local import LocalTransport
from hub.pipeline.rabbit import RabbitTransport
from hub.pipeline.relay import Relay
from hub.pipeline.sweep import Sweep
from hub.pipeline.transport import Transport
from hub.pipeline.worker import Worker
from hub.settings import Role, Settings
from hub.store.client import Store, open_store
from hub.store.dead_letters import DeadLetterStore
from hub.store.embedded import embedded_mongod
from hub.store.inbox import InboxStore
from hub.store.keys import KeyStore
from hub.store.leases import LeaseStore
from hub.store.lists import ListStore
from hub.store.notifications import NotificationStore, Periods
from hub.store.outbox import OutboxStore
from hub.store.users import UserStore
from hub.store.work import WorkStore

log = get_logger(__name__)

TOMBSTONE_MARGIN = timedelta(hours=1)
CURSOR_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Hub:
    """Everything a process may run, whichever part of it its role asks for."""

    core: Core
    store: Store
    transport: Transport
    relay: Relay
    sweep: Sweep
    worker: Worker
    feed: LiveFeed
    channels: dict[str, Channel]
    capture: Capture | None


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Hub]:
    """Builds the hub in the order of its layers, and takes it down in reverse."""
    async with AsyncExitStack() as stack:
        url = await _store_url(settings, stack)
        store = await stack.enter_async_context(open_store(url, settings.mongo.database, settings.mongo.timeout))
        captured = await _capture(settings, stack)
        channels = _channels(settings, captured, stack)
        wiring = _wiring(settings, store, channels)
        hub = _assemble(settings, store, channels, captured, wiring)
        async with asyncio.TaskGroup() as background:
            tasks = [background.create_task(run()) for run in (*wiring.runs, hub.relay.run)]
            async with hub.feed.running():
                yield hub
                await _flush(hub)
            for task in tasks:
                task.cancel()


async def _flush(hub: Hub) -> None:
    """What was accepted last is handed over before the broker is left; what is not, the sweep finds."""
    try:
        async with asyncio.timeout(1):
            await hub.relay.flush()
    except TimeoutError:
        log.info("relay_not_flushed")


async def _store_url(settings: Settings, stack: AsyncExitStack) -> str:
    if settings.mongo.url is not None:
        return settings.mongo.url.get_secret_value()
    return await stack.enter_async_context(embedded_mongod(settings.data_dir))


async def _capture(settings: Settings, stack: AsyncExitStack) -> Capture | None:
    if not settings.captures:
        return None
    # In split operation the API owns the sinks, so that its page can show what they took.
    own_sinks = settings.role in (Role.ALL, Role.API)
    dev = settings.dev
    return await stack.enter_async_context(
        capture(own_sinks=own_sinks, smtp_port=dev.capture_smtp_port, sms_port=dev.capture_sms_port)
    )


def _channels(settings: Settings, captured: Capture | None, stack: AsyncExitStack) -> dict[str, Channel]:
    # Under capture nothing leaves this machine, whatever providers are set.
    chosen = captured.redirect(settings.channels) if captured else settings.channels
    channels = build_channels(chosen, settings.pipeline.longest_retry_delay)
    for channel in channels.values():
        stack.push_async_callback(channel.aclose)
        if channel.send_timeout * 2 >= settings.pipeline.lease:
            msg = f"HUB_PIPELINE__LEASE must be more than twice the send timeout of {channel.name}"
            raise ValueError(msg)
    return channels


@dataclass(frozen=True, slots=True)
class _Wiring:
    """How processes reach one another: work one way, hints of changes the other."""

    transport: Transport
    announcer: Announcer
    hints: HintSource
    runs: tuple[Callable[[], Coroutine[object, object, None]], ...]


def _wiring(settings: Settings, store: Store, channels: Mapping[str, Channel]) -> _Wiring:
    if settings.amqp.url is None:
        changes = ChangeHints(store)
        return _Wiring(LocalTransport(), changes, changes, (changes.run,))
    url = settings.amqp.url.get_secret_value()
    transport, hints = RabbitTransport(url, channels), RabbitHints(url)
    return _Wiring(transport, hints, hints, (transport.run, hints.run))


def _assemble(
    settings: Settings, store: Store, channels: dict[str, Channel], captured: Capture | None, wiring: _Wiring
) -> Hub:
    pipeline = settings.pipeline
    periods = _periods(settings)
    notifications, work, inbox = NotificationStore(periods), WorkStore(periods), InboxStore()
    lists = Lists(ListStore())
    relay = Relay(wiring.transport)
    feed = LiveFeed(wiring.hints, inbox)
    addresses = Addresses(UserStore(), channels, captured.contact_points if captured else None)
    creation = Creation(notifications, KeyStore(settings.retention.idempotency_keys), channels, addresses, relay)
    delivery = Delivery(
        work, channels, addresses, wiring.announcer, wiring.transport, Clocks(now, random.random), pipeline.lease
    )
    core = Core(
        notifications=Notifications(notifications, creation, lists, wiring.announcer, relay, feed),
        inbox=Inbox(inbox, lists, wiring.announcer, feed),
        dead_letters=DeadLetters(DeadLetterStore(periods), lists, wiring.announcer, relay),
        ready=store.ready,
    )
    sweep = Sweep(
        OutboxStore(periods), LeaseStore(), wiring.transport, delivery, wiring.announcer, pipeline.sweep_interval
    )
    worker = Worker(wiring.transport, channels, delivery)
    return Hub(core, store, wiring.transport, relay, sweep, worker, feed, channels, captured)


def _periods(settings: Settings) -> Periods:
    return Periods(
        handover_grace=settings.pipeline.handover_grace,
        requeue_after=settings.pipeline.requeue_after,
        lease=settings.pipeline.lease,
        settled_retention=settings.retention.settled,
        tombstone_retention=max(CURSOR_LIFETIME, settings.retention.idempotency_keys) + TOMBSTONE_MARGIN,
    )
