"""Lists, inboxes, dead letters, indexes and durability, on a real mongod."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, monitoring
from pymongo.write_concern import WriteConcern

from hub.core.dead_letters import Selection
from hub.domain.errors import HubError, Reason
from hub.domain.ids import new_id
from hub.domain.notifications import Attempt, Notification, OutcomeKind
from hub.domain.paging import Filter, PageRequest
from hub.domain.principals import Principal
from hub.domain.retry import Decision
from hub.domain.status import SETTLED, Status
from hub.domain.times import now, to_milliseconds
from hub.store.client import Rows, check_url, open_store
from hub.store.documents import DOCUMENTS
from hub.store.mapping import END_OF_TIME, to_new_row
from hub.store.work import Record
from tests.assembly import ME, PERMANENT, Assembly, ScriptedChannel, Timing, assembled
from tests.servers import MongoServer
from tests.waiting import until

Assemble = Callable[..., AbstractAsyncContextManager[Assembly]]
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
OTHER = Principal("other", ME.scopes)
Row = dict[str, Any]


@pytest.fixture(scope="module")
async def database(mongo_url: str, run_id: str) -> AsyncIterator[str]:
    """Of these tests alone: a hub that some other test leaves running would sweep it."""
    name = f"hub_test_{run_id}_store"
    yield name
    async with AsyncMongoClient[Row](mongo_url) as client:
        await client.drop_database(name)


@pytest.fixture
async def hub(mongo_url: str, database: str) -> AsyncIterator[Assembly]:
    """Nothing runs: tests move what they want moved."""
    async with assembled(mongo_url, database, ScriptedChannel(), ScriptedChannel("email"), running="") as made:
        yield made


@pytest.fixture
def hub_with(mongo_url: str, database: str) -> Assemble:
    return partial(assembled, mongo_url, database)


async def settle(hub: Assembly, *notifications: Notification, status: Status = Status.DELIVERED) -> None:
    """As a worker would."""
    claims = await hub.work.claim_many([notification.id for notification in notifications])
    records = []
    for claim in claims:
        assert claim is not None
        attempt = Attempt(claim.budget.number, "script", None, now(), now(), OutcomeKind.DELIVERED, None)
        records.append(Record(claim, Decision(status), attempt))
    assert all(await hub.work.record_many(records))


async def delivered(hub: Assembly, user_id: str = "user123", **fields: Any) -> Notification:
    made = await hub.created(user_id, **fields)
    await settle(hub, made)
    return await hub.get(made)


async def refusal(call: Any) -> HubError:
    with pytest.raises(HubError) as caught:
        await call
    return caught.value


async def filled_inbox(hub: Assembly, count: int, user_id: str = "user123") -> list[UUID]:
    """So many delivered items, inserted directly; ids oldest first, several in each millisecond."""
    template = await delivered(hub, "template")
    rows = []
    start = now() - timedelta(hours=1)
    for number in range(count):
        at = start + MILLISECOND * (number // 3)
        made = replace(template, id=new_id(), user_id=user_id, delivered_at=at)
        row = to_new_row(made, SECOND) | {"inbox_at": at, "unread_until": END_OF_TIME, "attempt_count": 1}
        del row["due"]
        rows.append(row)
    await hub.rows.insert_many(rows)
    return [row["_id"] for row in rows]


class TestMarks:
    async def test_read_and_unread_uncover_what_lies_beneath(self, hub: Assembly) -> None:
        made = await delivered(hub)
        read = await hub.notifications.mark_read(ME, str(made.id))
        assert (read.shown_status, read.status, read.version) == (Status.READ, Status.DELIVERED, made.version + 1)
        assert read.read_at is not None
        assert await hub.notifications.mark_read(ME, str(made.id)) == read
        assert await hub.notifications.update_status(ME, str(made.id), Status.READ) == read
        unread = await hub.notifications.mark_unread(ME, str(made.id))
        assert (unread.shown_status, unread.read_at, unread.version) == (Status.DELIVERED, None, made.version + 2)
        assert await hub.notifications.mark_unread(ME, str(made.id)) == unread
        assert hub.announcements.of(made.id) == 2

    async def test_counts_follow_the_marks(self, hub: Assembly) -> None:
        first, second = await delivered(hub), await delivered(hub)
        assert (await hub.inbox.unread_count(ME, "user123")).count == 2
        await hub.notifications.mark_read(ME, str(first.id))
        assert (await hub.inbox.unread_count(ME, "user123")).count == 1
        await hub.notifications.mark_unread(ME, str(first.id))
        assert (await hub.inbox.unread_count(ME, "user123")).count == 2
        assert (await hub.inbox.mark_all_read(ME, "user123")).count == 2
        assert (await hub.inbox.mark_all_read(ME, "user123")).count == 0
        assert (await hub.inbox.unread_count(ME, "user123")).count == 0
        await hub.notifications.mark_unread(ME, str(second.id))
        assert (await hub.inbox.unread_count(ME, "user123")).count == 1

    @pytest.mark.parametrize("status", [Status.FAILED, Status.RETRYING, Status.PENDING])
    async def test_only_what_arrived_can_be_marked(self, hub: Assembly, status: Status) -> None:
        made = await hub.created()
        if status is not Status.PENDING:
            await settle(hub, made, status=status)
        error = await refusal(hub.notifications.mark_read(ME, str(made.id)))
        assert error.reason is Reason.ILLEGAL_TRANSITION
        assert error.metadata == {"from": status, "to": "read"}

    async def test_what_was_sent_by_mail_can_be_marked_and_counts_nowhere(self, hub: Assembly) -> None:
        made = await hub.created(type="email")
        await settle(hub, made, status=Status.SENT)
        read = await hub.notifications.mark_read(ME, str(made.id))
        assert (read.shown_status, read.status) == (Status.READ, Status.SENT)
        # A receipt never touches `read_at`.
        receipt = await hub.notifications.update_status(ME, str(made.id), Status.DELIVERED)
        assert (receipt.shown_status, receipt.status, receipt.read_at) == (Status.READ, Status.DELIVERED, read.read_at)
        await hub.notifications.mark_unread(ME, str(made.id))
        assert (await hub.inbox.unread_count(ME, "user123")).count == 0
        assert (await hub.inbox_of()).items == ()

    async def test_a_late_bounce_leaves_the_inbox_and_keeps_read_at(self, hub: Assembly) -> None:
        made = await delivered(hub)
        read = await hub.notifications.mark_read(ME, str(made.id))
        bounced = await hub.notifications.update_status(ME, str(made.id), Status.FAILED)
        assert (bounced.shown_status, bounced.read_at, bounced.in_inbox) == (Status.FAILED, read.read_at, False)
        assert bounced.status_reason is not None
        assert (await hub.inbox_of()).items == ()
        assert (await hub.inbox.unread_count(ME, "user123")).count == 0
        # Replayed and delivered once more it is as it was: there, and read.
        await hub.notifications.update_status(ME, str(made.id), Status.PENDING)
        await settle(hub, made)
        again = await hub.get(made)
        assert (again.shown_status, again.read_at, again.in_inbox) == (Status.READ, read.read_at, True)
        assert (await hub.inbox.unread_count(ME, "user123")).count == 0

    async def test_mark_all_up_to_a_place_inclusive_and_by_category(self, hub: Assembly) -> None:
        ids = await filled_inbox(hub, 30)
        page = await hub.inbox_of(limit=20)
        assert [item.id for item in page.items] == ids[:9:-1]
        assert (await hub.inbox.mark_all_read(ME, "user123", up_to=page.cursors[-1])).count == 11
        unread = await hub.inbox_of(filters=Filter(unread=True), limit=100)
        assert [item.id for item in unread.items] == ids[:10:-1]
        welcome = await delivered(hub, metadata={"category": "welcome"})
        assert (await hub.inbox.mark_all_read(ME, "user123", category="welcome")).count == 1
        assert (await hub.get(welcome)).shown_status is Status.READ
        assert (await hub.inbox.mark_all_read(ME, "user123", category="nothing")).count == 0
        assert (await hub.inbox.mark_all_read(OTHER, "user123")).count == 0
        assert (await hub.inbox.mark_all_read(ME, "user123")).count == 19

    async def test_mark_all_raises_versions_once_and_spares_the_expired(self, hub: Assembly) -> None:
        dying = await delivered(hub, expires_at=now() + timedelta(milliseconds=100))
        living = await delivered(hub, expires_at=now() + timedelta(hours=1))
        await asyncio.sleep(0.11)
        assert (await hub.inbox.mark_all_read(ME, "user123")).count == 1
        assert (await hub.get(living)).version == living.version + 1
        assert (await hub.get(dying)).read_at is None

    @pytest.mark.parametrize(("count", "shown", "capped"), [(999, 999, False), (1000, 1000, False), (1001, 1000, True)])
    async def test_counts_are_exact_to_a_thousand(self, hub: Assembly, count: int, shown: int, capped: bool) -> None:  # noqa: FBT001
        await filled_inbox(hub, count)
        unread = await hub.inbox.unread_count(ME, "user123")
        assert (unread.count, unread.capped) == (shown, capped)

    async def test_marking_all_of_many_counts_all(self, hub: Assembly) -> None:
        await filled_inbox(hub, 1500)
        assert (await hub.inbox.mark_all_read(ME, "user123")).count == 1500


class TestClaimedStatus:
    @pytest.mark.parametrize("target", [Status.SENDING, Status.SENT, Status.SCHEDULED, Status.RETRYING, Status.EXPIRED])
    async def test_what_callers_may_not_claim_is_refused_even_where_it_holds(
        self, hub: Assembly, target: Status
    ) -> None:
        made = await hub.created()
        error = await refusal(hub.notifications.update_status(ME, str(made.id), target))
        assert (error.reason, error.metadata) == (Reason.ILLEGAL_TRANSITION, {"from": "pending", "to": target})

    async def test_pending_may_be_claimed_from_failed_only(self, hub: Assembly) -> None:
        made = await hub.created()
        error = await refusal(hub.notifications.update_status(ME, str(made.id), Status.PENDING))
        assert error.metadata == {"from": "pending", "to": "pending"}
        await settle(hub, made, status=Status.FAILED)
        replayed = await hub.notifications.update_status(ME, str(made.id), Status.PENDING)
        assert (replayed.status, replayed.status_reason, len(replayed.attempts)) == (Status.PENDING, None, 1)

    async def test_every_transition_of_a_claim_is_one_of_the_table(self, hub: Assembly) -> None:
        for status in SETTLED - {Status.SENT, Status.DELIVERED}:
            made = await hub.created()
            await settle(hub, made, status=status)
            error = await refusal(hub.notifications.update_status(ME, str(made.id), Status.DELIVERED))
            assert error.metadata["from"] == status

    async def test_another_tenants_is_not_found(self, hub: Assembly) -> None:
        made = await delivered(hub)
        calls = [
            hub.notifications.get(OTHER, str(made.id)),
            hub.notifications.mark_read(OTHER, str(made.id)),
            hub.notifications.mark_unread(OTHER, str(made.id)),
            hub.notifications.update_status(OTHER, str(made.id), Status.FAILED),
            hub.notifications.get(replace(ME, user_id="somebody"), str(made.id)),
            hub.notifications.get(ME, "no id"),
            hub.notifications.get(ME, str(new_id())),
        ]
        for call in calls:
            assert (await refusal(call)).reason is Reason.NOT_FOUND
        assert await hub.get(made) == made


class TestDeadLetters:
    async def failed(self, hub: Assembly, **fields: Any) -> Notification:
        made = await hub.created(**fields)
        await settle(hub, made, status=Status.FAILED)
        return await hub.get(made)

    async def test_listed_until_replayed_or_purged(self, hub: Assembly) -> None:
        first, second = await self.failed(hub), await self.failed(hub, user_id="user124")
        await delivered(hub)
        page = await hub.dead_letters.list(ME, Filter(), PageRequest())
        assert [item.id for item in page.items] == [second.id, first.id]
        page = await hub.dead_letters.list(ME, Filter(user_id="user123"), PageRequest())
        assert [item.id for item in page.items] == [first.id]
        assert (await hub.dead_letters.list(OTHER, Filter(), PageRequest())).items == ()

    async def test_a_dry_run_counts_and_changes_nothing(self, hub: Assembly) -> None:
        made = [await self.failed(hub) for _ in range(3)]
        for what in (hub.dead_letters.replay, hub.dead_letters.purge):
            assert await what(ME, Selection(filters=Filter()), dry_run=True) == 3
            assert await what(ME, Selection(ids=(str(made[0].id), "no id", str(new_id()))), dry_run=True) == 1
            assert await what(OTHER, Selection(filters=Filter()), dry_run=False) == 0
        for notification in made:
            assert await hub.get(notification) == notification

    async def test_replayed_ones_are_delivered(self, hub: Assembly) -> None:
        made = [await self.failed(hub) for _ in range(3)]
        hub.run(hub.relay)
        hub.run(hub.worker)
        chosen = Selection(ids=(str(made[0].id), str(made[2].id)))
        assert await hub.dead_letters.replay(ME, chosen, dry_run=False) == 2
        for notification in (made[0], made[2]):
            seen = await hub.comes_to(notification, Status.DELIVERED)
            assert [a.number for a in seen.attempts] == [1, 2]
        assert "purge_at" in await hub.row(made[0])
        assert await hub.dead_letters.replay(ME, chosen, dry_run=False) == 0
        assert [n.id for n in (await hub.dead_letters.list(ME, Filter(), PageRequest())).items] == [made[1].id]

    async def test_a_waiting_replay_is_never_purged_by_age(self, hub: Assembly) -> None:
        made = await self.failed(hub)
        assert "purge_at" in await hub.row(made)
        await hub.dead_letters.replay(ME, Selection(filters=Filter()), dry_run=False)
        row = await hub.row(made)
        assert "purge_at" not in row
        assert row["due"] is not None

    async def test_more_than_one_batch(self, hub: Assembly) -> None:
        made = await asyncio.gather(*(hub.created() for _ in range(1100)))
        await settle(hub, *made, status=Status.FAILED)
        assert await hub.dead_letters.replay(ME, Selection(filters=Filter()), dry_run=False) == 1100
        assert len(hub.announcements.hints) == 1100
        await settle(hub, *made, status=Status.FAILED)
        assert await hub.dead_letters.purge(ME, Selection(filters=Filter()), dry_run=False) == 1100
        assert await hub.dead_letters.purge(ME, Selection(filters=Filter()), dry_run=False) == 0

    async def test_what_is_purged_is_nowhere_any_more(self, hub: Assembly) -> None:
        made = await self.failed(hub, title="secret title", message="secret text", metadata={"k": {"deep": "secret"}})
        assert await hub.dead_letters.purge(ME, Selection(ids=(str(made.id),)), dry_run=False) == 1
        assert hub.announcements.of(made.id) == 1
        page = PageRequest()
        lists = [
            await hub.notifications.list(ME, Filter(), page),
            await hub.notifications.list(ME, Filter(status=Status.FAILED), page),
            await hub.notifications.list_of_user(ME, "user123", Filter(), page),
            await hub.inbox.list(ME, "user123", Filter(), page),
            await hub.dead_letters.list(ME, Filter(), page),
        ]
        assert all(listed.items == () and not listed.has_next and not listed.has_previous for listed in lists)
        assert await hub.notifications.get_many(ME, [str(made.id)]) == {}
        for call in (
            hub.notifications.get(ME, str(made.id)),
            hub.notifications.mark_read(ME, str(made.id)),
            hub.notifications.update_status(ME, str(made.id), Status.PENDING),
        ):
            assert (await refusal(call)).reason is Reason.NOT_FOUND
        assert await hub.dead_letters.replay(ME, Selection(ids=(str(made.id),)), dry_run=False) == 0
        row = await hub.row(made)
        # Nothing of the content stays, and the tombstone goes too.
        assert "secret" not in str(row)
        assert row["metadata"] == {}
        assert row["version"] == made.version + 1
        assert timedelta(hours=48) < row["purge_at"] - now() < timedelta(hours=50)

    @pytest.mark.parametrize("selection", [Selection(), Selection(ids=("x",), filters=Filter())])
    async def test_neither_nor_and_both_are_refused(self, hub: Assembly, selection: Selection) -> None:
        for call in (hub.dead_letters.replay, hub.dead_letters.purge):
            assert (await refusal(call(ME, selection, dry_run=True))).reason is Reason.INVALID_VALUE

    async def test_a_filter_selects_as_it_lists(self, hub: Assembly) -> None:
        await self.failed(hub, metadata={"category": "a"})
        chosen = await self.failed(hub, metadata={"category": "b"})
        wanted = Filter(category="b")
        listed = await hub.dead_letters.list(ME, wanted, PageRequest())
        assert [item.id for item in listed.items] == [chosen.id]
        assert await hub.dead_letters.purge(ME, Selection(filters=wanted), dry_run=False) == 1
        assert len((await hub.dead_letters.list(ME, Filter(), PageRequest())).items) == 1

    @pytest.mark.parametrize("wanted", [Filter(created_before=datetime(2030, 1, 1)), Filter(category="\ud800")])  # noqa: DTZ001
    async def test_a_filter_that_cannot_be_selects_nothing(self, hub: Assembly, wanted: Filter) -> None:
        await self.failed(hub)
        error = await refusal(hub.dead_letters.purge(ME, Selection(filters=wanted), dry_run=False))
        assert error.reason is Reason.INVALID_VALUE


class TestLists:
    async def test_all_of_250_forwards_while_others_arrive(self, hub: Assembly) -> None:
        made = [n.id for n in await asyncio.gather(*(hub.created() for _ in range(250)))]
        seen: list[UUID] = []
        after: str | None = None
        while True:
            page = await hub.list_of(limit=37, after=after, exact_ends=True)
            seen += [item.id for item in page.items]
            # Newer ones arrive all the time; from the second page on there is something before.
            assert page.has_previous is (after is not None)
            assert page.has_next is (len(seen) < 250)
            await asyncio.gather(*(hub.created() for _ in range(10)))
            after = page.next_cursor
            if after is None:
                break
        assert seen == sorted(made, reverse=True)

    async def test_all_of_250_backwards_while_others_arrive(self, hub: Assembly) -> None:
        made = sorted((n.id for n in await asyncio.gather(*(hub.created() for _ in range(250)))), reverse=True)
        seen: list[UUID] = []
        before: str | None = None
        while len(seen) < 250:
            page = await hub.list_of(limit=37, before=before, backwards=True, exact_ends=True)
            # The same order of edges both ways.
            assert [item.id for item in page.items] == sorted((item.id for item in page.items), reverse=True)
            assert page.has_next is (before is not None)
            assert page.has_previous is True or len(seen) + len(page.items) == 250
            seen = [item.id for item in page.items] + seen
            before = page.cursors[0]
            await hub.created("somebody-else")
        assert seen[-250:] == made

    async def test_an_inbox_pages_both_ways_over_ties(self, hub: Assembly) -> None:
        """Three items share each millisecond: the id settles it."""
        ids = await filled_inbox(hub, 100)
        for size in (1, 2, 3, 7, 99, 100):
            seen: list[UUID] = []
            cursor: str | None = None
            while True:
                page = await hub.inbox_of(limit=size, after=cursor)
                seen += [item.id for item in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert seen == ids[::-1]
        seen, cursor = [], None
        while True:
            page = await hub.inbox_of(limit=7, before=cursor, backwards=True)
            seen = [item.id for item in page.items] + seen
            if not page.has_previous:
                break
            cursor = page.cursors[0]
        assert seen == ids[::-1]

    async def test_both_ends_are_exact(self, hub: Assembly) -> None:
        ids = sorted((n.id for n in await asyncio.gather(*(hub.created() for _ in range(5)))), reverse=True)
        whole = await hub.list_of(limit=5, exact_ends=True)
        assert (whole.has_next, whole.has_previous) == (False, False)
        cursors = whole.cursors

        async def ends(**page: Any) -> tuple[list[int], bool, bool]:
            got = await hub.list_of(**page, exact_ends=True)
            return [ids.index(item.id) for item in got.items], got.has_previous, got.has_next

        assert await ends(limit=4) == ([0, 1, 2, 3], False, True)
        assert await ends(limit=4, backwards=True) == ([1, 2, 3, 4], True, False)
        assert await ends(limit=5, backwards=True) == ([0, 1, 2, 3, 4], False, False)
        assert await ends(limit=2, after=cursors[0]) == ([1, 2], True, True)
        assert await ends(limit=4, after=cursors[0]) == ([1, 2, 3, 4], True, False)
        assert await ends(limit=2, before=cursors[3], backwards=True) == ([1, 2], True, True)
        assert await ends(limit=3, before=cursors[3], backwards=True) == ([0, 1, 2], False, True)
        # Between two cursors there may be more beyond either.
        assert await ends(limit=5, after=cursors[0], before=cursors[3]) == ([1, 2], True, True)
        assert await ends(limit=5, after=cursors[0], before=cursors[3], backwards=True) == ([1, 2], True, True)
        assert await ends(limit=5, before=cursors[3]) == ([0, 1, 2], False, True)
        assert await ends(limit=5, after=cursors[0], backwards=True) == ([1, 2, 3, 4], True, False)
        # Empty pages.
        assert await ends(limit=5, after=cursors[4]) == ([], True, False)
        assert await ends(limit=5, before=cursors[0], backwards=True) == ([], False, True)
        assert await ends(limit=5, after=cursors[1], before=cursors[2]) == ([], True, True)

    async def test_ends_are_exact_where_the_cursors_own_item_is_gone(self, hub: Assembly) -> None:
        made = await delivered(hub)
        cursor = (await hub.inbox_of()).cursors[0]
        await hub.notifications.update_status(ME, str(made.id), Status.FAILED)
        for page in (
            await hub.inbox_of(after=cursor, exact_ends=True),
            await hub.inbox_of(before=cursor, backwards=True, exact_ends=True),
        ):
            assert (page.items, page.has_next, page.has_previous) == ((), False, False)

    async def test_an_empty_list_has_no_ends(self, hub: Assembly) -> None:
        for backwards in (True, False):
            page = await hub.list_of("nobody", backwards=backwards, exact_ends=True)
            assert (page.items, page.cursors, page.has_next, page.has_previous) == ((), (), False, False)
            assert page.next_cursor is None

    async def test_cursors_are_bound_to_list_user_tenant_and_filter(self, hub: Assembly) -> None:
        await asyncio.gather(*(hub.created() for _ in range(3)))
        cursor = (await hub.list_of(limit=1)).next_cursor
        page = PageRequest(after=cursor)
        for call in (
            hub.notifications.list(ME, Filter(), page),
            hub.notifications.list_of_user(ME, "user124", Filter(), page),
            hub.notifications.list_of_user(OTHER, "user123", Filter(), page),
            hub.notifications.list_of_user(ME, "user123", Filter(type="in_app"), page),
            hub.inbox.list(ME, "user123", Filter(), page),
            hub.dead_letters.list(ME, Filter(), page),
            hub.inbox.mark_all_read(ME, "user123", up_to=cursor),
        ):
            assert (await refusal(call)).reason is Reason.INVALID_CURSOR
        assert len((await hub.notifications.list_of_user(ME, "user123", Filter(), page)).items) == 2

    @pytest.mark.parametrize("limit", [0, -1, 101])
    async def test_limits(self, hub: Assembly, limit: int) -> None:
        assert (await refusal(hub.list_of(limit=limit))).reason is Reason.INVALID_VALUE

    async def test_each_filter(self, hub: Assembly) -> None:
        mail = await hub.created(type="email", metadata={"category": "offer"})
        await settle(hub, mail, status=Status.SENT)
        read, fresh = await delivered(hub), await delivered(hub, metadata={"category": "welcome"})
        await hub.notifications.mark_read(ME, str(read.id))
        read_mail = await hub.created(type="email")
        await settle(hub, read_mail, status=Status.SENT)
        await hub.notifications.mark_read(ME, str(read_mail.id))
        waiting = await hub.created(scheduled_at=now() + timedelta(days=1))
        failed = await hub.created("user124")
        await settle(hub, failed, status=Status.FAILED)
        await hub.created(principal=OTHER)
        everything = [failed, waiting, read_mail, fresh, read, mail]

        async def check(wanted: Filter, *expected: Notification) -> None:
            got = await hub.notifications.list(ME, wanted, PageRequest(exact_ends=True))
            assert [item.id for item in got.items] == [n.id for n in everything if n in expected], wanted
            assert (got.has_next, got.has_previous) == (False, False)

        await check(Filter(), *everything)
        await check(Filter(status=Status.SENT), mail)
        await check(Filter(status=Status.DELIVERED), fresh)
        await check(Filter(status=Status.READ), read, read_mail)
        await check(Filter(status=Status.SCHEDULED), waiting)
        await check(Filter(status=Status.FAILED), failed)
        await check(Filter(status=Status.CANCELLED))
        await check(Filter(type="email"), mail, read_mail)
        await check(Filter(type="pigeon"))
        await check(Filter(category="offer"), mail)
        await check(Filter(category=""))
        await check(Filter(unread=False), read, read_mail)
        await check(Filter(unread=True), mail, fresh, waiting, failed)
        await check(Filter(user_id="user124"), failed)
        await check(Filter(user_id="user125"))
        await check(Filter(type="email", status=Status.READ, unread=False), read_mail)
        mine = await hub.list_of("user123", Filter(user_id="user124"))
        assert mine.items == ()

    async def test_creation_times_are_exclusive_to_the_millisecond(self, hub: Assembly) -> None:
        made = []
        for _ in range(3):
            made.append(await hub.created())
            await asyncio.sleep(0.005)
        middle = made[1].created_at

        async def listed(**times: Any) -> list[UUID]:
            return [item.id for item in (await hub.list_of(filters=Filter(**times))).items]

        assert await listed(created_after=middle) == [made[2].id]
        assert await listed(created_before=middle) == [made[0].id]
        assert await listed(created_after=middle - MILLISECOND, created_before=middle + MILLISECOND) == [made[1].id]
        # Finer digits are cut, here as everywhere.
        assert await listed(created_after=middle + timedelta(microseconds=999)) == [made[2].id]
        assert await listed(created_after=made[2].created_at) == []

    @pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
    async def test_the_edges_of_time_are_times_too(self, hub: Assembly, moment: datetime) -> None:
        await hub.created()
        early = moment.year == 1
        after = await hub.list_of(filters=Filter(created_after=moment))
        before = await hub.list_of(filters=Filter(created_before=moment))
        assert (len(after.items), len(before.items)) == ((1, 0) if early else (0, 1))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("created_after", datetime(2030, 1, 1)),  # noqa: DTZ001
            ("created_before", datetime(2030, 1, 1)),  # noqa: DTZ001
            ("type", "\ud800"),
            ("category", "a\udfff"),
            ("user_id", "\ud800"),
            ("reason", "\ud800"),
            ("reason", "X" * 65),
        ],
    )
    async def test_filters_that_cannot_be_are_refused_by_name(self, hub: Assembly, field: str, value: Any) -> None:
        wanted = Filter(**{field: value})
        for call in (
            hub.notifications.list(ME, wanted, PageRequest()),
            hub.notifications.list_of_user(ME, "user123", wanted, PageRequest()),
            hub.inbox.list(ME, "user123", wanted, PageRequest()),
            hub.dead_letters.list(ME, wanted, PageRequest()),
        ):
            error = await refusal(call)
            assert (error.reason, error.violations[0].field) == (Reason.INVALID_VALUE, field)

    async def test_a_category_that_cannot_be_is_refused_by_mark_all(self, hub: Assembly) -> None:
        error = await refusal(hub.inbox.mark_all_read(ME, "user123", category="\ud800"))
        assert (error.reason, error.violations[0].field) == (Reason.INVALID_VALUE, "category")

    async def test_many_by_id_are_mine_alone(self, hub: Assembly) -> None:
        mine, theirs = await hub.created(), await hub.created(principal=OTHER)
        wanted = [str(mine.id), str(theirs.id), str(new_id()), "no id", ""]
        assert await hub.notifications.get_many(ME, wanted) == {str(mine.id): mine}
        assert await hub.notifications.get_many(replace(ME, user_id="somebody"), wanted) == {}


class TestRoundTrip:
    async def test_everything_comes_back_as_it_was_accepted(self, hub: Assembly) -> None:
        accepted = await hub.created(
            type="email",
            html="<p>ä</p>",
            metadata={"n": 1.0, "f": 1.5, "big": 2**53 - 1, "l": [None, True, {"x": "😀"}], "priority": "low"},
            scheduled_at=to_milliseconds(now() + timedelta(days=1)),
            expires_at=to_milliseconds(now() + timedelta(days=2)),
        )
        seen = await hub.get(accepted)
        assert seen == accepted
        assert str(seen.metadata) == str(accepted.metadata)

    async def test_an_id_written_twice_is_written_once(self, hub: Assembly) -> None:
        one, other = await hub.created(), replace(await hub.created(), id=new_id())
        assert await hub.notification_store.insert_many([other, one, other]) == [True, False, False]
        assert await hub.notification_store.insert_many([other]) == [False]
        assert await hub.get(one) == one

    async def test_settled_ones_go_after_their_time_and_no_others(self, hub: Assembly) -> None:
        pending, settled = await hub.created(), await delivered(hub)
        assert "purge_at" not in await hub.row(pending)
        row = await hub.row(settled)
        assert timedelta(days=89) < row["purge_at"] - now() < timedelta(days=91)
        indexes = await hub.rows.index_information()
        assert indexes["purge"]["expireAfterSeconds"] == 0


class _Explained(monitoring.CommandListener):
    """Notes the commands that go to the notifications, so that each can be explained."""

    def __init__(self) -> None:
        self.commands: list[Row] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("find", "update", "aggregate", "findAndModify", "insert"):
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@pytest.fixture
def commands() -> Iterator[_Explained]:
    """What the store of the hub opened next says to the server."""
    listener = _Explained()
    monitoring.register(listener)
    yield listener
    monitoring._LISTENERS.command_listeners.remove(listener)


async def explained(rows: Rows, command: Row) -> list[Row]:
    """The plan's stages, with what they examined."""
    name = next(iter(command))
    if name not in ("find", "update", "aggregate", "findAndModify"):
        return []
    kept = {
        key: value for key, value in command.items() if key not in ("lsid", "txnNumber", "writeConcern", "readConcern")
    }
    plain = {key: value for key, value in kept.items() if not key.startswith("$")}
    options = CodecOptions[Row](tz_aware=True, uuid_representation=UuidRepresentation.STANDARD)
    plan = await rows.database.command("explain", plain, verbosity="executionStats", codec_options=options)
    if "stages" in plan:
        plan = plan["stages"][0]["$cursor"]
    return [plan["executionStats"], *_stages(plan["executionStats"]["executionStages"])]


