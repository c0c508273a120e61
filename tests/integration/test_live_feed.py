"""One conformance suite for the live feed over both sources of hints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import aio_pika
import pytest

from hub.domain.errors import HubError, Reason
from hub.domain.events import EventKind, InboxCounts
from hub.domain.notifications import Mark
from hub.domain.paging import Position
from hub.domain.times import now
from hub.live import cursors
from hub.live.changes import ChangeHints
from hub.live.rabbit import EXCHANGE, RabbitHints
from hub.live.streams import QUEUED
from hub.store.client import Store, open_store
from hub.store.inbox import InboxStore, Latest
from tests.counts import counted
from tests.integration.live_world import LAST_ID, QUICK, World, ids, kinds
from tests.servers import RabbitServer
from tests.waiting import until

CHANGED, REMOVED = EventKind.CHANGED, EventKind.REMOVED


@pytest.fixture(scope="module")
async def store(mongo_url: str, mongo_database: str) -> AsyncIterator[Store]:
    async with open_store(mongo_url, f"{mongo_database}_live", timedelta(seconds=10)) as opened:
        yield opened
        await opened.database.client.drop_database(opened.database.name)


@pytest.fixture(params=["changes", "rabbit"])
def world(request: pytest.FixtureRequest, store: Store) -> World:
    if request.param == "changes":
        return World(lambda: ChangeHints(store))
    amqp_url: str = request.getfixturevalue("amqp_url")
    return World(lambda: RabbitHints(amqp_url))


@pytest.fixture
def rabbit_world(amqp_url: str, store: Store) -> World:
    return World(lambda: RabbitHints(amqp_url))


async def test_begins_with_a_heartbeat_and_tells_of_an_arrival(world: World):
    async with world.process() as process, world.watch(process) as reader:
        assert reader.first.kind is EventKind.HEARTBEAT
        assert reader.first.counts == counted(0)
        [arrived] = await world.arrive()
        event = await reader.next()
        assert (event.kind, event.notification, event.counts.unread.count) == (CHANGED, arrived, 1)
        assert world.place(event.cursor).at >= arrived.updated_at


async def test_follows_marks_and_counts(world: World):
    async with world.process() as process, world.watch(process) as reader:
        first, second = await world.arrive(2)
        assert (await reader.until([first, second]))[-1].counts.unread.count == 2
        read = await world.read(first)
        event = await reader.next()
        assert (event.kind, event.notification, event.counts.unread.count) == (CHANGED, read, 1)
        unread = await world.read(read, read=False)
        event = await reader.next()
        assert (event.kind, event.notification, event.counts.unread.count) == (CHANGED, unread, 2)


async def test_what_leaves_the_inbox_is_removed(world: World):
    async with world.process() as process, world.watch(process) as reader:
        bounced, expired, deleted = await world.arrive(3)
        await reader.until([bounced, expired, deleted])
        await world.bounce(bounced)
        assert (event := await reader.next()).kind is REMOVED
        assert (ids([event]), event.counts.unread.count) == ([bounced.id], 2)
        [gone] = await world.outbox.leave_inbox([expired.id])
        world.announce(gone)
        assert (event := await reader.next()).kind is REMOVED
        assert (event.notification, event.counts.unread.count) == (gone, 1)
        await world.delete(deleted)
        assert (event := await reader.next()).kind is REMOVED
        assert event.notification
        assert (event.notification.id, event.notification.version) == (deleted.id, deleted.version + 1)
        assert event.counts.unread.count == 0


async def test_what_never_was_in_the_inbox_is_nobodys_business(world: World):
    async with world.process(QUICK) as process, world.watch(process) as reader:
        waiting = await world.accept()
        mail = await world.deliver(await world.accept(kind="email"))
        world.announce(*waiting, *mail)
        await world.delete(waiting[0])
        assert await reader.quiet(heartbeats=2) == []
        arrived = await world.arrive()
        assert ids([await reader.next()]) == [arrived[0].id]


async def test_all_read_is_one_event_and_stays_one(world: World):
    arrived = await world.arrive(60, quiet=True)
    async with (
        world.process(QUICK) as process,
        world.watch(process) as reader,
        world.watch_one(process, arrived[7]) as single,
    ):
        assert reader.first.counts.unread.count == 60
        await single.next(CHANGED)
        assert (await world.read_all()).count == 60
        event = await reader.next()
        assert (event.kind, event.counts.unread.count) == (EventKind.ALL_READ, 0)
        assert event.up_to
        assert event.up_to.delivered_at >= arrived[-1].updated_at
        assert (told := (await single.next()).notification)
        assert told.read_at
        assert await reader.quiet(heartbeats=3) == []
        [unread] = await world.reload([arrived[3]])
        await world.read(unread, read=False)
        assert ids([await reader.next()]) == [arrived[3].id]


@pytest.mark.parametrize("kind", [EventKind.ALL_READ, EventKind.ALL_SEEN])
async def test_all_at_once_and_its_undoing_are_one_event_each_and_stay_so(world: World, kind: EventKind):
    arrived = await world.arrive(60, quiet=True)
    async with (
        world.process(QUICK) as process,
        world.watch(process) as reader,
        world.watch_one(process, arrived[7]) as single,
    ):
        await single.next(CHANGED)
        marked = await (world.read_all() if kind is EventKind.ALL_READ else world.see_all())
        assert marked.count == 60
        event = await reader.next()
        assert (event.kind, event.counts) == (kind, counted(0) if kind is EventKind.ALL_READ else counted(60, 0))
        changed = await world.reload(arrived)
        assert {item.updated_at for item in changed} == {event.marked_at}
        assert (await single.next()).notification == changed[7]
        assert await reader.quiet(heartbeats=3) == []
        assert await world.undo(marked) == 60
        event = await reader.next()
        assert (event.kind, event.counts) == (EventKind.RESYNC, counted(60))
        [undone] = await world.reload([arrived[7]])
        assert (await single.next()).notification == undone
        assert (undone.read_at, undone.seen_at) == (None, None)
        assert await reader.quiet(heartbeats=3) == []
        await world.mark(undone, Mark.ARCHIVED)
        assert kinds([event := await reader.next()]) == [REMOVED]
        assert (ids([event]), event.counts) == ([undone.id], counted(59))
        [archived] = await world.reload([undone])
        await world.mark(archived, Mark.ARCHIVED, on=False)
        assert kinds([event := await reader.next()]) == [CHANGED]
        assert (ids([event]), event.counts) == ([undone.id], counted(60))


async def test_more_read_at_once_than_is_replayed_is_one_event_still(world: World):
    await world.arrive(1100, quiet=True)
    async with world.process(QUICK) as process, world.watch(process) as reader:
        assert reader.first.counts == counted(1001)
        await world.read_all()
        assert (await reader.next()).kind is EventKind.ALL_READ
        assert await reader.quiet(heartbeats=3) == []


async def test_a_category_read_at_once_is_one_event_that_names_it(world: World):
    await world.arrive(3, category="news", quiet=True)
    [other, _] = await world.arrive(2, quiet=True)
    async with world.process(QUICK) as process, world.watch(process) as reader:
        assert (await world.read_all(category="news")).count == 3
        event = await reader.next()
        assert (event.kind, event.category, event.counts) == (EventKind.ALL_READ, "news", counted(2))
        assert await reader.quiet(heartbeats=3) == []
        # The event covers nothing of another category.
        await world.read(other)
        assert ids([await reader.next()]) == [other.id]


async def test_replays_what_changed_since_the_cursor(world: World):
    async with world.process() as process:
        async with world.watch(process) as reader:
            stays, goes = await world.arrive(2)
            cursor = (await reader.until([stays, goes]))[-1].cursor
        missed = await world.arrive(3)
        await world.delete(goes)
        async with world.watch(process, after=cursor) as reader:
            assert world.place(reader.first.cursor) == world.place(cursor)
            told = await reader.until(missed)
            removed = [event for event in told if event.kind is REMOVED] or [await reader.next()]
            assert ids(removed) == [goes.id]
            assert removed[0].counts.unread.count == 4
            assert len(set(ids(told))) == len(told)
        async with world.watch(process, after=told[0].cursor) as reader:
            await reader.until(missed)


async def test_the_overlap_is_told_once(world: World):
    async with world.process(QUICK) as process:
        async with world.watch(process) as reader:
            arrived = await world.arrive(5)
            cursor = (await reader.until(arrived))[-1].cursor
        async with world.watch(process, after=cursor) as reader:
            again = await reader.quiet(heartbeats=3)
            assert sorted(ids(again)) == sorted(n.id for n in arrived)
            async with world.watch(process) as fresh:
                assert await fresh.quiet(heartbeats=2) == []
            places = [world.place(event.cursor).at for event in again]
            assert places == sorted(places)


async def test_resync_where_too_much_was_missed(world: World):
    async with world.process(QUICK) as process:
        async with world.watch(process) as reader:
            cursor = reader.first.cursor
        await world.arrive(1001, quiet=True)
        # A change stream still on its way through all of these would make any reader fall behind.
        await asyncio.sleep(1)
        async with world.watch(process, after=cursor) as reader:
            event = await reader.next()
            assert (event.kind, event.counts.unread.capped) == (EventKind.RESYNC, True)
            assert await reader.quiet(heartbeats=2) == []
            later = await world.arrive()
            assert ids([await reader.next()]) == [later[0].id]
        async with world.watch(process, after=event.cursor) as reader:
            # The overlap holds them all still: to be told of more than a thousand once more is a resync too.
            assert (await reader.next()).kind is EventKind.RESYNC


@pytest.mark.parametrize("age", [timedelta(hours=24, seconds=1), timedelta(days=400)])
async def test_resync_for_an_old_cursor(world: World, age: timedelta):
    async with world.process() as process:
        await world.arrive(quiet=True)
        async with world.watch(process, after=Position(now() - age, LAST_ID)) as reader:
            event = await reader.next()
            assert (event.kind, event.counts.unread.count) == (EventKind.RESYNC, 1)
            assert world.place(event.cursor).at > now() - timedelta(minutes=1)


async def test_a_slow_reader_misses_nothing(world: World):
    async with world.process() as process, world.watch(process) as slow, world.watch(process) as quick:
        arrived = await world.arrive(QUEUED)
        await quick.until(arrived)
        more = await world.arrive(QUEUED)
        await quick.until(more)
        read = [await world.read(n) for n in arrived[:50]]
        await quick.until(read)
        told = await slow.until([*read, *more, *arrived[50:]])
        seen: dict[UUID, int] = {}
        for event in told:
            assert event.notification
            assert seen.get(event.notification.id, 0) < event.notification.version
            seen[event.notification.id] = event.notification.version
        assert len(told) <= 2 * QUEUED + 50
        places = [world.place(event.cursor).at for event in told]
        assert places == sorted(places)
        after = await world.arrive()
        assert ids([await slow.next()]) == [after[0].id]


async def test_whose_credential_ends_is_told_nothing_more(world: World):
    enders: list[Callable[[], None]] = []

    @contextmanager
    def standing(on_end: Callable[[], None]) -> Iterator[None]:
        enders.append(on_end)
        yield

    async with world.process() as process, world.watch(process) as other:
        before = other.first.cursor
        await other.until(await world.arrive(3))
        async with aclosing(process.feed.watch_inbox(world.tenant, "ann", world.place(before), standing)) as events:
            assert (await anext(events)).kind is EventKind.HEARTBEAT
            assert (await anext(events)).kind is CHANGED
            enders[0]()
            # Two more were at hand.
            with pytest.raises(HubError) as caught:
                await anext(events)
            assert caught.value.reason is Reason.UNAUTHENTICATED


async def test_looks_again_when_the_source_is_back(world: World):
    async with world.process() as other, world.process() as process, world.watch(process) as reader:
        async with world.watch(other):
            await process.cut()
            missed = await world.arrive(3)
            removed = await world.arrive(1)
            await world.delete(removed[0])
            await asyncio.sleep(0.2)
            process.connect()
            told = await reader.until(missed)
        told += [] if REMOVED in kinds(told) else [await reader.next()]
        assert sorted(ids(told)) == sorted(n.id for n in [*missed, *removed])


async def test_every_process_hears_of_it(world: World):
    async with world.process() as one, world.process() as two, world.watch(one) as here, world.watch(two) as there:
        arrived = await world.arrive()
        assert (await here.next()).notification == (await there.next()).notification == arrived[0]


async def test_a_heartbeat_heals_a_lost_hint(world: World):
    async with world.process(QUICK) as process, world.watch(process) as reader:
        await process.cut()
        [arrived] = await world.arrive(quiet=True)
        event = await reader.next()
        assert (event.kind, event.notification, event.counts.unread.count) == (CHANGED, arrived, 1)
        assert await reader.quiet(heartbeats=2) == []


async def test_a_heartbeat_heals_the_stream_of_one(world: World):
    [waiting] = await world.accept()
    async with world.process(QUICK) as process, world.watch_one(process, waiting) as reader:
        assert (await reader.next()).notification == waiting
        await process.cut()
        [delivered] = await world.deliver([waiting])
        assert (await reader.next()).notification == delivered
        await world.rows.delete_one({"_id": waiting.id})
        while (await anext(reader._events, None)) is not None:
            pass


async def test_one_notification_from_beginning_to_end(world: World):
    [waiting] = await world.accept(kind="email")
    async with world.process() as process, world.watch_one(process, waiting) as reader:
        assert (await reader.next(CHANGED)).notification == waiting
        [delivered] = await world.deliver([waiting])
        world.announce(delivered)
        event = await reader.next(CHANGED)
        while event.notification and event.notification.version < delivered.version:
            event = await reader.next(CHANGED)
        assert event.notification == delivered
        await world.delete(delivered)
        assert ids([await reader.next(REMOVED)]) == [waiting.id]
        assert await reader.ended()
        assert not process.feed._topics


async def test_closing_unregisters_and_what_never_began_never_did(world: World):
    async with world.process() as process:
        begun = process.feed.watch_inbox(world.tenant, "ann", None)
        never = process.feed.watch_inbox(world.tenant, "bob", None)
        await anext(begun)
        assert list(process.feed._topics) == [(world.tenant, "ann")]
        await never.aclose()
        await begun.aclose()
        assert not process.feed._topics
        listening = process.hints._bound if isinstance(process.hints, ChangeHints) else process.hints._listening._keys
        assert not listening
        async with world.watch(process) as reader:
            await world.arrive()
            await reader.next(CHANGED)


async def test_tenants_and_users_are_apart(world: World):
    stranger = World(world.make_hints)
    async with world.process() as process, world.watch(process) as reader, world.watch(process, "bob") as bob:
        stranger.announcer = process.hints
        async with stranger.watch(process) as other:
            foreign = await stranger.arrive()
            mine = await world.arrive()
            bobs = await world.arrive(user="bob")
            assert ids([await reader.next()]) == [mine[0].id]
            assert ids([await other.next()]) == [foreign[0].id]
            assert ids([await bob.next()]) == [bobs[0].id]


async def test_draining_ends_every_stream(world: World):
    [waiting] = await world.accept()
    async with (
        world.process() as process,
        world.watch(process) as reader,
        world.watch_one(process, waiting) as single,
    ):
        await single.next()
        process.feed.drain()
        assert await reader.ended()
        assert await single.ended()
        assert not process.feed._topics
        assert [event async for event in process.feed.watch_inbox(world.tenant, "ann", None)] == []


class CountingInbox(InboxStore):
    """Counts the reads, and lets some fail."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.failing = False

    async def counts(self, tenant: str, user_id: str) -> InboxCounts:
        self._read()
        return await super().counts(tenant, user_id)

    async def changed_since(self, tenant, user_id, since, limit):
        self._read()
        return await super().changed_since(tenant, user_id, since, limit)

    async def traces(self, tenant, user_ids, since, limit):
        self._read()
        return await super().traces(tenant, user_ids, since, limit)

    async def latest(self, tenant: str, notification_ids: Sequence[UUID]) -> list[Latest]:
        self._read()
        return await super().latest(tenant, notification_ids)

    def _read(self) -> None:
        self.reads += 1
        if self.failing:
            raise HubError(Reason.STORE_UNREACHABLE, "Away.")


