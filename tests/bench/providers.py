"""Providers that take 50 ms for everything, and bare loops over the client libraries that the hub uses, to compare with."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import cast

import aiosmtplib
import httpx2
import uvloop

HOST = "127.0.0.1"
LATENCY_SECONDS = 0.05
AT_ONCE = 32
_ANSWER = b'{"sid":"SM1","status":"queued"}'
_HTTP = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_ANSWER),
    _ANSWER,
)


class _Slow(asyncio.Protocol):
    """Answers after a while."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none of asyncio's by class

    def later(self, answer: bytes) -> None:
        assert self._transport is not None
        asyncio.get_running_loop().call_later(LATENCY_SECONDS, self._transport.write, answer)


class Gateway(_Slow):
    """An SMS gateway: as much of HTTP/1.1 as one POST after the other needs."""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if found and len(body) >= int(length):
            self._buffer = b""
            self.later(_HTTP)


class MailServer(_Slow):
    """As much of RFC 5321 as a plain delivery needs; the text alone takes a while."""

    def __init__(self) -> None:
        super().__init__()
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self._transport is not None
        self._transport.write(b"220 sink ready\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        assert self._transport is not None
        line, found, rest = self._buffer.partition(b"\r\n.\r\n" if self._in_data else b"\r\n")
        if not found:
            return False
        self._buffer = rest
        if self._in_data:
            self._in_data = False
            self.later(b"250 2.0.0 Ok\r\n")
            return True
        verb = line[:4].upper()
        self._in_data = verb == b"DATA"
        answers = {b"EHLO": b"250 sink\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
        self._transport.write(answers.get(verb, b"250 2.0.0 Ok\r\n"))
        return True


async def bare_rate(kind: str, port: int, seconds: float) -> float:
    """Messages a second of a loop over the client library alone, so many at once, connections kept."""
    return await (_mail_rate if kind == "email" else _http_rate)(port, seconds)


async def _http_rate(port: int, seconds: float) -> float:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=AT_ONCE)
    async with httpx2.AsyncClient(auth=httpx2.BasicAuth("AC", "x"), limits=limits, trust_env=False) as client:
        form = {"To": "+12025550123", "From": "+12025550100", "Body": "It left our house this morning."}

        async def send() -> None:
            await client.post(f"http://{HOST}:{port}/2010-04-01/Accounts/AC/Messages.json", data=form)

        return await _rate([send] * AT_ONCE, seconds)


async def _mail_rate(port: int, seconds: float) -> float:
    clients = [aiosmtplib.SMTP(hostname=HOST, port=port, start_tls=False) for _ in range(AT_ONCE)]
    for client in clients:
        await client.connect()

    def sender(client: aiosmtplib.SMTP) -> Callable[[], Awaitable[object]]:
        async def send() -> None:
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = "hub@example.test", "ann@example.test", "Your order"
            mail.set_content("It left our house this morning.")
            await client.send_message(mail)

        return send

    rate = await _rate([sender(client) for client in clients], seconds)
    for client in clients:
        client.close()
    return rate


async def _rate(senders: list[Callable[[], Awaitable[object]]], seconds: float) -> float:
    done, began = 0, time.monotonic()

    async def go_on(send: Callable[[], Awaitable[object]]) -> None:
        nonlocal done
        while time.monotonic() - began < seconds:
            await send()
            done += 1

    async with asyncio.TaskGroup() as group:
        for send in senders:
            group.create_task(go_on(send))
    return done / (time.monotonic() - began)


async def _serve(smtp_port: int, http_port: int) -> None:
    loop = asyncio.get_running_loop()
    mail = await loop.create_server(MailServer, HOST, smtp_port)
    http = await loop.create_server(Gateway, HOST, http_port)
    async with mail, http:
        await asyncio.gather(mail.serve_forever(), http.serve_forever())


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