def _stages(stage: Row) -> list[Row]:
    found = [stage]
    for inner in [stage.get("inputStage"), *stage.get("inputStages", [])]:
        if inner:
            found += _stages(inner)
    return found


class TestIndexes:
    """No query that grows with the data may look at more than it needs."""

    async def crowd(self, hub: Assembly) -> None:
        """Much that must not be looked at: other users, tenants, statuses, and work that is due much later."""
        template = await hub.created("template")
        failed = {"status": "failed"}
        rows = []
        for number in range(600):
            tenant = f"tenant{number % 4}"
            made = replace(template, id=new_id(), user_id=f"crowd{number % 50}", tenant=tenant)
            row = to_new_row(made, timedelta(hours=1)) | (failed if number % 5 == 0 else {})
            row["inbox_at"], row["unread_until"] = now(), END_OF_TIME
            rows.append(row)
        await hub.rows.insert_many(rows)
        await hub.rows.delete_one({"_id": template.id})

    async def test_hot_queries_examine_what_they_return(
        self, commands: _Explained, mongo_url: str, database: str
    ) -> None:
        async with assembled(mongo_url, database, running="", timing=Timing(handover_grace=MILLISECOND)) as hub:
            await self.crowd(hub)
            made = [await delivered(hub) for _ in range(30)]
            failed = [await hub.created() for _ in range(3)]
            await settle(hub, *failed, status=Status.FAILED)
            due = [await hub.created() for _ in range(5)]
            await asyncio.sleep(0.01)
            cursor = (await hub.inbox_of(limit=10)).next_cursor
            page = PageRequest(10)
            line = (await hub.outbox.lines())[-1]
            ids = [n.id for n in due]
            # For each: the call, and the most keys it may examine. A few more than it returns, for seeks.
            hot: dict[str, tuple[Callable[[], Any], int]] = {
                "get": (lambda: hub.get(made[0]), 1),
                "get many": (lambda: hub.notifications.get_many(ME, [str(n.id) for n in made]), 31),
                "list": (lambda: hub.notifications.list(ME, Filter(), page), 12),
                "list of a user": (lambda: hub.list_of(limit=10), 12),
                "inbox": (lambda: hub.inbox_of(limit=10), 12),
                "inbox after": (lambda: hub.inbox_of(limit=10, after=cursor), 13),
                "inbox backwards": (lambda: hub.inbox_of(limit=10, backwards=True), 12),
                "unread count": (lambda: hub.inbox.unread_count(ME, "user123"), 32),
                "dead letters": (lambda: hub.dead_letters.list(ME, Filter(), page), 5),
                "due": (lambda: hub.outbox.due(line, 500), 7),
                "lines": (hub.outbox.lines, 15),
                "requeued": (lambda: hub.outbox.requeued(ids), 15),
                "claim": (lambda: hub.work.claim_many(ids), 20),
                "expire": (lambda: hub.outbox.expire(ids), 15),
                "lapsed": (lambda: hub.outbox.lapsed(ids), 15),
                # All that is unread, 30, and a seek for each kind of it: seen or not, of no category or one.
                "mark all": (lambda: hub.inbox.mark_all_read(ME, "user123", up_to=cursor), 40),
                "changes": (lambda: hub.inbox_store.changed_since("default", "user123", made[-5].updated_at, 10), 15),
            }
            problems = []
            for name, (call, most) in hot.items():
                commands.commands.clear()
                # The explanation must see the data as the call did.
                before = await hub.rows.find().to_list()
                await call()
                asked = [command for command in commands.commands if next(iter(command)) != "insert"][1:]
                await hub.rows.delete_many({})
                await hub.rows.insert_many(before)
                for command in asked:
                    summary, *stages = await explained(hub.rows, command)
                    kinds = {stage["stage"] for stage in stages}
                    if "COLLSCAN" in kinds or "SORT" in kinds or summary["totalKeysExamined"] > most:
                        problems.append((name, sorted(kinds), summary["totalKeysExamined"], most))
            assert problems == []

    async def test_every_list_of_callers_is_by_index_whatever_the_filter(
        self, commands: _Explained, mongo_url: str, database: str
    ) -> None:
        async with assembled(mongo_url, database, running="") as hub:
            await self.crowd(hub)
            await delivered(hub)
            commands.commands.clear()
            for wanted in (
                Filter(status=Status.READ),
                Filter(type="in_app"),
                Filter(category="c"),
                Filter(unread=True),
                Filter(user_id="user123"),
                Filter(created_after=now() - SECOND),
                Filter(created_before=now()),
            ):
                for backwards in (False, True):
                    page = PageRequest(10, backwards=backwards)
                    await hub.notifications.list(ME, wanted, page)
                    await hub.list_of(filters=wanted, backwards=backwards)
                    await hub.inbox_of(filters=wanted, backwards=backwards)
                    await hub.dead_letters.list(ME, wanted, page)
            problems = []
            for command in list(commands.commands):
                _, *stages = await explained(hub.rows, command)
                kinds = {stage["stage"] for stage in stages}
                if {"COLLSCAN", "SORT"} & kinds:
                    problems.append((command["filter"], kinds))
            assert len(commands.commands) >= 56
            assert problems == []

    async def test_lines_seek_past_everything_that_is_due_later(
        self, commands: _Explained, mongo_url: str, database: str
    ) -> None:
        async with assembled(mongo_url, database, running="", timing=Timing(handover_grace=MILLISECOND)) as hub:
            await self.crowd(hub)
            mine = [await hub.created(principal=Principal(f"t{n}", ME.scopes)) for n in range(3)]
            await asyncio.sleep(0.01)
            commands.commands.clear()
            found = await hub.outbox.lines()
            assert [(line.tenant, line.lane) for line in found] == [(n.tenant, "in_app.normal") for n in mine]
            asked = list(commands.commands)
            assert len(asked) == 4
            examined = 0
            for command in asked:
                summary, *_ = await explained(hub.rows, command)
                examined += summary["totalKeysExamined"]
            assert examined <= 40


