"""Group commit: concurrent callers share one round trip, each gets its own answer, a lone one never waits for a timer."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Full(Exception):
    """The queue in front of the batches is full."""


class Batcher(Generic[Item, Result]):
    """Collects items while a flush is under way and sends them in the next one.

    A lone caller's item leaves at once. Flushes begin at least `apart` seconds after one another: where items come in faster
    than that they share round trips, and elsewhere nobody waits. `flush` takes up to `max_size` items and answers with a result or an
    exception for each, in order; if it raises, every item of the batch gets that exception.

    A caller that is cancelled no longer waits; its item is flushed all the same.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        max_size: int,
        max_waiting: int,
        in_flight: int = 1,
        apart: float = 0.0,
    ) -> None:
        self._flush = flush
        self._max_size = max_size
        self._max_waiting = max_waiting
        self._idle = in_flight
        self._apart = apart
        self._next = 0.0
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._flushes: set[asyncio.Task[None]] = set()

    async def add(self, item: Item) -> Result:
        """Waits for the item's own result. Raises Full, at once, if too many are waiting already."""
        if len(self._waiting) >= self._max_waiting:
            raise Full
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._idle > 0:
            self._start()
        return await future

    def _start(self) -> None:
        self._idle -= 1
        # Owned by the set until it is done; `drain` waits for it. A context of its own, because the first caller's
        # deadline and correlation id are not those of the items that join later.
        task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def drain(self) -> None:
        """Waits until everything added so far has its result."""
        while self._flushes:
            await asyncio.wait(self._flushes)

    async def _run(self) -> None:
        try:
            # One turn of the loop lets all that are ready in this very moment come along.
            await asyncio.sleep(0)
            while self._waiting:
                if self._apart and len(self._waiting) < self._max_size:
                    await self._turn()
                size = min(len(self._waiting), self._max_size)
                await self._flush_one([self._waiting.popleft() for _ in range(size)])
        finally:
            self._idle += 1

    async def _turn(self) -> None:
        """Waits until the last flush began long enough ago."""
        clock = asyncio.get_running_loop().time
        if (early := self._next - clock()) > 0:
            await asyncio.sleep(early)
        self._next = clock() + self._apart

    async def _flush_one(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results: Sequence[Result | Exception] = await self._flush([item for item, _ in batch])
            if len(results) != len(batch):
                msg = f"{len(batch)} items were flushed and {len(results)} results came back"
                raise ValueError(msg)  # noqa: TRY301 - like any other failure: nobody is left waiting
        except Exception as error:  # noqa: BLE001 - handed to every caller of the batch
            results = [error] * len(batch)
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
