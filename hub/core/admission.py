"""Admission: what a process has under way at most, whatever the protocol; what comes beyond that is refused at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

from hub.domain.errors import HubError, Reason

IN_FLIGHT_LIMIT = 512
_KIB = 1024
_LARGEST_SHARE = 4
"""A body of any size takes at most this part of all places, so that the largest batch still finds its own."""
_COME_BACK = timedelta(seconds=1)
_BEGINNINGS_PER_TURN = 4
_LONGEST_WAIT_SECONDS = 2.0


def _nothing() -> None:
    pass


class Place:
    """What a request holds while it is worked on, as a context. Leaving it twice does no harm."""

    def __init__(self, admission: Admission, size: int) -> None:
        self._admission = admission
        self._size = size

    async def turn(self) -> None:
        """Waits, where many begin in the same moment, until it is this one's turn. Raises OVERLOADED after two seconds."""
        if not await self._admission.turns.wait(_LONGEST_WAIT_SECONDS):
            raise self._admission.refusal()

    def grow(self, body_bytes: int) -> None:
        """The body has turned out to be this large. Raises OVERLOADED if that is more than there is room for."""
        size = self._admission.size_of(body_bytes)
        # A place that was left stays left: a stream goes on listening for its reader's end.
        if self._size and size > self._size:
            self._admission.take(size - self._size)
            self._size = size

    def leave(self) -> None:
        """Gives the place up before the block ends: what follows is a stream, which has bounds of its own."""
        self._admission.under_way -= self._size
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Turns:
    """Lets a few begin in each turn of the event loop, in the order in which they came.

    All that is ready in a turn is done before the next one. If a few hundred requests began together, they would also go
    on together, and each of their turns would hold up all else for a good part of a second: calls of gRPC and new
    connections, of which libuv and grpc take in one or a few a turn, confirms of the broker, probes.
    """

    def __init__(self, at_once: int = _BEGINNINGS_PER_TURN) -> None:
        self._at_once = at_once
        self._left = at_once
        self._counting = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._patient: deque[asyncio.Future[None]] = deque()

    async def wait(self, at_most: float) -> bool:
        """Returns at once unless others have begun in this very turn; False if it took longer than so many seconds."""
        self._count()
        if self._left > 0 and not self._waiting:
            self._left -= 1
            return True
        return await self._queued(self._waiting, at_most)

    async def calm(self, at_most: float) -> None:
        """Waits until nobody waits to begin, but no longer than so many seconds; a few return in each turn."""
        self._count()
        await self._queued(self._patient, at_most)

    @staticmethod
    async def _queued(queue: deque[asyncio.Future[None]], at_most: float) -> bool:
        future = asyncio.get_running_loop().create_future()
        queue.append(future)
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await future
                return True
        return False

    def _count(self) -> None:
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._left = self._at_once
        if self._waiting:
            self._let_go(self._waiting)
        else:
            self._let_go(self._patient)
        self._counting = False
        # Also after a turn in which all had given up: those behind them are waiting still.
        if self._left < self._at_once or self._patient:
            self._count()

    def _let_go(self, waiting: deque[asyncio.Future[None]]) -> None:
        while waiting and self._left > 0:
            future = waiting.popleft()
            # Who was cancelled meanwhile takes nobody's turn.
            if not future.done():
                future.set_result(None)
                self._left -= 1


class Admission:
    """Counts what is under way: one for a request, and one more for each KiB of its body.

    A number, not a queue: who is refused knows at once, and nobody waits behind more than the process gets done in
    about a second. What is under way already is never touched.
    """

    def __init__(self, limit: int = IN_FLIGHT_LIMIT, on_refusal: Callable[[], None] = _nothing) -> None:
        self._limit = limit
        self._largest = max(1, limit // _LARGEST_SHARE)
        self._on_refusal = on_refusal
        self.under_way = 0
        self.turns = Turns()

    def enter(self, body_bytes: int = 0) -> Place:
        """A place until the `with` block ends. Raises OVERLOADED if there is none: nothing was done, nothing accepted."""
        size = self.size_of(body_bytes)
        self.take(size)
        return Place(self, size)

    async def admit(self, body_bytes: int = 0) -> Place:
        """A place whose turn to begin has come. Raises OVERLOADED."""
        place = self.enter(body_bytes)
        try:
            await place.turn()
        except BaseException:
            place.leave()
            raise
        return place

    @property
    def crowded(self) -> bool:
        """Whether half of all places are taken: who can be held up instead of being refused should be."""
        return 2 * self.under_way >= self._limit

    def size_of(self, body_bytes: int) -> int:
        """What a request with such a body counts."""
        return min(1 + body_bytes // _KIB, self._largest)

    def take(self, size: int) -> None:
        """Makes so much more be under way. Raises OVERLOADED."""
        if self.under_way + size > self._limit:
            raise self.refusal()
        self.under_way += size

    def refusal(self) -> HubError:
        """What a caller is told for whom there is no place, and counts it."""
        self._on_refusal()
        text = "Too much is under way; nothing of this was accepted."
        return HubError(Reason.OVERLOADED, text, retry_after=_COME_BACK)


def declared_bytes(content_length: str | None) -> int:
    """How large a body says that it is, before any of it is read; 0 where nobody says."""
    return int(content_length[:20]) if content_length is not None and content_length.isdecimal() else 0
