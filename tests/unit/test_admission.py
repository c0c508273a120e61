"""How places are counted, taken and given back."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from hub.core.admission import Admission, Turns, declared_bytes
from hub.domain.errors import HubError, Reason

KIB = 1024


def refused(admission: Admission, body_bytes: int = 0) -> bool:
    try:
        admission.enter(body_bytes).leave()
    except HubError as error:
        return error.reason is Reason.OVERLOADED and error.retry_after is not None
    return False


def test_as_many_as_the_limit_and_each_place_is_given_back_once():
    admission = Admission(2)
    with admission.enter() as first, admission.enter():
        assert refused(admission)
        first.leave()
        first.leave()
        assert admission.under_way == 1
        assert not refused(admission)
    assert admission.under_way == 0


def test_a_place_that_was_left_grows_no_more():
    admission = Admission(2)
    with admission.enter() as place:
        place.leave()
        place.grow(KIB)
        assert admission.under_way == 0


def test_a_place_is_given_back_when_the_work_fails():
    admission = Admission(1)
    with pytest.raises(RuntimeError), admission.enter():
        raise RuntimeError
    assert admission.under_way == 0


@pytest.mark.parametrize(("body_bytes", "size"), [(0, 1), (KIB - 1, 1), (KIB, 2), (10 * KIB, 11), (8 * KIB * KIB, 25)])
def test_a_body_counts_by_its_size_up_to_a_quarter_of_all(body_bytes: int, size: int):
    admission = Admission(100)
    with admission.enter(body_bytes):
        assert admission.under_way == size
    assert admission.under_way == 0


def test_a_body_that_grows_takes_more_or_is_refused():
    admission = Admission(8)
    with admission.enter() as place:
        place.grow(KIB)
        place.grow(KIB)
        assert admission.under_way == 2
        with admission.enter(), admission.enter(), admission.enter(), admission.enter(), admission.enter():
            with admission.enter() as last, pytest.raises(HubError):
                last.grow(KIB)
            # The one that was refused has given its place back, and only its own.
            assert admission.under_way == 7
    assert admission.under_way == 0


def test_the_largest_body_has_a_place_even_with_the_smallest_limit():
    assert not refused(Admission(1), 8 * KIB * KIB)


def test_refusals_are_counted():
    counted: Counter[str] = Counter()
    admission = Admission(1, lambda: counted.update(["refused"]))
    with admission.enter():
        assert refused(admission)
        assert refused(admission)
    assert counted == {"refused": 2}


@pytest.mark.parametrize(
    ("declared", "size"), [(None, 0), ("", 0), ("-1", 0), ("²", 0), ("x", 0), ("17", 17), ("9" * 400, int("9" * 20))]
)
def test_what_a_body_declares(declared: str | None, size: int):
    assert declared_bytes(declared) == size


async def begun_by_turn(turns: Turns, count: int) -> list[int]:
    """How many of so many have begun after each turn of the loop."""
    begun = 0

    async def one() -> None:
        nonlocal begun
        await turns.wait(10)
        begun += 1

    seen = []
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
        while begun < count:
            await asyncio.sleep(0)
            seen.append(begun)
    return seen


async def test_a_lone_caller_waits_for_nothing():
    turns = Turns(4)
    for _ in range(3):
        waiting = turns.wait(10)
        with pytest.raises(StopIteration):
            waiting.send(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_many_begin_a_few_in_each_turn():
    seen = await begun_by_turn(Turns(4), 20)
    steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert max(steps) <= 4
    assert len(seen) <= 12


async def test_each_in_the_order_of_coming_and_who_gives_up_takes_no_turn():
    turns, order = Turns(1), list[int]()

    async def one(number: int) -> None:
        await turns.wait(10)
        order.append(number)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number)) for number in range(6)]
        await asyncio.sleep(0)
        tasks[3].cancel()
    assert order == [0, 1, 2, 4, 5]
    # And when all is quiet again it begins anew.
    assert await begun_by_turn(turns, 3)


async def test_who_is_patient_comes_after_all_that_wait_to_begin():
    turns, order = Turns(1), list[str]()

    async def one(name: str, *, patient: bool = False) -> None:
        await (turns.calm(10) if patient else turns.wait(10))
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(one(f"patient {number}", patient=True))
            group.create_task(one(f"begins {number}"))
    assert order == [*(f"begins {number}" for number in range(3)), *(f"patient {number}" for number in range(3))]


async def test_patience_has_an_end():
    turns = Turns(1)
    async with asyncio.TaskGroup() as group:
        patient = group.create_task(turns.calm(0.01))
        while not patient.done():
            group.create_task(turns.wait(10))
            group.create_task(turns.wait(10))
            await asyncio.sleep(0)


async def test_whose_turn_does_not_come_in_time_is_refused_and_leaves_no_place_behind():
    admission = Admission(100)
    admission.turns = Turns(0)
    admission.turns._counting = True  # a loop whose turns take for ever
    with pytest.raises(HubError) as raised:
        await admission.admit()
    assert raised.value.reason is Reason.OVERLOADED
    assert admission.under_way == 0


async def test_those_behind_others_who_gave_up_are_let_go_all_the_same():
    turns, loop = Turns(1), asyncio.get_running_loop()
    first, impatient = loop.create_task(turns.wait(10)), loop.create_task(turns.wait(10))
    patient = loop.create_task(turns.calm(10))
    await asyncio.sleep(0)
    assert not impatient.done()
    impatient.cancel()
    async with asyncio.timeout(2):
        await patient
    assert await first
