"""Rate limits: what a process gives away by itself, when it asks, and what it does while nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.allowances import Allowance
from hub.core.rates import PATIENCE, Limiter, Rates, StoreClock, metered, units_of_cost
from hub.domain.errors import HubError, Reason
from hub.domain.principals import Principal
from hub.domain.rates import Rate, Slice, Wish
from tests.waiting import until

HUNDRED = Rate("credential", 100, 10)
FIVE = Rate("credential", 5, 60)
START = 1_000_000_000.0


@dataclass
class Time:
    """A clock that stands until a test moves it."""

    seconds: float = START

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Ledger:
    """The store's side of a limit, in memory; the real one is held to the same in tests/integration/test_rates.py."""

    time: Time
    accounts: dict[tuple[str, str, str, int], dict[str, int]] = field(default_factory=dict)
    asked: int = 0
    away: bool = False
    loses_answers: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    ahead: float = 0.0

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def taken(self) -> int:
        return sum(sum(accounts.values()) for accounts in self.accounts.values())

    async def lease(self, rate: Rate, tenant: str, subject: str, wish: Wish) -> Slice:
        self.asked += 1
        await self.gate.wait()
        if self.away:
            raise HubError(Reason.STORE_UNREACHABLE, "Away.")
        at = self.time() + self.ahead
        window = int(at // rate.seconds) * rate.seconds
        accounts = self.accounts.setdefault((rate.name, tenant, subject, window), {})
        leased = lease(rate, accounts, wish, wish.used if wish.window == window else 0)
        if self.loses_answers:
            raise HubError(Reason.STORE_UNREACHABLE, "Done, but nobody heard.")
        return Slice(window, at, leased, max(0, rate.amount - sum(accounts.values())))


def lease(rate: Rate, accounts: dict[str, int], wish: Wish, used: int) -> int:
    before = accounts.pop(wish.account, 0)
    settled = max(before, used)
    most = max(settled, rate.amount - sum(accounts.values()))
    accounts[wish.account] = min(most, max(settled, used + wish.most)) if most >= used + wish.least else settled
    return accounts[wish.account]


@dataclass
class World:
    """Processes that share a limit."""

    rate: Rate
    time: Time = field(default_factory=Time)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.time)

    def process(self, most_subjects: int = 1000, patience: timedelta = PATIENCE) -> Limiter:
        clock = StoreClock(self.time, self.time)
        return Limiter(self.rate, self.ledger, clock, self.refused.append, most_subjects, patience)


async def taken(limiter: Limiter, wanted: int, subject: str = "key-1", units: int = 1, tenant: str = "ours") -> int:
    """How many of so many operations are let through."""
    count = 0
    for _ in range(wanted):
        with contextlib.suppress(HubError):
            await limiter.take(tenant, subject, units)
            count += 1
    return count


async def refusal(limiter: Limiter, subject: str = "key-1", units: int = 1) -> HubError:
    with pytest.raises(HubError) as caught:
        await limiter.take("ours", subject, units)
    return caught.value


@asynccontextmanager
async def running(*limiters: Limiter) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(limiter.run()) for limiter in limiters]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


