"""The composition root: the one place that builds everything and knows which part gets which."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from hub.admin.metrics import Metrics
from hub.bootstrap.access import Access, build_access, build_admission, build_rates
from hub.bootstrap.watching import build_watching
from hub.bootstrap.wiring import Run, Wiring, build_wiring
from hub.channels.registry import build_channels
from hub.core.addresses import Addresses
from hub.core.admission import Admission
from hub.core.app import Core
from hub.core.creation import Creation
from hub.core.dead_letters import DeadLetters
from hub.core.delivery import Clocks, Delivery
from hub.core.health import HealthService
from hub.core.inbox import Inbox
from hub.core.keys import Keys
from hub.core.lists import Lists
from hub.core.notifications import Notifications
from hub.core.ports import Announcer
from hub.core.rates import Rates
from hub.core.receipts import Receipts
from hub.core.statistics import StatisticsService
from hub.core.stream_caps import StreamCaps
from hub.core.tasks import ended
from hub.core.users import Users
from hub.dev.capture import Capture, capture
from hub.domain.channels import Channel
from hub.domain.times import now
from hub.live.feed import LiveFeed
from hub.live.heap import Heap
from hub.log import get_logger
from hub.pipeline.relay import Relay
from hub.pipeline.rollups import Rollups
from hub.pipeline.sweep import Sweep
from hub.pipeline.worker import Worker
from hub.settings import Role, Settings
from hub.store.client import Store, open_store
from hub.store.embedded import embedded_mongod
from hub.store.notifications import Periods
from hub.store.stores import Stores

log = get_logger(__name__)

TOMBSTONE_MARGIN = timedelta(hours=1)
CURSOR_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Hub:
    """Everything a process may run, whichever part of it its role asks for."""

    core: Core
    admission: Admission
    store: Store
    relay: Relay
    feed: LiveFeed
    channels: Mapping[str, Channel]
    capture: Capture | None
    metrics: Metrics
    worker: Worker
    relay_runs: tuple[Run, ...]
    """What a process that relays does in the background."""
    runs: tuple[Run, ...]
    """What every process does in the background."""


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Hub]:
    """Builds the hub in the order of its layers, and takes it down in reverse."""
    async with AsyncExitStack() as stack:
        url = await _store_url(settings, stack)
        mongo, rollups = settings.mongo, settings.retention.rollups
        opening = open_store(url, mongo.database, mongo.timeout, rollups=rollups)
        store = await stack.enter_async_context(opening)
        captured = await _capture(settings, stack)
        channels = _channels(settings, captured, stack)
        wiring = build_wiring(settings, store, channels)
        hub = _assemble(settings, store, channels, captured, wiring)
        async with asyncio.TaskGroup() as background:
            tasks = [background.create_task(run()) for run in hub.runs]
            try:
                async with hub.feed.running():
                    yield hub
                    await _flush(hub)
            finally:
                for task in tasks:
                    await ended(task)


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
        capture(
            own_sinks=own_sinks,
            smtp_port=dev.capture_smtp_port,
            sms_port=dev.capture_sms_port,
            webhook_port=dev.capture_webhook_port,
        )
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


def _assemble(
    settings: Settings, store: Store, channels: dict[str, Channel], captured: Capture | None, wiring: Wiring
) -> Hub:
    stores = Stores.of(_periods(settings), settings.retention.idempotency_keys, settings.retention.audit)
    watching = build_watching(settings, stores, channels, wiring)
    relay = Relay(wiring.transport)
    feed = LiveFeed(wiring.hints, stores.inbox, heap=Heap())
    watching.metrics.gauge("hub_open_streams", "Open live streams.", feed.open_streams)
    addresses = Addresses(stores.users, channels, captured.contact_points if captured else None)
    pipeline = settings.pipeline
    delivery = Delivery(
        stores.work,
        channels,
        addresses,
        watching.announcer,
        wiring.transport,
        watching.observer,
        Clocks(now, random.random),
        pipeline.lease,
    )
    rates = build_rates(settings, stores, watching.metrics)
    creation = Creation(stores.notifications, stores.keys, channels, addresses, relay, watching.observer, rates)
    access = build_access(settings, stores)
    core = _core(settings, store, stores, channels, creation, watching.announcer, relay, feed, access, rates)
    sweep = Sweep(stores.outbox, stores.leases, wiring.transport, delivery, watching.announcer, pipeline.sweep_interval)
    return Hub(
        core=core,
        admission=build_admission(settings, watching.metrics),
        store=store,
        relay=relay,
        feed=feed,
        channels=channels,
        capture=captured,
        metrics=watching.metrics,
        worker=Worker(wiring.transport, channels, delivery),
        relay_runs=(
            sweep.run,
            Rollups(stores.statistics, stores.leases, settings.retention.countable).run,
            watching.lanes.run,
        ),
        runs=(*wiring.runs, *access.runs, *rates.runs, relay.run, watching.vitals.run, watching.hours.run),
    )


def _core(
    settings: Settings,
    store: Store,
    stores: Stores,
    channels: dict[str, Channel],
    creation: Creation,
    announcer: Announcer,
    relay: Relay,
    feed: LiveFeed,
    access: Access,
    rates: Rates,
) -> Core:
    lists, audit, standings = Lists(stores.lists), access.audit, access.standings
    caps = StreamCaps(settings.streams.per_user, settings.streams.in_total)
    return Core(
        notifications=Notifications(
            stores.notifications, creation, lists, announcer, relay, feed, audit, standings, caps, rates
        ),
        inbox=Inbox(stores.inbox, stores.marks, lists, announcer, feed, standings, caps),
        dead_letters=DeadLetters(stores.dead_letters, lists, announcer, relay, audit),
        receipts=Receipts(stores.notifications, channels, announcer),
        users=Users(stores.users, channels, announcer, audit),
        statistics=StatisticsService(stores.statistics),
        health=HealthService(stores.heartbeats, list(channels), needs_broker=settings.amqp.url is not None),
        keys=Keys(stores.api_keys, audit),
        tokens=access.tokens,
        audit=audit,
        credentials=access.credentials,
        standings=standings,
        rates=rates,
        ready=store.ready,
    )


def _periods(settings: Settings) -> Periods:
    return Periods(
        handover_grace=settings.pipeline.handover_grace,
        requeue_after=settings.pipeline.requeue_after,
        lease=settings.pipeline.lease,
        settled_retention=settings.retention.settled,
        tombstone_retention=max(CURSOR_LIFETIME, settings.retention.idempotency_keys) + TOMBSTONE_MARGIN,
        erased_retention=CURSOR_LIFETIME + TOMBSTONE_MARGIN,
    )
