"""Processes with a live feed each, on a real mongod, and what users and workers do there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from hub.core.ports import AllRead, AllSeen, Change, Undone
from hub.domain.events import Event, EventKind, InboxPosition, MarkedAll
from hub.domain.ids import new_id
from hub.domain.notifications import Fault, Mark, Notification, Priority
from hub.domain.paging import Filter, ListKind, Position, decode_cursor
from hub.domain.retry import Decision
from hub.domain.status import Status
from hub.domain.times import now
from hub.live.changes import ChangeHints
from hub.live.feed import HEARTBEAT, LiveFeed
from hub.live.rabbit import RabbitHints
from hub.store.documents import NotificationDocument
from hub.store.inbox import InboxStore
from hub.store.mapping import Row
from hub.store.marks import MarkStore
from hub.store.notifications import NotificationStore, Periods
from hub.store.outbox import OutboxStore
from hub.store.updates import changed, tombstone
from hub.store.work import Record, WorkStore

LAST_ID = UUID(int=2**128 - 1)
HOUR = timedelta(hours=1)
PERIODS = Periods(
    handover_grace=HOUR,
    requeue_after=HOUR,
    lease=HOUR,
    settled_retention=24 * HOUR,
    tombstone_retention=48 * HOUR,
    erased_retention=25 * HOUR,
)
QUICK = timedelta(milliseconds=300)
"""A heartbeat for tests that wait for some."""

Hints = RabbitHints | ChangeHints


class Process:
    """What one process has of the live part."""

    def __init__(self, hints: Hints, inbox: InboxStore, heartbeat: timedelta = HEARTBEAT) -> None:
        self.hints = hints
        self.feed = LiveFeed(hints, inbox, heartbeat=heartbeat)
        self._running: asyncio.Task[None] | None = None

    def connect(self) -> None:
        self._running = asyncio.get_running_loop().create_task(self.hints.run())

    async def cut(self) -> None:
        """The source hears nothing any more."""
        assert self._running is not None
        self._running.cancel()
        await asyncio.wait([self._running])


@dataclass
class World:
    """One tenant's notifications, and as many processes as a test wants."""

    make_hints: Callable[[], Hints]

    def __post_init__(self) -> None:
        self.tenant = f"t{secrets.token_hex(4)}"
        self.inbox = InboxStore()
        self.marks = MarkStore()
        self.notifications = NotificationStore(PERIODS)
        self.work = WorkStore(PERIODS)
        self.outbox = OutboxStore(PERIODS)
        self.rows = NotificationDocument.get_pymongo_collection()
        self.announcer: Hints | None = None

    @asynccontextmanager
    async def process(
        self, heartbeat: timedelta = HEARTBEAT, hints: Hints | None = None, inbox: InboxStore | None = None
    ) -> AsyncIterator[Process]:
        process = Process(hints or self.make_hints(), inbox or self.inbox, heartbeat)
        self.announcer = self.announcer or process.hints
        process.connect()
        try:
            async with process.feed.running():
                yield process
        finally:
            await process.cut()

    def announce(self, *notifications: Notification) -> None:
        assert self.announcer is not None
        self.announcer.announce([Change(n.tenant, n.user_id, n.id) for n in notifications])

    async def accept(self, count: int = 1, *, user: str = "ann", kind: str = "in_app", category: str | None = None):
        created = [self._new(user, kind, category) for _ in range(count)]
        await self.notifications.insert_many(created)
        return created

    async def deliver(self, notifications: Iterable[Notification]) -> list[Notification]:
        claims = await self.work.claim_many([n.id for n in notifications])
        records = [Record(claim, Decision(Status.DELIVERED), None) for claim in claims if claim]
        assert all(await self.work.record_many(records))
        return await self.reload(record.claim.notification for record in records)

    async def arrive(self, count: int = 1, *, user: str = "ann", category: str | None = None, quiet: bool = False):
        """Delivered to the inbox; `quiet` as if the hint were lost on its way."""
        delivered = await self.deliver(await self.accept(count, user=user, category=category))
        if not quiet:
            self.announce(*delivered)
        return delivered

    async def read(self, notification: Notification, *, read: bool = True) -> Notification:
        return await self.mark(notification, Mark.READ, on=read)

    async def mark(self, notification: Notification, mark: Mark, *, on: bool = True) -> Notification:
        found = await self.notifications.mark(notification, mark, on=on)
        assert found
        self.announce(found)
        return found

    async def bounce(self, notification: Notification) -> Notification:
        fault = Fault("BOUNCED", "No such person.")
        found = await self.notifications.change_status(notification, Status.FAILED, [Status.DELIVERED], fault)
        assert found
        self.announce(found)
        return found

    async def delete(self, notification: Notification) -> None:
        fields: Row = tombstone(PERIODS.tombstone_retention)
        await self.rows.update_one({"_id": notification.id}, changed(fields))
        self.announce(notification)

    async def read_all(self, user: str = "ann", category: str | None = None) -> MarkedAll:
        place = InboxPosition(now(), LAST_ID)
        marked = await self.marks.mark_all_read(self.tenant, user, place, category)
        assert self.announcer is not None
        self.announcer.announce([AllRead(self.tenant, user, place, category, marked.marked_at)])
        return marked

    async def see_all(self, user: str = "ann", category: str | None = None) -> MarkedAll:
        place = InboxPosition(now(), LAST_ID)
        marked = await self.marks.mark_all_seen(self.tenant, user, place, category)
        assert self.announcer is not None
        self.announcer.announce([AllSeen(self.tenant, user, place, category, marked.marked_at)])
        return marked

    async def undo(self, marked: MarkedAll, user: str = "ann", *, quiet: bool = False) -> int | None:
        """`quiet` as if the hint were lost on its way; a change stream tells all the same."""
        assert marked.operation_id
        assert self.announcer is not None
        count = await self.marks.undo(self.tenant, user, marked.operation_id)
        if not quiet:
            self.announcer.announce([Undone(self.tenant, user)])
        return count

    async def reload(self, notifications: Iterable[Notification]) -> list[Notification]:
        ids = [n.id for n in notifications]
        found = {n.id: n for n in await self.notifications.get_many(self.tenant, ids)}
        return [found[i] for i in ids]

    def place(self, cursor: str, user: str = "ann") -> Position:
        return decode_cursor(cursor, (ListKind.EVENTS,), (self.tenant, user), Filter())

    @asynccontextmanager
    async def watch(self, process: Process, user: str = "ann", after: str | Position | None = None):
        position = self.place(after, user) if isinstance(after, str) else after
        async with reading(process.feed.watch_inbox(self.tenant, user, position)) as reader:
            reader.first = await reader.next(EventKind.HEARTBEAT)
            yield reader

    @asynccontextmanager
    async def watch_one(self, process: Process, notification: Notification) -> AsyncIterator[Reader]:
        events = process.feed.watch_notification(self.tenant, notification.user_id, notification.id)
        async with reading(events) as reader:
            reader.first = await reader.next(EventKind.HEARTBEAT)
            yield reader

    def _new(self, user: str, kind: str, category: str | None) -> Notification:
        moment = now()
        return Notification(
            id=new_id(),
            tenant=self.tenant,
            user_id=user,
            title="Hello",
            message="World",
            type=kind,
            html=None,
            to=None,
            metadata={},
            priority=Priority.NORMAL,
            category=category,
            status=Status.PENDING,
            status_reason=None,
            attempts=(),
            scheduled_at=None,
            expires_at=None,
            next_attempt_at=moment - timedelta(seconds=5),
            created_at=moment,
            updated_at=moment,
            sent_at=None,
            delivered_at=None,
            read_at=None,
            version=1,
            correlation_id="test",
        )


