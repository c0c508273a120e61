"""Rate limits on a real MongoDB: processes that share one, windows by the server's clock, and what a retry is counted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from pymongo import AsyncMongoClient

from hub.core.rates import Limiter, StoreClock
from hub.domain.errors import HubError, Reason
from hub.domain.rates import Rate, Slice, Wish
from hub.store.access_documents import RateDocument
from hub.store.client import Row, Rows
from hub.store.rates import RateStore, key_of
from tests.assembly import ME, Assembly, assembled
from tests.waiting import until

PATIENT = timedelta(seconds=30)
"""These tests are about exact counts: on a busy machine too, nobody shall go by their own."""
HUNDRED = Rate("credential", 100, 3600)
OTHER_KEY = replace(ME, credential="another-key")
OTHER_TENANT = replace(ME, tenant="theirs")
SECOND = Rate("credential", 40, 1)


@pytest.fixture
async def hub(mongo_url: str, run_id: str) -> AsyncIterator[Assembly]:
    name = f"hub_test_{run_id}_rates"
    async with assembled(mongo_url, name, running="") as made:
        yield made
    async with AsyncMongoClient[Row](mongo_url) as client:
        await client.drop_database(name)


@pytest.fixture
def rows(hub: Assembly) -> Rows:
    return RateDocument.get_pymongo_collection()


def process(rate: Rate, most_subjects: int = 1000) -> Limiter:
    """What another process would have: nothing is shared but the store."""
    return Limiter(rate, RateStore(), StoreClock(), most_subjects=most_subjects, patience=PATIENT)


async def taken(limiter: Limiter, wanted: int, subject: str = "key-1", tenant: str = "ours") -> int:
    count = 0
    for _ in range(wanted):
        with contextlib.suppress(HubError):
            await limiter.take(tenant, subject)
            count += 1
    return count


@pytest.fixture
async def early_in_the_hour() -> None:
    """These tests are about one window: they wait for the next one where this one is about to end."""
    await until(lambda: time.time() % 3600 < 3590, 15)


@pytest.mark.usefixtures("hub", "early_in_the_hour")
class TestOneWindow:
    async def test_two_processes_are_wrong_by_a_slice_each_at_most(self, rows: Rows) -> None:
        one, other = process(HUNDRED), process(HUNDRED)
        through = await asyncio.gather(*(taken(limiter, 30) for limiter in (one, other) * 5))
        assert abs(sum(through) - 100) <= 2 * HUNDRED.slice
        # And none of the two was left with next to nothing by the other one's leases.
        row = await rows.find_one({"_id": key_of(HUNDRED, "ours", "key-1")})
        assert row is not None
        assert row["taken"] >= 100

    async def test_a_small_limit_is_exact_however_many_ask_at_once(self) -> None:
        rate = Rate("credential", 7, 3600)
        limiters = [process(rate) for _ in range(8)]
        through = await asyncio.gather(*(taken(limiter, 3) for limiter in limiters))
        assert sum(through) == 7

    async def test_tenants_subjects_and_limits_have_documents_of_their_own(self, rows: Rows) -> None:
        for tenant, subject, rate in [
            ("ours", "ann", Rate("credential", 5, 3600)),
            ("ours", "ann", Rate("recipient", 5, 3600)),
            ("ours", "bob", Rate("recipient", 5, 3600)),
            ("theirs", "ann", Rate("recipient", 5, 3600)),
        ]:
            assert await taken(process(rate), 9, subject, tenant) == 5
        assert await rows.count_documents({}) == 4
        assert await rows.count_documents({"tenant": "theirs"}) == 1

    async def test_a_document_names_nobody_and_goes_with_its_window(self, rows: Rows) -> None:
        await taken(process(Rate("recipient", 5, 3600)), 1, "ann@example.org")
        row = await rows.find_one({})
        assert row is not None
        assert "ann" not in str(row)
        window: datetime = row["window"]
        assert (row["purge_at"] - window).total_seconds() == 3600
        assert window.timestamp() % 3600 == 0
        indexes = await rows.index_information()
        assert indexes["purge"] == {"v": 2, "key": [("purge_at", 1)], "expireAfterSeconds": 0}

    async def test_names_that_look_like_expressions_are_names(self, rows: Rows) -> None:
        limiter = process(Rate("recipient", 5, 3600))
        assert await taken(limiter, 9, "$taken", "$$ROOT") == 5
        assert await rows.count_documents({"tenant": "$$ROOT"}) == 1

    async def test_thousands_of_subjects_leave_a_bounded_memory(self) -> None:
        limiter = process(Rate("recipient", 2, 3600), most_subjects=500)
        async with asyncio.timeout(60):
            for start in range(0, 3000, 100):
                await asyncio.gather(*(limiter.take("ours", f"user-{n}") for n in range(start, start + 100)))
        assert len(limiter) == 500
        # Forgotten here is not forgotten there.
        assert await taken(limiter, 5, "user-0") == 1

    async def test_most_operations_cost_no_round_trip(self, rows: Rows) -> None:
        rate = Rate("credential", 2000, 3600)
        store = Counted()
        limiter = Limiter(rate, store, StoreClock(), patience=PATIENT)
        assert await taken(limiter, 2100) == 2000
        assert store.asked <= 21

    async def test_asking_again_takes_nothing_twice(self) -> None:
        """A question whose answer was lost, or that a frozen server answers when nobody waits for it any more."""
        store, window = RateStore(), int(time.time() // 3600) * 3600
        first = await store.lease(HUNDRED, "ours", "key-1", Wish("a", window, used=10, least=1, most=5))
        again = await store.lease(HUNDRED, "ours", "key-1", Wish("a", window, used=10, least=1, most=5))
        late = await store.lease(HUNDRED, "ours", "key-1", Wish("a", window, used=3, least=1, most=5))
        assert [(found.leased, found.left) for found in (first, again, late)] == [(15, 85)] * 3

    async def test_what_was_used_in_another_window_is_not_counted_in_this_one(self) -> None:
        window = int(time.time() // 3600) * 3600
        found = await RateStore().lease(HUNDRED, "ours", "key-1", Wish("a", window - 3600, used=50, least=1, most=5))
        assert (found.window, found.leased, found.left) == (window, 5, 95)

    async def test_what_was_used_is_put_down_even_beyond_the_amount(self) -> None:
        store, window = RateStore(), int(time.time() // 3600) * 3600
        one = await store.lease(HUNDRED, "ours", "key-1", Wish("a", window, used=90, least=1, most=5))
        other = await store.lease(HUNDRED, "ours", "key-1", Wish("b", window, used=20, least=1, most=5))
        assert [(found.leased, found.left) for found in (one, other)] == [(95, 5), (20, 0)]

    async def test_with_fewer_left_than_are_of_use_none_are_leased(self) -> None:
        store, window = RateStore(), int(time.time() // 3600) * 3600
        await store.lease(HUNDRED, "ours", "key-1", Wish("a", window, used=90, least=0, most=0))
        none = await store.lease(HUNDRED, "ours", "key-1", Wish("b", window, used=0, least=11, most=11))
        rest = await store.lease(HUNDRED, "ours", "key-1", Wish("b", window, used=0, least=3, most=50))
        assert [(found.leased, found.left) for found in (none, rest)] == [(0, 10), (10, 0)]

    async def test_a_limit_that_is_changed_begins_anew(self) -> None:
        assert await taken(process(Rate("credential", 5, 3600)), 9) == 5
        assert await taken(process(Rate("credential", 9, 3600)), 99) == 9


class Counted(RateStore):
    """How often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def lease(self, rate: Rate, tenant: str, subject: str, wish: Wish) -> Slice:
        self.asked += 1
        return await super().lease(rate, tenant, subject, wish)


