"""Devices of one user and a model of their inbox: random marks, arrivals, absences, and in the end all agree.

The devices do what a client is told to do: list, apply an event only if its version is newer, mark what an event says is
marked, list afresh on `resync`, and come back with the last cursor. Some doze off and read later what was told meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hub.core.ports import AllRead, AllSeen, Change, Undone
from hub.domain.events import Event, EventKind, InboxCounts, InboxPosition, MarkedAll
from hub.domain.notifications import Mark, Notification
from hub.domain.paging import Filter, ListKind
from hub.live.changes import ChangeHints
from hub.live.rabbit import RabbitHints
from hub.store.client import Store, open_store
from hub.store.lists import ListQuery, ListStore
from tests.counts import counted
from tests.integration.live_world import Process, World
from tests.waiting import until

CATEGORIES = (None, "news", "orders")
DEVICES = 3


@pytest.fixture(scope="module")
async def store(mongo_url: str, mongo_database: str) -> AsyncIterator[Store]:
    async with open_store(mongo_url, f"{mongo_database}_model", timedelta(seconds=10)) as opened:
        yield opened
        await opened.database.client.drop_database(opened.database.name)


@dataclass
class Item:
    """What the model knows of one item."""

    category: str | None
    read: bool = False
    seen: bool = False
    archived: bool = False
    gone: bool = False
    changes: int = 0
    """Of any kind: an undo leaves alone what has been changed since."""

    @property
    def shown(self) -> bool:
        return not (self.archived or self.gone)


@dataclass
class Operation:
    """A mark-all, and what it would take to undo it."""

    mark: Mark
    marked: MarkedAll
    touched: dict[UUID, tuple[int, bool]]
    """By item: its changes when that was done, and whether it was seen before."""


@dataclass
class Device:
    """One client: what it shows, by the events of its stream alone."""

    world: World
    process: Process
    shown: dict[UUID, Notification] = field(default_factory=dict)
    versions: dict[UUID, int] = field(default_factory=dict)
    counts: InboxCounts | None = None
    cursor: str | None = None
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    """Unset while it does not read what its stream has for it."""
    _reading: asyncio.Task[None] | None = None
    _events: AsyncGenerator[Event] | None = None

    async def connect(self) -> None:
        self.awake.set()
        if self._reading is None:
            position = None if self.cursor is None else self.world.place(self.cursor)
            self._events = self.process.feed.watch_inbox(self.world.tenant, "ann", position)
            await self._take(await anext(self._events))
            if position is None:
                await self._list()
            self._reading = asyncio.get_running_loop().create_task(self._read(self._events))

    async def leave(self) -> None:
        if self._reading is not None and self._events is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            await self._events.aclose()
            self._reading = None

    async def _read(self, events: AsyncGenerator[Event]) -> None:
        async for event in events:
            await self.awake.wait()
            await self._take(event)

    async def _take(self, event: Event) -> None:
        match event.kind:
            case EventKind.CHANGED | EventKind.REMOVED:
                assert event.notification
                self._apply(event.notification)
            case EventKind.ALL_READ | EventKind.ALL_SEEN:
                self._mark(event)
            case EventKind.RESYNC:
                await self._list()
            case EventKind.HEARTBEAT:
                pass
        self.counts, self.cursor = event.counts, event.cursor

    def _apply(self, found: Notification) -> None:
        if self.versions.get(found.id, 0) >= found.version:
            return
        self.versions[found.id] = found.version
        if found.in_inbox:
            self.shown[found.id] = found
        else:
            self.shown.pop(found.id, None)

    def _mark(self, event: Event) -> None:
        up_to, at = event.up_to, event.marked_at
        assert up_to
        assert at
        for item in list(self.shown.values()):
            assert item.inbox_at
            meant = event.category in (None, item.category) and item.updated_at <= at
            if meant and (item.inbox_at, item.id) <= (up_to.delivered_at, up_to.id):
                read_at = item.read_at or (at if event.kind is EventKind.ALL_READ else None)
                self.shown[item.id] = replace(item, read_at=read_at, seen_at=item.seen_at or at)

    async def _list(self) -> None:
        query = ListQuery(ListKind.INBOX, self.world.tenant, "ann", Filter())
        found = await ListStore().find(query, 1000)
        self.shown = {item.id: item for item in found}
        self.versions |= {item.id: item.version for item in found}

    def view(self) -> dict[UUID, tuple[bool, bool]]:
        return {item.id: (item.read_at is not None, item.seen_at is not None) for item in self.shown.values()}


class Inbox:
    """What happens, to the store and to the model alike; the model's words on each are those of the contract."""

    def __init__(self, world: World, devices: list[Device]) -> None:
        self.world = world
        self.devices = devices
        self.items: dict[UUID, Item] = {}
        """In the order of their arrival, which is that of the inbox."""
        self.operations: list[Operation] = []

    async def arrive(self, category: str | None) -> None:
        [arrived] = await self.world.arrive(1, category=category)
        self.items[arrived.id] = Item(category)

    async def mark(self, which: int, mark: Mark, *, on: bool) -> None:
        if not self.items:
            return
        identifier = list(self.items)[which % len(self.items)]
        item = self.items[identifier]
        if item.gone:
            return
        before = (item.read, item.seen, item.archived)
        match mark:
            case Mark.READ:
                item.read, item.seen = on, item.seen or on
            case Mark.SEEN:
                item.read, item.seen = item.read and on, on
            case Mark.ARCHIVED:
                item.archived = on
        changes = before != (item.read, item.seen, item.archived)
        item.changes += changes
        [found] = await self.world.notifications.get_many(self.world.tenant, [identifier])
        changed = await self.world.notifications.mark(found, mark, on=on)
        assert (changed is not None) is changes
        if changed:
            self.world.announce(changed)

    async def at_once(self, marks: list[tuple[int, Mark, bool]]) -> None:
        """Of several devices, each of another item."""
        apart = {which % max(1, len(self.items)): (mark, on) for which, mark, on in marks}
        await asyncio.gather(*(self.mark(which, mark, on=on) for which, (mark, on) in apart.items()))

    async def mark_all(self, mark: Mark, category: str | None, up_to: int) -> None:
        if not self.items:
            return
        last = up_to % len(self.items)
        identifier = list(self.items)[last]
        if self.items[identifier].gone:
            return
        [place] = await self.world.notifications.get_many(self.world.tenant, [identifier])
        assert place.delivered_at
        touched = {}
        for one, item in list(self.items.items())[: last + 1]:
            done = item.read if mark is Mark.READ else item.seen
            if item.shown and not done and category in (None, item.category):
                was_seen = item.seen
                item.read, item.seen = item.read or mark is Mark.READ, True
                item.changes += 1
                touched[one] = (item.changes, was_seen)
        position = InboxPosition(place.delivered_at, place.id)
        kind = AllRead if mark is Mark.READ else AllSeen
        store = self.world.marks.mark_all_read if mark is Mark.READ else self.world.marks.mark_all_seen
        marked = await store(self.world.tenant, "ann", position, category)
        assert marked.count == len(touched)
        if marked.count:
            self.operations.append(Operation(mark, marked, touched))
            self.tell(kind(self.world.tenant, "ann", position, category, marked.marked_at))

    async def undo(self, which: int) -> None:
        if not self.operations:
            return
        operation = self.operations[which % len(self.operations)]
        assert operation.marked.operation_id
        untouched = 0
        for identifier, (changes, was_seen) in operation.touched.items():
            item = self.items[identifier]
            if item.changes == changes and not item.gone:
                item.read, item.seen = item.read and operation.mark is not Mark.READ, was_seen
                item.changes += 1
                untouched += 1
        count = await self.world.marks.undo(self.world.tenant, "ann", operation.marked.operation_id)
        assert count == untouched
        if count:
            self.tell(Undone(self.world.tenant, "ann"))

    async def delete(self, which: int) -> None:
        if not self.items:
            return
        identifier = list(self.items)[which % len(self.items)]
        gone = await self.world.notifications.delete(self.world.tenant, identifier)
        assert (gone is None) is self.items[identifier].gone
        self.items[identifier].gone = True
        if gone:
            self.tell(Change(gone.tenant, gone.user_id, gone.id))

    async def leave(self, which: int) -> None:
        await self.devices[which % DEVICES].leave()

    async def doze(self, which: int) -> None:
        self.devices[which % DEVICES].awake.clear()

    async def come(self, which: int) -> None:
        await self.devices[which % DEVICES].connect()

    def tell(self, hint: Change | AllRead | AllSeen | Undone) -> None:
        assert self.world.announcer is not None
        self.world.announcer.announce([hint])

    def counts(self) -> InboxCounts:
        shown = [item for item in self.items.values() if item.shown]
        return counted(sum(not item.read for item in shown), sum(not item.seen for item in shown))

    def view(self) -> dict[UUID, tuple[bool, bool]]:
        return {identifier: (item.read, item.seen) for identifier, item in self.items.items() if item.shown}

    async def agrees(self) -> None:
        """Lists and counts of the store, and what every device shows, are those of the model."""
        newest_first = list(self.items.items())[::-1]
        for filters, wanted in (
            (Filter(), [one for one, item in newest_first if item.shown]),
            (Filter(archived=True), [one for one, item in newest_first if item.archived and not item.gone]),
        ):
            query = ListQuery(ListKind.INBOX, self.world.tenant, "ann", filters)
            assert [found.id for found in await ListStore().find(query, 1000)] == wanted
        total, by_category = await self.world.inbox.counts_by_category(self.world.tenant, "ann", ("news", "orders"))
        assert total == self.counts()
        for one in by_category:
            mine = [item for item in self.items.values() if item.shown and item.category == one.category]
            assert one.counts == counted(sum(not item.read for item in mine), sum(not item.seen for item in mine))
        for number, device in enumerate(self.devices):
            await device.connect()
            try:
                await until(lambda d=device: _same(d, self))  # type: ignore[misc]
            except TimeoutError:
                assert (number, device.view(), device.counts) == (number, self.view(), self.counts())


