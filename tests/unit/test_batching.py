"""Group commit: one round trip for many, each with an answer of its own."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from hub.core.batching import Batcher, Full
from tests.waiting import until

word: ContextVar[str] = ContextVar("word", default="nobody's")


class Round:
    """A round trip that is over when it is told, and remembers what it was asked."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.words: list[str] = []
        self.under_way = 0
        self.most = 0
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        self.words.append(word.get())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.go.wait()
        finally:
            self.under_way -= 1
        return [ValueError(item) if item < 0 else item * 10 for item in items]


def batcher(trip: Round, *, max_size: int = 100, max_waiting: int = 1000, in_flight: int = 1) -> Batcher[int, int]:
    return Batcher(trip, max_size=max_size, max_waiting=max_waiting, in_flight=in_flight)


async def settled(turns: int = 10) -> None:
    """Lets the loop turn until everything that can go on has gone on."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_a_lone_item_leaves_at_once() -> None:
    trip = Round()
    async with asyncio.timeout(1):
        assert await batcher(trip).add(1) == 10
    assert trip.batches == [[1]]


async def test_those_who_come_together_share() -> None:
    trip = Round()
    calls = batcher(trip)
    assert await asyncio.gather(*(calls.add(number) for number in range(50))) == [n * 10 for n in range(50)]
    assert trip.batches == [list(range(50))]


async def test_what_comes_during_a_round_trip_goes_with_the_next() -> None:
    trip = Round(held=True)
    calls = batcher(trip)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(calls.add(1))
        await until(lambda: trip.batches == [[1]])
        later = [group.create_task(calls.add(number)) for number in (2, 3, 4)]
        await settled()
        assert trip.batches == [[1]]
        trip.go.set()
    assert trip.batches == [[1], [2, 3, 4]]
    assert (first.result(), [task.result() for task in later]) == (10, [20, 30, 40])
    assert trip.most == 1


async def test_no_batch_is_larger_than_it_may_be_and_order_is_kept() -> None:
    trip = Round()
    calls = batcher(trip, max_size=7)
    await asyncio.gather(*(calls.add(number) for number in range(20)))
    assert [len(batch) for batch in trip.batches] == [7, 7, 6]
    assert [item for batch in trip.batches for item in batch] == list(range(20))


async def test_as_many_round_trips_as_it_may_have() -> None:
    trip = Round(held=True)
    calls = batcher(trip, max_size=1, in_flight=2)
    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(calls.add(number))
        await until(lambda: len(trip.batches) == 2)
        await settled()
        assert len(trip.batches) == 2
        trip.go.set()
    assert trip.most == 2


async def test_each_gets_an_error_of_its_own() -> None:
    calls = batcher(Round())
    results = await asyncio.gather(*(calls.add(n) for n in (1, -2, 3, -4)), return_exceptions=True)
    assert [results[0], results[2]] == [10, 30]
    assert [repr(results[1]), repr(results[3])] == ["ValueError(-2)", "ValueError(-4)"]


async def test_a_failed_round_trip_fails_its_batch_and_no_other() -> None:
    class Broken(Round):
        async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
            results = await super().__call__(items)
            if len(self.batches) == 1:
                raise OSError
            return results

    trip = Broken()
    calls = batcher(trip, max_size=2)
    results = await asyncio.gather(*(calls.add(n) for n in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError, int, int]


async def test_an_answer_of_the_wrong_length_leaves_nobody_waiting() -> None:
    async def forgetful(items: Sequence[int]) -> Sequence[int | Exception]:
        return list(items)[:-1]

    calls: Batcher[int, int] = Batcher(forgetful, max_size=10, max_waiting=10)
    async with asyncio.timeout(1):
        results = await asyncio.gather(calls.add(1), calls.add(2), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]


async def test_who_is_cancelled_hurts_nobody_and_the_item_is_flushed_all_the_same() -> None:
    trip = Round(held=True)
    calls = batcher(trip)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(calls.add(number)) for number in (1, 2, 3)]
        await until(lambda: trip.batches == [[1, 2, 3]])
        waiting = group.create_task(calls.add(4))
        await settled()
        tasks[0].cancel()
        waiting.cancel()
        await settled()
        trip.go.set()
    assert tasks[0].cancelled()
    assert [tasks[1].result(), tasks[2].result()] == [20, 30]
    await calls.drain()
    assert trip.batches == [[1, 2, 3], [4]]


async def test_who_is_cancelled_in_vain_leaves_no_unheard_error_behind() -> None:
    """With warnings as errors, a future whose exception nobody fetched would fail this test."""
    trip = Round(held=True)
    calls = batcher(trip)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(calls.add(-1))
        await until(lambda: bool(trip.batches))
        task.cancel()
        await settled()
        trip.go.set()
    await calls.drain()
    gc.collect()


async def test_a_deadline_of_one_is_not_the_others() -> None:
    trip = Round(held=True)
    calls = batcher(trip)

    async def hurried() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await calls.add(1)

    async with asyncio.TaskGroup() as group:
        group.create_task(hurried())
        patient = group.create_task(calls.add(2))
        await until(lambda: trip.batches == [[1, 2]])
        await asyncio.sleep(0.02)
        trip.go.set()
    assert patient.result() == 20


async def test_what_a_caller_carries_in_its_context_is_not_inherited() -> None:
    trip = Round()
    calls = batcher(trip)
    token = word.set("mine")
    try:
        await calls.add(1)
    finally:
        word.reset(token)
    assert trip.words == ["nobody's"]


async def test_full_is_said_at_once_and_changes_nothing() -> None:
    trip = Round(held=True)
    calls = batcher(trip, max_waiting=2)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(calls.add(0))
        await until(lambda: trip.batches == [[0]])
        waiting = [group.create_task(calls.add(number)) for number in (1, 2)]
        await settled()
        with pytest.raises(Full):
            async with asyncio.timeout(1):
                await calls.add(3)
        trip.go.set()
    assert [first.result(), *(task.result() for task in waiting)] == [0, 10, 20]
    assert trip.batches == [[0], [1, 2]]
    assert await calls.add(3) == 30


async def test_drain_waits_for_everything_added_so_far() -> None:
    trip = Round(held=True)
    calls = batcher(trip, max_size=1)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(calls.add(number)) for number in range(3)]
        await until(lambda: len(trip.batches) == 1)
        draining = group.create_task(calls.drain())
        await settled()
        assert not draining.done()
        trip.go.set()
        await draining
        assert trip.batches == [[0], [1], [2]]
    assert all(task.done() for task in tasks)


async def test_drain_of_an_idle_one_returns() -> None:
    async with asyncio.timeout(1):
        await batcher(Round()).drain()


async def test_it_goes_on_after_every_kind_of_end() -> None:
    """Failures and cancelled callers must not use up the round trips it may have."""
    trip = Round()
    calls = batcher(trip)
    for _ in range(5):
        with pytest.raises(ValueError, match="-1"):
            await calls.add(-1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await calls.add(1)
    async with asyncio.timeout(1):
        assert await calls.add(2) == 20


async def test_what_comes_in_soon_after_a_flush_waits_and_goes_together() -> None:
    trip = Round()
    spaced: Batcher[int, int] = Batcher(trip, max_size=100, max_waiting=1000, apart=0.3)
    async with asyncio.timeout(0.2):
        await spaced.add(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(spaced.add(2))
        await asyncio.sleep(0.05)
        group.create_task(spaced.add(3))
    assert trip.batches == [[1], [2, 3]]


async def test_after_a_pause_nobody_waits() -> None:
    trip = Round()
    spaced: Batcher[int, int] = Batcher(trip, max_size=100, max_waiting=1000, apart=0.05)
    await spaced.add(1)
    await asyncio.sleep(0.06)
    began = asyncio.get_running_loop().time()
    await spaced.add(2)
    assert asyncio.get_running_loop().time() - began < 0.04


async def test_a_full_batch_waits_for_nobody() -> None:
    trip = Round()
    spaced: Batcher[int, int] = Batcher(trip, max_size=2, max_waiting=1000, apart=60)
    async with asyncio.timeout(1):
        assert await asyncio.gather(*(spaced.add(number) for number in range(4))) == [0, 10, 20, 30]