class TestOneProcess:
    @pytest.mark.parametrize("rate", [HUNDRED, FIVE, Rate("credential", 1, 1), Rate("credential", 19, 60)])
    async def test_lets_through_exactly_the_amount(self, rate: Rate) -> None:
        assert await taken(World(rate).process(), rate.amount + 50) == rate.amount

    async def test_says_which_limit_and_when_to_come_back(self) -> None:
        world = World(HUNDRED)
        limiter = world.process()
        world.time.seconds += 2.5
        await taken(limiter, 100)
        error = await refusal(limiter)
        assert (error.reason, error.metadata) == (Reason.RATE_LIMITED, {"limit": "credential"})
        assert error.retry_after is not None
        assert error.retry_after.total_seconds() == pytest.approx(7.5, abs=0.01)
        assert world.refused == ["credential"]

    async def test_begins_anew_with_each_window(self) -> None:
        world = World(HUNDRED)
        limiter = world.process()
        for _ in range(3):
            assert await taken(limiter, 150) == 100
            world.time.seconds += 10

    async def test_refuses_without_asking_anybody(self) -> None:
        world = World(FIVE)
        limiter = world.process()
        await taken(limiter, 6)
        asked = world.ledger.asked
        assert await taken(limiter, 1000) == 0
        assert world.ledger.asked == asked

    async def test_asks_a_few_times_for_many_operations(self) -> None:
        world = World(Rate("credential", 10_000, 60))
        assert await taken(world.process(), 10_001) == 10_000
        assert world.ledger.asked <= 21

    async def test_asks_before_it_runs_out_so_that_nobody_waits(self) -> None:
        world = World(HUNDRED)
        limiter = world.process()
        async with running(limiter):
            for _ in range(100):
                taking = limiter.take("ours", "key-1")
                # Done at its first step: it has waited for nothing.
                with pytest.raises(StopIteration):
                    taking.send(None)
                await asyncio.sleep(0)
                await until(lambda: not limiter._low)
            assert (await refusal(limiter)).reason is Reason.RATE_LIMITED

    async def test_a_costly_operation_takes_many_units_or_none(self) -> None:
        limiter = World(HUNDRED).process()
        assert await taken(limiter, 10, units=30) == 3
        assert await taken(limiter, 20) == 10

    async def test_what_costs_more_than_the_amount_takes_it_all(self) -> None:
        world = World(FIVE)
        limiter = world.process()
        assert await taken(limiter, 3, units=1000) == 1
        world.time.seconds += 60
        await taken(limiter, 1)
        assert await taken(limiter, 3, units=1000) == 0

    async def test_tenants_and_subjects_do_not_meet(self) -> None:
        limiter = World(FIVE).process()
        assert await taken(limiter, 9) == 5
        assert await taken(limiter, 9, tenant="theirs") == 5
        assert await taken(limiter, 9, subject="key-2") == 5

    async def test_many_at_once_share_one_question(self) -> None:
        world = World(Rate("credential", 1000, 10))
        limiter = world.process()
        await taken(limiter, 50)
        world.ledger.gate.clear()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(limiter.take("ours", "key-1")) for _ in range(40)]
            await until(lambda: world.ledger.asked > 0)
            world.ledger.gate.set()
        assert (len(tasks), world.ledger.asked) == (40, 1)

    async def test_who_is_cancelled_while_waiting_takes_nothing_and_holds_up_nobody(self) -> None:
        world = World(FIVE)
        limiter = world.process()
        world.ledger.gate.clear()
        first = asyncio.ensure_future(limiter.take("ours", "key-1"))  # noqa: TID251 - awaited below
        second = asyncio.ensure_future(limiter.take("ours", "key-1"))  # noqa: TID251 - awaited below
        await until(lambda: world.ledger.asked == 1)
        first.cancel()
        world.ledger.gate.set()
        await second
        assert first.cancelled()
        assert await taken(limiter, 9) == 4

    async def test_remembers_so_many_subjects_and_no_more(self) -> None:
        limiter = World(HUNDRED).process(most_subjects=100)
        for number in range(5000):
            await limiter.take("ours", f"user-{number}")
        assert len(limiter) == 100

    async def test_keeps_those_in_use(self) -> None:
        world = World(FIVE)
        limiter = world.process(most_subjects=10)
        await taken(limiter, 6, "busy")
        asked = world.ledger.asked
        for number in range(50):
            await limiter.take("ours", f"user-{number}")
            assert await taken(limiter, 1, "busy") == 0
        assert world.ledger.asked == asked + 50

    async def test_costs_microseconds(self) -> None:
        limiter = Limiter(Rate("credential", 10**9, 10_000), Ledger(Time()), StoreClock())
        began = time.perf_counter()
        for _ in range(10_000):
            await limiter.take("ours", "key-1")
        # Some 2 µs each; the bound leaves room for whatever else the machine does.
        assert (time.perf_counter() - began) / 10_000 < 50e-6


class TestGivingBack:
    async def test_what_was_given_back_can_be_taken_again(self) -> None:
        limiter = World(FIVE).process()
        charge = await limiter.take("ours", "ann")
        await taken(limiter, 4, "ann")
        charge.give_back()
        assert await taken(limiter, 3, "ann") == 1

    async def test_in_another_window_it_is_void(self) -> None:
        world = World(FIVE)
        limiter = world.process()
        charge = await limiter.take("ours", "ann")
        world.time.seconds += 60
        await limiter.take("ours", "ann")
        charge.give_back()
        assert await taken(limiter, 9, "ann") == 4


