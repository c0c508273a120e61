"""SMTP connections: a small pool of them, and one mail over one of them with the stage it reached.

aiosmtplib's own `sendmail` hides the one moment that matters: until the final dot is written the server cannot have
taken the mail, from then on it may have. So the commands are given one by one here.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

import aiosmtplib

from hub.channels.email_settings import EmailSettings, Security

_CONTINUE = 354
_CLOSING = 421
_OK = 250
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_FLUSH_POLL = 0.005
"""Seconds between looks at the write buffer; only mails larger than the kernel's buffers ever wait."""


class Stage(IntEnum):
    """How far a mail got."""

    WAITING = 0
    """All connections are in use."""
    CONNECTING = 1
    ENVELOPE = 2
    """Sender, recipient and DATA are being agreed on."""
    BODY = 3
    """The text is being written, but not the dot that ends it."""
    SUBMITTED = 4
    """The final dot was written: the server may have taken the mail."""


@dataclass(slots=True)
class Progress:
    """The stage one mail has reached; outlives a cancelled attempt."""

    stage: Stage = Stage.WAITING


@dataclass(frozen=True, slots=True)
class Mail:
    """An envelope and what is in it."""

    sender: str
    recipient: str
    content: bytes


class RefusedError(Exception):
    """The server said no. Carries no text of it: servers quote addresses."""

    def __init__(self, stage: str, reply: aiosmtplib.SMTPResponse) -> None:
        super().__init__(stage, reply.code)
        self.stage = stage
        self.code = reply.code
        enhanced = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", reply.message)
        self.enhanced = enhanced[0] if enhanced else ""


class StaleError(Exception):
    """The connection was gone before anything was sent over it: another one will do."""


class Connection:
    """One session with the server."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client
        self._reset_needed = False
        self.mails = 0
        self.idle_since = 0.0
        self.usable = True
        """Whether another mail can be sent over it."""

    @property
    def alive(self) -> bool:
        """Whether it is usable and not known to be closed."""
        return self.usable and self._client.is_connected

    async def submit(self, mail: Mail, progress: Progress) -> aiosmtplib.SMTPResponse:
        """The server's final reply; RefusedError for every other, StaleError if there was nobody to begin with."""
        self.usable = False
        self.mails += 1
        progress.stage = Stage.ENVELOPE
        await self._begin(mail.sender)
        await self._expect("RCPT", {_OK, 251}, b"RCPT", b"TO:<" + mail.recipient.encode("ascii") + b">")
        await self._expect("DATA", {_CONTINUE}, b"DATA")
        reply = await self._write(dot_stuffed(mail.content), progress)
        self.usable = reply.code != _CLOSING
        if reply.code // 100 in {4, 5}:
            raise RefusedError("MESSAGE", reply)
        return reply

    def close(self) -> None:
        """Closes without waiting; says QUIT where the server is listening for commands."""
        protocol = self._client.protocol
        if self.alive and protocol is not None:
            protocol.write(b"QUIT\r\n")
        self._client.close()

    async def _begin(self, sender: str) -> None:
        """RSET if the last mail was refused, then MAIL: the first words after a pause, where a dead peer shows."""
        reused = self.mails > 1
        try:
            if self._reset_needed:
                await self._client.execute_command(b"RSET")
            reply = await self._client.execute_command(b"MAIL", b"FROM:<" + sender.encode("ascii") + b">")
        except aiosmtplib.SMTPServerDisconnected:
            raise StaleError from None
        if reply.code == _CLOSING and reused:
            # It had closed for being idle or after so many mails; a fresh one that says so means it.
            raise StaleError
        self._take(reply, "MAIL", {_OK})

    async def _expect(self, stage: str, good: set[int], *command: bytes) -> None:
        self._take(await self._client.execute_command(*command), stage, good)

    def _take(self, reply: aiosmtplib.SMTPResponse, stage: str, good: set[int]) -> None:
        if reply.code not in good:
            self._reset_needed = True
            self.usable = reply.code // 100 in {4, 5} and reply.code != _CLOSING
            raise RefusedError(stage, reply)
        self._reset_needed = False

    async def _write(self, body: bytes, progress: Progress) -> aiosmtplib.SMTPResponse:
        """Writes the text, then, once all of it has left, the dot: a cut before the dot is surely no delivery."""
        protocol = self._client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        # A cast: uvloop's transports do not inherit asyncio's.
        transport = cast(asyncio.WriteTransport, self._client.transport)
        progress.stage = Stage.BODY
        protocol.write(body)
        await asyncio.sleep(0)
        while protocol.is_connected and transport.get_write_buffer_size():  # noqa: ASYNC110 - the protocol is the library's
            await asyncio.sleep(_FLUSH_POLL)
        protocol.write(b".\r\n")
        progress.stage = Stage.SUBMITTED
        return await protocol.read_response(timeout=self._client.timeout)


