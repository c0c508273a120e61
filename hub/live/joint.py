"""Reads that many streams want at once, done once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Generic, TypeVar

from hub.core.tasks import checkpoint
from hub.store.client import unreachable

Question = TypeVar("Question")
Answer = TypeVar("Answer")

Spawn = Callable[[Coroutine[object, object, None]], object]
"""Starts a task that somebody owns."""


class FeedEndedError(Exception):
    """The feed has stopped; so has every stream."""


class Joint(Generic[Question, Answer]):
    """One read at a time. All who ask while one runs share the next, which thus begins after each of them asked."""

    def __init__(self, spawn: Spawn, read: Callable[[Sequence[Question]], Awaitable[Answer]]) -> None:
        self._spawn = spawn
        self._read = read
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._running = False

    async def ask(self, question: Question) -> Answer:
        """The answer to this question among others. Raises what the read raises, or FeedEndedError."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if not self._running:
            self._spawn(self._run())
            self._running = True
        return await future

    def end(self) -> None:
        """Raises FeedEndedError in all who still wait."""
        _settle(self._waiting, error=FeedEndedError())
        self._waiting = []

    async def _run(self) -> None:
        asked: list[tuple[Question, asyncio.Future[Answer]]] = []
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                try:
                    answer = await self._read([question for question, _ in asked])
                except asyncio.CancelledError:
                    checkpoint()
                    # It leaked out of the driver: nobody has cancelled this. Those who asked would take it for the feed's end.
                    _settle(asked, error=unreachable(InterruptedError()))
                except Exception as error:  # noqa: BLE001 - it belongs to those who asked
                    _settle(asked, error=error)
                else:
                    for _, future in asked:
                        if not future.done():
                            future.set_result(answer)
        finally:
            self._running = False
            _settle(asked, error=FeedEndedError())
            self.end()


def _settle(asked: Iterable[tuple[object, asyncio.Future[Answer]]], error: Exception) -> None:
    for _, future in asked:
        if not future.done():
            future.set_exception(error)
