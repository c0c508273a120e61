"""Subscriptions as server-sent events: the `graphql-sse` protocol in its distinct connections mode.

github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.transports.graphql.drain import LAST_WORD_SECONDS, Drain
from hub.transports.graphql.wire import EVENTS_TYPE


class EventStream(Response):
    """Sends payloads until they end, the client goes, or the process drains; closes their source in any case.

    A drained stream ends without `complete`: to clients that is a lost connection, and they come back.
    """

    def __init__(self, payloads: AsyncGenerator[str, None], drain: Drain) -> None:
        super().__init__(media_type=f"{EVENTS_TYPE}; charset=utf-8", headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._payloads = payloads
        self._drain = drain
        self._ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        del scope
        with self._drain.open(self._end):
            if self._drain.begun:
                # Between the request and this moment: nobody else will end it.
                self._ended.set()
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with asyncio.TaskGroup() as group:
                # Whichever is done first ends the others: the payloads, the client, or the drain.
                tasks = [group.create_task(each) for each in (self._pump(send), _gone(receive), self._ended.wait())]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORD_SECONDS):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end(self) -> None:
        self._ended.set()

    async def _pump(self, send: Send) -> None:
        async with aclosing(self._payloads):
            # A comment, so that proxies and clients see at once that the stream stands.
            await _write(send, ":\n\n")
            async for payload in self._payloads:
                await _write(send, f"event: next\ndata: {payload}\n\n")
        await _write(send, "event: complete\ndata:\n\n")


async def _write(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
