"""A hub over raw sockets: what is too long, too deep, too slow or too many is answered at once and by name, and costs little."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from hub.web.http1 import MAX_HEAD_BYTES, MAX_HEADERS
from tests.hub_process import ROOT, RunningHub, running_hub
from tests.waiting import until

HEAD_SECONDS = 1.0
REQUEST_SECONDS = 2.0
CONNECTIONS = 20
LIMITS = {
    "HUB_HTTP__HEAD_TIMEOUT": str(HEAD_SECONDS),
    "HUB_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
    "HUB_HTTP__KEEP_ALIVE": "2",
    "HUB_HTTP__MAX_CONNECTIONS": str(CONNECTIONS),
}
NOTIFICATIONS = "/api/v1/notifications"


@pytest.fixture(scope="module")
async def hub(mongo_url: str, mongo_database: str) -> AsyncIterator[RunningHub]:
    async with running_hub(mongo_url, f"{mongo_database}_hardening", None, roles=("all",), more=LIMITS) as running:
        yield running
        assert '"level": "error"' not in running.processes["all"].log_text()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        assert self.headers["x-correlation-id"] == found["correlation_id"] != ""
        return found


class Wire:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def answer(self) -> Answer:
        began = time.monotonic()
        async with asyncio.timeout(15):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), headers, body, time.monotonic() - began)

    async def asked(self, raw: bytes) -> Answer:
        self.writer.write(raw)
        return await self.answer()

    async def end(self, seconds: float = 10) -> bytes:
        """All that still comes until the hub closes the connection."""
        async with asyncio.timeout(seconds):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def wire(hub: RunningHub) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.http_port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def request(path: str = "/livez", headers: str = "", method: str = "GET", body: bytes = b"") -> bytes:
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n".encode() + body


def resident(hub: RunningHub) -> int:
    """Its memory, in MiB."""
    return int(psutil.Process(hub.processes["all"].pid).memory_info().rss) >> 20


@pytest.mark.parametrize(
    ("soft", "hard", "found"),
    [
        (1024, 4096, "4096 2048"),
        (1024, 2000, "2000 1000"),
        (500, 500, "500 250"),
        (9000, 9000, "9000 5000"),
        (1000, 8000, "8000 4004"),
    ],
)
def test_connections_leave_files_for_the_store(soft: int, hard: int, found: str):
    # A process of its own: a limit that was lowered can't be raised again.
    code = (
        "import resource, sys; from hub.web.server import connections_within as within;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "allowed = within(5000, 3996); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], allowed)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert told.stdout.splitlines()[-1] == found


# ------------------------------------------------------------------------------------------------------ what is too long
@pytest.mark.parametrize(
    "raw",
    [
        request(headers=f"X-Long: {'x' * MAX_HEAD_BYTES}\r\n"),
        request(headers="X-A: b\r\n" * MAX_HEADERS),
        request("/livez?" + "x" * MAX_HEAD_BYTES),
        b"GET /" + b"x" * 2 * MAX_HEAD_BYTES,
        request(headers="X-Long: " + "x" * 3_000_000 + "\r\n"),
    ],
    ids=["field", "fields", "line", "unfinished", "megabytes"],
)
async def test_a_head_beyond_the_limits_is_answered_431_with_both_of_them(hub: RunningHub, raw: bytes):
    async with wire(hub) as connection:
        answer = await connection.asked(raw)
        assert answer.status == 431
        assert answer.problem["reason"] == "TOO_LARGE"
        assert f"{MAX_HEAD_BYTES:,} bytes and {MAX_HEADERS} fields" in answer.problem["detail"]
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert await connection.end() == b""


async def test_a_refusal_reaches_who_reads_only_after_all_is_sent(hub: RunningHub):
    def sent_then_read() -> bytes:
        with socket.create_connection(("127.0.0.1", hub.http_port), timeout=10) as blocking:
            blocking.sendall(request(headers="X-Long: " + "x" * 8_000_000 + "\r\n"))
            return blocking.recv(1000)

    assert (await asyncio.to_thread(sent_then_read)).startswith(b"HTTP/1.1 431 ")


async def test_a_head_just_within_the_limits_is_served(hub: RunningHub):
    async with wire(hub) as connection:
        assert (await connection.asked(request(headers="X-A: b\r\n" * (MAX_HEADERS - 1)))).status == 200
        assert (await connection.asked(request(headers=f"X-Long: {'x' * (MAX_HEAD_BYTES - 100)}\r\n"))).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: x\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
    ],
    ids=["tls", "no host", "two hosts", "no colon", "two lengths", "negative", "nul"],
)
async def test_what_is_no_http_is_answered_400(hub: RunningHub, raw: bytes):
    async with wire(hub) as connection:
        answer = await connection.asked(raw)
        assert (answer.status, answer.problem["reason"]) == (400, "MALFORMED")
        assert await connection.end() == b""


async def test_a_spoiled_chunk_ends_its_request_and_nothing_else(hub: RunningHub):
    head = f"POST {NOTIFICATIONS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with wire(hub) as connection:
        connection.writer.write(head.encode() + b"2\r\n{}\r\n")
        # The operation's own answer, at its deadline, falls into the moment in which the refusal still stands.
        # Nothing can be awaited for that: it is lost, or a defect in the log.
        await asyncio.sleep(REQUEST_SECONDS - 0.5)
        answer = await connection.asked(b"zz\r\n")
        assert (answer.status, answer.problem["reason"]) == (400, "MALFORMED")
        assert await connection.end() == b""
        await asyncio.sleep(0.8)
    async with wire(hub) as connection:
        assert (await connection.asked(request())).status == 200
    assert '"level": "error"' not in hub.processes["all"].log_text()


# ------------------------------------------------------------------------------------------------------ what is too deep
DEEP = {
    "arrays": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "closed": b"[" * 100_000 + b"]" * 100_000,
    "forty": b"[" * 40 + b"]" * 40,
}


@pytest.mark.parametrize("brackets", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("path", [NOTIFICATIONS, NOTIFICATIONS + "/batch", "/graphql", "variables", "metadata"])
async def test_a_hundred_thousand_brackets_are_answered_400_with_the_limit(hub: RunningHub, path: str, brackets: bytes):
    bodies = {
        "variables": b'{"query": "{ __typename }", "variables": {"a": ' + brackets + b"}}",
        "metadata": b'{"user_id": "u", "title": "t", "message": "m", "type": "in_app", "metadata": {"a": '
        + brackets
        + b"}}",
    }
    target = {"variables": "/graphql", "metadata": NOTIFICATIONS}.get(path, path)
    async with wire(hub) as connection:
        answer = await connection.asked(request(target, method="POST", body=bodies.get(path, brackets)))
    assert answer.status == 400
    body = json.loads(answer.body)
    told = (
        body["errors"][0]["extensions"] | body["errors"][0]
        if target == "/graphql"
        else body | {"message": body["detail"]}
    )
    assert told["reason"] == "MALFORMED"
    assert told["message"] == "The body is nested too deeply: at most 32 levels are read."
    assert answer.seconds < 1


async def test_variables_of_a_get_too(hub: RunningHub):
    async with httpx2.AsyncClient(base_url=hub.base_url) as client:
        variables = '{"a": ' + "[" * 1000 + "]" * 1000 + "}"
        answer = await client.get("/graphql", params={"query": "{ __typename }", "variables": variables})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "variables is nested too deeply: at most 32 levels are read."


async def test_a_message_on_a_socket_too(hub: RunningHub):
    protocol = Subprotocol("graphql-transport-ws")
    async with connect(f"ws://127.0.0.1:{hub.http_port}/graphql", subprotocols=[protocol]) as opened:
        await opened.send("[" * 100_000)
        with pytest.raises(ConnectionClosed) as closed:
            await opened.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400


@pytest.mark.parametrize("path", [NOTIFICATIONS + "/batch", "/graphql"])
async def test_eight_megabytes_of_brackets_hold_nobody_up(hub: RunningHub, path: str):
    before = resident(hub)
    body = b"[" + b"[]," * 2_700_000 + b"1]"
    async with wire(hub) as connection, wire(hub) as probe:
        connection.writer.write(request(path, method="POST", body=body))
        await connection.writer.drain()
        slowest = 0.0
        async with asyncio.TaskGroup() as group:
            answering = group.create_task(connection.answer())
            while not answering.done():
                slowest = max(slowest, (await probe.asked(request())).seconds)
        answer = answering.result()
    body_told = json.loads(answer.body)
    told = body_told["detail"] if path != "/graphql" else body_told["errors"][0]["message"]
    assert (answer.status, told) == (413, "The body may have at most 100,000 arrays and objects.")
    # The parser alone takes two seconds for it.
    assert slowest < 1
    assert resident(hub) < before + 64


# ------------------------------------------------------------------------------------------------------ what is too slow
async def test_a_head_that_drips_is_answered_408(hub: RunningHub):
    async with wire(hub) as connection:
        connection.writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
        async with asyncio.TaskGroup() as group:
            dripping = group.create_task(drip(connection, b"X-A: b\r\n"))
            answer = await connection.answer()
            dripping.cancel()
        assert (answer.status, answer.problem["code"]) == (408, "DEADLINE_EXCEEDED")
        assert HEAD_SECONDS * 0.8 < answer.seconds < HEAD_SECONDS + 2
        assert await connection.end() == b""


async def drip(connection: Wire, drop: bytes) -> None:
    while True:
        connection.writer.write(drop)
        await asyncio.sleep(0.1)


async def test_whoever_connects_and_says_nothing_is_left(hub: RunningHub):
    async with wire(hub) as connection:
        assert await connection.end(HEAD_SECONDS + 2) == b""


async def test_a_head_may_come_in_pieces(hub: RunningHub):
    async with wire(hub) as connection:
        for piece in (b"GET /livez HT", b"TP/1.1\r\nHo", b"st: localhost\r\n", b"\r\n"):
            connection.writer.write(piece)
            await connection.writer.drain()
            await asyncio.sleep(HEAD_SECONDS / 8)
        assert (await connection.answer()).status == 200


@pytest.mark.parametrize("path", [NOTIFICATIONS, "/graphql"])
async def test_a_body_that_drips_is_answered_at_the_deadline_and_then_left(hub: RunningHub, path: str):
    async with wire(hub) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        connection.writer.write(head.encode())
        async with asyncio.TaskGroup() as group:
            dripping = group.create_task(drip(connection, b" "))
            answer = await connection.answer()
            assert answer.status == 504
            assert REQUEST_SECONDS * 0.8 < answer.seconds < REQUEST_SECONDS + 2
            # What still comes of it keeps the connection no longer than a head may take.
            await connection.end(HEAD_SECONDS + 2)
            dripping.cancel()


async def test_a_pause_between_requests_is_as_long_as_is_set(hub: RunningHub):
    async with wire(hub) as connection:
        for _ in range(3):
            assert (await connection.asked(request())).status == 200
            # Longer than a head may take: that limit is none of a pause.
            await asyncio.sleep(HEAD_SECONDS * 1.5)
        assert (await connection.asked(request())).status == 200
        began = time.monotonic()
        assert await connection.end() == b""
        assert 1.5 < time.monotonic() - began < 4


async def test_a_stream_and_a_socket_outlast_all_of_these(hub: RunningHub):
    protocol = Subprotocol("graphql-transport-ws")
    async with (
        wire(hub) as connection,
        connect(f"ws://127.0.0.1:{hub.http_port}/graphql", subprotocols=[protocol]) as opened,
    ):
        connection.writer.write(request("/api/v1/users/ann/inbox/stream"))
        await opened.send('{"type": "connection_init"}')
        assert "connection_ack" in str(await opened.recv())
        await asyncio.sleep(HEAD_SECONDS + REQUEST_SECONDS + 1)
        await opened.send('{"type": "ping"}')
        assert "pong" in str(await opened.recv())
        assert b"event: heartbeat" in await connection._reader.read(4096)
        with pytest.raises(TimeoutError):
            await connection.end(0.2)


# ------------------------------------------------------------------------------------------------------ who is too many
async def test_a_connection_too_many_is_told_to_come_back_and_probes_are_answered(hub: RunningHub):
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            # Kept by what they wait for: streams.
            one = await stack.enter_async_context(wire(hub))
            one.writer.write(request("/api/v1/users/ann/inbox/stream"))
            await one._reader.readuntil(b"event: heartbeat")
        async with wire(hub) as further:
            answer = await further.asked(request(NOTIFICATIONS))
            assert (answer.status, answer.problem["reason"], answer.headers["retry-after"]) == (503, "OVERLOADED", "1")
            assert answer.headers["cache-control"] == "no-store"
            assert await further.end() == b""
        for path in ("/livez", "/readyz", "/metrics"):
            async with wire(hub) as probe:
                answer = await probe.asked(request(path))
                assert (answer.status, answer.headers["connection"]) == (200, "close")
                assert await probe.end() == b""
        with pytest.raises(InvalidStatus) as raised:
            await connect(f"ws://127.0.0.1:{hub.http_port}/graphql")
        assert raised.value.response.status_code == 503
        # Beyond what is spared for probes nobody is heard, and the hub goes on.
        crowd = [await stack.enter_async_context(wire(hub)) for _ in range(70)]
        assert await crowd[-1].end(1) == b""

    async def is_served() -> bool:
        try:
            async with wire(hub) as connection:
                return (await connection.asked(request(NOTIFICATIONS))).status == 200
        except (ConnectionError, asyncio.IncompleteReadError):
            # Not all of the crowd has left yet.
            return False

    await until(is_served)