async def test_windows_roll_over_by_the_servers_clock(hub: Assembly) -> None:
    """Two processes use up second after second; each window gives what it may, whichever of the two took it."""
    one, other = process(SECOND), process(SECOND)
    clock = await _server_clock(hub)
    through: dict[int, int] = {}
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        for limiter in (one, other):
            with contextlib.suppress(HubError):
                charge = await limiter.take("ours", "key-1")
                through[charge.window] = through.get(charge.window, 0) + 1
        await asyncio.sleep(0.001)
    whole = sorted(through)[1:-1]
    assert len(whole) >= 2
    assert all(abs(through[window] - 40) <= 2 * SECOND.slice for window in whole), through
    assert all(abs(window - clock) < 10 for window in whole)


async def _server_clock(hub: Assembly) -> float:
    answer = await hub.store.database.command("hello")
    local: datetime = answer["localTime"]
    return local.timestamp()


THREE = Rate("recipient", 3, 3600)


@pytest.fixture
async def limited(mongo_url: str, run_id: str, early_in_the_hour: None) -> AsyncIterator[Assembly]:
    """At most three notifications an hour for a user."""
    async with assembled(mongo_url, f"hub_test_{run_id}_rates", running="", per_recipient=THREE) as made:
        yield made


async def refusal(create: Awaitable[object]) -> HubError:
    with pytest.raises(HubError) as caught:
        await create
    return caught.value


