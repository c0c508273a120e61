"""An SMTP server on loopback that takes every mail and delivers none."""

from __future__ import annotations

import asyncio
import email
import re
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from uuid import UUID
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from hub.dev.captured import Captured, Outbox
from hub.domain.ids import parse_id
from hub.domain.times import now
from hub.log import get_logger

HOST = "127.0.0.1"
_CLOSING_TIMEOUT = 2.0
_log = get_logger(__name__)


class _Handler:
    """aiosmtpd's hooks."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keeps the mail, once for each recipient."""
        content = envelope.content or b""
        raw = content.encode(errors="replace") if isinstance(content, str) else content
        for recipient in envelope.rcpt_tos:
            self._outbox.add(read_mail(raw, recipient))
        return f"250 2.0.0 Ok: queued as {secrets.token_hex(6).upper()}"

    async def handle_exception(self, error: Exception) -> str:
        """A passing failure, without its text."""
        _log.error("The SMTP sink failed", exc_info=error)
        return "451 4.3.0 The sink failed"


@asynccontextmanager
async def smtp_sink(outbox: Outbox, port: int) -> AsyncGenerator[int]:
    """Runs the sink in this event loop and gives its port; 0 picks a free one."""
    loop = asyncio.get_running_loop()
    handler = _Handler(outbox)
    sessions: WeakSet[SMTP] = WeakSet()

    def accept() -> SMTP:
        session = SMTP(handler, hostname="localhost", ident="capture", loop=loop)
        sessions.add(session)
        return session

    server = await loop.create_server(accept, HOST, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await _close(sessions)


async def _close(sessions: WeakSet[SMTP]) -> None:
    """Ends what clients left open; their handlers are gone when this returns."""
    for session in tuple(sessions):
        if session.transport is not None:
            session.transport.close()
    try:
        async with asyncio.timeout(_CLOSING_TIMEOUT):
            while any(session.transport is not None for session in tuple(sessions)):  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(0)
    except TimeoutError:
        _log.warning("The SMTP sink has sessions that do not end")
    # The cancelled handlers take one more turn of the loop.
    await asyncio.sleep(0)


def read_mail(raw: bytes, recipient: str) -> Captured:
    """A mail as a person would see it; nothing in it can make this fail."""
    # Read by the old, lenient rules: the new ones raise IndexError for a header such as `To: <`.
    mail = email.message_from_bytes(raw)
    headers = {name: _shown(value) for name, value in mail.raw_items()}
    known = {name.lower(): value for name, value in headers.items()}
    return Captured(
        channel="email",
        recipient=recipient,
        subject=known.get("subject", ""),
        text=_body(mail, "text/plain") or "",
        html=_body(mail, "text/html"),
        headers=headers,
        received_at=now(),
        notification_id=_notification_id(known.get("message-id", "")),
    )


def _shown(value: str) -> str:
    """A header's value unfolded and decoded, or as it came where it can't be."""
    clean = re.sub(r"[\r\n]+", "", value).encode(errors="surrogateescape").decode(errors="replace").strip()
    try:
        decoded = str(make_header(decode_header(clean)))
    except (MessageError, LookupError, ValueError):
        return clean
    return decoded.encode(errors="replace").decode()


def _body(mail: Message, content_type: str) -> str | None:
    part = next((part for part in mail.walk() if part.get_content_type() == content_type), None)
    payload = None if part is None else part.get_payload(decode=True)
    if part is None or not isinstance(payload, bytes):
        return None
    try:
        text = payload.decode(part.get_content_charset("utf-8"), errors="replace")
    except LookupError:
        text = payload.decode(errors="replace")
    return text.replace("\r\n", "\n")


def _notification_id(message_id: str) -> UUID | None:
    return parse_id(message_id.strip().removeprefix("<").partition("@")[0])
