"""A stream that is opened in the very moment in which the process begins to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

from hub.transports.graphql.drain import Drain
from hub.transports.graphql.sse import EventStream


async def nothing_happens() -> AsyncGenerator[Any, None]:
    await asyncio.Event().wait()
    yield None


async def test_it_ends_like_all_the_others() -> None:
    drain = Drain()
    stream = EventStream(nothing_happens(), drain)
    await drain.run()
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return await asyncio.Future()

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async with asyncio.timeout(1):
        await stream({"type": "http"}, receive, send)
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
