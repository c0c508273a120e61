"""The short way through HTTP on real sockets: what shares a connection with it, and what ends in the midst of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest

from hub.settings import Settings
from hub.transports.rest.errors import Unheard
from hub.web.server import http_server
from hub.web.short import ShortCycle
from tests.waiting import until

PLAIN = b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
CHUNKED = b"POST /odd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nodd\r\n0\r\n\r\n"


def plain(body: bytes, path: bytes = b"echo") -> bytes:
    return PLAIN % (path, len(body), body)


class Echo:
    """Answers with what it was sent, `/slow` once it may; `/stream` in two pieces of unknown length."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.heard: list[bytes] = []
        self.short: list[bool] = []
        self.gone = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        self.heard.append(body)
        self.short.append(isinstance(receive.__self__, ShortCycle))
        if scope["path"] == "/hang":
            assert (await receive())["type"] == "http.disconnect"
            self.gone.set()
            return
        if scope["path"] == "/slow":
            await self.may.wait()
        streamed = scope["path"] == "/stream"
        length = [] if streamed else [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        if streamed:
            await send({"type": "http.response.body", "body": b"first ", "more_body": True})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@asynccontextmanager
async def connected(echo: Echo) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    # `receive` of uvicorn's cycle itself: what wraps it in the hub is of no matter here.
    async with http_server(echo, listener, Settings(), refusal=Unheard(), always=()):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        yield reader, writer
        writer.close()


async def answers(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    """The bodies of so many answers, read by the book."""
    client, found, body = h11.Connection(h11.CLIENT), list[bytes](), b""
    async with asyncio.timeout(10):
        while len(found) < count:
            if client.our_state is h11.IDLE:
                client.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
                client.send(h11.EndOfMessage())
            match client.next_event():
                case h11.NEED_DATA:
                    client.receive_data(await reader.read(65536))
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage():
                    found.append(body)
                    body = b""
                    client.start_next_cycle()
                case _:
                    pass
    return found


async def test_what_comes_while_one_is_answered_is_answered_after_it(echo: Echo) -> None:
    async with connected(echo) as (reader, writer):
        writer.write(plain(b"one", b"slow"))
        await until(lambda: echo.heard == [b"one"])
        writer.write(plain(b"two") + plain(b"three"))
        writer.write(CHUNKED)
        await writer.drain()
        # Whoever did not wait would have been heard by now.
        await asyncio.sleep(0.1)
        echo.may.set()
        assert await answers(reader, 4) == [b"one", b"two", b"three", b"odd"]
    assert echo.short[0] is True
    assert echo.short[-1] is False


async def test_both_ways_share_a_connection(echo: Echo) -> None:
    async with connected(echo) as (reader, writer):
        for raw, body in ((plain(b"a"), b"a"), (CHUNKED, b"odd"), (plain(b"b"), b"b")):
            writer.write(raw)
            assert await answers(reader, 1) == [body]
        for piece in (plain(b"in pieces")[:40], plain(b"in pieces")[40:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        assert await answers(reader, 1) == [b"in pieces"]
    assert echo.short == [True, False, True, False]


async def test_an_answer_of_unknown_length_goes_out_in_chunks(echo: Echo) -> None:
    async with connected(echo) as (reader, writer):
        writer.write(plain(b"second", b"stream"))
        assert await answers(reader, 1) == [b"first second"]
        writer.write(plain(b"and on"))
        assert await answers(reader, 1) == [b"and on"]
    assert echo.short == [True, True]


async def test_who_hangs_up_is_noticed(echo: Echo) -> None:
    async with connected(echo) as (_, writer):
        writer.write(plain(b"", b"hang"))
        await until(lambda: bool(echo.heard))
        writer.close()
        async with asyncio.timeout(5):
            await echo.gone.wait()
