"""A watch that resumes by itself: events of an inbox from the last cursor on, each once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc

from hub.client.calls import Caller
from hub.client.errors import HubClientError, client_error
from hub.rpc.v1 import events_pb2, notifications_pb2
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub

MOST_REMEMBERED = 10_000
"""Notifications whose version is known: after a reconnect at most 1,000 are told of again."""


class Told:
    """What was told already, by id and version."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[int, bool]] = OrderedDict()

    def is_news(self, event: events_pb2.Event) -> bool:
        """Whether the event says something new; remembers what it says."""
        if event.kind == events_pb2.EVENT_KIND_RESYNC:
            # Whoever reads the list afresh begins anew.
            self._seen.clear()
        if not event.HasField("notification"):
            return True
        removed = event.kind == events_pb2.EVENT_KIND_REMOVED
        # Of the same version, its removal is the later word.
        says = (event.notification.version, removed)
        if says <= self._seen.get(event.notification.id, (-1, False)):
            return False
        self._seen[event.notification.id] = says
        self._seen.move_to_end(event.notification.id)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return True


async def watch_inbox(
    caller: Caller, channel: grpc.aio.Channel, user_id: str, after: str | None
) -> AsyncGenerator[events_pb2.Event]:
    """Events without end; raises what does not pass by itself."""
    told, failures = Told(), 0
    while True:
        asked = None
        request = notifications_pb2.WatchInboxRequest(user_id=user_id, after=after)
        try:
            async with aclosing(_once(caller, channel, request)) as events:
                async for event in events:
                    failures = 0
                    after = event.cursor or after
                    if told.is_news(event):
                        yield event
        except HubClientError as error:
            if not error.passing:
                raise
            asked = error.retry_after
        failures += 1
        await asyncio.sleep(caller.options.backoff.wait(failures, asked))


async def _once(
    caller: Caller, channel: grpc.aio.Channel, request: notifications_pb2.WatchInboxRequest
) -> AsyncGenerator[events_pb2.Event]:
    """The events of one connection, until it ends or falls silent."""
    identifier, metadata = caller.identified()
    call = NotificationServiceStub(channel).WatchInbox(request, metadata=metadata)
    try:
        while True:
            async with asyncio.timeout(caller.options.silence.total_seconds()):
                response = await call.read()
            if not isinstance(response, notifications_pb2.WatchInboxResponse):
                return
            yield response.event
    except grpc.aio.AioRpcError as error:
        raise client_error(error, identifier) from None
    except TimeoutError:
        return
    finally:
        call.cancel()
