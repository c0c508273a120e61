"""One HTTP port, several applications: the first whose path fits has the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class Site:
    """An ASGI application in front of others. Sockets do not pass through the REST application's middleware.

    What is mounted at a path has that and all beneath it; at `/` it has `/` alone.
    """

    def __init__(self, otherwise: Asgi, mounted: Mapping[str, Asgi]) -> None:
        self._otherwise = otherwise
        self._mounted = mounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on as it is."""
        path = scope.get("path", "")
        for prefix, app in self._mounted.items():
            if path == prefix or (prefix != "/" and path.startswith(prefix + "/")):
                await app(scope, receive, send)
                return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        await self._otherwise(scope, receive, send)
