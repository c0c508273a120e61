"""What the hub's fan-out is measured against, in a process of its own: `python -m tests.bench.live.bare`.

`/bare` is a socket handler that encodes each event once, puts the subscriber's id in front of the shared bytes, and knows no
GraphQL: a bounded queue and a task for each subscriber, as any handler needs that shall not wait for its slowest reader. `/stock`
is Strawberry's own handler over the hub's own types, which executes the selection for each subscriber and event. Both are served as
the hub serves its sockets: the same uvicorn, the same websockets, the same options of the listening socket.

`POST /fire` sends so many events to all of a path, and answers when each was made.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import strawberry
import uvloop
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from hub.domain.events import CappedCount, EventKind, InboxCounts
from hub.domain.events import Event as Entity
from hub.domain.ids import new_id
from hub.domain.notifications import Notification, Priority
from hub.domain.status import Status
from hub.processes import _listen
from hub.settings import Settings
from hub.transports.graphql.scalars import SCALARS
from hub.transports.graphql.schemas import Event
from hub.transports.rest.errors import Unheard
from hub.web.server import http_server
from hub.web.site import Receive, Scope, Send

QUEUED = 256
"""As many as the hub keeps for a reader."""
_MOMENT = datetime(2030, 1, 31, 8, tzinfo=UTC)
_COUNT = CappedCount(3, capped=False)


class Fan:
    """Who is to be told."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[Any]] = set()

    def tell(self, item: object) -> None:
        """Everybody whose queue is not full."""
        for queue in self.queues:
            if not queue.full():
                queue.put_nowait(item)

    def join(self) -> asyncio.Queue[Any]:
        """One more."""
        queue: asyncio.Queue[Any] = asyncio.Queue(QUEUED)
        self.queues.add(queue)
        return queue


class Bare:
    """The handler that knows no GraphQL."""

    def __init__(self) -> None:
        self.fan = Fan()

    def fire(self, notification_id: UUID, payload: dict[str, Any]) -> None:
        """Encodes once, and tells everybody."""
        payload["data"]["inboxEvents"]["notification"]["id"] = str(notification_id)
        self.fan.tell(json.dumps(payload, separators=(",", ":")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application for sockets."""
        await receive()
        await send({"type": "websocket.accept", "subprotocol": GRAPHQL_TRANSPORT_WS_PROTOCOL})
        async with asyncio.TaskGroup() as group:
            pump = None
            queue = self.fan.join()
            while (message := await receive())["type"] == "websocket.receive":
                said = json.loads(message["text"])
                if said["type"] == "connection_init":
                    await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
                elif said["type"] == "subscribe":
                    queue.put_nowait('{"data":{"inboxEvents":{"kind":"HEARTBEAT"}}}')
                    pump = group.create_task(self._pump(said["id"], queue, send))
            self.fan.queues.discard(queue)
            if pump is not None:
                pump.cancel()

    @staticmethod
    async def _pump(identifier: str, queue: asyncio.Queue[Any], send: Send) -> None:
        head = f'{{"id":"{identifier}","type":"next","payload":'
        while True:
            await send({"type": "websocket.send", "text": head + await queue.get() + "}"})


class Stock:
    """Strawberry as it comes, over the hub's types."""

    def __init__(self) -> None:
        self.fan = fan = Fan()

        @strawberry.type
        class Query:
            nothing: int = 0

        @strawberry.type
        class Subscription:
            @strawberry.subscription
            async def inbox_events(self, user_id: str, after: str | None = None) -> AsyncGenerator[Event, None]:
                queue = fan.join()
                try:
                    yield Event.of(Entity(EventKind.HEARTBEAT, "cursor", InboxCounts(_COUNT, _COUNT)))
                    while True:
                        yield Event.of(await queue.get())
                finally:
                    fan.queues.discard(queue)

        schema = strawberry.Schema(Query, subscription=Subscription, config=StrawberryConfig(scalar_map=SCALARS))
        self.app = GraphQL[Any, None](schema, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))

    def fire(self, notification_id: UUID, payload: dict[str, Any]) -> None:
        """Tells everybody of an event like the others'."""
        shown = payload["data"]["inboxEvents"]["notification"]
        about = Notification(
            id=notification_id, tenant="default", user_id="many", title=shown["title"], message=shown["message"],
            type="in_app", html=None, to=None, metadata={}, priority=Priority.NORMAL, category=shown["category"],
            status=Status.DELIVERED, status_reason=None, attempts=(), scheduled_at=None, expires_at=None,
            next_attempt_at=None, created_at=_MOMENT, updated_at=_MOMENT, sent_at=None, delivered_at=_MOMENT,
            read_at=None, version=shown["version"], correlation_id="",
        )  # fmt: skip
        cursor = payload["data"]["inboxEvents"]["cursor"]
        self.fan.tell(Entity(EventKind.CHANGED, cursor, InboxCounts(_COUNT, _COUNT), about))


class Site:
    """Both handlers, and how they are made to speak."""

    def __init__(self) -> None:
        self._bare, self._stock = Bare(), Stock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] == "websocket":
            app = self._bare if scope["path"] == "/bare" else self._stock.app
            await app(scope, receive, send)
            return
        order = json.loads(await _body(receive))
        fire = self._bare.fire if order["path"] == "/bare" else self._stock.fire
        made = json.dumps([_made(fire, order["payload"]) for _ in range(order["events"])]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": made})


def _made(fire: Callable[[UUID, dict[str, Any]], None], payload: dict[str, Any]) -> tuple[str, int]:
    notification_id, at = new_id(), time.monotonic_ns()
    fire(notification_id, payload)
    return str(notification_id), at


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def serve() -> None:
    """Says its port, and serves until its standard input ends."""
    settings = Settings()
    listener = _listen("127.0.0.1", 0, "the bare handler")
    async with http_server(Site(), listener, settings, refusal=Unheard(), always=()):
        sys.stdout.write(json.dumps({"port": listener.getsockname()[1]}) + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve())
