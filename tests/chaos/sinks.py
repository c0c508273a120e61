"""Providers that take everything at once, or hang: a process of its own, quick enough not to be what is slow.

    python -m tests.chaos.sinks SMTP_PORT SMS_PORT LOG HANG

LOG has a line for each message taken: channel and notification. While the file HANG exists the SMS gateway takes
connections and requests, and never answers.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TextIO, cast

import uvloop

HOST = "127.0.0.1"
_MESSAGE_ID = re.compile(rb"^message-id:\s*<?([0-9a-f-]{36})", re.IGNORECASE | re.MULTILINE)


class _Smtp(asyncio.Protocol):
    """As much of RFC 5321 as a plain delivery needs."""

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._buffer = b""
        self._in_data = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are none of asyncio's by class.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink ready\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        assert self._transport is not None
        end = b"\r\n.\r\n" if self._in_data else b"\r\n"
        line, found, rest = self._buffer.partition(end)
        if not found:
            return False
        self._buffer = rest
        if self._in_data:
            self._in_data = False
            identifier = _MESSAGE_ID.search(line)
            self._log.write(f"email {identifier[1].decode() if identifier else '-'}\n")
            self._transport.write(b"250 2.0.0 Ok\r\n")
            return True
        verb = line[:4].upper()
        self._in_data = verb == b"DATA"
        answers = {b"EHLO": b"250 sink\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
        self._transport.write(answers.get(verb, b"250 2.0.0 Ok\r\n"))
        if verb == b"QUIT":
            self._transport.close()
        return True


class _Sms(asyncio.Protocol):
    """As much of HTTP/1.1 as one POST after the other needs."""

    def __init__(self, log: TextIO, hang: Path) -> None:
        self._log = log
        self._hang = hang
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are none of asyncio's by class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not found or length is None or len(body) < int(length[1]) or self._hang.exists():
            return
        identifier = re.search(rb"idempotency-key: ([0-9a-f-]{36})", head, re.IGNORECASE)
        assert identifier is not None
        self._buffer = b""
        self._log.write(f"sms {identifier[1].decode()}\n")
        answer = b'{"sid":"SM1","status":"queued"}'
        self._transport.write(
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(answer), answer)
        )


async def _serve(smtp_port: int, sms_port: int, log: TextIO, hang: Path) -> None:
    loop = asyncio.get_running_loop()
    mail = await loop.create_server(lambda: _Smtp(log), HOST, smtp_port)
    sms = await loop.create_server(lambda: _Sms(log, hang), HOST, sms_port)
    async with mail, sms:
        await asyncio.gather(mail.serve_forever(), sms.serve_forever())


def taken(log: Path) -> dict[str, list[str]]:
    """Every notification that was taken, by channel, as often as it was."""
    found: dict[str, list[str]] = {"email": [], "sms": []}
    for line in log.read_text().splitlines():
        channel, _, identifier = line.partition(" ")
        found[channel].append(identifier)
    return found


def main() -> None:
    """The command line."""
    smtp_port, sms_port, log, hang = sys.argv[1:]
    with Path(log).open("a", buffering=1) as file:
        uvloop.run(_serve(int(smtp_port), int(sms_port), file, Path(hang)))


if __name__ == "__main__":
    main()
