"""HTTP connections, as clients that keep them open see them."""

from __future__ import annotations

import asyncio

from tests.hub_process import RunningHub

IDLE_SECONDS = 6.0
"""Longer than common clients keep an idle connection: whoever would close it first, they or we, is no race then."""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
    return head.partition(b"\r\n")[0]


async def test_an_idle_connection_is_still_good_when_its_client_comes_back(hub: RunningHub) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.http_port)
    assert await answer(reader, writer) == b"HTTP/1.1 200 OK"
    await asyncio.sleep(IDLE_SECONDS)
    assert await answer(reader, writer) == b"HTTP/1.1 200 OK"
    writer.close()
    await writer.wait_closed()
