"""Creates in bulk over one stream: what was not acknowledged when it broke is sent again with the same keys."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager

import grpc

from hub.client.calls import Caller, new_key
from hub.client.errors import HubClientError, client_error
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


class Outbox:
    """What was taken from the source and not yet acknowledged, by its position; outlives connections."""

    def __init__(self, source: AsyncIterable[pb.CreateNotificationRequest]) -> None:
        self._source = source
        self._room = asyncio.Semaphore(MOST_UNACKNOWLEDGED)
        self._items: dict[int, pb.CreateNotificationsRequest] = {}
        self._unsent: deque[int] = deque()
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
        """The next to send with its position; None when all has been sent."""
        while not self._unsent:
            if self._is_exhausted:
                return None
            self._news.clear()
            await self._news.wait()
        position = self._unsent.popleft()
        return position, self._items[position]

    def acknowledge(self, position: int) -> bool:
        """Whether this is the first acknowledgement."""
        if self._items.pop(position, None) is None:
            return False
        self._room.release()
        return True

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
    outbox, failures = Outbox(source), 0
    async with beside(outbox.fill()):
        while True:
            failed: HubClientError | None = None
            try:
                async with aclosing(_once(caller, channel, outbox)) as responses:
                    async for response in responses:
                        failures = 0
                        yield response
            except HubClientError as error:
                failed = error
            if outbox.finish():
                return
            failures += 1
            if failed is not None and (not failed.passing or failures >= caller.options.backoff.tries):
                raise failed
            await asyncio.sleep(caller.options.backoff.wait(failures, failed and failed.retry_after))


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
                if outbox.acknowledge(response.index):
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
    """Runs a task beside the block; when the block is left, however, the task is gone."""
    # No TaskGroup: a generator that yields inside one can't be closed.
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
