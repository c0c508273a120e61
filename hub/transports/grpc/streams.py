"""The streams that hang on a server: how they end when it drains, and how a stream of items is answered item by item."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from google.protobuf.message import Message

from hub.core.admission import Admission
from hub.core.standings import ended
from hub.domain.errors import HubError, Reason
from hub.transports.grpc.auth import Context

MOST_UNDER_WAY = 256
"""Items of one stream; reading stops until one is answered, and the caller is held up by HTTP/2's flow control."""


async def told(context: Context, response: Message) -> bool:
    """Writes to a stream; False if the caller has hung up, and grpc is about to end the call by itself."""
    try:
        await context.write(response)
    except grpc.aio.InternalError:
        return False
    return True


class OpenStreams:
    """The streams that hang on this server, so that a drain can end them at once."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()
        self._ended = False

    @asynccontextmanager
    async def member(self) -> AsyncIterator[asyncio.Timeout]:
        """Runs a stream, or one wait of it, in the calling task; a retryable OVERLOADED once the streams are to end.

        What it gives can be made to end this one alone.
        """
        if self._ended:
            raise _draining()
        # A time limit that never comes, until `end` says that it has: no second task and no race per event.
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limits.add(limit)
                yield limit
        except TimeoutError:
            if limit.expired():
                raise _draining() from None
            raise
        finally:
            self._limits.discard(limit)

    def end(self) -> None:
        """Ends every stream, and each that would come after."""
        self._ended = True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())


class Exchange:
    """A stream of items, each answered by itself as soon as it is done; `answer` raises nothing."""

    def __init__(
        self,
        context: Context,
        answer: Callable[[int, Any], Awaitable[Message]],
        streams: OpenStreams,
        admission: Admission,
    ) -> None:
        self._context = context
        self._answer = answer
        self._streams = streams
        self._admission = admission
        self._room = asyncio.Semaphore(MOST_UNDER_WAY)
        self._under_way = 0
        self._one_done = asyncio.Event()
        self._reading: asyncio.Timeout | None = None
        self._refused = asyncio.Event()
        # grpc takes one message at a time.
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Until the caller has half-closed and all is answered.

        A drain or `refuse` stops the reading alone: what is under way is answered, then this raises a retryable
        OVERLOADED or UNAUTHENTICATED.
        """
        async with asyncio.TaskGroup() as group:
            stopped = await self._read(group)
        if stopped is not None:
            raise stopped

    async def _read(self, group: asyncio.TaskGroup) -> HubError | None:
        for index in itertools.count():
            if self._refused.is_set():
                return ended()
            try:
                async with self._streams.member() as self._reading:
                    await self._until_room()
                    request = await self._context.read()
            except HubError as error:
                return ended() if self._refused.is_set() else error
            if request is grpc.aio.EOF:
                break
            self._under_way += 1
            group.create_task(self._exchange(index, request))
        return None

    def refuse(self) -> None:
        """The caller's credential has ended: nothing more is read."""
        self._refused.set()
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def _until_room(self) -> None:
        """Until another item may be read. Where others want the places too, a stream goes on with one at a time."""
        await self._room.acquire()
        while self._under_way and self._admission.crowded:
            self._one_done.clear()
            await self._one_done.wait()

    async def _exchange(self, index: int, request: Any) -> None:
        # An answer that is not taken keeps its room: a caller who does not read is not read either.
        response = await self._answer(index, request)
        async with self._writing:
            # Whoever hung up comes back with the same keys.
            await told(self._context, response)
        self._under_way -= 1
        self._one_done.set()
        self._room.release()


def _draining() -> HubError:
    return HubError(Reason.OVERLOADED, "The server is going away: come back and go on where you were.")
