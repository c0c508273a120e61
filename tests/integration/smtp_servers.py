"""SMTP servers that behave as told: aiosmtpd with scripted replies, and a raw one that cuts connections."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Script:
    """Replies of the server in place of the usual ones, and what it has seen."""

    mail: list[str] = field(default_factory=list)
    rcpt: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    cut_after_data: bool = False
    data_delay: float = 0.0
    received: list[tuple[str | None, list[str], bytes]] = field(default_factory=list)
    connections: int = 0
    sessions: list[SMTP] = field(default_factory=list)
    tls: list[bool] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.mail:
            reply = self.mail.pop(0)
            if not reply.startswith("250"):
                return reply
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.rcpt:
            reply = self.rcpt.pop(0)
            if not reply.startswith("250"):
                return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.received.append((envelope.mail_from, list(envelope.rcpt_tos), content))
        self.tls.append(bool(session.ssl))
        login: Any = session.auth_data
        self.logins.append(login.login.decode() if login else None)
        await asyncio.sleep(self.data_delay)
        if self.cut_after_data:
            transport: Any = server.transport
            transport.abort()
            await asyncio.sleep(0.2)
        return self.data.pop(0) if self.data else "250 2.0.0 Ok: queued as 4F5A1B2C3D"

    def drop_connections(self) -> None:
        """Resets everything that is open, as a restarted server would."""
        for session in self.sessions:
            transport: Any = session.transport
            if transport is not None:
                transport.abort()


@asynccontextmanager
async def scripted_smtp(
    script: Script, *, implicit_tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()

    def accept() -> SMTP:
        script.connections += 1
        session = SMTP(script, hostname="localhost", loop=loop, **options)
        script.sessions.append(session)
        return session

    server = await loop.create_server(accept, "127.0.0.1", 0, ssl=implicit_tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for session in script.sessions:
            if session.transport is not None:
                session.transport.close()
        await asyncio.sleep(0.05)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def raw_server(talk: Talk) -> AsyncIterator[int]:
    """A server whose every byte is the test's; a connection ends when `talk` returns."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**22)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.05)


async def until_data(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The polite part of a session, up to and including the reply to DATA."""
    writer.write(b"220 raw\r\n")
    for reply in (b"250 raw", b"250 ok", b"250 ok", b"354 go on"):
        await reader.readuntil(b"\r\n")
        writer.write(reply + b"\r\n")


@contextmanager
def certificate(folder: Path) -> Iterator[tuple[ssl.SSLContext, Path]]:
    """A throw-away certificate for localhost: the server's context, and the file to trust."""
    key, pem = folder / "key.pem", folder / "cert.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(["openssl", *options.split(), *names, "-keyout", key, "-out", pem], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, key)
    yield context, pem


def check_login(_server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """aiosmtpd's authenticator: hub / secret is right."""
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"hub", b"secret")
    return AuthResult(success=good, auth_data=data, handled=False)
