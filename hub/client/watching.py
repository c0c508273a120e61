"""Watches that resume by themselves: of an inbox from the last cursor on, of one notification; each event once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta

import grpc

from hub.client.calls import Caller
from hub.client.errors import client_error
from hub.client.options import Metadata
from hub.rpc.v1 import events_pb2, notifications_pb2
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub

Responses = notifications_pb2.WatchInboxResponse | notifications_pb2.WatchNotificationResponse
Call = (
    grpc.aio.UnaryStreamCall[notifications_pb2.WatchInboxRequest, notifications_pb2.WatchInboxResponse]
    | grpc.aio.UnaryStreamCall[notifications_pb2.WatchNotificationRequest, notifications_pb2.WatchNotificationResponse]
)

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
    hub = NotificationServiceStub(channel)

    def opened(cursor: str | None, metadata: Metadata) -> Call:
        request = notifications_pb2.WatchInboxRequest(user_id=user_id, after=cursor)
        return hub.WatchInbox(request, metadata=metadata)

    while True:
        # Should the hub end it without an error, it is opened again all the same.
        async with aclosing(_events(caller, opened, after)) as events:
            async for event in events:
                after = event.cursor or after
                yield event
        await asyncio.sleep(caller.options.backoff.wait(1))


async def watch_notification(
    caller: Caller, channel: grpc.aio.Channel, notification_id: str
) -> AsyncGenerator[events_pb2.Event]:
    """Events until the notification is removed; raises what does not pass by itself."""
    hub = NotificationServiceStub(channel)

    def opened(_cursor: str | None, metadata: Metadata) -> Call:
        # No cursor: the hub begins with the present version, which is all that matters.
        request = notifications_pb2.WatchNotificationRequest(notification_id=notification_id)
        return hub.WatchNotification(request, metadata=metadata)

    async with aclosing(_events(caller, opened, None)) as events:
        async for event in events:
            yield event


async def _events(
    caller: Caller, opened: Callable[[str | None, Metadata], Call], after: str | None
) -> AsyncGenerator[events_pb2.Event]:
    """The events of one connection after the other, each once, until the hub ends one without an error."""
    told, failures = Told(), 0
    while True:
        identifier, metadata = caller.identified()
        try:
            async with aclosing(_once(opened(after, metadata), caller.options.silence)) as events:
                async for event in events:
                    failures = 0
                    after = event.cursor or after
                    if told.is_news(event):
                        yield event
        except grpc.aio.AioRpcError as error:
            failed = client_error(error, identifier)
            if not failed.passing:
                raise failed from None
        except TimeoutError:
            failed = None
        else:
            return
        failures += 1
        asked = None if failed is None else failed.retry_after
        await asyncio.sleep(caller.options.backoff.wait(failures, asked))


async def _once(call: Call, silence: timedelta) -> AsyncGenerator[events_pb2.Event]:
    """The events of one connection; TimeoutError if it falls silent."""
    try:
        while True:
            async with asyncio.timeout(silence.total_seconds()):
                response = await call.read()
            if not isinstance(response, Responses):
                return
            yield response.event
    finally:
        call.cancel()
