"""What streams are made of is out of the garbage collector's sight, and what closed ones leave is cleared away."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from hub.live.heap import CLOSED, OPENED, Heap


class Part:
    """Of a stream; two of them hold one another."""

    other: "Part"


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.collect()
    yield
    gc.unfreeze()
    gc.collect()


def pair() -> Part:
    one, two = Part(), Part()
    one.other, two.other = two, one
    return one


def test_streams_are_set_aside_once_there_are_some():
    heap = Heap()
    before = gc.get_freeze_count()
    for _ in range(OPENED - 1):
        heap.opened()
    heap.settle()
    assert gc.get_freeze_count() == before
    heap.opened()
    heap.settle()
    assert gc.get_freeze_count() > before


def test_what_closed_ones_leave_is_cleared_away():
    heap = Heap()
    part = pair()
    for _ in range(2 * CLOSED + 2):
        heap.opened()
    heap.settle()
    left = weakref.ref(part)
    del part
    # There are more that are open still: it is not worth it yet.
    for _ in range(CLOSED):
        heap.closed()
    heap.settle()
    gc.collect()
    assert left() is not None
    heap.closed()
    heap.settle()
    assert left() is None
    assert gc.get_freeze_count() > 0
