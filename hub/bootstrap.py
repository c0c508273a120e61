"""The composition root: the one place that builds everything and knows which part gets which."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from hub.admin.metrics import Metrics
from hub.admin.vitals import Vitals
from hub.channels.registry import build_channels
from hub.core.addresses import Addresses
from hub.core.admission import Admission
from hub.core.app import Core
from hub.core.audit import AuditTrail
from hub.core.creation import Creation
from hub.core.credentials import Credentials, Door, KeyFile, OpenDoor
from hub.core.dead_letters import DeadLetters
from hub.core.delivery import Clocks, Delivery
from hub.core.health import HealthService
from hub.core.inbox import Inbox
from hub.core.jwks import JwksKeys
from hub.core.key_ring import KeyRing
from hub.core.keys import Keys
from hub.core.lists import Lists
from hub.core.notifications import Notifications
from hub.core.ports import Announcer, Hint, Observer
from hub.core.rates import Limiter, Rates, StoreClock
from hub.core.receipts import Receipts
from hub.core.standings import Standings
from hub.core.statistics import StatisticsService
from hub.core.stream_caps import StreamCaps
from hub.core.tasks import ended
from hub.core.user_tokens import TokenRules, UserTokens
from hub.core.users import Users
from hub.dev.capture import Capture, capture
from hub.domain.channels import Channel
from hub.domain.notifications import Notification, OutcomeKind
from hub.domain.rates import Rate
from hub.domain.status import Status
from hub.domain.times import now
from hub.live.changes import ChangeHints
from hub.live.feed import LiveFeed
from hub.live.rabbit import RabbitHints
from hub.live.sources import HintSource
from hub.log import get_logger
from hub.pipeline.lanes import LaneGauges
from hub.pipeline.local import LocalTransport
from hub.pipeline.rabbit import RabbitTransport
from hub.pipeline.relay import Relay
from hub.pipeline.rollups import ChangedHours, Rollups
from hub.pipeline.sweep import Sweep
from hub.pipeline.transport import Transport
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


Run = Callable[[], Coroutine[None, None, None]]


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
        wiring = _wiring(settings, store, channels)
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


@dataclass(frozen=True, slots=True)
class _Wiring:
    """How processes reach one another: work one way, hints of changes the other."""

    transport: Transport
    announcer: Announcer
    hints: HintSource
    runs: tuple[Run, ...]


def _wiring(settings: Settings, store: Store, channels: Mapping[str, Channel]) -> _Wiring:
    if settings.amqp.url is None:
        changes = ChangeHints(store)
        return _Wiring(LocalTransport(), changes, changes, (changes.run,))
    url = settings.amqp.url.get_secret_value()
    transport, hints = RabbitTransport(url, channels), RabbitHints(url)
    return _Wiring(transport, hints, hints, (transport.run, hints.run))


class _Announcers:
    """One announcer made of several."""

    def __init__(self, *announcers: Announcer) -> None:
        self._announcers = announcers

    def announce(self, hints: Sequence[Hint]) -> None:
        for announcer in self._announcers:
            announcer.announce(hints)


class _Observers:
    """One observer made of several."""

    def __init__(self, hours: ChangedHours, *observers: Observer) -> None:
        self._hours = hours
        self._observers = observers

    def accepted(self, notification: Notification) -> None:
        self._hours.note(notification.tenant, notification.id)
        for observer in self._observers:
            observer.accepted(notification)

    def attempted(self, notification: Notification, outcome: OutcomeKind, status: Status) -> None:
        for observer in self._observers:
            observer.attempted(notification, outcome, status)


@dataclass(frozen=True, slots=True)
class _Watching:
    """What looks on: metrics, heartbeats, and which hours have to be counted anew."""

    metrics: Metrics
    vitals: Vitals
    hours: ChangedHours
    lanes: LaneGauges
    observer: Observer
    announcer: Announcer


def _watching(settings: Settings, stores: Stores, channels: Mapping[str, Channel], wiring: _Wiring) -> _Watching:
    metrics = Metrics()
    has_broker = settings.amqp.url is not None
    works = settings.role in (Role.ALL, Role.WORKER)
    vitals = Vitals(
        stores.heartbeats,
        settings.role,
        list(channels) if works else [],
        lambda: wiring.transport.connected if has_broker else None,
    )
    metrics.gauge("hub_event_loop_lag_seconds", "How late the event loop is.", lambda: vitals.lag_seconds)
    hours = ChangedHours(stores.statistics)
    lanes = LaneGauges(
        stores.outbox,
        wiring.transport,
        channels,
        metrics.lanes("hub_lane_messages", "Messages that wait in a work queue."),
        metrics.lanes("hub_lane_oldest_due_seconds", "How long the oldest notification of a lane has been due."),
    )
    observer = _Observers(hours, metrics, vitals)
    return _Watching(metrics, vitals, hours, lanes, observer, _Announcers(wiring.announcer, hours))


def _assemble(
    settings: Settings, store: Store, channels: dict[str, Channel], captured: Capture | None, wiring: _Wiring
) -> Hub:
    stores = Stores.of(_periods(settings), settings.retention.idempotency_keys, settings.retention.audit)
    watching = _watching(settings, stores, channels, wiring)
    relay = Relay(wiring.transport)
    feed = LiveFeed(wiring.hints, stores.inbox)
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
    rates = _rates(settings, stores, watching.metrics)
    creation = Creation(stores.notifications, stores.keys, channels, addresses, relay, watching.observer, rates)
    access = _access(settings, stores)
    core = _core(settings, store, stores, channels, creation, watching.announcer, relay, feed, access, rates)
    sweep = Sweep(stores.outbox, stores.leases, wiring.transport, delivery, watching.announcer, pipeline.sweep_interval)
    return Hub(
        core=core,
        admission=_admission(settings, watching.metrics),
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


def _admission(settings: Settings, metrics: Metrics) -> Admission:
    refused = metrics.counter("hub_requests_refused", "Requests refused because too much was under way.")
    admission = Admission(settings.in_flight_limit, refused)
    metrics.gauge("hub_in_flight", "What is under way, as HUB_IN_FLIGHT_LIMIT counts.", lambda: admission.under_way)
    return admission


def _rates(settings: Settings, stores: Stores, metrics: Metrics) -> Rates:
    refused = metrics.tally("hub_rate_limited", "How often a rate limit said no.", "limit")
    clock = StoreClock()

    def limiter(name: str, text: str | None) -> Limiter | None:
        return None if text is None else Limiter(Rate.parse(name, text), stores.rates, clock, refused)

    limits = settings.limits
    return Rates(limiter("credential", limits.per_credential), limiter("recipient", limits.per_recipient))


@dataclass(frozen=True, slots=True)
class _Access:
    """Who may come in, and what is kept of it."""

    credentials: Credentials
    standings: Standings
    tokens: UserTokens
    audit: AuditTrail
    runs: tuple[Run, ...]


def _access(settings: Settings, stores: Stores) -> _Access:
    auth = settings.auth
    standings, audit = Standings(), AuditTrail(stores.audit)
    provider = None if auth.jwks_url is None else JwksKeys(auth.jwks_url, auth.jwks_algorithms)
    secret = None if auth.token_secret is None else auth.token_secret.get_secret_value()
    rules = TokenRules(auth.token_issuer, auth.token_audience, auth.tenant_claim, auth.token_lifetime, secret)
    tokens = UserTokens(rules, provider)
    if not auth.demanded:
        return _Access(OpenDoor(), standings, tokens, audit, ())
    file = None if auth.keys_file is None else KeyFile.read(auth.keys_file)
    ring = KeyRing(stores.api_keys, standings)
    return _Access(Door(file, ring, tokens), standings, tokens, audit, (ring.run,))


def _core(
    settings: Settings,
    store: Store,
    stores: Stores,
    channels: dict[str, Channel],
    creation: Creation,
    announcer: Announcer,
    relay: Relay,
    feed: LiveFeed,
    access: _Access,
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
