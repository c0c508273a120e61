"""Creates in bulk over one stream: what was not acknowledged when it broke is sent again with the same keys."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import grpc

from hub.client.calls import Caller, new_key
from hub.client.errors import HubClientError, client_error
from hub.client.options import ClientOptions
from hub.rpc.v1 import errors_pb2
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub

MOST_UNACKNOWLEDGED = 256
"""As many as the hub has under way for one stream; the source is asked for no more meanwhile."""


def keyed(request: pb.CreateNotificationRequest) -> pb.CreateNotificationRequest:
    """The request with an idempotency key: its own, or a new one in a copy."""
    if request.HasField("idempotency_key"):
        return request
    copy = pb.CreateNotificationRequest()
    copy.CopyFrom(request)
    copy.idempotency_key = new_key()
    return copy


class Trouble:
    """Failures in a row, of an item or of the connection, and the end of patience with them."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._failures = 0
        self._ends = 0.0

    def wait(self, asked: timedelta | None) -> float | None:
        """Seconds to wait after one more failure; None if it is too much."""
        time = asyncio.get_running_loop().time()
        if not self._failures:
            self._ends = time + self._options.timeout.total_seconds()
        self._failures += 1
        wait = self._options.backoff.wait(self._failures, asked)
        return wait if time + wait < self._ends else None


def _passing(error: errors_pb2.OperationError) -> bool:
    return error.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"} or error.reason == "RATE_LIMITED"


class Outbox:
    """What was taken from the source and not yet acknowledged, by its position; outlives connections."""

    def __init__(self, options: ClientOptions, source: AsyncIterable[pb.CreateNotificationRequest]) -> None:
        self._options = options
        self._source = source
        self._room = asyncio.Semaphore(MOST_UNACKNOWLEDGED)
        self._items: dict[int, pb.CreateNotificationsRequest] = {}
        self._unsent: deque[int] = deque()
        self._troubles: dict[int, Trouble] = {}
        self._news = asyncio.Event()
        self._source_error: Exception | None = None
        self._is_exhausted = False

    async def fill(self) -> None:
        """Takes from the source while there is room; an error of the source ends it, and is told by `finish`."""
        try:
            await self._take_all()
        except Exception as error:  # noqa: BLE001 - the caller's own, raised to the caller
            self._source_error = error
        self._is_exhausted = True
        self._news.set()

    async def _take_all(self) -> None:
        position = 0
        await self._room.acquire()
        async for request in self._source:
            self._items[position] = pb.CreateNotificationsRequest(notification=keyed(request))
            self._unsent.append(position)
            self._news.set()
            position += 1
            await self._room.acquire()

    def rewind(self) -> None:
        """For a new connection: all that is not acknowledged is unsent."""
        self._unsent = deque(sorted(self._items))

    async def next(self) -> tuple[int, pb.CreateNotificationsRequest] | None:
        """The next to send with its position; None when all is done."""
        while not self._unsent:
            if self._is_exhausted and not self._items:
                return None
            self._news.clear()
            await self._news.wait()
        position = self._unsent.popleft()
        return position, self._items[position]

    def settle(self, response: pb.CreateNotificationsResponse) -> bool:
        """Whether this is the item's last word: not if it was told before, nor if the item will be sent again."""
        position = response.index
        if position not in self._items or self._will_try_again(position, response):
            return False
        del self._items[position]
        self._troubles.pop(position, None)
        self._room.release()
        self._news.set()
        return True

    def _will_try_again(self, position: int, response: pb.CreateNotificationsResponse) -> bool:
        if not response.HasField("error") or not _passing(response.error):
            return False
        trouble = self._troubles.setdefault(position, Trouble(self._options))
        wait = trouble.wait(None)
        if wait is None:
            return False
        asyncio.get_running_loop().call_later(wait, self._send_again, position)
        return True

    def _send_again(self, position: int) -> None:
        if position in self._items and position not in self._unsent:
            self._unsent.append(position)
            self._news.set()

    def finish(self) -> bool:
        """Whether all is done; raises what the source raised, after the last acknowledgement."""
        if not self._is_exhausted or self._items:
            return False
        if self._source_error is not None:
            raise self._source_error
        return True


async def create_many(
    caller: Caller, channel: grpc.aio.Channel, source: AsyncIterable[pb.CreateNotificationRequest]
) -> AsyncGenerator[pb.CreateNotificationsResponse]:
    """An answer for each request, by its position in the source; raises what does not pass by itself."""
    outbox, trouble = Outbox(caller.options, source), Trouble(caller.options)
    async with beside(outbox.fill()):
        while True:
            failed = HubClientError("UNAVAILABLE", "UNAVAILABLE", "The stream ended before all was acknowledged.")
            try:
                async with aclosing(_once(caller, channel, outbox)) as responses:
                    async for response in responses:
                        trouble = Trouble(caller.options)
                        yield response
            except HubClientError as error:
                failed = error
            if outbox.finish():
                return
            wait = trouble.wait(failed.retry_after) if failed.passing else None
            if wait is None:
                raise failed
            await asyncio.sleep(wait)


async def _once(
    caller: Caller, channel: grpc.aio.Channel, outbox: Outbox
) -> AsyncGenerator[pb.CreateNotificationsResponse]:
    """The answers of one connection, until it ends."""
    identifier, metadata = caller.identified()
    call = NotificationServiceStub(channel).CreateNotifications(metadata=metadata)
    positions: list[int] = []
    outbox.rewind()
    try:
        async with beside(_send(call, outbox, positions)):
            while isinstance(response := await call.read(), pb.CreateNotificationsResponse):
                response.index = positions[response.index]
                if outbox.settle(response):
                    yield response
    except grpc.aio.AioRpcError as error:
        raise client_error(error, identifier) from None
    finally:
        call.cancel()


async def _send(
    call: grpc.aio.StreamStreamCall[pb.CreateNotificationsRequest, pb.CreateNotificationsResponse],
    outbox: Outbox,
    positions: list[int],
) -> None:
    try:
        while (item := await outbox.next()) is not None:
            position, request = item
            positions.append(position)
            await call.write(request)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        # The connection is gone; whoever reads from it is told why.
        return


@asynccontextmanager
async def beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs a task beside the block; it is gone when the block is left, whichever way."""
    # No TaskGroup: a generator that yields inside one can't be closed.
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
