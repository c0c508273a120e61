"""Many clients in one process, told over its standard input what to do: `python -m tests.bench.live.crowd`.

Sockets and event streams are plain asyncio protocols that look for no more than they need: a client library would take longer
over a frame than the server does. gRPC streams are grpcio's. Times are those of the system's monotonic clock, which all
processes of a machine share, taken when the bytes are handed to this process.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc.aio
import uvloop

from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from tests.bench.live import frames

OPENING_AT_ONCE = 100
_STREAMS_PER_CHANNEL = 100
_RECEIVE_BYTES = 4096
"""What a slow client's kernel takes in for it, so that it is the server that notices."""
_CHANGED, _ID = b'"kind":"CHANGED"', b'"notification":{"id":"'
_CHANGED_REST, _ID_REST = b'"kind":"changed"', b'"notification":{"id":"'
_UUID = 36
_DOCUMENT = (Path(__file__).parents[3] / "graphql" / "operations" / "inbox_events.graphql").read_text()


@dataclass(slots=True)
class Told:
    """What all clients together have received of one notification."""

    count: int
    first: int
    last: int


@dataclass(slots=True)
class Ledger:
    """What was received, by notification."""

    told: dict[str, Told] = field(default_factory=dict)
    deliveries: int = 0
    closed: int = 0
    sample: str = ""
    """One frame, for whoever wants to send the same."""

    def note(self, identifier: bytes, at: int) -> None:
        """One client was told of it."""
        self.deliveries += 1
        key = identifier.decode()
        found = self.told.get(key)
        if found is None:
            self.told[key] = Told(1, at, at)
        else:
            found.count += 1
            found.last = at


