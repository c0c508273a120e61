"""The live feed's parts that need no server: cursors, streams, shared reads, the message on the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.ports import AllRead, AllSeen, Change, Hint, Undone
from hub.core.tasks import checkpoint, ended, for_each
from hub.domain.errors import HubError, Reason
from hub.domain.events import Event, EventKind, InboxPosition
from hub.domain.ids import new_id
from hub.domain.notifications import Notification, Priority
from hub.domain.paging import Filter, ListKind, Position, decode_cursor
from hub.domain.status import Status
from hub.live import cursors, wire
from hub.live.cursors import LONGEST_ABSENCE, OVERLAP, Progress
from hub.live.joint import FeedEndedError, Joint
from hub.live.streams import AT_ONCE, QUEUED, REMEMBERED, Stream, Told
from hub.live.topics import MARKING, Topic, inbox_kind
from hub.store.inbox import Latest, Trace
from tests.counts import counted

NOW = datetime(2030, 1, 31, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LAST_ID = UUID(int=2**128 - 1)
OWNER = ("t", "ann")

moments = st.integers(0, 2 * 24 * 3600 * 1000).map(lambda ms: NOW - timedelta(milliseconds=ms))
names = st.text(st.characters(codec="utf-8"), max_size=20)
uuids = st.uuids()


def place_of(progress: Progress) -> Position:
    return decode_cursor(cursors.encode(*OWNER, progress), (ListKind.EVENTS,), OWNER, Filter())


@given(at=moments, behind=st.integers(0, LONGEST_ABSENCE // timedelta(milliseconds=1)))
def test_a_cursor_brings_back_where_its_bearer_stood(at: datetime, behind: int):
    progress = Progress(at, at - timedelta(milliseconds=behind))
    assert cursors.decode(place_of(progress), NOW) == progress


def test_a_cursor_takes_in_all_delivered_at_its_moment():
    place = place_of(Progress(NOW, NOW - timedelta(hours=20)))
    assert place.at == NOW
    assert place.id > new_id()
    assert place_of(Progress(NOW, NOW + SECOND)) == Position(NOW, LAST_ID)


def test_nobody_stands_in_the_future_or_before_time_began():
    assert cursors.decode(Position(NOW + 99 * SECOND, LAST_ID), NOW) == Progress(NOW, NOW)
    ancient = cursors.decode(Position(datetime.min.replace(tzinfo=UTC), UUID(int=0)), NOW)
    assert NOW - ancient.complete > LONGEST_ABSENCE


def test_a_reader_looks_again_from_before_what_is_complete():
    assert Progress(NOW, NOW - SECOND).since == NOW - SECOND - OVERLAP


hints = st.one_of(
    st.builds(Change, names, names, uuids),
    st.builds(AllRead, names, names, st.builds(InboxPosition, moments, uuids), st.none() | names, st.none() | moments),
    st.builds(AllSeen, names, names, st.builds(InboxPosition, moments, uuids), st.none() | names, st.none() | moments),
    st.builds(Undone, names, names),
)


@given(st.lists(hints))
def test_hints_survive_the_broker(said: list[Hint]):
    heard = []
    for keys, body in wire.messages([*said, *said]):
        told = wire.decode(body)
        assert {wire.routing_key(hint.tenant, hint.user_id) for hint in told} == set(keys)
        assert len(keys) == len(set(keys))
        heard += told
    assert len(heard) == len(set(heard))
    assert set(heard) == set(said)


def test_one_message_for_many_users():
    assert len(list(wire.messages(Change("t", f"user-{n}", new_id()) for n in range(500)))) == 1
    assert len(list(wire.messages(Change("t", "ann", new_id()) for _ in range(500)))) == 1
    assert len(list(wire.messages(Change("t", "ann", new_id()) for _ in range(501)))) == 2
    assert wire.routing_key("a", "bc") != wire.routing_key("ab", "c")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b'{"v":2}', b'{"v":1}', b'{"v":1,"t":"t","u":"u","n":["x"],"a":[]}', b"[" * 100_000]
    + [b'{"v":1,"t":"t","u":"u","n":[],"a":%s}' % a for a in (b"[[]]", b'[["x","y",null]]', b"[1]", b'[[1e400,"",0]]')],
)
def test_what_is_none_of_ours_is_unreadable(body: bytes):
    with pytest.raises(wire.UnreadableError):
        wire.decode(body)


def notification(version: int = 1, at: datetime = NOW, **fields: object) -> Notification:
    plain: dict[str, object] = dict.fromkeys(
        (
            "html",
            "to",
            "category",
            "status_reason",
            "scheduled_at",
            "expires_at",
            "next_attempt_at",
            "sent_at",
            "read_at",
        )
    )
    plain |= {"id": new_id(), "tenant": "t", "user_id": "ann", "title": "", "message": "", "type": "in_app"}
    plain |= {"metadata": {}, "priority": Priority.LOW, "status": Status.DELIVERED, "attempts": (), "created_at": at}
    plain |= {"updated_at": at, "delivered_at": at, "inbox_at": at, "version": version, "correlation_id": ""}
    return Notification(**(plain | fields))  # type: ignore[arg-type]  # each name stands above


def told(about: Notification, *, found: bool = False) -> Told:
    progress = Progress(about.updated_at, NOW - SECOND)
    cursor = cursors.encode(*OWNER, progress)
    return Told(Event(EventKind.CHANGED, cursor, counted(0), about), progress, found)


def stream(only: UUID | None = None) -> Stream:
    begun = Stream(*OWNER, only)
    begun.begin(Progress(NOW, NOW), behind=False)
    return begun


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, EventKind.CHANGED),
        ({"inbox_at": None}, EventKind.REMOVED),
        ({"inbox_at": None, "delivered_at": None}, None),
        ({"inbox_at": None, "type": "email"}, None),
    ],
)
def test_what_a_version_means_to_the_inbox(fields: dict[str, Any], kind: EventKind | None):
    assert inbox_kind(replace(notification(), **fields)) is kind


def test_versions_and_cursors_never_go_back():
    reader = stream()
    third = notification(version=3, at=NOW + 2 * SECOND)
    assert reader.accept(told(third))
    for version in (2, 3):
        assert reader.accept(told(notification(version=version, at=NOW + 3 * SECOND, id=third.id))) is None
    late = reader.accept(told(notification(at=NOW + SECOND)))
    assert late
    place = decode_cursor(late.cursor, (ListKind.EVENTS,), OWNER, Filter())
    assert place.at == NOW + 2 * SECOND
    assert cursors.decode(place, NOW + 9 * SECOND).complete == NOW - SECOND


def test_what_a_stream_remembers_is_bounded():
    reader = stream()
    for _ in range(REMEMBERED + 10):
        reader.accept(told(notification()))
    assert len(reader._sent) == REMEMBERED


def test_what_lies_before_its_beginning_is_not_found_again_but_a_late_hint_counts():
    assert stream().accept(told(notification(), found=True)) is None
    assert stream().accept(told(notification(at=NOW + SECOND), found=True))
    assert stream().accept(told(notification()))


async def test_a_full_queue_makes_a_reader_fall_behind():
    reader = stream()
    for _ in range(QUEUED):
        reader.offer(told(notification()))
    assert len(await reader.take_some()) == AT_ONCE
    for _ in range(AT_ONCE):
        reader.offer(told(notification()))
    assert len(reader._queue) == QUEUED
    reader.offer(told(notification()))
    assert reader.behind
    assert await reader.take_some() == []


async def test_a_reader_is_handed_a_few_at_once_and_none_that_it_knows():
    reader = stream()
    known, *others = [notification() for _ in range(AT_ONCE + 3)]
    reader.accept(told(known))
    for one in (known, *others):
        reader.offer(told(one))
    first, second = await reader.take_some(), await reader.take_some()
    assert [event.notification for event in first] == others[: AT_ONCE - 1]
    assert [event.notification for event in second] == others[AT_ONCE - 1 :]
    reader.end()
    assert await reader.take_some() == []


async def test_the_stream_of_one_keeps_the_newest():
    one = notification()
    reader = stream(one.id)
    for version in range(1, QUEUED + 11):
        reader.offer(told(notification(version=version, id=one.id)))
    assert not reader.behind
    taken: list[Event] = []
    while reader._queue:
        taken += await reader.take_some()
    assert [event.notification.version for event in taken if event.notification] == list(range(11, QUEUED + 11))


def test_a_topic_tells_each_version_once_and_looks_for_what_it_does_not_know():
    topic = Topic(*OWNER, started=NOW, beat_at=0)
    reader = stream()
    topic.join(reader)
    one = notification(at=NOW + SECOND)
    for _ in range(3):
        topic.tell(Latest(one, deleted=False), found=False)
    assert len(reader._queue) == 1
    trace = Trace(one.id, "ann", 1, one.updated_at, None, one.inbox_at, None)
    newer = Trace(one.id, "ann", 2, one.updated_at, None, one.inbox_at, None)
    old = Trace(new_id(), "ann", 1, NOW, None, NOW, None)
    assert topic.unknown([trace, newer, old], NOW) == [newer]
    topic.looked_again(NOW + SECOND + OVERLAP)
    assert topic.unknown([trace], NOW) == [trace]


PLACE = InboxPosition(NOW + 2 * SECOND, LAST_ID)


@pytest.mark.parametrize(
    ("hint", "kind", "other"),
    [
        (AllRead(*OWNER, PLACE, None), EventKind.ALL_READ, EventKind.ALL_SEEN),
        (AllSeen(*OWNER, PLACE, None), EventKind.ALL_SEEN, EventKind.ALL_READ),
        (Undone(*OWNER), EventKind.RESYNC, EventKind.ALL_READ),
    ],
)
def test_one_event_for_many_covers_what_it_tells_of_and_nothing_else(
    hint: AllRead | AllSeen | Undone, kind: EventKind, other: EventKind
):
    topic = Topic(*OWNER, started=NOW, beat_at=0)
    marked_at = NOW + 5 * SECOND
    topic.join(stream())
    topic.tell_of_many(hint, marked_at)

    def trace(told_as: EventKind | None, inbox_at: datetime | None, after: int = 0) -> Trace:
        return Trace(new_id(), "ann", 2, marked_at + after * SECOND, told_as, inbox_at, "news")

    covered = trace(kind, NOW + SECOND)
    assert topic.unknown([trace(other, NOW + SECOND)], marked_at + SECOND) == []
    others = [trace(None, NOW + SECOND), trace(other, NOW + SECOND), trace(kind, None), trace(kind, NOW, after=3)]
    if not isinstance(hint, Undone):
        others.append(trace(kind, NOW + 3 * SECOND))
    assert topic.unknown([covered, *others], marked_at + 3 * SECOND + MARKING) == others


@pytest.mark.parametrize(("category", "covers"), [(None, True), ("news", True), ("other", False)])
def test_one_event_for_a_category_covers_no_other(category: str | None, covers: bool):  # noqa: FBT001 - a parameter
    topic = Topic(*OWNER, started=NOW, beat_at=0)
    topic.join(stream())
    topic.tell_of_many(AllRead(*OWNER, PLACE, category), NOW + SECOND)
    trace = Trace(new_id(), "ann", 2, NOW + SECOND, EventKind.ALL_READ, NOW, "news")
    assert topic.unknown([trace], NOW + 2 * SECOND + MARKING) == ([] if covers else [trace])


async def test_reads_are_shared_by_those_who_ask_before_they_begin():
    asked: list[list[int]] = []
    gate = asyncio.Event()

    async def read(questions: Sequence[int]) -> int:
        asked.append(list(questions))
        await gate.wait()
        return len(asked)

    async with asyncio.TaskGroup() as group:
        joint = Joint(group.create_task, read)
        first = group.create_task(joint.ask(1))
        await asyncio.sleep(0.01)
        rest = [group.create_task(joint.ask(n)) for n in (2, 3)]
        await asyncio.sleep(0.01)
        gate.set()
    assert (first.result(), [task.result() for task in rest]) == (1, [2, 2])
    assert asked == [[1], [2, 3]]


async def test_a_shared_read_that_fails_fails_for_those_who_asked_and_no_one_else():
    async def read(questions: Sequence[int]) -> int:
        if 0 in questions:
            raise ZeroDivisionError
        return 1

    async with asyncio.TaskGroup() as group:
        joint = Joint(group.create_task, read)
        with pytest.raises(ZeroDivisionError):
            await joint.ask(0)
        assert await joint.ask(1) == 1


async def test_a_cancellation_that_leaks_out_of_the_driver_is_no_end_of_the_feed():
    async def read(questions: Sequence[int]) -> int:
        if questions == [1]:
            raise asyncio.CancelledError
        return sum(questions)

    async with asyncio.TaskGroup() as group:
        joint = Joint(group.create_task, read)
        with pytest.raises(HubError) as refusal:
            await joint.ask(1)
        assert refusal.value.reason is Reason.STORE_UNREACHABLE
        assert await joint.ask(2) == 2


async def test_whoever_waits_when_the_feed_ends_is_told_so():
    async def read(_questions: Sequence[int]) -> int:
        await asyncio.Event().wait()
        return 1

    tasks: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    joint = Joint(lambda work: tasks.append(loop.create_task(work)), read)
    waiting = [loop.create_task(joint.ask(1))]
    await asyncio.sleep(0.01)
    waiting.append(loop.create_task(joint.ask(2)))
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(end) for end in ends] == [FeedEndedError, FeedEndedError]


async def test_work_for_each_is_bounded_and_its_first_error_comes_last():
    done: list[int] = []
    running = 0

    async def work(item: int) -> None:
        nonlocal running
        running += 1
        assert running <= 3
        await asyncio.sleep(0.001)
        running -= 1
        done.append(item)
        if item == 2:
            raise KeyError(item)

    with pytest.raises(KeyError):
        await for_each(range(10), work, at_once=3)
    assert len(done) == 10


async def test_a_swallowed_cancellation_ends_a_task_all_the_same():
    rounds = 0

    async def stubborn() -> None:
        nonlocal rounds
        while rounds < 3:
            rounds += 1
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    async def attentive() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        checkpoint()

    tasks = [asyncio.get_running_loop().create_task(work) for work in (stubborn(), attentive())]
    await asyncio.sleep(0.01)
    for task in tasks:
        await ended(task)
    assert rounds == 3
    assert [task.cancelled() for task in tasks] == [False, True]
