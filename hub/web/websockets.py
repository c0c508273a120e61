"""WebSockets as uvicorn speaks them, less what each keeps for nothing: ten thousand of them wait in one process."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class LeanSocket(WebSocketsSansIOProtocol):
    """Forgets the headers of its handshake once that is over; the application has its own copy of them."""

    def start_keepalive(self) -> None:
        """Called when the answer to the handshake is on its way."""
        # The parser holds on to the very objects, some 3 KiB of a socket's 40.
        self.request.headers.clear()
        self.response.headers.clear()
        super().start_keepalive()