def dot_stuffed(content: bytes) -> bytes:
    """The content as DATA carries it (RFC 5321, section 4.5.2): CRLF everywhere, leading dots doubled."""
    content = _LINE_ENDS.sub(b"\r\n", content)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content


class Pool:
    """Connections to one server: reused while they live, closed after a while, never more than the limit."""

    def __init__(self, settings: EmailSettings, tls: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._tls = tls
        self._slots = asyncio.Semaphore(settings.max_connections)
        self._idle: list[Connection] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @asynccontextmanager
    async def connection(self, progress: Progress) -> AsyncGenerator[Connection]:
        """A connection for one mail; it is kept if it is still good afterwards."""
        progress.stage = Stage.WAITING
        async with self._slots:
            progress.stage = Stage.CONNECTING
            connection = self._take_idle() or Connection(await self._dial())
            try:
                yield connection
            except StaleError:
                # The server went away: those that slept beside this one are no better.
                self._close_idle()
                raise
            finally:
                self._give_back(connection)

    async def aclose(self) -> None:
        """Closes what is idle; what is still in use is closed when it is given back."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._close_idle()
        await asyncio.sleep(0)

    def _take_idle(self) -> Connection | None:
        while self._idle:
            # The last one given back first: what is not needed grows old and is closed.
            connection = self._idle.pop()
            if connection.alive:
                return connection
            connection.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        if self._closed or not connection.alive or connection.mails >= self._settings.mails_per_connection:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._timer is None:
            self._timer = loop.call_later(self._settings.idle_timeout.total_seconds(), self._close_aged)

    def _close_aged(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._settings.idle_timeout.total_seconds()
        for connection in self._idle:
            if connection.idle_since <= oldest:
                connection.close()
        self._idle = [connection for connection in self._idle if connection.idle_since > oldest]
        self._timer = (
            loop.call_at(self._idle[0].idle_since + self._settings.idle_timeout.total_seconds(), self._close_aged)
            if self._idle
            else None
        )

    def _close_idle(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _dial(self) -> aiosmtplib.SMTP:
        """A client that is connected, under TLS if so set, logged in and introduced."""
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.actual_port,
            username=settings.username,
            password=settings.password.get_secret_value() if settings.password else None,
            local_hostname=settings.hello_name or _host_name(),
            timeout=settings.reply_timeout.total_seconds(),
            use_tls=settings.security is Security.TLS,
            start_tls=settings.security is Security.STARTTLS,
            tls_context=self._tls,
        )
        await client.connect(timeout=settings.connect_timeout.total_seconds())
        try:
            if client.is_ehlo_or_helo_needed:
                await _introduce(client)
        except BaseException:
            client.close()
            raise
        return client


async def _introduce(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        # A server from before 1995: RFC 5321, section 3.2.
        await client.helo()


def _host_name() -> str:
    """This machine's name without a look-up, which could take seconds."""
    name = socket.gethostname()
    return name if _HOST_NAME.fullmatch(name) else "localhost"
