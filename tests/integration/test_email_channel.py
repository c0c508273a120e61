"""The e-mail channel against real SMTP servers, polite and otherwise."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import uvloop

from hub.channels.email import EmailChannel, queue_id
from hub.channels.email_settings import EmailSettings
from hub.channels.smtp import Progress
from hub.domain.channels import Message
from hub.domain.ids import new_id
from hub.domain.notifications import Outcome, OutcomeKind
from hub.domain.retry import OnAmbiguous
from tests.integration.smtp_servers import (
    Script,
    certificate,
    check_login,
    raw_server,
    scripted_smtp,
    until_data,
)

ADDRESS = "anna@example.org"
SECRETS = (ADDRESS, "hub@example.test", "Hello", "Some text", "secret")


def message(**changes: Any) -> Message:
    fields: dict[str, Any] = {
        "id": new_id(),
        "tenant": "default",
        "user_id": "anna",
        "address": ADDRESS,
        "title": "Hello",
        "text": "Some text",
        "html": None,
        "correlation_id": "c-1",
    }
    return Message(**{**fields, **changes})


@asynccontextmanager
async def email_channel(port: int, **settings: Any) -> AsyncIterator[EmailChannel]:
    given = {"host": "127.0.0.1", "port": port, "security": "none", "sender_address": "hub@example.test", **settings}
    channel = EmailChannel(EmailSettings.model_validate(given), timedelta(hours=1))
    try:
        yield channel
    finally:
        await channel.aclose()


def check(outcome: Outcome, kind: OutcomeKind, code: str) -> None:
    assert outcome.kind is kind, outcome
    assert outcome.error is not None
    assert outcome.error.code == code
    assert not any(secret in outcome.error.message for secret in SECRETS)


async def test_a_mail_arrives_whole():
    script = Script()
    sent = message(title="Grüße", text="Zeile 1\n.\n..Zeile 3 ünï", html="<p>Grüße</p>")
    async with scripted_smtp(script) as port, email_channel(port, sender_name="The hub") as channel:
        outcome = await channel.send(sent)
    assert outcome == Outcome(OutcomeKind.ACCEPTED, "smtp", provider_id="4F5A1B2C3D")
    ((sender, recipients, content),) = script.received
    assert (sender, recipients) == ("hub@example.test", [ADDRESS])
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert mail["Subject"] == "Grüße"
    assert mail["Message-ID"] == f"<{sent.id}@example.test>"
    assert mail["X-Correlation-Id"] == "c-1"
    plain, html = mail.iter_parts()
    assert plain.get_content() == "Zeile 1\r\n.\r\n..Zeile 3 ünï\r\n"
    assert html.get_content() == "<p>Grüße</p>\r\n"


async def test_large_mails():
    script = Script()
    async with scripted_smtp(script) as port, email_channel(port) as channel:
        outcome = await channel.send(message(text="x" * 20_000, html="ü" * 131_072))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert len(script.received) == 1


async def test_one_connection_serves_many_mails():
    script = Script()
    async with scripted_smtp(script) as port, email_channel(port) as channel:
        for _ in range(20):
            assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
    assert len(script.received) == 20
    assert script.connections == 1


async def test_connections_are_bounded_and_retired():
    script = Script()
    async with (
        scripted_smtp(script) as port,
        email_channel(port, max_connections=3, mails_per_connection=5) as channel,
    ):
        outcomes = await asyncio.gather(*(channel.send(message()) for _ in range(30)))
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
        assert max(sum(s.transport is not None for s in script.sessions), 1) <= 3
    assert 6 <= script.connections <= 8


async def test_idle_connections_are_closed():
    script = Script()
    async with scripted_smtp(script) as port, email_channel(port, idle_timeout=0.1) as channel:
        await asyncio.gather(*(channel.send(message()) for _ in range(3)))
        assert any(session.transport is not None for session in script.sessions)
        async with asyncio.timeout(5):
            while any(session.transport is not None for session in script.sessions):
                await asyncio.sleep(0.02)
        before = script.connections
        assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
        assert script.connections == before + 1


async def test_dead_pooled_connections_are_replaced():
    script = Script()
    async with scripted_smtp(script) as port, email_channel(port) as channel:
        await asyncio.gather(*(channel.send(message()) for _ in range(3)))
        script.drop_connections()
        # Nothing in between: our side has not even noticed.
        assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
        script.drop_connections()
        await asyncio.sleep(0.05)
        assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
    assert len(script.received) == 5


async def test_a_pooled_connection_reset_at_mail_is_replaced():
    mails = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal mails
        await until_data(reader, writer)
        await reader.readuntil(b"\r\n.\r\n")
        mails += 1
        writer.write(b"250 ok\r\n")
        # The next words are heard, and answered by a reset.
        await reader.readuntil(b"\r\n")
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with raw_server(talk) as port, email_channel(port) as channel:
        for _ in range(3):
            assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
    assert mails == 3


async def test_a_pooled_connection_that_says_421_is_replaced():
    script = Script(mail=["250 OK", "421 4.4.2 Idle for too long"])
    async with scripted_smtp(script) as port, email_channel(port) as channel:
        for _ in range(2):
            assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
    assert script.connections == 2


@pytest.mark.parametrize(
    ("step", "reply", "kind", "code"),
    [
        ("mail", "421 4.3.2 Shutting down", OutcomeKind.TEMPORARY, "SENDER_REFUSED"),
        ("mail", "450 4.7.25 No reverse DNS", OutcomeKind.THROTTLED, "SENDER_REFUSED"),
        ("mail", "451 4.7.28 Rate limited, hub@example.test", OutcomeKind.THROTTLED, "SENDER_REFUSED"),
        ("mail", "530 5.7.0 Authentication required", OutcomeKind.TEMPORARY, "AUTHENTICATION_FAILED"),
        ("mail", "550 5.1.0 hub@example.test unknown", OutcomeKind.PERMANENT, "SENDER_REFUSED"),
        ("rcpt", "421 4.3.2 Shutting down", OutcomeKind.TEMPORARY, "RECIPIENT_REFUSED"),
        ("rcpt", "450 4.2.1 anna@example.org is busy", OutcomeKind.TEMPORARY, "RECIPIENT_REFUSED"),
        ("rcpt", "451 4.7.1 Greylisted", OutcomeKind.THROTTLED, "RECIPIENT_REFUSED"),
        ("rcpt", "452 4.2.2 Mailbox full", OutcomeKind.TEMPORARY, "RECIPIENT_REFUSED"),
        ("rcpt", "550 5.1.1 anna@example.org unknown", OutcomeKind.PERMANENT, "RECIPIENT_REFUSED"),
        ("rcpt", "553 no such user", OutcomeKind.PERMANENT, "RECIPIENT_REFUSED"),
        ("data", "451 4.3.0 Try again", OutcomeKind.TEMPORARY, "MESSAGE_REFUSED"),
        ("data", "421 4.3.2 Shutting down", OutcomeKind.TEMPORARY, "MESSAGE_REFUSED"),
        ("data", "452 4.3.1 Disk full", OutcomeKind.TEMPORARY, "MESSAGE_REFUSED"),
        ("data", "552 5.3.4 Some text is too big", OutcomeKind.PERMANENT, "MESSAGE_REFUSED"),
        ("data", "554 5.7.1 Spam", OutcomeKind.PERMANENT, "MESSAGE_REFUSED"),
    ],
)
async def test_refusals_are_classified_and_spoil_nothing(step, reply, kind, code):
    script = Script()
    getattr(script, step).append(reply)
    async with scripted_smtp(script) as port, email_channel(port) as channel:
        check(await channel.send(message()), kind, code)
        assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
    if not reply.startswith("421"):
        assert script.connections == 1


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with email_channel(port) as channel:
        check(await channel.send(message()), OutcomeKind.TEMPORARY, "CONNECT_FAILED")


@pytest.mark.parametrize(
    ("greeting", "kind", "code"),
    [
        (b"421 4.7.0 Too many connections from you\r\n", OutcomeKind.THROTTLED, "SERVER_UNAVAILABLE"),
        (b"421 4.3.2 Not now\r\n", OutcomeKind.TEMPORARY, "SERVER_UNAVAILABLE"),
        (b"554 5.7.1 No service for you\r\n", OutcomeKind.TEMPORARY, "SERVER_UNAVAILABLE"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", OutcomeKind.TEMPORARY, "SERVER_UNAVAILABLE"),
        (b"", OutcomeKind.TEMPORARY, "CONNECT_FAILED"),
    ],
)
async def test_greetings(greeting, kind, code):
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        await asyncio.sleep(0.05)

    async with raw_server(talk) as port, email_channel(port) as channel:
        check(await channel.send(message()), kind, code)


async def test_a_silent_server_is_given_up_before_the_worker_would():
    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk) as port, email_channel(port, send_timeout=0.5) as channel:
        async with asyncio.timeout(channel.send_timeout.total_seconds()):
            check(await channel.send(message()), OutcomeKind.TEMPORARY, "CONNECT_TIMEOUT")
    async with raw_server(talk) as port, email_channel(port, connect_timeout=0.1) as channel:
        check(await channel.send(message()), OutcomeKind.TEMPORARY, "CONNECT_TIMEOUT")


async def test_silence_in_the_envelope_is_no_delivery():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 raw\r\n")
        await reader.readuntil(b"\r\n")
        writer.write(b"250 raw\r\n")
        await reader.read()

    async with raw_server(talk) as port, email_channel(port, reply_timeout=0.1) as channel:
        check(await channel.send(message()), OutcomeKind.TEMPORARY, "TIMEOUT")


async def test_a_cut_in_the_envelope_is_no_delivery():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 raw\r\n")
        for reply in (b"250 raw", b"250 ok"):
            await reader.readuntil(b"\r\n")
            writer.write(reply + b"\r\n")
        await reader.readuntil(b"\r\n")

    async with raw_server(talk) as port, email_channel(port) as channel:
        check(await channel.send(message()), OutcomeKind.TEMPORARY, "CONNECTION_LOST")


async def test_a_cut_in_the_body_is_no_delivery():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # With a small window most of the mail is still on our side when the line is cut.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await until_data(reader, writer)
        transport: Any = writer.transport
        transport.pause_reading()
        await asyncio.sleep(0.3)

    async with raw_server(talk) as port, email_channel(port) as channel:
        # Larger than any notification: loopback's buffers are generous.
        outcome = await channel.send(message(text="Some text " * 2_000_000))
        check(outcome, OutcomeKind.TEMPORARY, "CONNECTION_LOST")


async def test_a_stall_in_the_body_is_no_delivery():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await until_data(reader, writer)
        transport: Any = writer.transport
        transport.pause_reading()
        await asyncio.sleep(3)

    async with raw_server(talk) as port, email_channel(port, send_timeout=2) as channel:
        outcome = await channel.send(message(text="Some text " * 2_000_000))
        check(outcome, OutcomeKind.TEMPORARY, "TIMEOUT")


async def test_a_cut_after_the_dot_is_ambiguous():
    script = Script(cut_after_data=True)
    async with scripted_smtp(script) as port, email_channel(port, on_ambiguous="hold") as channel:
        assert channel.retry.on_ambiguous is OnAmbiguous.HOLD
        check(await channel.send(message()), OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN")
        assert len(script.received) == 1
        script.cut_after_data = False
        assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize(
    "scenario",
    [test_large_mails, test_a_cut_in_the_body_is_no_delivery, test_a_cut_after_the_dot_is_ambiguous],
)
async def test_the_same_on_uvloop(scenario):
    # What the hub runs on; its transports buffer and break in ways of their own.
    await asyncio.to_thread(uvloop.run, scenario())


@pytest.mark.parametrize("settings", [{"reply_timeout": 0.2}, {"send_timeout": 0.5}])
async def test_silence_after_the_dot_is_ambiguous(settings):
    script = Script(data_delay=1.0)
    async with scripted_smtp(script) as port, email_channel(port, **settings) as channel:
        check(await channel.send(message()), OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN")


@pytest.mark.parametrize("reply", [b"what?", b"350 hm", b"2x0 ok"])
async def test_nonsense_after_the_dot_is_ambiguous(reply):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await until_data(reader, writer)
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(reply + b"\r\n")
        await reader.read(1)

    async with raw_server(talk) as port, email_channel(port) as channel:
        assert (await channel.send(message())).kind is OutcomeKind.AMBIGUOUS


async def test_a_cancelled_attempt_leaves_no_connection_in_the_pool():
    script = Script(data_delay=0.3)
    async with scripted_smtp(script) as port, email_channel(port) as channel:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await channel.send(message())
        script.data_delay = 0.0
        assert (await channel.send(message())).provider_id == "4F5A1B2C3D"
    assert script.connections == 2


async def test_waiting_for_a_connection_burns_no_attempt():
    script = Script()
    async with scripted_smtp(script) as port, email_channel(port, max_connections=1, send_timeout=0.3) as channel:
        async with channel._pool.connection(Progress()):
            check(await channel.send(message()), OutcomeKind.THROTTLED, "NO_FREE_CONNECTION")
        assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize(
    "address",
    [
        "anna@example.org\r\nDATA",
        "anna@example.org>\r\nRCPT TO:<eve@example.org",
        "<anna@example.org>",
        "anna@example.org SIZE=1",
        "a" * 300 + "@example.org",
        None,
    ],
)
async def test_no_address_gets_into_the_envelope_unchecked(address):
    script = Script()
    async with scripted_smtp(script) as port, email_channel(port) as channel:
        outcome = await channel.send(message(address=address))
        check(outcome, OutcomeKind.PERMANENT, "INVALID_ADDRESS")
    assert script.connections == 0


@pytest.mark.parametrize(
    "title",
    [
        "Hi\x0bBcc: eve@example.org",
        "Hi\r\nBcc: eve@example.org",
        "=?utf-8?q?Hi=0D=0ABcc:_eve@example.org?=",
        "=?utf-8?q?Hi=0D=0A=0D=0ABody?=",
        "Hi\u2028\u2029\x85\x1c\x1d\x1e\x0c",
    ],
)
async def test_no_header_is_injected(title):
    script = Script()
    async with scripted_smtp(script) as port, email_channel(port) as channel:
        wanted = message(title=title, text="\r\n.\r\nMAIL FROM:<eve@example.org>\r\n", correlation_id=title)
        assert (await channel.send(wanted)).kind is OutcomeKind.ACCEPTED
    ((_, recipients, content),) = script.received
    assert recipients == [ADDRESS]
    mail = email.message_from_bytes(content, policy=email.policy.compat32)
    assert mail["Bcc"] is None
    assert len(mail.keys()) == 10


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    with certificate(tmp_path_factory.mktemp("tls")) as pair:
        yield pair


async def test_starttls_and_login(tls):
    context, ca_file = tls
    script = Script()
    credentials = {"username": "hub", "password": "secret", "ca_file": ca_file, "security": "starttls"}
    async with scripted_smtp(
        script, tls_context=context, require_starttls=True, auth_required=True, authenticator=check_login
    ) as port:
        async with email_channel(port, **credentials) as channel:
            for _ in range(3):
                assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
            assert (await channel.send(message(html="ü" * 131_072))).kind is OutcomeKind.ACCEPTED
        assert script.tls == [True] * 4
        assert script.logins == ["hub"] * 4
        async with email_channel(port, **{**credentials, "password": "wrong"}) as channel:
            check(await channel.send(message()), OutcomeKind.TEMPORARY, "AUTHENTICATION_FAILED")


async def test_implicit_tls(tls):
    context, ca_file = tls
    script = Script()
    async with scripted_smtp(script, implicit_tls=context) as port:
        async with email_channel(port, security="tls", ca_file=ca_file) as channel:
            for _ in range(3):
                assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
        assert script.connections == 1
        async with email_channel(port, security="tls") as channel:
            check(await channel.send(message()), OutcomeKind.TEMPORARY, "TLS_FAILED")


async def test_an_untrusted_certificate_gets_no_mail(tls):
    context, _ = tls
    script = Script()
    async with scripted_smtp(script, tls_context=context) as port, email_channel(port, security="starttls") as channel:
        check(await channel.send(message()), OutcomeKind.TEMPORARY, "TLS_FAILED")
    assert script.received == []


async def test_a_server_without_starttls_gets_no_mail():
    script = Script()
    async with scripted_smtp(script) as port, email_channel(port, security="starttls") as channel:
        check(await channel.send(message()), OutcomeKind.TEMPORARY, "NOT_OFFERED")
    assert script.received == []


async def test_a_server_without_login_gets_no_mail():
    script = Script()
    async with scripted_smtp(script) as port, email_channel(port, username="hub", password="secret") as channel:
        check(await channel.send(message()), OutcomeKind.TEMPORARY, "NOT_OFFERED")
    assert script.received == []


@pytest.mark.parametrize(
    ("reply", "identifier"),
    [
        ("2.0.0 Ok: queued as 4F5A1B2C3D", "4F5A1B2C3D"),
        ("OK id=1r4Xyz-0001aB-2C", "1r4Xyz-0001aB-2C"),
        ("2.0.0 3AF0x1Qn012345 Message accepted for delivery", "3AF0x1Qn012345"),
        ("Ok 0100018bcfe56800-aaaa-000000", "0100018bcfe56800-aaaa-000000"),
        ("2.0.0 OK  1700000000 d9443c01a7336-abc1234567.12 - gsmtp", "d9443c01a7336-abc1234567.12"),
        ("First\n2.0.0 Ok: queued as 4F5A1B2C3D", "4F5A1B2C3D"),
        ("OK", None),
        ("2.0.0 Thank you", None),
        ("Ok: queued as anna@example.org", None),
        ("Ok: queued as anna1@example.org", None),
        ("OK id=anna1@example.org", None),
        ("OK anna1@example.org", None),
    ],
)
def test_queue_ids(reply, identifier):
    assert queue_id(reply) == identifier
