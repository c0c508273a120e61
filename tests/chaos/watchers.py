"""The watchers: live streams of inboxes in all three protocols, opened again from their last cursor whenever they end."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import grpc.aio
import httpx2
import websockets
from websockets.asyncio.client import connect

from hub.rpc.v1 import events_pb2, notifications_pb2
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from tests.chaos.clients import Addresses
from tests.chaos.evidence import Sight, Transcript
from tests.chaos.speakers import RestSpeaker

Event = Mapping[str, Any]
"""`kind`, `cursor`, and `id` and `version` of the notification if it is about one."""

SILENCE_SECONDS = 20.0
"""A stream without even a heartbeat for so long is opened again."""
_RELOAD_SECONDS = (0.3, 6.0)
"""People reload their pages: half of all connections are left after a while."""
_SUBSCRIPTION = """subscription ($user: String!, $after: String) {
  inboxEvents(userId: $user, after: $after) { kind cursor notification { id version } }
}"""


async def over_sse(api: Addresses, user_id: str, after: str | None) -> AsyncGenerator[Event]:
    """Server-sent events."""
    headers = {} if after is None else {"Last-Event-ID": after}
    path = f"{api.url}/api/v1/users/{user_id}/inbox/stream"
    async with (
        httpx2.AsyncClient(timeout=SILENCE_SECONDS) as client,
        client.stream("GET", path, headers=headers) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                about = event["notification"] or {}
                yield {"kind": event["kind"], "cursor": event["cursor"], **_about(about)}


async def over_socket(api: Addresses, user_id: str, after: str | None) -> AsyncGenerator[Event]:
    """A GraphQL subscription over graphql-transport-ws."""
    url = api.url.replace("http://", "ws://") + "/graphql"
    protocol = websockets.Subprotocol("graphql-transport-ws")
    async with connect(url, subprotocols=[protocol], open_timeout=SILENCE_SECONDS, close_timeout=1) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        variables = {"user": user_id, "after": after}
        payload = {"query": _SUBSCRIPTION, "variables": variables}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async for text in socket:
            message = json.loads(text)
            if message["type"] != "next":
                return
            event = message["payload"]["data"]["inboxEvents"]
            about = event["notification"] or {}
            yield {"kind": event["kind"].lower(), "cursor": event["cursor"], **_about(about)}


async def over_grpc(api: Addresses, user_id: str, after: str | None) -> AsyncGenerator[Event]:
    """A gRPC server stream, by the bare stub."""
    async with grpc.aio.insecure_channel(api.grpc_target) as channel:
        request = notifications_pb2.WatchInboxRequest(user_id=user_id, after=after)
        async for response in NotificationServiceStub(channel).WatchInbox(request):
            event = response.event
            kind = events_pb2.EventKind.Name(event.kind).removeprefix("EVENT_KIND_").lower()
            about = {"id": event.notification.id, "version": event.notification.version}
            yield {"kind": kind, "cursor": event.cursor, **(about if event.HasField("notification") else {})}


PROTOCOLS = {"sse": over_sse, "socket": over_socket, "grpc": over_grpc}


class Watcher:
    """One person's open page: it keeps the last cursor, and comes back with it."""

    def __init__(
        self, protocol: str, user_id: str, apis: Sequence[Addresses], lists: Sequence[RestSpeaker], seed: int
    ) -> None:
        self.transcript = Transcript(f"{protocol} {user_id}", user_id, time.time())
        self._stream = PROTOCOLS[protocol]
        self._apis = apis
        self._lists = lists
        self._cursor: str | None = None
        self._ends: Counter[str] = Counter()
        self._chance = random.Random(f"{seed} {protocol} {user_id}")
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Watches until cancelled."""
        transcript = self.transcript
        while True:
            transcript.connections += 1
            stay = self._chance.uniform(*_RELOAD_SECONDS) if self._chance.random() < 0.5 else None
            reload = asyncio.timeout(stay)
            try:
                async with reload:
                    await self._watch_once(self._chance.choice(self._apis))
                end = "ended"
            except TimeoutError:
                end = "left" if reload.expired() else "silent"
            except (httpx2.HTTPError, OSError, EOFError, grpc.aio.AioRpcError, websockets.WebSocketException) as error:
                end = _name(error)
            self._ends[end] += 1
            transcript.ends = dict(self._ends)
            await asyncio.sleep(self._chance.uniform(0.05, 0.5))

    async def _watch_once(self, api: Addresses) -> None:
        async with aclosing(self._stream(api, self.transcript.user_id, self._cursor)) as events:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    event = await anext(events, None)
                if event is None:
                    return
                self.connected.set()
                await self._take(event)

    async def _take(self, event: Event) -> None:
        if event["kind"] == "resync":
            self.transcript.resyncs += 1
            await self._list()
        elif "id" in event:
            self._see(event["id"], event["version"], listed=False)
        # Only after what it tells was taken in, or a break in between would lose it.
        self._cursor = event["cursor"]

    async def _list(self) -> None:
        for item in await self._chance.choice(self._lists).inbox(self.transcript.user_id):
            self._see(item["id"], item["version"], listed=True)

    def _see(self, notification_id: str, version: int, *, listed: bool) -> None:
        sight = Sight(time.time(), self.transcript.connections, notification_id, version, listed)
        self.transcript.sights.append(sight)


def _about(notification: Mapping[str, Any]) -> Event:
    return {"id": notification["id"], "version": notification["version"]} if notification else {}


def _name(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code().name
    if isinstance(error, websockets.ConnectionClosed) and error.rcvd is not None:
        return f"closed {error.rcvd.code}"
    return type(error).__name__