class TestDurability:
    @pytest.mark.parametrize(
        "url",
        [
            "mongodb://h/?w=1",
            "mongodb://h/?w=0",
            "mongodb://h/?w=2",
            "mongodb://h/?journal=false",
            "mongodb://h/?W=1",
            "mongodb://h/?w=majority&journal=false",
            "mongodb://h/?readPreference=secondary",
            "mongodb://h/?readPreference=secondaryPreferred",
            "mongodb://h/?readpreference=nearest",
            "mongodb://h/?readConcernLevel=available",
            "mongodb://h/?w=tagset",
        ],
    )
    def test_urls_that_weaken_are_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"^must not "):
            check_url(url)

    @pytest.mark.parametrize(
        "url", ["", "h", "http://h", "mongodb://", "mongodb://h:port/", "mongodb://h/?w=majority&x"]
    )
    def test_what_is_no_url_is_refused_without_repeating_it(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"^is not a MongoDB connection string$"):
            check_url(url)

    @pytest.mark.parametrize(
        "url",
        [
            "mongodb://h",
            "mongodb://u:p@h:1,i:2/db?replicaSet=r&w=majority&journal=true",
            "mongodb://h/?readPreference=primary&readConcernLevel=majority&directConnection=true",
        ],
    )
    def test_urls_taken(self, url: str) -> None:
        check_url(url)

    async def test_every_write_says_majority_and_journal(
        self, commands: _Explained, mongo_url: str, database: str
    ) -> None:
        async with assembled(mongo_url, database, running="") as hub:
            for document in DOCUMENTS:
                assert document.get_pymongo_collection().write_concern == WriteConcern("majority", j=True)
            commands.commands.clear()
            made = await delivered(hub)
            await hub.create(key="k")
            await hub.notifications.mark_read(ME, str(made.id))
            await hub.leases.take("duty", "me", SECOND)
            writes = [c for c in commands.commands if next(iter(c)) in ("insert", "update", "findAndModify")]
            assert len(writes) >= 6
            assert [command.get("writeConcern") for command in writes] == [{"w": "majority", "j": True}] * len(writes)

    async def test_a_store_that_hangs_is_unreachable_in_time_and_all_goes_on_after(self) -> None:
        async with MongoServer() as server:
            timing = Timing(store_timeout=timedelta(milliseconds=700))
            async with assembled(server.url, "hub", timing=timing, running="relay sweep worker") as hub:
                before = await hub.created()
                await hub.comes_to(before, Status.DELIVERED)
                server.pause()
                try:
                    started = time.monotonic()
                    calls = [
                        hub.create(key="k"),
                        hub.create(),
                        hub.get(before),
                        hub.list_of(),
                        hub.inbox.unread_count(ME, "user123"),
                        hub.notifications.mark_read(ME, str(before.id)),
                        hub.inbox.mark_all_read(ME, "user123"),
                        hub.dead_letters.replay(ME, Selection(filters=Filter()), dry_run=False),
                    ]
                    errors = await asyncio.gather(*calls, return_exceptions=True)
                    assert time.monotonic() - started < 2.5
                    assert [getattr(error, "reason", error) for error in errors] == [Reason.STORE_UNREACHABLE] * 8
                    assert all(isinstance(e, HubError) and e.retry_after is not None for e in errors)
                    assert not await hub.store.ready()
                finally:
                    server.resume()
                await until(hub.store.ready)
                repeat = await hub.create(key="k")
                await hub.comes_to(repeat.notification, Status.DELIVERED)
                assert await hub.rows.count_documents({"_id": repeat.notification.id}) == 1

    async def test_killed_and_back_everything_accepted_is_delivered(self) -> None:
        channel = ScriptedChannel()
        async with MongoServer() as server:
            timing = Timing(store_timeout=SECOND, lease=timedelta(seconds=3))
            async with assembled(server.url, "hub", channel, timing=timing) as hub:
                accepted: list[Notification] = []
                refused: list[HubError] = []

                async def load() -> None:
                    while len(accepted) < 200:
                        try:
                            accepted.append(await hub.created())
                        except HubError as error:
                            refused.append(error)
                            await asyncio.sleep(0.05)

                async with asyncio.TaskGroup() as group:
                    for _ in range(4):
                        group.create_task(load())
                    await until(lambda: len(accepted) > 50)
                    await server.kill()
                    await until(lambda: bool(refused))
                    await server.start()
                assert {error.reason for error in refused} == {Reason.STORE_UNREACHABLE}

                async def all_delivered() -> bool:
                    ids = [n.id for n in accepted]
                    return await hub.rows.count_documents({"_id": {"$in": ids}, "status": "delivered"}) == len(ids)

                await until(all_delivered, 40)

    async def test_a_store_that_is_not_there_is_unreachable_from_the_start(self) -> None:
        with pytest.raises(HubError) as caught:
            async with open_store("mongodb://127.0.0.1:1/?directConnection=true", "hub", timedelta(milliseconds=300)):
                pass
        assert caught.value.reason is Reason.STORE_UNREACHABLE


async def test_a_failed_send_is_a_dead_letter_of_its_tenant(hub_with: Assemble) -> None:
    async with hub_with(ScriptedChannel(usually=PERMANENT)) as hub:
        theirs = await hub.created(principal=OTHER)

        async def failed() -> bool:
            return (await hub.get(theirs, OTHER)).status is Status.FAILED

        await until(failed)
        assert len((await hub.dead_letters.list(OTHER, Filter(), PageRequest())).items) == 1
        assert (await hub.dead_letters.list(ME, Filter(), PageRequest())).items == ()