class LaggingInbox(InboxStore):
    """A replica set whose other members lag: what is read has a majority, and that is as it was then."""

    def __init__(self) -> None:
        super().__init__()
        self.behind_since: datetime | None = None

    async def known_until(self) -> datetime:
        return self.behind_since or await super().known_until()

    async def changed_since(self, tenant, user_id, since, limit):
        return self._then(await super().changed_since(tenant, user_id, since, limit))

    async def traces(self, tenant, user_ids, since, limit):
        return self._then(await super().traces(tenant, user_ids, since, limit))

    def _then(self, found: list[Any]) -> list[Any]:
        return [one for one in found if self.behind_since is None or one.updated_at < self.behind_since]


async def test_what_a_majority_gets_late_is_told_however_late(rabbit_world: World, monkeypatch: pytest.MonkeyPatch):
    """A change whose caller was told that its outcome is unknown: nobody announces it when it lasts after all."""
    monkeypatch.setattr(cursors, "OVERLAP", timedelta(milliseconds=100))
    inbox = LaggingInbox()
    async with rabbit_world.process(QUICK, inbox=inbox) as process:
        async with rabbit_world.watch(process) as reader:
            inbox.behind_since = now()
            [late] = await rabbit_world.arrive(quiet=True)
            cursor = ""
            for _ in range(5):
                cursor = (await reader.next(EventKind.HEARTBEAT)).cursor
            inbox.behind_since = None
            assert ids([await reader.next()]) == [late.id]
        # Whoever comes back with a cursor of that time finds it too.
        async with rabbit_world.watch(process, after=cursor) as again:
            assert ids([await again.next()]) == [late.id]