class TestProcessesTogether:
    @pytest.mark.parametrize("count", [2, 3, 5])
    async def test_are_wrong_by_a_slice_each_at_most(self, count: int) -> None:
        world = World(HUNDRED)
        limiters = [world.process() for _ in range(count)]
        through = 0
        for _ in range(100):
            for limiter in limiters:
                through += await taken(limiter, 1)
        assert abs(through - 100) <= count * HUNDRED.slice

    async def test_small_amounts_are_exact(self) -> None:
        world = World(FIVE)
        one, other = world.process(), world.process()
        assert [await taken(limiter, 1) for limiter in (one, other) * 5] == [1] * 5 + [0] * 5

    async def test_one_that_comes_late_lets_through_no_more_than_a_slice(self) -> None:
        world = World(HUNDRED)
        await taken(world.process(), 100)
        assert await taken(world.process(), 100) <= HUNDRED.slice

    async def test_follow_the_stores_clock_and_not_their_own(self) -> None:
        world = World(FIVE)
        # The store's clock is half an hour and some ahead: another window than by this process's own.
        world.ledger.ahead = 1815.0
        limiter = world.process()
        assert await taken(limiter, 9) == 5
        (key,) = world.ledger.accounts
        assert key[3] == int((world.time() + 1815) // 60) * 60
        error = await refusal(limiter)
        assert error.retry_after is not None
        assert error.retry_after.total_seconds() == pytest.approx(60 - (world.time() + 1815) % 60)


class TestStoreAway:
    async def test_each_process_goes_by_its_own_count(self) -> None:
        world = World(HUNDRED)
        world.ledger.away = True
        one, other = world.process(), world.process()
        assert await taken(one, 150) == 100
        assert await taken(other, 150) == 100
        world.time.seconds += 10
        assert await taken(one, 150) == 100

    async def test_what_was_used_meanwhile_is_settled_afterwards(self) -> None:
        world = World(HUNDRED)
        world.ledger.away = True
        one = world.process()
        await taken(one, 60)
        world.ledger.away = False
        world.time.seconds += 2
        await taken(one, 1)
        assert world.ledger.asked == 2
        # Another process finds them gone, but for what it may be wrong by.
        assert await taken(world.process(), 150) <= 40 + HUNDRED.slice

    async def test_a_lost_answer_takes_nothing_twice(self) -> None:
        """A store that does what it is asked, while nobody hears it: a frozen one does so when it goes on."""
        world = World(HUNDRED)
        one = world.process()
        await taken(one, 10)
        world.ledger.loses_answers = True
        for _ in range(20):
            await taken(one, 1)
            world.time.seconds += 0.11
        world.time.seconds = START + 5
        world.ledger.loses_answers = False
        assert await taken(one, 150) == 70

    async def test_what_was_used_up_meanwhile_is_settled_too(self) -> None:
        """Who has used up all by their own count asks for nothing more; others learn of it all the same."""
        world = World(HUNDRED)
        world.ledger.away = True
        one = world.process()
        async with running(one):
            await taken(one, 101)
            await until(lambda: not one._low)
            world.ledger.away = False
            world.time.seconds += 2
            assert await taken(one, 1) == 0
            await until(lambda: world.ledger.taken >= 100)
        assert await taken(world.process(), 150) <= HUNDRED.slice

    async def test_it_is_asked_once_in_a_second_and_no_more(self) -> None:
        world = World(FIVE)
        world.ledger.away = True
        limiter = world.process()
        for number in range(100):
            await limiter.take("ours", f"key-{number}")
        assert world.ledger.asked == 1
        world.time.seconds += 1.1
        for number in range(100):
            await limiter.take("ours", f"key-{number}")
        assert world.ledger.asked == 2

    async def test_one_that_goes_on_not_answering_holds_up_one_at_a_time(self) -> None:
        world = World(FIVE)
        world.ledger.away = True
        limiter = world.process()
        await limiter.take("ours", "key-0")
        world.time.seconds += 1.1
        world.ledger.gate.clear()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(limiter.take("ours", "key-1"))
            await until(lambda: world.ledger.asked == 2)
            for number in range(2, 50):
                await limiter.take("ours", f"key-{number}")
            assert (world.ledger.asked, waiting.done()) == (2, False)
            world.ledger.gate.set()

    async def test_one_that_does_not_answer_is_not_waited_for_long(self) -> None:
        world = World(FIVE)
        world.ledger.gate.clear()
        limiter = world.process(patience=timedelta(milliseconds=50))
        async with asyncio.timeout(5):
            await limiter.take("ours", "key-1")
            await limiter.take("ours", "key-1")


class TestMetering:
    async def test_tells_what_is_left_and_when_it_begins_anew(self) -> None:
        world = World(HUNDRED)
        limiter = world.process()
        world.time.seconds += 4
        with metered() as met:
            await taken(limiter, 30)
        quota = met["credential"]
        assert (quota.rate, quota.left) == (HUNDRED, 70)
        assert quota.seconds == pytest.approx(6)

    async def test_of_several_subjects_the_scarcest_is_told(self) -> None:
        limiter = World(FIVE).process()
        await taken(limiter, 3, "ann")
        with metered() as met:
            await taken(limiter, 1, "bob")
            await taken(limiter, 1, "ann")
            await taken(limiter, 1, "cleo")
        assert met["credential"].left == 1

    async def test_a_refusal_tells_too(self) -> None:
        limiter = World(FIVE).process()
        await taken(limiter, 5)
        with metered() as met:
            await refusal(limiter)
        assert met["credential"].left == 0


async def test_without_limits_nothing_is_counted() -> None:
    rates, nobody = Rates(), Principal("ours", frozenset())
    with metered() as met:
        for _ in range(1000):
            await rates.operation(nobody)
        (await rates.recipient("ours", "ann")).give_back()
    assert (met, rates.limits, rates.runs) == ({}, (), ())


async def test_credentials_and_recipients_are_counted_apart() -> None:
    time = Time()
    clock, ledger = StoreClock(time, time), Ledger(time)
    five, two = Rate("credential", 5, 60), Rate("recipient", 2, 60)
    rates = Rates(Limiter(five, ledger, clock), Limiter(two, ledger, clock))
    caller = Principal("ours", frozenset(), credential="ann")
    for _ in range(2):
        await rates.recipient("ours", "ann")
    with pytest.raises(HubError) as caught:
        await rates.recipient("ours", "ann")
    assert caught.value.metadata == {"limit": "recipient"}
    for _ in range(5):
        await rates.operation(caller)
    with pytest.raises(HubError):
        await rates.operation(caller)


@pytest.mark.parametrize(("cost", "units"), [(0, 1), (1, 1), (100, 1), (101, 2), (10_000, 100)])
def test_units_of_cost(cost: int, units: int) -> None:
    assert units_of_cost(cost) == units


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["take", "ask", "lose", "back"]), st.integers(1, 9)), max_size=80
)


@given(amount=st.integers(1, 120), steps=STEPS)
def test_the_sums_hold_whatever_comes_in_which_order(amount: int, steps: list[tuple[int, str, int]]) -> None:
    """Never more than a slice a process beyond the amount; and what was used is leased, but for what may be owed."""
    rate = Rate("credential", amount, 60)
    processes = [Allowance(rate, "ours", "key-1", 0) for _ in range(3)]
    accounts: dict[str, int] = {}
    for who, what, units in steps:
        mine = processes[who]
        if what == "take":
            mine.take(units)
        elif what == "back":
            mine.used -= min(units, mine.used)
        else:
            leased = lease(rate, accounts, mine.wish(units), mine.used)
            # An answer is lost now and then: the next one has it all.
            if what == "ask":
                mine.receive(Slice(0, 0.0, leased, max(0, amount - sum(accounts.values()))))
        assert all(process.used - process.leased <= rate.slice for process in processes)
        assert sum(process.used for process in processes) <= amount + len(processes) * rate.slice
        assert all(mine.leased <= accounts.get(mine.wish(0).account, 0) for mine in processes)
