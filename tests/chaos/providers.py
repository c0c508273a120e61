"""Providers with moods, each a process of its own: an SMTP server and an SMS gateway that log what they take.

    python -m tests.chaos.providers (email|sms) PORT LOG SEED

A line of LOG is on disk (fsync) before the provider says a word. Most messages are taken at once; some slowly, some are
put off, some refused for good (always the same ones), and after some the connection is cut instead of an answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from hub.dev.smtp_sink import read_mail
from tests.chaos.evidence import Taken

HOST = "127.0.0.1"
ACCOUNT = "ACchaos"
LONGEST_PAUSE = 0.8
"""Well within the channels' send timeout."""
_REFUSED_PERCENT = 3
MOODS = {"take": 86, "slow": 6, "put off": 5, "cut": 3}


class Ledger:
    """What was taken, on disk before anybody is told."""

    def __init__(self, channel: str, file: BinaryIO, seed: int) -> None:
        self._channel = channel
        self._file = file
        self._chance = random.Random(seed)

    def mood(self, notification_id: str) -> str:
        """What to do with a message: `take`, `slow`, `put off`, `cut` or `refuse`."""
        if zlib.crc32(notification_id.encode()) % 100 < _REFUSED_PERCENT:
            return "refuse"
        return self._chance.choices(list(MOODS), list(MOODS.values()))[0]

    async def pause(self) -> None:
        """Takes its time."""
        await asyncio.sleep(self._chance.uniform(0.1, LONGEST_PAUSE))

    def write(self, notification_id: str, began: float, *, forced: bool) -> None:
        """Blocks until it is on disk; providers may."""
        line = {"id": notification_id, "channel": self._channel, "began": began, "at": time.time(), "forced": forced}
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def read_ledger(path: Path) -> list[Taken]:
    """Everything a provider took."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    return [Taken(one["id"], one["channel"], one["began"], one["at"], one["forced"]) for one in found]


class _Mail:
    """aiosmtpd's hooks."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        began = time.time()
        content = envelope.content
        assert isinstance(content, bytes)
        notification_id = str(read_mail(content, envelope.rcpt_tos[0]).notification_id)
        mood = self._ledger.mood(notification_id)
        if mood == "refuse":
            return "554 5.6.0 Refused for good"
        if mood == "put off":
            return "451 4.3.0 Not now"
        if mood == "slow":
            await self._ledger.pause()
        self._ledger.write(notification_id, began, forced=mood == "cut")
        if mood == "cut":
            cast("asyncio.Transport", server.transport).abort()
        return "250 2.0.0 Ok"


class _Sms(asyncio.Protocol):
    """As much of HTTP/1.1 as one POST after the other needs."""

    def __init__(self, ledger: Ledger, tasks: set[asyncio.Task[None]]) -> None:
        self._ledger = ledger
        self._tasks = tasks
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: uvloop's transports do not inherit asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        if len(rest) < int(headers.get(b"content-length", b"0")):
            return
        self._buffer = b""
        task = asyncio.get_running_loop().create_task(self._answer(headers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, headers: Mapping[bytes, bytes]) -> None:
        began = time.time()
        notification_id = headers[b"idempotency-key"].decode()
        mood = self._ledger.mood(notification_id)
        if mood == "refuse":
            self._say("400 Bad Request", {"code": 21610, "message": "refused for good"})
            return
        if mood == "put off":
            self._say("503 Service Unavailable", {"code": 20503, "message": "not now"})
            return
        if mood == "slow":
            await self._ledger.pause()
        self._ledger.write(notification_id, began, forced=mood == "cut")
        if mood == "cut" and self._transport is not None:
            self._transport.abort()
            return
        self._say("201 Created", {"sid": "SM" + notification_id.replace("-", ""), "status": "queued"})

    def _say(self, status: str, answer: Mapping[str, object]) -> None:
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if self._transport is not None:
            self._transport.write(head.encode() + body)


async def _serve(kind: str, port: int, ledger: Ledger) -> None:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def mail() -> asyncio.BaseProtocol:
        return SMTP(_Mail(ledger), hostname="localhost", ident="chaos", loop=loop)

    def sms() -> asyncio.BaseProtocol:
        return _Sms(ledger, tasks)

    server = await loop.create_server(mail if kind == "email" else sms, HOST, port)
    async with server:
        await server.serve_forever()


def main() -> None:
    kind, port, path, seed = sys.argv[1:]
    with Path(path).open("ab") as file:
        uvloop.run(_serve(kind, int(port), Ledger(kind, file, int(seed))))


if __name__ == "__main__":
    main()
