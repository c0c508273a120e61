"""What is mended in the driver, and that there still is what is mended."""

from __future__ import annotations

import asyncio
import sys

from pymongo import lock as driver_lock
from pymongo.asynchronous import pool, topology

from hub.store.driver import mend, wait_on
from tests.waiting import until


async def test_a_wait_cancelled_while_it_takes_the_lock_again_leaves_the_lock_free() -> None:
    lock = driver_lock._async_create_lock()
    condition = driver_lock._async_create_condition(lock)

    async def waiter() -> None:
        async with lock:
            await wait_on(condition, 10)

    waiting = asyncio.get_running_loop().create_task(waiter())
    await until(lambda: len(condition._waiters) == 1)
    async with asyncio.timeout(5), lock:
        condition.notify_all()
        await until(lambda: not condition._waiters)
        # The first ends the wait, as its timeout would; the second meets it while it takes the lock again.
        for _ in range(2):
            waiting.cancel()
            for _ in range(10):
                await asyncio.sleep(0)
        # It can't leave before it has had the lock again: or it would let go of ours.
        assert not waiting.done()
    await asyncio.wait([waiting], timeout=5)
    assert waiting.cancelled()
    assert not lock.locked()


async def test_nobody_says_a_word_in_time() -> None:
    condition = driver_lock._async_create_condition(driver_lock._async_create_lock())
    async with condition:
        assert await wait_on(condition, 0.01) is False


def test_the_driver_still_waits_by_the_names_that_are_replaced() -> None:
    for module in (topology, pool):
        assert "_async_cond_wait" in vars(module)
    mend()
    if sys.version_info < (3, 12):
        assert topology._async_cond_wait is wait_on  # type: ignore[attr-defined]
        assert pool._async_cond_wait is wait_on  # type: ignore[attr-defined]