async def _same(device: Device, inbox: Inbox) -> bool:
    return device.view() == inbox.view() and device.counts == inbox.counts()


numbers = st.integers(0, 5)
"""Few, so that different hands are laid on the same item."""
marks = st.sampled_from(Mark)
categories = st.sampled_from(CATEGORIES)
steps = st.one_of(
    st.tuples(st.just("arrive"), categories),
    st.tuples(st.just("at_once"), st.lists(st.tuples(numbers, marks, st.booleans()), min_size=1, max_size=4)),
    st.tuples(st.just("mark_all"), st.sampled_from([Mark.READ, Mark.SEEN]), categories, numbers),
    st.tuples(st.just("mark_all"), st.sampled_from([Mark.READ, Mark.SEEN]), st.none(), st.just(-1)),
    st.tuples(st.just("undo"), st.just(-1)),
    st.tuples(st.just("undo"), numbers),
    st.tuples(st.just("delete"), numbers),
    st.tuples(st.just("leave"), numbers),
    st.tuples(st.just("doze"), numbers),
    st.tuples(st.just("come"), numbers),
)


LATE_READER: list[tuple[Any, ...]] = [
    ("mark_all", Mark.READ, None, -1),
    ("doze", 0),
    ("undo", -1),
    ("mark_all", Mark.READ, None, -1),
    ("at_once", [(0, Mark.READ, False)]),
]
"""Lists afresh when the list knows already what comes after the mark-all that it is told of next."""


@asynccontextmanager
async def an_inbox(world: World) -> AsyncIterator[Inbox]:
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(world.process()) for _ in range(2)]
        devices = [Device(world, processes[number % 2]) for number in range(DEVICES)]
        for device in devices:
            stack.push_async_callback(device.leave)
            await device.connect()
        yield Inbox(world, devices)


@pytest.mark.parametrize("source", ["changes", "rabbit"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(taken=LATE_READER)
@given(taken=st.lists(steps, min_size=12, max_size=40))
async def test_devices_and_model_agree(source: str, taken: list[tuple[Any, ...]], store: Store, amqp_url: str) -> None:
    world = World(lambda: ChangeHints(store) if source == "changes" else RabbitHints(amqp_url))
    async with an_inbox(world) as inbox:
        for category in CATEGORIES:
            await inbox.arrive(category)
        for name, *arguments in taken:
            await getattr(inbox, name)(*arguments)
        await inbox.agrees()
