"""A few frames of HTTP/2 by hand (RFC 9113), for what no client of gRPC would do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 1, 3, 4, 6, 7
END_HEADERS = 4
ENHANCE_YOUR_CALM = 11
REFUSED_STREAM = 7
MAX_CONCURRENT_STREAMS = 3


@dataclass(frozen=True, slots=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def error(self) -> int:
        """The code in RST_STREAM and GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == GOAWAY else self.payload[:4], "big")


class Connection:
    """One connection that has sent its preface."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> None:
        self._writer.write(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)
        await self._writer.drain()

    async def call(self, stream: int, path: str, more: Iterable[tuple[str, str]] = ()) -> None:
        """The headers of a call; its body never comes."""
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "hub")]
        fields += [("content-type", "application/grpc"), ("te", "trailers"), *more]
        await self.send(HEADERS, b"".join(_literal(*one) for one in fields), flags=END_HEADERS, stream=stream)

    async def frames(self) -> AsyncIterator[Frame]:
        """What the server sends, until it closes the connection."""
        try:
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                yield Frame(head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def first(self, kind: int, seconds: float = 5) -> Frame:
        """The next frame of a kind."""
        async with asyncio.timeout(seconds):
            async for frame in self.frames():
                if frame.kind == kind and not (kind == SETTINGS and frame.flags):
                    return frame
        raise AssertionError(f"closed without a frame of kind {kind}")


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = Connection(reader, writer)
    writer.write(PREFACE)
    await connection.send(SETTINGS)
    try:
        yield connection
    finally:
        writer.close()


def _literal(name: str, value: str) -> bytes:
    """A field without indexing and without Huffman's code (RFC 7541, section 6.2.2)."""
    return b"\x00" + _text(name) + _text(value)


def _text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    rest, coded = len(raw) - 127, bytearray([127])
    while rest >= 128:
        coded.append(rest % 128 + 128)
        rest //= 128
    coded.append(rest)
    return bytes(coded) + raw
