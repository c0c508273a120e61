"""What a socket keeps once it stands: none of its handshake, though the application still knows it."""

import asyncio
import gc
from collections.abc import MutableMapping
from typing import Any

from websockets.asyncio.client import connect
from websockets.datastructures import Headers

from hub.processes import _http_server, _listen
from hub.settings import Settings

MARK = "X-Mark-Of-This-Test"


async def test_the_headers_of_the_handshake_go():
    left: list[str] = []

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        mine = {value for name, value in scope["headers"] if name == MARK.lower().encode()}
        kept = [one for one in gc.get_objects() if isinstance(one, Headers) and MARK in one and one is not sent]
        left.extend([*(value.decode() for value in mine), f"{len(kept)} kept"])
        await send({"type": "websocket.send", "text": "done"})
        await receive()

    listener = _listen("127.0.0.1", 0, "the port")
    port = listener.getsockname()[1]
    sent = Headers({MARK: "here"})
    async with (
        asyncio.timeout(20),
        _http_server(app, listener, Settings()),
        connect(f"ws://127.0.0.1:{port}/", additional_headers=sent) as connection,
    ):
        assert await connection.recv() == "done"
        # The client, in this very process, has its own request.
        assert connection.request is not None
        assert MARK in connection.request.headers
    assert left == ["here", "1 kept"]