class TestRecipients:
    """Whatever a caller repeats, a notification counts once against whom it is for."""

    async def test_so_many_and_no_more_whoever_creates(self, limited: Assembly) -> None:
        for caller in (ME, OTHER_KEY, ME):
            await limited.create("ann", principal=caller)
        error = await refusal(limited.create("ann", principal=OTHER_KEY))
        assert (error.reason, error.metadata) == (Reason.RATE_LIMITED, {"limit": "recipient"})
        await limited.create("bob")
        await limited.create("ann", principal=OTHER_TENANT)
        assert await limited.rows.count_documents({}) == 5

    async def test_what_is_refused_for_another_reason_is_not_counted(self, limited: Assembly) -> None:
        for _ in range(5):
            assert (await refusal(limited.create("ann", title=""))).reason is Reason.INVALID_VALUE
        for _ in range(3):
            await limited.create("ann")

    async def test_repeats_are_answered_and_not_counted(self, limited: Assembly) -> None:
        first = await limited.create("ann", key="k-1")
        for _ in range(5):
            again = await limited.create("ann", key="k-1")
            assert (again.notification.id, again.replayed) == (first.notification.id, True)
        await limited.create("ann", key="k-2")
        await limited.create("ann", key="k-3")
        # Used up: repeats are answered all the same, and what would be new is not.
        again = await limited.create("ann", key="k-1")
        assert (again.notification.id, again.replayed) == (first.notification.id, True)
        assert (await refusal(limited.create("ann", key="k-4"))).reason is Reason.RATE_LIMITED
        assert await limited.rows.count_documents({}) == 3

    async def test_many_repeats_at_once_are_one_notification_and_count_one(self, limited: Assembly) -> None:
        made = await asyncio.gather(*(limited.create("ann", key="k-1") for _ in range(3)))
        assert len({created.notification.id for created in made}) == 1
        await limited.create("ann")
        await limited.create("ann")
        assert (await refusal(limited.create("ann"))).reason is Reason.RATE_LIMITED

    async def test_a_refused_create_uses_up_no_key(self, limited: Assembly) -> None:
        """The key stands for nothing yet: with another command it is no mismatch, and time begins when it is accepted."""
        for _ in range(3):
            await limited.create("ann")
        assert (await refusal(limited.create("ann", key="k-1"))).reason is Reason.RATE_LIMITED
        made = await limited.create("bob", key="k-1")
        assert (made.notification.user_id, made.replayed) == ("bob", False)

    async def test_a_key_used_with_another_command_is_a_mismatch_and_not_counted(self, limited: Assembly) -> None:
        await limited.create("ann", key="k-1")
        for _ in range(4):
            error = await refusal(limited.create("ann", key="k-1", title="Another"))
            assert error.reason is Reason.IDEMPOTENCY_MISMATCH
        await limited.create("ann")
        await limited.create("ann")

    async def test_a_reservation_that_nothing_came_of_is_counted_when_it_is_made_good(self, limited: Assembly) -> None:
        """A process died between key and notification: whoever repeats makes a new one, within the limit."""
        first = await limited.create("ann", key="k-1")
        await limited.rows.delete_one({"_id": first.notification.id})
        await limited.create("ann", key="k-1")
        await limited.create("ann")
        assert (await refusal(limited.create("ann"))).reason is Reason.RATE_LIMITED
        await limited.rows.delete_one({"_id": first.notification.id})
        assert (await refusal(limited.create("ann", key="k-1"))).reason is Reason.RATE_LIMITED
