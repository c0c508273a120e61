"""What waits for the store holds up what would be sent, for a while."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hub.core.unrecorded import PATIENCE_SECONDS, Unrecorded

LIMIT = 5.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def free(unrecorded: Unrecorded) -> bool:
    """Whether something may be sent now."""
    try:
        async with asyncio.timeout(0):
            await unrecorded.settled()
    except TimeoutError:
        return False
    return True


async def test_an_outcome_that_waits_long_holds_up_until_it_is_written() -> None:
    clock = Clock()
    unrecorded = Unrecorded(clock, LIMIT)
    with unrecorded.one():
        clock.now = PATIENCE_SECONDS
        assert await free(unrecorded)
        clock.now += 0.01
        assert not await free(unrecorded)
    assert await free(unrecorded)


async def test_one_that_waits_without_end_does_not_hold_up_without_end() -> None:
    clock = Clock()
    unrecorded = Unrecorded(clock, LIMIT)
    with unrecorded.one():
        clock.now = LIMIT
        with unrecorded.one():
            assert not await free(unrecorded)
            clock.now += 0.01
            assert await free(unrecorded)
            clock.now += PATIENCE_SECONDS
            # The one after it has waited long by now.
            assert not await free(unrecorded)
    assert await free(unrecorded)


async def test_a_write_that_fails_holds_up_no_more() -> None:
    clock = Clock()
    unrecorded = Unrecorded(clock, LIMIT)
    with suppress(ZeroDivisionError), unrecorded.one():
        clock.now = 1 / 0
    clock.now = 1
    assert await free(unrecorded)
