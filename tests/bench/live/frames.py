"""As much of the WebSocket protocol (RFC 6455) as a client of graphql-transport-ws needs, at the least cost."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_SHORT, _MIDDLE = 126, 127
_KEY = b"\0\0\0\0"
"""A mask that changes nothing: a client has to mask what it sends, and by which key is its own affair."""

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


def message(value: object) -> bytes:
    """A message of a client, framed."""
    return _framed(_TEXT, json.dumps(value, separators=(",", ":")).encode())


def pong(payload: bytes) -> bytes:
    """The answer to a ping."""
    return _framed(_PONG, payload)


def _framed(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < _SHORT:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    else:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | _SHORT, size)
    return head + _KEY + payload


class Reader:
    """Cuts what a server sends into frames. Servers neither mask nor, here, split messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Opcodes and payloads of the frames that are complete."""
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= 2:
            size, body = data[at + 1], at + 2
            if size == _SHORT:
                if end - at < 4:
                    break
                size, body = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif size == _MIDDLE:
                if end - at < 10:
                    break
                size, body = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if end - body < size:
                break
            yield data[at] & 15, data[body : body + size]
            at = body + size
        self._rest = data[at:]


TEXT, CLOSE, PING = _TEXT, _CLOSE, _PING
