"""Server-sent events: the open streams of this process, each fed by the core's feed at its reader's own pace."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from fastapi import Response
from starlette.types import Receive, Scope, Send

from hub.domain.errors import HubError, Reason
from hub.domain.events import Event
from hub.log import get_logger
from hub.transports.rest.answers import encode, event_body
from hub.transports.sharing import Renderings

LAST_WORD_SECONDS = 1.0
"""How long the end of a stream may wait for a reader that does not read."""
RECONNECT_MILLISECONDS = (1000, 4000)
"""Clients come back after a time of their own, so that a restart does not bring all of them at once."""

_log = get_logger(__name__)


STREAM_RESPONSE: dict[str, Any] = {
    "headers": {"Cache-Control": {"description": "Never kept.", "schema": {"type": "string"}, "example": "no-store"}},
    "content": {
        "text/event-stream": {
            "schema": {"description": "Server-sent events; the `data` of each is an `Event`, its `id` the cursor."},
            "x-event-data": {"$ref": "#/components/schemas/Event"},
            "example": 'retry: 2000\n\nid: AaZm\nevent: heartbeat\ndata: {"kind":"heartbeat","notification":null,'
            '"unread_count":3,"unread_count_capped":false,"unseen_count":1,"unseen_count_capped":false,"cursor":"AaZm",'
            '"up_to":null,"category":null,"marked_at":null}\n\n',
        }
    },
}
"""How a stream is described: OpenAPI 3.1 has no words for the events in it."""


class Streams:
    """The open streams. They live until their readers go away or `drain` ends them."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()
        self._frames: Renderings[bytes] = Renderings()
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._draining = False

    @property
    def draining(self) -> bool:
        """Whether the process is about to stop: not ready, and no new streams."""
        return self._draining

    def announce_drain(self) -> None:
        """Makes the process unready; streams that are open go on."""
        self._draining = True

    async def drain(self) -> None:
        """Ends all streams and waits for their ends; their readers reconnect, elsewhere."""
        self.announce_drain()
        for limit in self._open:
            _expire(limit)
        await self._none_open.wait()

    async def open(self, events: AsyncGenerator[Event]) -> EventStream:
        """The response that streams these events. Errors up to the first event are the operation's own."""
        if self._draining:
            await events.aclose()
            raise HubError(Reason.OVERLOADED, "This process is stopping; connect again.")
        return EventStream(await anext(events, None), events, self)

    def frame(self, event: Event) -> bytes:
        """The event as it goes over the wire, made once for all streams that are told of it."""
        return self._frames.made(event, frame)

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[asyncio.Timeout]:
        """The time one stream is open; raises TimeoutError inside and out when it is to end."""
        limit = asyncio.timeout(None)
        async with limit:
            self._open.add(limit)
            self._none_open.clear()
            try:
                if self._draining:
                    _expire(limit)
                yield limit
            finally:
                self._open.discard(limit)
                if not self._open:
                    self._none_open.set()


class EventStream(Response):
    """The response of a stream. One task, no queue: what is sent is awaited before the feed is asked again."""

    media_type = "text/event-stream"

    def __init__(self, first: Event | None, events: AsyncGenerator[Event], streams: Streams) -> None:
        self.status_code = 200
        self.background = None
        self._first = first
        self._events = events
        self._streams = streams
        # Neither caches nor nginx may hold back what is meant to arrive at once.
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the feed ends, the reader goes away or the process drains; always closes the feed."""
        async with aclosing(self._events):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            with suppress(TimeoutError):
                async with self._streams.lasting() as limit, asyncio.TaskGroup() as group:
                    listener = group.create_task(_expire_when_gone(receive, limit))
                    await self._pump(send)
                    listener.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, send: Send) -> None:
        wait = random.randint(*RECONNECT_MILLISECONDS)  # noqa: S311 - spreads load, keeps no secret
        opening = f"retry: {wait}\n\n".encode() + (b"" if self._first is None else self._streams.frame(self._first))
        await send({"type": "http.response.body", "body": opening, "more_body": True})
        try:
            async for event in self._events:
                await send({"type": "http.response.body", "body": self._streams.frame(event), "more_body": True})
        except HubError as error:
            # Too late for a problem: the stream ends, and its reader comes back with the last id.
            _log.warning("stream_ended", reason=error.reason)
        except Exception:  # noqa: BLE001 - the headers are gone: all that is left is to log it and end
            _log.exception("stream_failed")


def frame(event: Event) -> bytes:
    """One event as it goes over the wire (HTML standard, section 9.2.6); JSON has no line breaks of its own."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.cursor.encode(), event.kind.encode(), encode(event_body(event)))


async def _expire_when_gone(receive: Receive, limit: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    _expire(limit)


def _expire(limit: asyncio.Timeout) -> None:
    if not limit.expired():
        limit.reschedule(0.0)
