"""How the local sinks that speak HTTP are served: on loopback, in this event loop, with bodies of bounded size."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request

HOST = "127.0.0.1"


@asynccontextmanager
async def on_loopback(app: Starlette, port: int) -> AsyncGenerator[int]:
    """Serves the application and gives its port; 0 picks a free one. OSError if the port is taken."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listener = socket.create_server((HOST, port))
    # Not `serve`: that would take over the process's signals.
    await server.startup(sockets=[listener])
    try:
        yield listener.getsockname()[1]
    finally:
        await server.shutdown(sockets=[listener])


async def read_body(request: Request, limit: int) -> bytes:
    """The body, cut at `limit` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk[: limit - len(body)]
    return bytes(body)