class Reader:
    """Reads one stream, event by event."""

    first: Event

    def __init__(self, events: AsyncGenerator[Event]) -> None:
        self._events = events
        self.heartbeats = 0

    async def next(self, kind: EventKind | None = None, seconds: float = 10.0) -> Event:
        """The next event; heartbeats are passed over unless asked for."""
        async with asyncio.timeout(seconds):
            async for event in self._events:
                self.heartbeats += event.kind is EventKind.HEARTBEAT
                if event.kind is not EventKind.HEARTBEAT or kind is EventKind.HEARTBEAT:
                    assert kind in (None, event.kind), event
                    return event
        raise EOFError

    async def take(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]

    async def until(self, wanted: Sequence[Notification]) -> list[Event]:
        """Everything up to where each of these has been told in this version or a later one."""
        missing = {n.id: n.version for n in wanted}
        told: list[Event] = []
        while missing:
            event = await self.next()
            told.append(event)
            if (n := event.notification) and missing.get(n.id, n.version + 1) <= n.version:
                del missing[n.id]
        return told

    async def quiet(self, heartbeats: int) -> list[Event]:
        """What comes, heartbeats aside, during as many heartbeats."""
        told: list[Event] = []
        while heartbeats:
            event = await anext(self._events)
            if event.kind is EventKind.HEARTBEAT:
                heartbeats -= 1
            else:
                told.append(event)
        return told

    async def ended(self) -> bool:
        async with asyncio.timeout(10):
            return await anext(self._events, None) is None


@asynccontextmanager
async def reading(events: AsyncGenerator[Event]) -> AsyncIterator[Reader]:
    try:
        yield Reader(events)
    finally:
        await events.aclose()


def ids(events: Iterable[Event]) -> list[UUID]:
    return [event.notification.id for event in events if event.notification]


def kinds(events: Iterable[Event]) -> list[EventKind]:
    return [event.kind for event in events]
