"""A load generator, a process of its own: keeps offering requests at a rate, whatever becomes of them.

    python -m tests.chaos.load PLAN.json RESULT.json

HTTP is spoken by hand, as a client library would cost more than the hub that is to be overloaded.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import grpc
import uvloop
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed

from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub

HOST = "127.0.0.1"
_ID = re.compile(rb'"id":"([0-9a-f-]{36})"')
_USERS = 500
_MUTATION = "mutation($input:CreateNotificationInput!){createNotification(input:$input){notification{id type}}}"
_TICK = 0.01


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What one generator is to do."""

    http_port: int
    grpc_port: int
    rate: float
    """Requests a second; 0: as fast as answers come (a closed loop)."""
    seconds: float
    connections: int
    protocols: list[str]
    """`rest`, `graphql`, `grpc`; in turns."""
    types: list[str]
    """Channels; in turns."""
    priority: str = "low"


@dataclass(slots=True)
class Tally:
    """What became of it all."""

    offered: int = 0
    """Requests that were due to be sent."""
    held_up: int = 0
    """Of these, those that no connection was free for: the hub takes no more."""
    answers: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    """Seconds of the slowest answer, by protocol."""
    refused_seconds: float = 0.0
    """Time of all refusals together."""
    silent_refusals: int = 0
    """Refusals that do not say when to come back."""
    accepted: dict[str, list[str]] = field(default_factory=dict)
    """Ids by channel."""

    def took(self, protocol: str, seconds: float) -> None:
        self.slowest[protocol] = max(self.slowest.get(protocol, 0.0), seconds)

    def accept(self, kind: str, notification_id: str) -> None:
        self.answers["accepted"] += 1
        self.accepted.setdefault(kind, []).append(notification_id)

    def refuse(self, seconds: float, *, says_when: bool) -> None:
        self.answers["overloaded"] += 1
        self.refused_seconds += seconds
        self.silent_refusals += not says_when


def command(kind: str, number: int, priority: str) -> dict[str, Any]:
    """A notification to create; its user is one of a few hundred."""
    to = {"email": f"u{number % _USERS}@example.test", "sms": f"+1202555{number % 10000:04d}"}.get(kind)
    body: dict[str, Any] = {
        "user_id": f"user{number % _USERS}",
        "title": "Overload",
        "message": "One of very many.",
        "type": kind,
        "metadata": {"priority": priority},
    }
    return body if to is None else {**body, "to": to}


def _http(path: str, body: dict[str, Any]) -> bytes:
    raw = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


def _request(protocol: str, kind: str, number: int, priority: str) -> bytes:
    fields = command(kind, number, priority)
    if protocol == "rest":
        return _http("/api/v1/notifications", fields)
    fields["userId"] = fields.pop("user_id")
    return _http("/graphql", {"query": _MUTATION, "variables": {"input": fields}})


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, load: HttpLoad) -> None:
        self._load = load
        self._buffer = b""
        self._began = 0.0
        self._kind = ""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are none of asyncio's by class.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, kind: str, request: bytes) -> None:
        assert self._transport is not None
        self._began, self._kind, self._buffer = time.monotonic(), kind, b""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = re.search(rb"content-length: (\d+)", head)
        if length is None or len(body) < int(length[1]):
            return
        self._load.answered(self, self._kind, head, body, time.monotonic() - self._began)
        self._began = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(self, under_way=self._began > 0)


