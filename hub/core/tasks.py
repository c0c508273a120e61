"""Tasks that end when they are told to, and work done a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def checkpoint() -> None:
    """Raises CancelledError in a task that was cancelled without having noticed.

    asyncio.wait_for of Python 3.11 swallows a cancellation that comes together with its result, and both drivers use it:
    every loop around a driver asks here, or it could outlive its owner for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def ended(task: asyncio.Task[None]) -> None:
    """Cancels a task, again if need be, until it has ended; what it says last is of no interest.

    Again, because a loop that catches what its turn raises goes on after a cancellation that was swallowed.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.5)
    if not task.cancelled():
        task.exception()


async def for_each(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], at_once: int = 16) -> None:
    """Does the work for all, a few at a time; raises the first error once all are done."""
    slots = asyncio.Semaphore(at_once)

    async def one(item: Item) -> None:
        async with slots:
            await work(item)

    results = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
