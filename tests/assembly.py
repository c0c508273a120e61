"""The core, the store and the pipeline put together as the composition root does it, with channels that follow a script.

Everything is real but the providers: a mongod, and RabbitMQ where a URL of one is given.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from hub.admin.metrics import Metrics
from hub.core.addresses import Addresses
from hub.core.audit import AuditTrail
from hub.core.creation import Creation
from hub.core.dead_letters import DeadLetters
from hub.core.delivery import Clocks, Delivery
from hub.core.inbox import Inbox
from hub.core.lists import Lists
from hub.core.notifications import Created, Notifications
from hub.core.ports import Change, DeadLetter, Feed, Hint, Waker
from hub.core.rates import Limiter, Rates, StoreClock
from hub.core.standings import Standings
from hub.core.stream_caps import StreamCaps
from hub.domain.channels import Channel, Message
from hub.domain.errors import Violation
from hub.domain.ids import new_id
from hub.domain.notifications import Fault, Lane, NewNotification, Notification, Outcome, OutcomeKind
from hub.domain.paging import Filter, Page, PageRequest, Position
from hub.domain.principals import ANONYMOUS_LOCAL, Principal
from hub.domain.rates import Rate
from hub.domain.retry import OnAmbiguous, RetryPolicy
from hub.domain.status import Status
from hub.domain.times import now
from hub.pipeline.local import LocalTransport
from hub.pipeline.rabbit import RabbitTransport
from hub.pipeline.relay import Relay
from hub.pipeline.sweep import Sweep
from hub.pipeline.transport import Transport
from hub.pipeline.worker import Worker
from hub.store.audit import AuditStore
from hub.store.client import Rows, Store, open_store
from hub.store.dead_letters import DeadLetterStore
from hub.store.documents import DOCUMENTS, NotificationDocument
from hub.store.inbox import InboxStore
from hub.store.keys import KeyStore
from hub.store.leases import LeaseStore
from hub.store.lists import ListStore
from hub.store.marks import MarkStore
from hub.store.notifications import NotificationStore, Periods
from hub.store.outbox import OutboxStore
from hub.store.rates import RateStore
from hub.store.users import UserStore
from hub.store.work import WorkStore
from tests.waiting import until

ME = ANONYMOUS_LOCAL
MINUTE = timedelta(minutes=1)

DELIVERED = Outcome(OutcomeKind.DELIVERED, "inbox")
ACCEPTED = Outcome(OutcomeKind.ACCEPTED, "script", "p-1")
TEMPORARY = Outcome(OutcomeKind.TEMPORARY, "script", error=Fault("BUSY", "Try later."))
PERMANENT = Outcome(OutcomeKind.PERMANENT, "script", error=Fault("REJECTED", "Never."))
AMBIGUOUS = Outcome(OutcomeKind.AMBIGUOUS, "script", error=Fault("TIMEOUT", "No answer."))


def throttled(retry_after: timedelta | None) -> Outcome:
    return Outcome(OutcomeKind.THROTTLED, "script", error=Fault("SLOW_DOWN", "Too fast."), retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class Timing:
    """Short enough for tests. What a test is about, it sets itself."""

    sweep_interval: timedelta = timedelta(milliseconds=30)
    handover_grace: timedelta = timedelta(milliseconds=500)
    requeue_after: timedelta = timedelta(milliseconds=500)
    lease: timedelta = timedelta(seconds=20)
    store_timeout: timedelta = timedelta(seconds=10)
    retention: timedelta = timedelta(days=90)

    @property
    def periods(self) -> Periods:
        return Periods(
            self.handover_grace,
            self.requeue_after,
            self.lease,
            self.retention,
            tombstone_retention=timedelta(hours=49),
            erased_retention=timedelta(hours=25),
        )


class ScriptedChannel:
    """A channel that answers as its script says, then as usual; or hangs while its gate is shut."""

    def __init__(
        self,
        name: str = "in_app",
        *,
        usually: Outcome = DELIVERED,
        give_up_after: timedelta = MINUTE,
        longest_delay: timedelta = timedelta(milliseconds=100),
        on_ambiguous: OnAmbiguous = OnAmbiguous.RESEND,
        send_timeout: timedelta = timedelta(seconds=5),
        concurrency: int = 100,
        contact_point: str | None = None,
    ) -> None:
        self.name = name
        self.contact_point = contact_point
        self.retry = RetryPolicy(give_up_after, longest_delay, on_ambiguous)
        self.send_timeout = send_timeout
        self.concurrency = concurrency
        self.usually = usually
        self.script: deque[Outcome | BaseException] = deque()
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun: list[Message] = []
        """Every send, those that never came to an end included."""
        self.sent: list[Message] = []
        """Those that were answered with success."""

    def check_address(self, address: str) -> str:
        if "@" not in address:
            msg = "must have an @"
            raise ValueError(msg)
        return address.lower()

    def check_content(self, command: NewNotification) -> Iterable[Violation]:
        return [Violation("message", "is what this channel can't carry")] if command.message == "unfit" else []

    async def send(self, message: Message) -> Outcome:
        self.begun.append(message)
        answer = self.script.popleft() if self.script else self.usually
        await self.gate.wait()
        if isinstance(answer, BaseException):
            raise answer
        if answer.kind in (OutcomeKind.DELIVERED, OutcomeKind.ACCEPTED):
            self.sent.append(message)
        return answer

    async def aclose(self) -> None:
        """Nothing is open."""

    def times(self, notification_id: UUID) -> int:
        """How often this one was begun."""
        return sum(message.id == notification_id for message in self.begun)


@dataclass(slots=True)
class Announcements:
    """Remembers what streams would have been told."""

    hints: list[Hint] = field(default_factory=list)

    def announce(self, hints: Sequence[Hint]) -> None:
        self.hints += hints

    def of(self, notification_id: UUID) -> int:
        return sum(isinstance(hint, Change) and hint.notification_id == notification_id for hint in self.hints)


@dataclass(slots=True)
class Graves:
    """Remembers what would have been copied to the dead-letter queue."""

    emptied: UUID | None = None
    """An id of the moment in which the store was emptied: the broker may still hold messages of what was there before,
    as a test that ends keeps its worker from acknowledging them."""
    letters: list[DeadLetter] = field(default_factory=list)

    def bury(self, letter: DeadLetter) -> None:
        if self.emptied is None or letter.notification_id > self.emptied:
            self.letters.append(letter)


class Forgetful:
    """A hand-over that always fails, as when the process dies right after the insert."""

    def wake(self, lane: Lane, notification_id: UUID) -> None:
        """Forgets it."""


class Unwatched:
    """No streams here."""

    async def watch_inbox(self, tenant: str, user_id: str, after: Position | None) -> Any:
        raise NotImplementedError

    async def watch_notification(self, tenant: str, user_id: str, notification_id: UUID) -> Any:
        raise NotImplementedError


@dataclass(slots=True)
class Assembly:
    """One process's worth of hub; tests run the parts they want."""

    store: Store
    timing: Timing
    channels: Mapping[str, ScriptedChannel]
    transport: Transport
    announcements: Announcements
    graves: Graves
    relay: Relay
    waker: Waker
    group: asyncio.TaskGroup
    rates: Rates = field(default_factory=Rates)
    rows: Rows = field(init=False)
    notification_store: NotificationStore = field(init=False)
    work: WorkStore = field(init=False)
    outbox: OutboxStore = field(init=False)
    leases: LeaseStore = field(init=False)
    inbox_store: InboxStore = field(init=False)
    notifications: Notifications = field(init=False)
    inbox: Inbox = field(init=False)
    dead_letters: DeadLetters = field(init=False)
    delivery: Delivery = field(init=False)
    sweep: Sweep = field(init=False)
    worker: Worker = field(init=False)
    metrics: Metrics = field(default_factory=Metrics)
    deaf: list[asyncio.Task[None]] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        periods = self.timing.periods
        channels: dict[str, Channel] = dict(self.channels)
        feed: Feed = Unwatched()  # type: ignore[assignment]  # nobody watches here
        self.rows = NotificationDocument.get_pymongo_collection()
        self.notification_store = NotificationStore(periods)
        self.work, self.outbox, self.leases = WorkStore(periods), OutboxStore(periods), LeaseStore()
        self.inbox_store = InboxStore()
        addresses = Addresses(UserStore(periods), channels, None)
        lists = Lists(ListStore())
        creation = Creation(
            self.notification_store,
            KeyStore(timedelta(hours=48)),
            channels,
            addresses,
            self.waker,
            self.metrics,
            self.rates,
        )
        audit, standings = AuditTrail(AuditStore(timedelta(days=1))), Standings()
        self.notifications = Notifications(
            self.notification_store,
            creation,
            lists,
            self.announcements,
            self.waker,
            feed,
            audit,
            standings,
            StreamCaps(),
        )
        self.inbox = Inbox(self.inbox_store, MarkStore(), lists, self.announcements, feed, standings, StreamCaps())
        self.dead_letters = DeadLetters(DeadLetterStore(periods), lists, self.announcements, self.waker, audit)
        clocks = Clocks(now, random.random)
        self.delivery = Delivery(
            self.work, channels, addresses, self.announcements, self.graves, self.metrics, clocks, self.timing.lease
        )
        self.sweep = self.new_sweep()
        self.worker = Worker(self.transport, channels, self.delivery)

    def new_sweep(self) -> Sweep:
        """Another relay process's sweep."""
        return Sweep(
            self.outbox, self.leases, self.transport, self.delivery, self.announcements, self.timing.sweep_interval
        )

    def new_worker(self) -> Worker:
        """Another worker process."""
        return Worker(self.transport, dict(self.channels), self.delivery)

    def run(self, *parts: Relay | Sweep | Worker) -> None:
        """Sets parts going until the end of the test."""
        self._tasks += [self.group.create_task(part.run()) for part in parts]

    def started(self, part: Relay | Sweep | Worker) -> asyncio.Task[None]:
        """Sets a part going that the test itself ends."""
        task = self.group.create_task(part.run())
        self._tasks.append(task)
        return task

    async def end(self) -> None:
        left = set(self._tasks)
        for task in left:
            task.cancel()
        while left:
            done, left = await asyncio.wait(left, timeout=2)
            for task in left:
                # A part of the hub that does not heed a cancel is a defect; it must not spoil the tests after this one.
                self.deaf.append(task)
                task.cancel()
            if not done:
                break

    async def create(
        self, user_id: str = "user123", *, key: str | None = None, principal: Principal = ME, **fields: Any
    ) -> Created:
        command = NewNotification(
            user_id, **{"title": "Welcome!", "message": "Welcome to our platform", "type": "in_app", **fields}
        )
        return await self.notifications.create(principal, command, idempotency_key=key, correlation_id="c-1")

    async def created(self, user_id: str = "user123", **fields: Any) -> Notification:
        return (await self.create(user_id, **fields)).notification

    async def get(self, notification: Notification, principal: Principal = ME) -> Notification:
        return await self.notifications.get(principal, str(notification.id))

    async def row(self, notification: Notification) -> dict[str, Any]:
        row = await self.rows.find_one({"_id": notification.id})
        assert row is not None
        return row

    async def comes_to(self, notification: Notification, status: Status, seconds: float = 10.0) -> Notification:
        """Waits until callers see this status, and returns what they see."""
        found = notification

        async def there() -> bool:
            nonlocal found
            found = await self.get(notification)
            return found.shown_status is status

        try:
            await until(there, seconds)
        except TimeoutError:
            raise AssertionError(f"it is {found.shown_status} instead of {status}: {found}") from None
        return found

    async def list_of(self, user_id: str = "user123", filters: Filter | None = None, **page: Any) -> Page:
        return await self.notifications.list_of_user(ME, user_id, filters or Filter(), PageRequest(**page))

    async def inbox_of(self, user_id: str = "user123", filters: Filter | None = None, **page: Any) -> Page:
        return await self.inbox.list(ME, user_id, filters or Filter(), PageRequest(**page))