class NewPrimary:
    """A primary in the moment of its election, as mongod 6.0 was seen to answer: no majority is known yet."""

    @property
    def database(self) -> NewPrimary:
        return self

    async def command(self, _name: str) -> dict[str, Any]:
        return {"lastWrite": {"opTime": {"t": 2}, "lastWriteDate": datetime(2026, 1, 1)}}  # noqa: DTZ001 - it has no zone


async def test_while_no_majority_is_known_readers_look_again(store: Store):
    inbox = InboxStore()
    inbox._rows = NewPrimary()  # type: ignore[assignment]  # as much of it as is asked
    with pytest.raises(HubError) as refused:
        await inbox.known_until()
    assert refused.value.reason is Reason.STORE_UNREACHABLE


async def test_a_thousand_readers_of_one_user_cost_a_few_reads(world: World):
    inbox = CountingInbox()
    async with world.process(inbox=inbox) as process:
        after = Position(now(), LAST_ID)
        streams = [process.feed.watch_inbox(world.tenant, "ann", after) for _ in range(1000)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        [arrived] = await world.arrive()
        told = await asyncio.gather(*(anext(stream) for stream in streams))
        assert all(event.notification == arrived for event in told)
        assert inbox.reads < 30
        await asyncio.gather(*(stream.aclose() for stream in streams))


async def test_a_store_that_is_away_delays_and_loses_nothing(world: World):
    inbox = CountingInbox()
    async with world.process(QUICK, inbox=inbox) as process, world.watch(process) as reader:
        inbox.failing = True
        arrived = await world.arrive(3)
        assert await reader.quiet(heartbeats=2) == []
        with pytest.raises(HubError):
            await anext(process.feed.watch_inbox(world.tenant, "bob", None))
        inbox.failing = False
        await reader.until(arrived)


async def test_a_replay_outlives_a_store_that_is_away(world: World):
    inbox = CountingInbox()
    async with world.process(QUICK, inbox=inbox) as process:
        async with world.watch(process) as reader:
            cursor = reader.first.cursor
        missed = await world.arrive(quiet=True)
        async with world.watch(process, after=cursor) as reader:
            inbox.failing = True
            assert await reader.quiet(heartbeats=1) == []
            inbox.failing = False
            assert ids(await reader.until(missed)) == [missed[0].id]


async def test_rabbit_begins_without_a_broker(rabbit_world: World):
    hints = RabbitHints("amqp://guest:guest@127.0.0.1:1/")
    async with rabbit_world.process(QUICK, hints=hints) as process, rabbit_world.watch(process) as reader:
        [arrived] = await rabbit_world.arrive()
        assert (await reader.next()).notification == arrived
        async with asyncio.timeout(1), rabbit_world.watch(process, "bob"):
            pass


async def test_rabbit_ignores_what_it_can_not_read(rabbit_world: World, amqp_url: str):
    async with rabbit_world.process() as process, rabbit_world.watch(process) as reader:
        [key] = process.hints._listening._keys  # type: ignore[union-attr]  # RabbitMQ's it is
        async with await aio_pika.connect(amqp_url) as connection:
            exchange = await (await connection.channel()).get_exchange(EXCHANGE)
            for body in (b"", b"{", b'{"v":2}', b'{"v":1}', b'{"v":1,"t":"x","u":"y","n":["z"],"a":[]}', b"[]"):
                await exchange.publish(aio_pika.Message(body), key)
        [arrived] = await rabbit_world.arrive()
        assert (await reader.next()).notification == arrived


async def test_rabbit_survives_closed_connections_and_a_dead_node(rabbit_world: World, rabbit: RabbitServer):
    rabbit_world.make_hints = lambda: RabbitHints(rabbit.url)
    async with rabbit_world.process() as process, rabbit_world.watch(process) as reader:
        for damage in (lambda: rabbit.ctl("close_all_connections", "test"), rabbit.kill):
            await damage()
            missed = await rabbit_world.arrive(2, quiet=True)
            await rabbit.start()
            await reader.until(missed)
            await until(lambda: not process.hints._listening._away)  # type: ignore[union-attr]  # RabbitMQ's it is
            later = await rabbit_world.arrive()
            await reader.until(later)
