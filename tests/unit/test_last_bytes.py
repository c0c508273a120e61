"""A stopping server does not wait for a client that never reads what was sent to it last."""

import asyncio
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from hub.processes import _http_server, _listen
from hub.settings import Settings
from tests.waiting import until

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_who_does_not_read_is_cut_off():
    answered = asyncio.Event()

    async def more_than_fits(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while True:
                    await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
        answered.set()

    loop = asyncio.get_running_loop()
    listener = _listen("127.0.0.1", 0, "the port")
    with socket.socket() as deaf:
        async with _http_server(more_than_fits, listener, Settings()):
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(listener.getsockname())
            deaf.sendall(REQUEST)
            await until(answered.is_set)
            began = loop.time()
        assert loop.time() - began < 8
