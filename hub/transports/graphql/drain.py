"""How open streams end when the process stops: so that clients come back, to another one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

LAST_WORD_SECONDS = 1.0
"""How long the end of a stream may wait for a reader that does not read."""


class Drain:
    """Knows every open stream. Once begun, it goes on for good."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._closers: dict[object, Callable[[], Awaitable[None]]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def begun(self) -> bool:
        """Whether nothing new may be opened."""
        return self._begun.is_set()

    @contextmanager
    def open(self, close: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """Counts a stream while it lasts; `close` ends it early."""
        key = object()
        self._closers[key] = close
        self._empty.clear()
        try:
            yield
        finally:
            del self._closers[key]
            if not self._closers:
                self._empty.set()

    async def wait(self) -> None:
        """Returns once it has begun."""
        await self._begun.wait()

    async def run(self) -> None:
        """Ends every stream and waits until all are gone; how long that may take is the caller's to bound."""
        self._begun.set()
        closers = list(self._closers.values())
        await asyncio.gather(*(close() for close in closers), return_exceptions=True)
        await self._empty.wait()
