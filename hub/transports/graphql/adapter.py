"""A WebSocket as Strawberry's handler speaks to it."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected

_REASON_BYTES = 123
"""The most that a close frame carries (RFC 6455, section 5.5)."""


class Adapter(ASGIWebSocketAdapter):
    """Starlette raises RuntimeError for what is said after a close; here that is a disconnect, or nothing."""

    ws: WebSocket

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Encodes and sends."""
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def send_text(self, message: str) -> None:
        """What is encoded already."""
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected
        try:
            await self.ws.send({"type": "websocket.send", "text": message})
        except WebSocketDisconnect:
            raise WebSocketDisconnected from None

    async def close(self, code: int, reason: str) -> None:
        """Closes it, unless that has happened."""
        await close(self.ws, code, reason)


async def close(socket: WebSocket, code: int, reason: str) -> None:
    """Closes a socket that was accepted and is still open."""
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore"))
