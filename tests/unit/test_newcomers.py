"""New connections are taken in while the loop is busy: whoever probes a process comes with a new one each time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import uvloop

from hub.processes import _http_server, _listen
from hub.settings import Settings

NEWCOMERS = 100
TURN_SECONDS = 0.01


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def busy() -> None:
    """Work that has a bit to do in every turn of the loop."""
    while True:
        time.sleep(TURN_SECONDS)
        await asyncio.sleep(0)


async def served() -> float:
    """Turns of the loop until all newcomers have an answer."""
    listener = _listen("127.0.0.1", 0, "HUB_HTTP__PORT")
    async with _http_server(answer, listener, Settings()), asyncio.TaskGroup() as group:
        work = group.create_task(busy())
        began = time.monotonic()
        callers = [group.create_task(call(listener.getsockname()[1])) for _ in range(NEWCOMERS)]
        await asyncio.wait(callers)
        work.cancel()
        return (time.monotonic() - began) / TURN_SECONDS


async def call(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


def test_they_need_not_wait_a_turn_of_the_loop_each():
    # The loop that the hub runs on; others take in all that wait in one turn.
    assert uvloop.run(served()) < NEWCOMERS
