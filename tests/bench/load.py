"""A load generator, a process of its own: as many connections as wanted, as fast as they are answered or at a rate.

    python -m tests.bench.load PLAN.json RESULT.json

HTTP is spoken by hand on a bare protocol: about 20 µs a request, where a client library would cost more than the hub.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

_TICK = 0.001
_MOST_LATENCIES = 200_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent. In the body, `%u` becomes a user's number and `%t` the moment it was due, in ms since 1970."""

    ports: list[int]
    """One or more API processes; connections are spread over them."""
    path: str
    body: str
    headers: dict[str, str]
    connections: int
    seconds: float
    rate: float = 0.0
    """Requests a second; 0: the next as soon as one is answered."""
    users: int = 500
    most: int = 0
    """Ends after so many, if not 0."""
    pause: float = 0.0
    """Seconds between an answer and the next request of its connection."""
    scattered: bool = False
    """At random moments (Poisson) of that rate, in place of even ones."""


@dataclass(slots=True)
class Result:
    """What came of it."""

    statuses: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Seconds; in an open loop from the moment a request was due."""
    began: float = 0.0
    ended: float = 0.0
    failure: str = ""
    """The first answer that was none of the good ones."""


class Load:
    """All connections of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.result = Result()
        self.free: deque[Connection] = deque()
        self.due: deque[float] = deque()
        self.sent = 0
        self.under_way = 0
        self.until = 0.0
        self._head = self._make_head()

    def _make_head(self) -> bytes:
        lines = [
            f"POST {self.plan.path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Type: application/json",
        ]
        lines += [f"{name}: {value}" for name, value in self.plan.headers.items()]
        return ("\r\n".join(lines) + "\r\nContent-Length: ").encode()

    def request(self, due: float) -> bytes:
        """The next request's bytes."""
        self.sent += 1
        user = str(self.sent % self.plan.users)
        body = self.plan.body.replace("%u", user).replace("%t", str(int(due * 1000))).encode()
        return self._head + str(len(body)).encode() + b"\r\n\r\n" + body

    def goes_on(self) -> bool:
        """Whether another one is wanted."""
        return time.time() < self.until and not (self.plan.most and self.sent >= self.plan.most)

    async def run(self) -> Result:
        """Until the time is up and all is answered."""
        loop = asyncio.get_running_loop()
        for number in range(self.plan.connections):
            port = self.plan.ports[number % len(self.plan.ports)]
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        self.result.began = time.time()
        self.until = self.result.began + self.plan.seconds
        if self.plan.rate:
            await self._offer()
        else:
            while self.free:
                self.free.popleft().send(time.time())
        while self.under_way or self.due:
            await asyncio.sleep(_TICK)
        return self.result

    async def _offer(self) -> None:
        moment = self.result.began
        while self.goes_on():
            now = time.time()
            while moment <= now:
                self.due.append(moment)
                moment += random.expovariate(self.plan.rate) if self.plan.scattered else 1 / self.plan.rate
            while self.due and self.free:
                self.free.popleft().send(self.due.popleft())
            await asyncio.sleep(_TICK)

    def answered(self, connection: Connection, status: str, began: float, answer: bytes) -> None:
        """Counts an answer and uses the connection again."""
        self.under_way -= 1
        self.result.ended = now = time.time()
        self.result.statuses[status] += 1
        if not status.startswith("2") and not self.result.failure:
            self.result.failure = answer.decode(errors="replace")[:1000]
        if len(self.result.latencies) < _MOST_LATENCIES:
            self.result.latencies.append(now - began)
        if self.due:
            connection.send(self.due.popleft())
        elif not self.plan.rate and self.goes_on():
            if self.plan.pause:
                self.under_way += 1
                asyncio.get_running_loop().call_later(self.plan.pause, self._resumed, connection)
            else:
                connection.send(now)
        else:
            self.free.append(connection)

    def _resumed(self, connection: Connection) -> None:
        self.under_way -= 1
        connection.send(time.time())


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.WriteTransport | None = None
        self._began = 0.0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own class says nothing of its kind
        self._load.free.append(self)

    def send(self, due: float) -> None:
        assert self._transport is not None
        self._began = due
        self._load.under_way += 1
        self._transport.write(self._load.request(due))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, length = head.lower().partition(b"\r\ncontent-length:")
        if len(body) >= int(length.partition(b"\r\n")[0] or 0):
            answer, self._answer = self._answer, b""
            self._load.answered(self, answer[9:12].decode(), self._began, answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._load.under_way:
            raise SystemExit(f"a connection was lost: {exc}")


def main() -> None:
    """The command line."""
    plan, result = sys.argv[1:]
    found = uvloop.run(Load(Plan(**json.loads(Path(plan).read_text()))).run())
    fields = {name: getattr(found, name) for name in Result.__slots__}
    Path(result).write_text(json.dumps(fields))


if __name__ == "__main__":
    main()
