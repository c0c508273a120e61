"""The HTTP server of a process: uvicorn within our bounds, and without its signal handlers."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Collection, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from hub.log import get_logger
from hub.settings import Settings
from hub.web.http1 import Limits, Refusal, bounded
from hub.web.policy import SafeAnswers
from hub.web.site import Asgi, Receive, Scope, Send
from hub.web.websockets import LeanSocket

log = get_logger(__name__)

_SOCKET_MESSAGE_BYTES = 256 * 1024
_BACKLOG = 2048
_ACCEPTS_PER_TURN = 64
"""libuv accepts one connection of a listening socket in each turn of the loop: with turns of some milliseconds under load
newcomers would wait for many seconds, probes among them."""


_OTHER_FILES = 256
"""Of the store, the broker, providers and the rest: without those a connection is of no use."""
_FEW = 1000
_LAST_BYTES_SECONDS = 2.0
"""How long a stopping server leaves what it has sent last to a client that does not read it."""


@asynccontextmanager
async def http_server(
    app: Asgi, listener: socket.socket, settings: Settings, *, refusal: Refusal, always: Collection[str]
) -> AsyncIterator[None]:
    """Serves until the block ends. `refusal` is how it looks where no request got as far as the application.

    Connections beyond the limit are answered at the paths that are `always` served, and nowhere else.
    """
    safe = SafeAnswers(app)
    limits = Limits(
        settings.http.head_timeout.total_seconds(),
        connections_within(settings.http.max_connections, settings.grpc.max_connections + _OTHER_FILES),
        refusal,
        SafeAnswers(_surplus(app, always, refusal)),
    )
    config = uvicorn.Config(
        safe,
        http=bounded(limits),
        ws=LeanSocket,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=round(settings.http.keep_alive.total_seconds()),
        ws_max_size=_SOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=int(settings.drain_timeout.total_seconds()),
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        listeners = [listener, *(listener.dup() for _ in range(_ACCEPTS_PER_TURN - 1))]
        group.create_task(server.serve(sockets=listeners))
        await server.listening.wait()
        try:
            yield
        finally:
            server.should_exit = True


def connections_within(limit: int, others: int) -> int:
    """How many connections there may be: `limit`, or what open files allow beside so many others.

    Takes as many open files as the system lets this process have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return limit
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found = min(limit, max(hard - others, hard // 2))
    if found < min(limit, _FEW):
        log.warning("few_open_files", allowed=hard, connections=found)
    return found


class _Server(uvicorn.Server):
    """The process has signal handlers of its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A connection that is closed waits until all is read that was sent: for ever, if nobody reads.
        async with asyncio.TaskGroup() as group:
            cutting = group.create_task(self._cut_off())
            await super().shutdown(sockets)
            cutting.cancel()

    async def _cut_off(self) -> None:
        """Aborts each connection that was being closed already when it was looked at last."""
        closing: set[object] = set()
        while True:
            await asyncio.sleep(_LAST_BYTES_SECONDS)
            for connection in list(self.server_state.connections):
                if connection.transport.is_closing() and connection in closing:
                    connection.transport.abort()
            closing = {one for one in self.server_state.connections if one.transport.is_closing()}

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _surplus(app: Asgi, always: Collection[str], refusal: Refusal) -> Asgi:
    """What a connection beyond the limit gets: one answer, and its end."""

    async def hear(scope: Scope, receive: Receive, send: Send) -> None:
        async def last(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        if scope["path"] in always:
            await app(scope, receive, last)
            return
        answer = refusal.crowded()
        await last({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
        await last({"type": "http.response.body", "body": bytes(answer.body)})

    return hear
