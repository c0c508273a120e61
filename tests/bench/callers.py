"""Callers that cost next to nothing themselves: one connection each, answers taken as bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Self

import grpc.aio


class Http:
    """One kept HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, key: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = f"Host: {host}\r\nAuthorization: Bearer {key}\r\nAccept: application/json\r\n"

    @classmethod
    async def opened(cls, port: int, key: str) -> Self:
        """To a hub on loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port), f"127.0.0.1:{port}", key)

    async def get(self, path: str) -> bytes:
        """The body of a 200; any other answer is an AssertionError."""
        return await self._answer(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())

    async def post(self, path: str, body: Mapping[str, Any]) -> bytes:
        """The body of a 200 or 201; any other answer is an AssertionError."""
        sent = json.dumps(body, separators=(",", ":")).encode()
        head = (
            f"POST {path} HTTP/1.1\r\n{self._head}Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        return await self._answer(head.encode() + sent)

    async def _answer(self, request: bytes) -> bytes:
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        assert head.startswith((b"http/1.1 200", b"http/1.1 201")), (head, body)
        return body

    async def close(self) -> None:
        """Closes it."""
        self._writer.close()
        await self._writer.wait_closed()


class Grpc:
    """One channel."""

    def __init__(self, target: str, key: str) -> None:
        self.channel = grpc.aio.insecure_channel(target)
        self._metadata = (("authorization", f"Bearer {key}"),)

    async def call(self, method: str, request: Any) -> bytes:
        """The answer as it comes, `method` being `package.Service/Method`."""
        answer: bytes = await self.channel.unary_unary(f"/{method}")(
            request.SerializeToString(), metadata=self._metadata
        )
        return answer
