"""The SMS channel against real HTTP servers on sockets, polite and otherwise."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from hub.channels.sms import SmsChannel
from hub.channels.sms_settings import SmsSettings
from hub.channels.waits import retry_after
from hub.domain.channels import Message
from hub.domain.ids import new_id
from hub.domain.notifications import NewNotification, Outcome, OutcomeKind
from tests.integration.smtp_servers import raw_server

NUMBER = "+12025550123"
SECRETS = (NUMBER, "Some text", "token")


@dataclass
class Api:
    """A provider's answers, and the requests it has had."""

    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"sid": "SM0123456789abcdef", "status": "queued"}'
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            self.requests.append(await read_request(reader))
            lines = [f"HTTP/1.1 {self.status} X", f"Content-Length: {len(self.body)}"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + self.body)
            await writer.drain()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
    return first, headers, await reader.readexactly(int(headers["content-length"]))


def message(**changes: Any) -> Message:
    fields: dict[str, Any] = {
        "id": new_id(),
        "tenant": "default",
        "user_id": "anna",
        "address": NUMBER,
        "title": "A title",
        "text": "Some text: Grüße & more=1+1",
        "html": None,
        "correlation_id": "c-1",
    }
    return Message(**{**fields, **changes})


@asynccontextmanager
async def sms_channel(port: int, **settings: Any) -> AsyncIterator[SmsChannel]:
    given = {
        "base_url": f"http://127.0.0.1:{port}/",
        "account_sid": "AC1",
        "auth_token": "token",
        "sender": "+12025550100",
    }
    channel = SmsChannel(SmsSettings.model_validate({**given, **settings}), timedelta(hours=1))
    try:
        yield channel
    finally:
        await channel.aclose()


def check(outcome: Outcome, kind: OutcomeKind, code: str) -> None:
    assert outcome.kind is kind, outcome
    assert outcome.error is not None
    assert outcome.error.code == code
    assert not any(secret in outcome.error.message for secret in SECRETS)


async def test_a_message_is_posted_as_twilio_wants_it():
    api = Api()
    sent = message()
    async with raw_server(api.talk) as port, sms_channel(port) as channel:
        outcome = await channel.send(sent)
        assert outcome == Outcome(OutcomeKind.ACCEPTED, "twilio", provider_id="SM0123456789abcdef")
        await channel.send(message())
    (first, headers, body), _ = api.requests
    assert first == "POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"AC1:token").decode()
    assert headers["idempotency-key"] == str(sent.id)
    assert headers["x-correlation-id"] == "c-1"
    assert parse_qs(body.decode()) == {
        "To": [NUMBER],
        "From": ["+12025550100"],
        "Body": ["Some text: Grüße & more=1+1"],
    }
    assert api.connections == 1


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (301, OutcomeKind.TEMPORARY, "UNEXPECTED_ANSWER"),
        (307, OutcomeKind.TEMPORARY, "UNEXPECTED_ANSWER"),
        (400, OutcomeKind.PERMANENT, "MESSAGE_REFUSED"),
        (401, OutcomeKind.TEMPORARY, "AUTHENTICATION_FAILED"),
        (403, OutcomeKind.TEMPORARY, "AUTHENTICATION_FAILED"),
        (404, OutcomeKind.PERMANENT, "MESSAGE_REFUSED"),
        (408, OutcomeKind.TEMPORARY, "PROVIDER_UNAVAILABLE"),
        (422, OutcomeKind.PERMANENT, "MESSAGE_REFUSED"),
        (425, OutcomeKind.TEMPORARY, "PROVIDER_UNAVAILABLE"),
        (429, OutcomeKind.THROTTLED, "THROTTLED"),
        (500, OutcomeKind.TEMPORARY, "PROVIDER_UNAVAILABLE"),
        (502, OutcomeKind.TEMPORARY, "PROVIDER_UNAVAILABLE"),
        (503, OutcomeKind.TEMPORARY, "PROVIDER_UNAVAILABLE"),
        (504, OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN"),
    ],
)
async def test_answers_are_classified(status, kind, code):
    body = json.dumps({"code": 21211, "message": f"'To' {NUMBER} is no number", "status": status}).encode()
    api = Api(status=status, body=body, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    async with raw_server(api.talk) as port, sms_channel(port) as channel:
        outcome = await channel.send(message())
    check(outcome, kind, code)
    assert outcome.error is not None
    assert f"({status}, code 21211)" in outcome.error.message
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "body", [b"", b"ok", b"[]", b'{"sid": 1}', b'{"sid": "+1 202"}', b"[" * 60_000, b"\xff" * 200_000]
)
async def test_a_success_is_one_whatever_it_says(body):
    api = Api(body=body)
    async with raw_server(api.talk) as port, sms_channel(port) as channel:
        assert await channel.send(message()) == Outcome(OutcomeKind.ACCEPTED, "twilio")


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after(status):
    async with raw_server(Api(status=status, headers={"Retry-After": "17"}).talk) as port, sms_channel(port) as channel:
        assert (await channel.send(message())).retry_after == timedelta(seconds=17)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    async with (
        raw_server(Api(status=status, headers={"Retry-After": later}).talk) as port,
        sms_channel(port) as channel,
    ):
        wait = (await channel.send(message())).retry_after
        assert wait is not None
        assert timedelta(seconds=50) < wait <= timedelta(seconds=60)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("Tue, 99 Jan 2030 00:00:00 GMT", None),
        ("0", timedelta(0)),
        (" 5 ", timedelta(seconds=5)),
        ("9999999999", timedelta(hours=24)),
        ("Tue, 01 Jan 2030 00:01:00 GMT", timedelta(seconds=60)),
        ("Mon, 31 Dec 2029 23:00:00 GMT", timedelta(0)),
        ("Tue, 01 Jan 2030 01:01:00 +0100", timedelta(seconds=60)),
        ("Tue, 01 Jan 2030 00:01:00", timedelta(seconds=60)),
        ("Fri, 01 Jan 2100 00:00:00 GMT", timedelta(hours=24)),
    ],
)
def test_waits(text, wait):
    assert retry_after(text, datetime(2030, 1, 1, tzinfo=UTC)) == wait


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with sms_channel(port) as channel:
        check(await channel.send(message()), OutcomeKind.TEMPORARY, "CONNECT_FAILED")