class Client(asyncio.Protocol):
    """One connection; `ready` once its stream has begun."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclasses.
        self.transport = cast("asyncio.Transport", transport)
        self.begin(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.ledger.closed += 1
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("closed before it began"))

    def begin(self, transport: asyncio.Transport) -> None:
        raise NotImplementedError

    def began(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)


class SocketClient(Client):
    """A subscription over graphql-transport-ws."""

    def __init__(self, ledger: Ledger, where: dict[str, Any], user: str) -> None:
        super().__init__(ledger)
        self._where = where
        self._user = user
        self._reader: frames.Reader | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        transport.write(frames.UPGRADE.format(**self._where).encode())

    def data_received(self, data: bytes) -> None:
        at = time.monotonic_ns()
        assert self.transport is not None
        if self._reader is None:
            head, _, data = data.partition(b"\r\n\r\n")
            if b" 101 " not in head:
                self.transport.abort()
                return
            self._reader = frames.Reader()
            self.transport.write(frames.message({"type": "connection_init"}))
        for opcode, payload in self._reader.feed(data):
            if opcode == frames.TEXT:
                self._heard(payload, at)
            elif opcode == frames.PING:
                self.transport.write(frames.pong(payload))
            elif opcode == frames.CLOSE:
                self.transport.close()

    def _heard(self, payload: bytes, at: int) -> None:
        if _CHANGED in payload:
            start = payload.index(_ID) + len(_ID)
            self.ledger.note(payload[start : start + _UUID], at)
            if not self.ledger.sample:
                self.ledger.sample = payload.decode()
        elif not self.ready.done():
            assert self.transport is not None
            if b'"connection_ack"' in payload:
                subscribe = {"query": _DOCUMENT, "variables": {"userId": self._user}}
                self.transport.write(frames.message({"id": "1", "type": "subscribe", "payload": subscribe}))
            elif b'"HEARTBEAT"' in payload:
                self.began()


class StreamClient(Client):
    """Server-sent events, of REST or of GraphQL."""

    def __init__(self, ledger: Ledger, where: dict[str, Any], user: str, *, graphql: bool) -> None:
        super().__init__(ledger)
        self._where = where
        self._user = user
        self._graphql = graphql
        self._rest = b""

    def begin(self, transport: asyncio.Transport) -> None:
        host = "{host}:{port}".format(**self._where)
        if self._graphql:
            body = json.dumps({"query": _DOCUMENT, "variables": {"userId": self._user}})
            head = f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        else:
            body, head = "", f"GET /api/v1/users/{self._user}/inbox/stream HTTP/1.1\r\nHost: {host}"
        transport.write(f"{head}\r\nAccept: text/event-stream\r\n\r\n{body}".encode())

    def data_received(self, data: bytes) -> None:
        at = time.monotonic_ns()
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            if _CHANGED in event or _CHANGED_REST in event:
                start = event.index(_ID) + len(_ID)
                self.ledger.note(event[start : start + _UUID], at)
            elif b"heartbeat" in event.lower():
                self.began()


class Crowd:
    """All clients of this process."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._clients: list[Client] = []
        self._slow: list[Client] = []
        self._streams: set[asyncio.Task[None]] = set()
        self._channels: list[grpc.aio.Channel] = []

    async def open(self, kind: str, where: dict[str, Any], users: list[str]) -> dict[str, Any]:
        """Opens one stream for each, and returns when all have begun."""
        began = time.monotonic()
        if kind == "grpc":
            await self._open_calls(where, users)
        else:
            room = asyncio.Semaphore(OPENING_AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for user in users:
                    group.create_task(self._open(kind, where, user, room))
        return {"seconds": time.monotonic() - began}

    async def slow(self, where: dict[str, Any], user: str) -> dict[str, Any]:
        """A socket that begins, and then does not read."""
        plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        plain.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plain, (where["host"], where["port"]))
        client = SocketClient(Ledger(), where, user)
        await loop.create_connection(lambda: client, sock=plain)
        await client.ready
        assert client.transport is not None
        client.transport.pause_reading()
        self._slow.append(client)
        return {"slow": len(self._slow) - 1}

    async def resume(self, slow: int, expected: int, seconds: float) -> dict[str, Any]:
        """Lets a slow one read again, until it has been told of so many notifications."""
        client = self._slow[slow]
        before = len(client.ledger.told)
        began = time.monotonic()
        assert client.transport is not None
        client.transport.resume_reading()
        while len(client.ledger.told) < expected and not client.lost and time.monotonic() - began < seconds:
            await asyncio.sleep(0.01)
        told = len(client.ledger.told)
        return {"before": before, "told": told, "lost": client.lost, "seconds": time.monotonic() - began}

    async def received(self, deliveries: int, seconds: float) -> dict[str, Any]:
        """What came since it was asked last; waits until it is so much, but not for longer."""
        limit = time.monotonic() + seconds
        while self._ledger.deliveries < deliveries and time.monotonic() < limit:
            await asyncio.sleep(0.005)
        ledger = self._ledger
        told = {key: [one.count, one.first, one.last] for key, one in ledger.told.items()}
        answer = {"deliveries": ledger.deliveries, "closed": ledger.closed, "told": told, "sample": ledger.sample}
        ledger.told, ledger.deliveries = {}, 0
        return answer

    async def close(self) -> dict[str, Any]:
        """Ends all streams."""
        for task in self._streams:
            task.cancel()
        for channel in self._channels:
            await channel.close(grace=None)
        for client in self._clients:
            if client.transport is not None:
                client.transport.abort()
        self._clients, self._channels = [], []
        await asyncio.sleep(0.2)
        self._ledger = Ledger()
        return {}

    async def _open(self, kind: str, where: dict[str, Any], user: str, room: asyncio.Semaphore) -> None:
        async with room:
            client: Client
            if kind == "ws":
                client = SocketClient(self._ledger, where, user)
            else:
                client = StreamClient(self._ledger, where, user, graphql=kind == "graphql-sse")
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: client, where["host"], where["port"])
            await client.ready
            self._clients.append(client)

    async def _open_calls(self, where: dict[str, Any], users: list[str]) -> None:
        loop = asyncio.get_running_loop()
        ready: list[asyncio.Future[None]] = []
        options = [("grpc.use_local_subchannel_pool", 1)]
        for start in range(0, len(users), _STREAMS_PER_CHANNEL):
            channel = grpc.aio.insecure_channel("{host}:{grpc_port}".format(**where), options)
            self._channels.append(channel)
            for user in users[start : start + _STREAMS_PER_CHANNEL]:
                begun: asyncio.Future[None] = loop.create_future()
                ready.append(begun)
                self._streams.add(loop.create_task(self._watch(NotificationServiceStub(channel), user, begun)))
            await asyncio.gather(*ready[start:])

    async def _watch(self, stub: Any, user: str, begun: asyncio.Future[None]) -> None:
        async for response in stub.WatchInbox(pb.WatchInboxRequest(user_id=user)):
            at = time.monotonic_ns()
            if response.event.HasField("notification"):
                self._ledger.note(response.event.notification.id.encode(), at)
            elif not begun.done():
                begun.set_result(None)


async def _commands() -> AsyncIterator[dict[str, Any]]:
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


async def serve() -> None:
    """Does what it is told until its standard input ends."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    crowd = Crowd()
    async with aclosing(_commands()) as commands:  # type: ignore[type-var]  # an async generator, typed as what it is used for
        async for command in commands:
            do = getattr(crowd, command.pop("do"))
            sys.stdout.write(json.dumps(await do(**command)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve())
