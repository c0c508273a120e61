"""Seen, archived, and all of an inbox at once: on a real mongod, with what happens at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from bson.codec_options import DatetimeConversion
from pymongo import AsyncMongoClient, monitoring

from hub.core.ports import AllSeen, Undone
from hub.domain.errors import HubError, Reason
from hub.domain.notifications import Notification
from hub.domain.paging import Filter
from hub.domain.status import Status
from hub.domain.times import now
from hub.store.documents import InboxMarkDocument, InboxOperationDocument
from hub.store.users import UserStore
from tests.assembly import ME, Assembly, ScriptedChannel, Timing, assembled
from tests.counts import counted
from tests.integration.test_races import Interrupted
from tests.integration.test_store import filled_inbox

USER = "user123"
ARCHIVED = Filter(archived=True)


@pytest.fixture
async def hub(mongo_url: str, run_id: str) -> AsyncIterator[Assembly]:
    database = f"hub_test_{run_id}_states"
    async with assembled(mongo_url, database, ScriptedChannel(), ScriptedChannel("email"), running="") as hub:
        yield hub
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        await client.drop_database(database)


async def delivered(hub: Assembly, **fields: Any) -> Notification:
    made = await hub.created(**fields)
    await hub.delivery.deliver(made.id)
    return await hub.get(made)


async def ids(hub: Assembly, filters: Filter | None = None) -> list[UUID]:
    return [item.id for item in (await hub.inbox_of(filters=filters, limit=100)).items]


async def counts(hub: Assembly) -> Any:
    return (await hub.inbox.counts(ME, USER))[0]


async def gone(call: Any) -> bool:
    with pytest.raises(HubError) as caught:
        await call
    return caught.value.reason is Reason.NOT_FOUND


class TestArchive:
    async def test_a_late_bounce_leaves_the_archive_and_a_replay_comes_back_to_it(self, hub: Assembly) -> None:
        made = await delivered(hub)
        await hub.notifications.archive(ME, str(made.id))
        bounced = await hub.notifications.update_status(ME, str(made.id), Status.FAILED)
        assert bounced.archived_at is not None
        assert (await ids(hub), await ids(hub, ARCHIVED)) == ([], [])
        await hub.notifications.update_status(ME, str(made.id), Status.PENDING)
        await hub.delivery.deliver(made.id)
        assert (await ids(hub), await ids(hub, ARCHIVED)) == ([], [made.id])
        assert await counts(hub) == counted(0)
        await hub.notifications.unarchive(ME, str(made.id))
        assert (await ids(hub), await ids(hub, ARCHIVED)) == ([made.id], [])
        assert await counts(hub) == counted(1)

    async def test_what_expires_in_the_archive_leaves_it_and_does_not_come_back(self, hub: Assembly) -> None:
        made = await delivered(hub, expires_at=now() + timedelta(milliseconds=300))
        await hub.notifications.archive(ME, str(made.id))
        assert await ids(hub, ARCHIVED) == [made.id]
        await asyncio.sleep(0.31)
        assert await ids(hub, ARCHIVED) == []
        await hub.new_sweep().sweep()
        assert "due" not in await hub.row(made)
        assert hub.announcements.of(made.id) >= 2
        back = await hub.notifications.unarchive(ME, str(made.id))
        assert (back.status, back.in_inbox) == (Status.DELIVERED, False)
        assert (await ids(hub), await counts(hub)) == ([], counted(0))

    async def test_unarchived_in_time_it_still_expires(self, hub: Assembly) -> None:
        made = await delivered(hub, expires_at=now() + timedelta(milliseconds=500))
        await hub.notifications.archive(ME, str(made.id))
        await hub.notifications.unarchive(ME, str(made.id))
        assert (await ids(hub), await counts(hub)) == ([made.id], counted(1))
        await asyncio.sleep(0.51)
        assert (await ids(hub), await counts(hub)) == ([], counted(0))
        await hub.new_sweep().sweep()
        assert {"due", "inbox_at", "unread_until"}.isdisjoint(await hub.row(made))

    async def test_mail_can_be_archived_and_is_in_no_archive(self, hub: Assembly) -> None:
        hub.channels["email"].usually = ScriptedChannel("x").usually
        made = await hub.created(type="email")
        await hub.delivery.deliver(made.id)
        await hub.notifications.mark_seen(ME, str(made.id))
        assert (await hub.notifications.archive(ME, str(made.id))).archived_at is not None
        back = await hub.notifications.unarchive(ME, str(made.id))
        assert (back.seen_at is None, back.archived_at, back.in_inbox) == (False, None, False)
        assert (await ids(hub), await ids(hub, ARCHIVED), await counts(hub)) == ([], [], counted(0))

    async def test_what_a_deleted_user_archived_is_gone_with_their_operations(self, hub: Assembly) -> None:
        made = await delivered(hub)
        marked = await hub.inbox.mark_all_seen(ME, USER)
        await hub.inbox.mark_all_read(ME, USER)
        await hub.inbox.undo_mark_all(ME, USER, str(marked.operation_id))
        await hub.notifications.archive(ME, str(made.id))
        users = UserStore(hub.timing.periods)
        assert await users.erase_some(ME.tenant, USER)
        await users.forget_traces(ME.tenant, USER)
        row = await hub.row(made)
        assert {"archived_at", "inbox_at", "unread_until"}.isdisjoint(row)
        for document in (InboxMarkDocument, InboxOperationDocument):
            assert await document.get_pymongo_collection().count_documents({"user_id": USER}) == 0
        assert await gone(hub.inbox.undo_mark_all(ME, USER, str(marked.operation_id)))


class TestOlderProcesses:
    """They know `read_at` alone."""

    async def test_what_they_read_was_seen(self, hub: Assembly) -> None:
        made = await delivered(hub)
        read_at = now()
        await hub.rows.update_one({"_id": made.id}, {"$set": {"read_at": read_at}, "$unset": {"unread_until": 1}})
        assert (await hub.get(made)).seen_at == read_at
        assert await hub.notifications.mark_seen(ME, str(made.id)) == await hub.get(made)
        unread = await hub.notifications.mark_unread(ME, str(made.id))
        assert (unread.read_at, unread.seen_at) == (None, read_at)
        assert await counts(hub) == counted(1, 0)
        await hub.rows.update_one({"_id": made.id}, {"$set": {"read_at": read_at}, "$unset": {"unread_until": 1}})
        await hub.rows.update_one({"_id": made.id}, {"$unset": {"seen_at": 1}})
        unseen = await hub.notifications.mark_unseen(ME, str(made.id))
        assert (unseen.read_at, unseen.seen_at) == (None, None)
        assert await counts(hub) == counted(1, 1)

    async def test_what_they_marked_since_is_left_alone_by_an_undo(self, hub: Assembly) -> None:
        first, second = await delivered(hub), await delivered(hub)
        marked = await hub.inbox.mark_all_read(ME, USER)
        # In the very millisecond, and without a word of the operation.
        await hub.rows.update_one({"_id": first.id}, {"$inc": {"version": 1}})
        assert await hub.inbox.undo_mark_all(ME, USER, str(marked.operation_id)) == 1
        assert (await hub.get(first)).read_at is not None
        assert (await hub.get(second)).read_at is None


class TestUndo:
    async def test_not_after_ten_minutes(self, hub: Assembly) -> None:
        await delivered(hub)
        for mark_all, document in (
            (hub.inbox.mark_all_seen, InboxMarkDocument),
            (hub.inbox.mark_all_read, InboxOperationDocument),
        ):
            operation = str((await mark_all(ME, USER)).operation_id)
            records = document.get_pymongo_collection()
            (record,) = await records.find({"_id": UUID(operation)}).to_list()
            left = record["undo_until"] - now()
            assert timedelta(minutes=9, seconds=50) < left <= timedelta(minutes=10)
            await records.update_one({"_id": UUID(operation)}, {"$set": {"undo_until": now()}})
            assert await gone(hub.inbox.undo_mark_all(ME, USER, operation))
        assert await counts(hub) == counted(0)

    async def test_each_operation_gives_back_what_it_took(self, hub: Assembly) -> None:
        first = await delivered(hub)
        seen = await hub.inbox.mark_all_seen(ME, USER)
        second = await delivered(hub)
        read = await hub.inbox.mark_all_read(ME, USER)
        assert (seen.count, read.count) == (1, 2)
        # What the first one saw has been changed by the second.
        assert await hub.inbox.undo_mark_all(ME, USER, str(seen.operation_id)) == 0
        assert await hub.inbox.undo_mark_all(ME, USER, str(read.operation_id)) == 2
        assert (await hub.get(first)).seen_at is not None
        assert (await hub.get(second)).seen_at is None
        assert await counts(hub) == counted(2, 1)

    async def test_one_hint_however_many(self, hub: Assembly) -> None:
        await filled_inbox(hub, 1200)
        hub.announcements.hints.clear()
        marked = await hub.inbox.mark_all_seen(ME, USER)
        assert await hub.inbox.undo_mark_all(ME, USER, str(marked.operation_id)) == marked.count == 1200
        assert await hub.inbox.undo_mark_all(ME, USER, str(marked.operation_id)) == 0
        assert [type(hint) for hint in hub.announcements.hints] == [AllSeen, Undone]
        assert await counts(hub) == counted(1200)


class TestRaces:
    @pytest.mark.parametrize("name", ["mark_seen", "archive"])
    async def test_marked_in_the_moment_of_its_delivery_it_is_marked(self, hub: Assembly, name: str) -> None:
        made = await hub.created()
        store = Interrupted(hub.timing)
        store.meanwhile.append(lambda: hub.delivery.deliver(made.id))
        hub.notifications._store = store
        answer = await getattr(hub.notifications, name)(ME, str(made.id))
        assert answer == await hub.get(made)
        assert (answer.seen_at or answer.archived_at) is not None
        assert await counts(hub) == (counted(1, 0) if name == "mark_seen" else counted(0))

    async def test_archived_while_all_is_marked(self, hub: Assembly) -> None:
        """Whichever comes first, an archived item counts nowhere, and comes back as it was marked."""
        for _ in range(15):
            items = [await delivered(hub) for _ in range(4)]
            archiving = [hub.notifications.archive(ME, str(item.id)) for item in items[:2]]
            await asyncio.gather(hub.inbox.mark_all_read(ME, USER), *archiving)
            assert await counts(hub) == counted(0)
            back = [await hub.notifications.unarchive(ME, str(item.id)) for item in items[:2]]
            unread = sum(item.read_at is None for item in back)
            assert await counts(hub) == counted(unread)
            await hub.inbox.mark_all_read(ME, USER)

    @pytest.mark.parametrize("name", ["mark_unread", "mark_unseen", "archive", "mark_read"])
    async def test_marked_while_all_is_undone(self, hub: Assembly, name: str) -> None:
        """One of the two comes first: no mark of a person is taken back, and the counts are those of the items."""
        for _ in range(15):
            items = [await delivered(hub) for _ in range(4)]
            marked = await hub.inbox.mark_all_read(ME, USER)
            undoing = hub.inbox.undo_mark_all(ME, USER, str(marked.operation_id))
            undone, *answers = await asyncio.gather(
                undoing, *(getattr(hub.notifications, name)(ME, str(item.id)) for item in items[:2])
            )
            assert 2 <= undone <= 4
            found = [await hub.get(item) for item in items]
            for answer, item in zip(answers, found, strict=False):
                if name == "mark_read":
                    # Read already: that changed nothing, and the undo had its way. Or it came after it.
                    assert item.version in (answer.version, answer.version + 1)
                else:
                    assert (item.read_at, item.seen_at, item.archived_at) == (
                        (answer.read_at, answer.seen_at, answer.archived_at)
                    )
            inside = [item for item in found if item.in_inbox]
            unread = [item for item in inside if item.read_at is None]
            assert await counts(hub) == counted(len(unread), sum(item.seen_at is None for item in unread))
            for item in found:
                await hub.notifications.delete(ME, str(item.id))

    async def test_delivered_while_all_is_marked_counts_as_what_it_is(self, hub: Assembly) -> None:
        made = [await hub.created() for _ in range(30)]
        delivering = [hub.delivery.deliver(item.id) for item in made]
        marking = [hub.inbox.mark_all_seen(ME, USER) for _ in range(5)]
        await asyncio.gather(*delivering, *marking)
        found = [await hub.get(item) for item in made]
        assert await counts(hub) == counted(30, sum(item.seen_at is None for item in found))


async def spread(hub: Assembly, sizes: dict[str | None, tuple[int, int]]) -> dict[str | None, list[UUID]]:
    """Fills the inbox with so many items of each category, so many of them unseen."""
    made = iter(await filled_inbox(hub, sum(count for count, _ in sizes.values())))
    items = {name: [next(made) for _ in range(count)] for name, (count, _) in sizes.items()}
    for name, (count, unseen) in sizes.items():
        await hub.rows.update_many({"_id": {"$in": items[name]}}, {"$set": {"category": name}})
        await hub.rows.update_many({"_id": {"$in": items[name][: count - unseen]}}, {"$set": {"seen_at": now()}})
    return items


class TestManyUnread:
    @pytest.mark.parametrize(
        "sizes",
        [
            # As many as one walk counts, and one more.
            {"a": (500, 20), "b": (499, 499), None: (1, 1)},
            {"a": (500, 20), "b": (500, 500), None: (1, 1)},
            # The walk of all sees only what is seen, or only what is unseen.
            {None: (1001, 0), "a": (1000, 7), "b": (1001, 1001), "c": (3, 0)},
            {None: (1001, 1001), "a": (1000, 1000), "b": (1001, 1000), "c": (1400, 1200), "d": (2, 1)},
            {None: (1001, 0), "a": (1200, 600), "b": (700, 600)},
        ],
    )
    async def test_each_number_is_exact_up_to_1000_and_capped_beyond(
        self, sizes: dict[str | None, tuple[int, int]], hub: Assembly
    ) -> None:
        await spread(hub, sizes)
        names = [name for name in sizes if name is not None]
        total, found = await hub.inbox.counts(ME, USER, [*names, "none"])
        assert total == counted(sum(count for count, _ in sizes.values()), sum(unseen for _, unseen in sizes.values()))
        assert total == await counts(hub)
        assert [one.category for one in found] == [*names, "none"]
        assert [one.counts for one in found] == [*(counted(*sizes[name]) for name in names), counted(0)]

    async def test_whatever_happens_meanwhile_each_number_held_at_some_moment(self, hub: Assembly) -> None:
        items = await spread(hub, {None: (900, 10), "still": (300, 5), "lively": (40, 40)})

        async def mark(*, on: bool) -> None:
            for identifier in items["lively"]:
                await (hub.notifications.mark_read if on else hub.notifications.mark_unread)(ME, str(identifier))

        async with asyncio.TaskGroup() as group:
            marking = group.create_task(mark(on=True))
            before = 40
            while not marking.done():
                total, (still, lively) = await hub.inbox.counts(ME, USER, ["still", "lively"])
                assert (total.unread, still.counts) == (counted(1001).unread, counted(300, 5))
                assert 15 <= total.unseen.count <= 15 + before
                assert lively.counts.unread.count <= before
                before = lively.counts.unread.count
        assert (await hub.inbox.counts(ME, USER, ["lively"]))[1][0].counts == counted(0)
        await mark(on=False)
        assert (await hub.inbox.counts(ME, USER, ["lively"]))[1][0].counts == counted(40, 0)


class _Aggregates(monitoring.CommandListener):
    """Notes commands."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in {"aggregate", "count", "find", "update"} and event.command.get(event.command_name) == (
            "notifications"
        ):
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...
    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@pytest.fixture