class HttpLoad:
    """Requests of REST and GraphQL over a bounded number of connections."""

    def __init__(self, plan: LoadPlan, protocols: list[str], tally: Tally) -> None:
        self._plan = plan
        self._tally = tally
        variants = [(protocol, kind, n) for n in range(_USERS) for kind in plan.types for protocol in protocols]
        self._requests = [
            (kind, _request(protocol, kind, n, plan.priority)) for n, (protocol, kind, _) in enumerate(variants)
        ]
        self._free: deque[_Connection] = deque()
        self._ended = False
        self._opening: set[asyncio.Task[None]] = set()
        self.under_way = 0

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._plan.connections):
            _, connection = await loop.create_connection(lambda: _Connection(self), HOST, self._plan.http_port)
            self._free.append(connection)

    def offer(self) -> None:
        self._tally.offered += 1
        if not self._free:
            self._tally.held_up += 1
            return
        kind, request = self._requests[self._tally.offered % len(self._requests)]
        self.under_way += 1
        self._free.popleft().send(kind, request)

    def answered(self, connection: _Connection, kind: str, head: bytes, body: bytes, seconds: float) -> None:
        self.under_way -= 1
        self._free.append(connection)
        tally, status = self._tally, head[9:12]
        tally.took("http", seconds)
        found = _ID.search(body)
        if found and status in {b"200", b"201"}:
            tally.accept(kind, found[1].decode())
        elif status == b"503" and b"OVERLOADED" in body:
            tally.refuse(seconds, says_when=b"\r\nretry-after: " in head.lower())
        else:
            reason = re.search(rb'"reason":"([A-Z_]+)"', body)
            tally.answers[reason[1].decode() if reason else f"status {status.decode()}"] += 1
        if not self._plan.rate and not self._ended:
            self.offer()

    def lost(self, connection: _Connection, *, under_way: bool) -> None:
        if under_way:
            self.under_way -= 1
            self._tally.answers["connection lost"] += 1
        elif connection in self._free:
            self._free.remove(connection)
        if not self._ended:
            # An idle connection is closed by the server after a while: that is no answer to anything.
            task = asyncio.get_running_loop().create_task(self._reopen())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _reopen(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self), HOST, self._plan.http_port)
        self._free.append(connection)

    def end(self) -> None:
        self._ended = True


class RpcLoad:
    """Unary calls of gRPC over one channel."""

    def __init__(self, plan: LoadPlan, tally: Tally) -> None:
        self._plan = plan
        self._tally = tally
        self._channel = grpc.aio.insecure_channel(f"{HOST}:{plan.grpc_port}")
        self._stub = NotificationServiceStub(self._channel)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    def offer(self) -> None:
        self._tally.offered += 1
        if len(self._tasks) >= self._plan.connections:
            self._tally.held_up += 1
            return
        task = asyncio.get_running_loop().create_task(self._call(self._tally.offered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, number: int) -> None:
        kind = self._plan.types[number % len(self._plan.types)]
        fields = command(kind, number, self._plan.priority)
        began = time.monotonic()
        try:
            # The client's own deadline is beyond the hub's: one that passes would be a hang.
            answer: Any = await self._stub.CreateNotification(pb.CreateNotificationRequest(**fields), timeout=30)
            self._tally.accept(kind, answer.notification.id)
        except grpc.aio.AioRpcError as error:
            reason, says_when = _reason(error)
            if reason == "OVERLOADED":
                self._tally.refuse(time.monotonic() - began, says_when=says_when)
            else:
                self._tally.answers[reason] += 1
        self._tally.took("grpc", time.monotonic() - began)

    async def close(self) -> None:
        await self._channel.close()


def _reason(error: grpc.aio.AioRpcError) -> tuple[str, bool]:
    raw = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    info, retry, says_when = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), False
    status = status_pb2.Status.FromString(raw) if isinstance(raw, bytes) else status_pb2.Status()
    for detail in status.details:
        says_when = detail.Unpack(retry) or says_when
        detail.Unpack(info)
    return info.reason or f"{error.code().name} {error.details()}", says_when


async def run(plan: LoadPlan) -> Tally:
    """Offers until the time is up, then waits for what is under way."""
    tally = Tally()
    loads: list[HttpLoad | RpcLoad] = []
    by_hand = [protocol for protocol in plan.protocols if protocol != "grpc"]
    if by_hand:
        load = HttpLoad(plan, by_hand, tally)
        await load.open()
        loads += [load] * len(by_hand)
    if "grpc" in plan.protocols:
        loads.append(RpcLoad(plan, tally))
    began = time.monotonic()
    if not plan.rate:
        for _ in range(plan.connections):
            loads[0].offer()
    while (passed := time.monotonic() - began) < plan.seconds:
        due = int(passed * plan.rate)
        while tally.offered < due:
            loads[tally.offered % len(loads)].offer()
        await asyncio.sleep(_TICK)
    for one in loads:
        if isinstance(one, HttpLoad):
            one.end()
    async with asyncio.timeout(60):
        while any(one.under_way for one in loads):
            await asyncio.sleep(_TICK)
    for one in loads:
        if isinstance(one, RpcLoad):
            await one.close()
    return tally


def main() -> None:
    """The command line."""
    plan, result = sys.argv[1:]
    tally = uvloop.run(run(LoadPlan(**json.loads(Path(plan).read_text()))))
    Path(result).write_text(json.dumps({each.name: getattr(tally, each.name) for each in fields(tally)}))


if __name__ == "__main__":
    main()