@asynccontextmanager
async def assembled(
    mongo_url: str,
    database: str,
    *channels: ScriptedChannel,
    amqp_url: str | None = None,
    timing: Timing = Timing(),
    running: str = "relay sweep worker",
    forgetful: bool = False,
    wiped: bool = True,
    per_recipient: Rate | None = None,
) -> AsyncIterator[Assembly]:
    """A hub over an empty database, with the parts running that are named; everything is ended in reverse order."""
    failure: BaseException | None = None
    async with open_store(mongo_url, database, timing.store_timeout) as store, asyncio.TaskGroup() as group:
        if wiped:
            for document in DOCUMENTS:
                await document.get_pymongo_collection().delete_many({})
        graves = Graves(new_id()) if wiped else Graves()
        scripted = {channel.name: channel for channel in channels or (ScriptedChannel(),)}
        async with _transport(amqp_url, scripted) as transport:
            relay = Relay(transport)
            waker: Waker = Forgetful() if forgetful else relay
            hub = Assembly(
                store,
                timing,
                scripted,
                transport,
                Announcements(),
                graves,
                relay,
                waker,
                group,
                _rates(per_recipient),
            )
            parts: dict[str, Relay | Sweep | Worker] = {"relay": hub.relay, "sweep": hub.sweep, "worker": hub.worker}
            hub.run(*(parts[name] for name in running.split()))
            try:
                yield hub
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - a failed test shall show itself, not a group of one
                failure = error
            finally:
                await hub.end()
    if failure is not None:
        raise failure
    assert not hub.deaf, hub.deaf


def _rates(per_recipient: Rate | None) -> Rates:
    if per_recipient is None:
        return Rates()
    return Rates(None, Limiter(per_recipient, RateStore(), StoreClock(), patience=timedelta(seconds=30)))


@asynccontextmanager
async def _transport(amqp_url: str | None, channels: Iterable[str]) -> AsyncIterator[Transport]:
    if amqp_url is None:
        yield LocalTransport()
        return
    async with asyncio.TaskGroup() as group:
        transport = RabbitTransport(amqp_url, channels)
        running = group.create_task(transport.run())
        try:
            await until(lambda: transport.connected, 30)
            yield transport
        finally:
            running.cancel()