def commands() -> Iterator[_Aggregates]:
    listener = _Aggregates()
    before = list(monitoring._LISTENERS.command_listeners)
    monitoring.register(listener)
    yield listener
    monitoring._LISTENERS.command_listeners[:] = before


def walks(plan: Any) -> list[dict[str, Any]]:
    """Every execution in an explanation, those of its branches included."""
    found = [plan["executionStats"]] if isinstance(plan, dict) and "executionStats" in plan else []
    for inner in plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list) else []:
        found += walks(inner)
    return found


async def explained(hub: Assembly, command: dict[str, Any]) -> list[dict[str, Any]]:
    plain = {k: v for k, v in command.items() if k not in {"lsid", "$clusterTime", "$db", "txnNumber", "writeConcern"}}
    plain = {k: v for k, v in plain.items() if k not in {"readConcern", "maxTimeMS"}}
    # A count's plan shows the far ends of its range, which no date of Python's can be.
    options: Any = hub.rows.codec_options.with_options(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
    plan = await hub.rows.database.command("explain", plain, verbosity="executionStats", codec_options=options)
    return walks(plan)


class TestIndexes:
    async def test_counts_walk_over_what_they_count_and_no_further(
        self, commands: _Aggregates, mongo_url: str, run_id: str
    ) -> None:
        database = f"hub_test_{run_id}_walks"
        async with assembled(mongo_url, database, ScriptedChannel(), running="", timing=Timing()) as hub:
            made = await filled_inbox(hub, 4000)
            categories = [{"category": f"c{number}", "_id": {"$in": made[number::10]}} for number in range(10)]
            for wanted in categories:
                await hub.rows.update_many({"_id": wanted["_id"]}, {"$set": {"category": wanted["category"]}})
            # All but a few are seen, each at another time.
            for number, identifier in enumerate(made[:-7]):
                await hub.rows.update_one({"_id": identifier}, {"$set": {"seen_at": now() - timedelta(hours=number)}})
            commands.commands.clear()
            total, (one,) = await hub.inbox.counts(ME, USER, ["c3"])
            assert (total, one.counts) == (counted(1001, 7), counted(400, 1))
            stats = [stat for command in commands.commands for stat in await explained(hub, command)]
            assert [stat["totalDocsExamined"] for stat in stats] == [0] * 4
            # 1,001 of all, what is unseen and a key beside it for each category, and the same of one category.
            assert sum(stat["totalKeysExamined"] for stat in stats) < 1001 + (7 + 20) + 401 + 3
            commands.commands.clear()
            assert await counts(hub) == counted(1001, 7)
            (command,) = commands.commands
            stats = await explained(hub, command)
            assert [stat["totalDocsExamined"] for stat in stats] == [0] * 2
            assert sum(stat["totalKeysExamined"] for stat in stats) < 1001 + (7 + 20)
        async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
            await client.drop_database(database)

    async def test_archive_and_marks_examine_what_they_return_or_change(
        self, commands: _Aggregates, mongo_url: str, run_id: str
    ) -> None:
        database = f"hub_test_{run_id}_examined"
        async with assembled(mongo_url, database, ScriptedChannel(), running="", timing=Timing()) as hub:
            made = await filled_inbox(hub, 300)
            for identifier in made[::10]:
                await hub.notifications.archive(ME, str(identifier))
            await hub.inbox.mark_all_seen(ME, USER)
            fresh = [await delivered(hub) for _ in range(5)]
            commands.commands.clear()
            page = await hub.inbox_of(filters=ARCHIVED, limit=10)
            assert [item.id for item in page.items] == made[::10][:-11:-1]
            await hub.inbox_of(filters=ARCHIVED, limit=10, after=page.next_cursor)
            for command in commands.commands:
                (stat,) = await explained(hub, command)
                assert stat["totalKeysExamined"] <= 13
            commands.commands.clear()
            await hub.inbox.mark_all_seen(ME, USER)
            command, when = commands.commands
            (stat,) = await explained(hub, when)
            assert stat["totalKeysExamined"] == 1
            await hub.rows.update_many({"_id": {"$in": [item.id for item in fresh]}}, {"$unset": {"seen_at": 1}})
            (update,) = command["updates"]
            (stat,) = await explained(hub, {"update": "notifications", "updates": [update]})
            # Those of the fresh ones that have changed, not the 270 seen before.
            assert stat["totalKeysExamined"] <= 8
        async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
            await client.drop_database(database)
