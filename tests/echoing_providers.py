"""Providers that quote what they were sent in their answers, hang, or cut the connection, as the address says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs

from tests.integration.smtp_servers import raw_server
from tests.integration.test_sms_channel import read_request

REFUSE, REFUSE_LATE, BUSY, HANG, CUT = "refuse", "late", "busy", "hang", "cut"
BEHAVIOURS = (REFUSE, REFUSE_LATE, BUSY, HANG, CUT)
"""An address or text begins with one of them; any other is taken."""


@dataclass(frozen=True)
class Ports:
    """Where they listen."""

    smtp: int
    sms: int
    webhook: int


@asynccontextmanager
async def echoing_providers() -> AsyncIterator[Ports]:
    """All three."""
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(raw_server(talk)) for talk in (_smtp, _sms, _webhook)]
        yield Ports(*ports)


async def _smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 provider ready\r\n")
    recipient = ""
    while line := (await reader.readline()).decode().strip():
        verb = line[:4].upper()
        reply = {"EHLO": "250-provider\r\n250 AUTH PLAIN", "AUTH": "235 2.7.0 Ok", "DATA": "354 go on"}.get(
            verb, "250 Ok"
        )
        if verb == "RCPT":
            recipient = line.partition("<")[2].rstrip(">")
            if recipient.startswith(REFUSE):
                reply = f"550 5.1.1 <{recipient}>: nobody here, says {line}"
            if recipient.startswith(BUSY):
                reply = f"450 4.2.1 <{recipient}>: not just now"
            if recipient.startswith(HANG):
                # Until nobody waits any more.
                await reader.read()
                return
        writer.write(f"{reply}\r\n".encode())
        if verb == "QUIT":
            return
        if verb == "DATA":
            content = (await reader.readuntil(b"\r\n.\r\n")).decode(errors="replace")
            if recipient.startswith(CUT):
                return
            said = " ".join(content.split())[:2000]
            late = recipient.startswith(REFUSE_LATE)
            writer.write(f"{'554 5.7.1' if late else '250 2.0.0'} <{recipient}> {said}\r\n".encode())


async def _sms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        _, headers, body = await read_request(reader)
        form = parse_qs(body.decode())
        text = form["Body"][0]
        if text.startswith(HANG):
            await reader.read()
        if text.startswith((HANG, CUT)):
            return
        quoted = f"{form['To'][0]} can't have {text} ({headers['authorization']})"
        status = 400 if text.startswith((REFUSE, REFUSE_LATE)) else 503 if text.startswith(BUSY) else 201
        answer = json.dumps({"sid": quoted, "code": 21211, "message": quoted}).encode()
        _answer(writer, status, f"Says {quoted}", {"X-Quoted": quoted}, answer)


async def _webhook(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            line, headers, body = await read_request(reader)
            path = line.split(" ")[1]
            behaviour = path.strip("/").partition("?")[0]
            if behaviour == HANG:
                await reader.read()
            if behaviour in {HANG, CUT}:
                return
            status = {REFUSE: 410, REFUSE_LATE: 302, BUSY: 500}.get(behaviour, 200)
            quoted = f"{path} {headers.get('webhook-signature')}"
            _answer(writer, status, quoted, {"Location": f"https://elsewhere.test{path}", "Retry-After": quoted}, body)


def _answer(writer: asyncio.StreamWriter, status: int, phrase: str, headers: dict[str, str], body: bytes) -> None:
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