async def test_a_cut_after_the_request_is_ambiguous():
    seen = []

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))

    async with raw_server(talk) as port, sms_channel(port) as channel:
        check(await channel.send(message()), OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN")
    assert len(seen) == 1


async def test_silence_after_the_request_is_ambiguous():
    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk) as port, sms_channel(port, send_timeout=0.3) as channel:
        async with asyncio.timeout(channel.send_timeout.total_seconds()):
            check(await channel.send(message()), OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN")


async def test_half_an_answer_is_ambiguous():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 20")
        await writer.drain()
        await asyncio.sleep(0.05)

    async with raw_server(talk) as port, sms_channel(port) as channel:
        check(await channel.send(message()), OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN")


@pytest.mark.parametrize(("status", "kind"), [(201, OutcomeKind.ACCEPTED), (429, OutcomeKind.THROTTLED)])
async def test_a_status_counts_even_if_the_rest_never_comes(status, kind):
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\n{{".encode())
        await writer.drain()
        await asyncio.sleep(0.05)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await cut(reader, writer)
        await reader.read()

    async with raw_server(cut) as port, sms_channel(port) as channel:
        assert (await channel.send(message())).kind is kind
    async with raw_server(hang) as port, sms_channel(port, send_timeout=0.3) as channel:
        assert (await channel.send(message())).kind is kind


async def test_a_tls_handshake_with_a_plain_server_is_no_delivery():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with raw_server(talk) as port, sms_channel(port, base_url=f"https://127.0.0.1:{port}") as channel:
        check(await channel.send(message()), OutcomeKind.TEMPORARY, "CONNECT_FAILED")


async def test_a_kept_connection_that_was_closed_is_replaced():
    served = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await read_request(reader)
        served += 1
        writer.write(b'HTTP/1.1 201 X\r\nContent-Length: 13\r\n\r\n{"sid": "SM1"')
        await writer.drain()

    async with raw_server(talk) as port, sms_channel(port) as channel:
        for _ in range(3):
            assert (await channel.send(message())).kind is OutcomeKind.ACCEPTED
            await asyncio.sleep(0.05)
    assert served == 3


async def test_no_number_no_request():
    api = Api()
    async with raw_server(api.talk) as port, sms_channel(port) as channel:
        check(await channel.send(message(address=None)), OutcomeKind.PERMANENT, "INVALID_ADDRESS")
    assert api.requests == []


async def test_odd_correlation_ids_do_no_harm():
    api = Api()
    async with raw_server(api.talk) as port, sms_channel(port) as channel:
        outcome = await channel.send(message(correlation_id="a\r\nX-Evil: 1\u00e9"))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert api.requests[0][1]["x-correlation-id"] == "aX-Evil:1"


async def test_content():
    async with sms_channel(1) as channel:

        def violations(text):
            return [(v.field, v.message) for v in channel.check_content(NewNotification("anna", "T", text, "sms"))]

        assert violations("a" * 1530) == []
        assert violations("a" * 1531) == [("message", "takes 11 SMS segments, must take at most 10")]
        assert violations("ж" * 671) == [("message", "takes 11 SMS segments, must take at most 10")]
