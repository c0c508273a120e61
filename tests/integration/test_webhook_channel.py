"""The webhook channel against real HTTP and HTTPS servers on sockets, polite and otherwise."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from hub.channels.standard_webhooks import signature
from hub.channels.webhook import WebhookChannel, payload
from hub.channels.webhook_guard import Resolve, SystemResolver
from hub.channels.webhook_settings import WebhookSettings
from hub.domain.channels import Message
from hub.domain.ids import new_id, time_of
from hub.domain.notifications import NewNotification, Outcome, OutcomeKind
from hub.domain.times import format_time
from tests.integration.smtp_servers import raw_server

NAME = "hooks.example.org"
PUBLIC = "93.184.216.34"
OLD, NEW = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))
MARKS = (NAME, "Some text", "A title", "anna", OLD, NEW, "sesame")
DELIVERED = Outcome(OutcomeKind.DELIVERED, "webhook")


@dataclass
class Receiver:
    """A receiver's answers, and the requests it has had."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            self.requests.append(await read_request(reader))
            length = [] if self.status == 204 else [f"Content-Length: {len(self.body)}"]
            lines = [
                f"HTTP/1.1 {self.status} X",
                *length,
                *(f"{name}: {value}" for name, value in self.headers.items()),
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode() + self.body)
            await writer.drain()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
    return first, headers, await reader.readexactly(int(headers["content-length"]))


def message(address: str | None, **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "id": new_id(),
        "tenant": "default",
        "user_id": "anna",
        "address": address,
        "title": "A title",
        "text": 'Some text: Grüße 🎉 \u2028 "x"',
        "html": "<p>not sent</p>",
        "correlation_id": "c-1",
    }
    return Message(**{**fields, **changes})


@asynccontextmanager
async def webhooks(resolve: Resolve | None = None, **settings: Any) -> AsyncIterator[WebhookChannel]:
    given = {"secrets": {"default": [NEW]}, "allow_private": True}
    model = WebhookSettings.model_validate({**given, **settings})
    channel = WebhookChannel(model, timedelta(hours=1), resolve)
    try:
        yield channel
    finally:
        await channel.aclose()


def names(*answers: Sequence[str]) -> tuple[Resolve, list[tuple[str, int]]]:
    """A resolver that gives these answers one after the other, and what it was asked."""
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


@pytest.fixture
def public_network(monkeypatch):
    """Connections to public addresses end at a port of loopback; gives the ports to fill in and what was dialled."""
    ports: dict[str, int] = {}
    dialled: list[str] = []
    real = httpcore2.AnyIOBackend.connect_tcp

    async def connect_tcp(self: Any, host: str, port: int, *rest: Any) -> httpcore2.AsyncNetworkStream:
        dialled.append(host)
        if host not in ports:
            raise httpcore2.ConnectError("nobody there")
        return await real(self, "127.0.0.1", ports[host], *rest)

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect_tcp)
    return ports, dialled


@dataclass
class Authority:
    """A throw-away authority that vouches for one name."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, name: str, seen: list[str | None]) -> ssl.SSLContext:
        key, request, pem = (self.folder / f"server.{kind}" for kind in ("key", "csr", "pem"))
        extensions = self.folder / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n")
        new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj"
        openssl(f"req -x509 {new} /CN=Test-authority -days 2 -keyout {self.folder}/ca.key -out {self.file}")
        openssl(f"req {new} /CN=server -keyout {key} -out {request}")
        openssl(
            f"x509 -req -in {request} -CA {self.file} -CAkey {self.folder}/ca.key -CAcreateserial -days 2"
            f" -extfile {extensions} -out {pem}"
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem, key)
        context.sni_callback = lambda _socket, sni, _context: seen.append(sni)
        return context


def openssl(command: str) -> None:
    subprocess.run(["openssl", *command.split()], check=True, capture_output=True)


@asynccontextmanager
async def https_server(receiver: Receiver, context: ssl.SSLContext) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await receiver.talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.05)


def check(outcome: Outcome, kind: OutcomeKind, code: str) -> None:
    assert outcome.kind is kind, outcome
    assert outcome.error is not None
    assert outcome.error.code == code
    assert outcome.provider_id is None
    assert not any(mark in outcome.error.message for mark in MARKS)


def url(port: int, path: str = "/hooks?x=1") -> str:
    return f"http://127.0.0.1:{port}{path}"


# ------------------------------------------------------------------------------------------------ body and signature


async def test_a_webhook_is_posted_as_the_standard_wants_it():
    receiver = Receiver()
    async with raw_server(receiver.talk) as port, webhooks() as channel:
        sent = message(url(port))
        assert await channel.send(sent) == DELIVERED
        assert await channel.send(sent) == DELIVERED
    (first, headers, body), (_, again, same) = receiver.requests
    assert first == "POST /hooks?x=1 HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{port}"
    assert headers["webhook-id"] == again["webhook-id"] == str(sent.id)
    assert abs(int(headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 5
    assert headers["x-correlation-id"] == "c-1"
    assert body == same
    assert json.loads(body) == {
        "type": "notification",
        "timestamp": format_time(time_of(sent.id)),
        "data": {"id": str(sent.id), "user_id": "anna", "title": "A title", "message": sent.text},
    }
    assert receiver.connections == 1


def test_the_vector_of_the_standard():
    # From the test suites of the reference libraries.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_both_secrets_sign_while_they_are_rotated():
    receiver = Receiver()
    async with raw_server(receiver.talk) as port:
        for secrets in ([OLD], [NEW, OLD], [NEW]):
            async with webhooks(secrets={"default": secrets}) as channel:
                assert await channel.send(message(url(port))) == DELIVERED
    valid = [
        [secret for secret in (OLD, NEW) if verifies(secret, headers, body)] for _, headers, body in receiver.requests
    ]
    assert valid == [[OLD], [OLD, NEW], [NEW]]
    assert [len(headers["webhook-signature"].split(" ")) for _, headers, _ in receiver.requests] == [1, 2, 1]


def verifies(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """By the standard's own library, and by hand."""
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert f"v1,{base64.b64encode(digest).decode()}" in headers["webhook-signature"].split(" ")
    return True


async def test_each_tenant_has_secrets_of_its_own():
    receiver = Receiver()
    async with raw_server(receiver.talk) as port:
        async with webhooks(secrets={"a": [OLD], "b": [NEW]}) as channel:
            assert await channel.send(message(url(port), tenant="a")) == DELIVERED
            assert await channel.send(message(url(port), tenant="b")) == DELIVERED
            check(await channel.send(message(url(port), tenant="*")), OutcomeKind.TEMPORARY, "NO_SIGNING_SECRET")
        async with webhooks(secrets={"a": [OLD], "*": [NEW]}) as channel:
            assert await channel.send(message(url(port), tenant="a")) == DELIVERED
            assert await channel.send(message(url(port), tenant="c")) == DELIVERED
    signers = [OLD, NEW, OLD, NEW]
    assert all(
        verifies(secret, headers, body) for secret, (_, headers, body) in zip(signers, receiver.requests, strict=True)
    )


def test_whatever_is_sent_is_json():
    sent = message(None, title='"\\', text="\x00\ud800\u2029</script>")
    assert json.loads(payload(sent))["data"]["message"] == "\x00?\u2029</script>"


async def test_odd_correlation_ids_do_no_harm():
    receiver = Receiver()
    async with raw_server(receiver.talk) as port, webhooks() as channel:
        assert await channel.send(message(url(port), correlation_id="a\r\nX-Evil: 1\u00e9")) == DELIVERED
    assert receiver.requests[0][1]["x-correlation-id"] == "aX-Evil:1"


# ---------------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (301, OutcomeKind.PERMANENT, "REDIRECT_REFUSED"),
        (304, OutcomeKind.PERMANENT, "REDIRECT_REFUSED"),
        (307, OutcomeKind.PERMANENT, "REDIRECT_REFUSED"),
        (308, OutcomeKind.PERMANENT, "REDIRECT_REFUSED"),
        (400, OutcomeKind.TEMPORARY, "REFUSED"),
        (401, OutcomeKind.TEMPORARY, "REFUSED"),
        (404, OutcomeKind.TEMPORARY, "REFUSED"),
        (408, OutcomeKind.TEMPORARY, "REFUSED"),
        (410, OutcomeKind.PERMANENT, "GONE"),
        (425, OutcomeKind.TEMPORARY, "REFUSED"),
        (429, OutcomeKind.THROTTLED, "THROTTLED"),
        (500, OutcomeKind.TEMPORARY, "RECEIVER_FAILED"),
        (503, OutcomeKind.TEMPORARY, "RECEIVER_FAILED"),
        (504, OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN"),
        (600, OutcomeKind.TEMPORARY, "RECEIVER_FAILED"),
    ],
)
async def test_answers_are_classified(status, kind, code):
    elsewhere, receiver = Receiver(), Receiver(status=status, body=b"sesame Some text")
    async with raw_server(elsewhere.talk) as other, raw_server(receiver.talk) as port, webhooks() as channel:
        receiver.headers = {"Location": url(other)}
        outcome = await channel.send(message(url(port)))
    check(outcome, kind, code)
    assert outcome.error is not None
    assert f"({status})" in outcome.error.message
    assert (len(receiver.requests), elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_a_delivery(status):
    async with raw_server(Receiver(status=status).talk) as port, webhooks() as channel:
        assert await channel.send(message(url(port))) == DELIVERED


async def test_an_upgrade_is_no_answer():
    receiver = Receiver(status=101, headers={"Upgrade": "x", "Connection": "Upgrade"})
    async with raw_server(receiver.talk) as port, webhooks() as channel:
        outcome = await channel.send(message(url(port)))
    assert outcome.kind in {OutcomeKind.TEMPORARY, OutcomeKind.AMBIGUOUS}


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after(status):
    async with raw_server(Receiver(status=status, headers={"Retry-After": "17"}).talk) as port, webhooks() as channel:
        assert (await channel.send(message(url(port)))).retry_after == timedelta(seconds=17)
    async with raw_server(Receiver(status=status, headers={"Retry-After": "é"}).talk) as port, webhooks() as channel:
        assert (await channel.send(message(url(port)))).retry_after is None


# ---------------------------------------------------------------------------------------------------- bad receivers


@pytest.mark.parametrize("head", ["Content-Length: 1000000000", "Transfer-Encoding: chunked", "Connection: close"])
async def test_a_big_answer_is_not_read(head):
    written = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(f"HTTP/1.1 200 X\r\n{head}\r\n\r\n".encode())
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()
            written += 65536

    async with raw_server(talk) as port, webhooks() as channel:
        async with asyncio.timeout(2):
            assert await channel.send(message(url(port))) == DELIVERED
        await asyncio.sleep(0.1)
        before = written
        await asyncio.sleep(0.1)
    # What the kernel holds between two sockets, and no more.
    assert written == before < 32 * 2**20


@pytest.mark.parametrize(("status", "kind"), [(200, OutcomeKind.DELIVERED), (429, OutcomeKind.THROTTLED)])
async def test_a_slow_answer_costs_two_seconds(status, kind):
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 1000\r\n\r\n".encode())
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with raw_server(drip) as port, webhooks() as channel, asyncio.timeout(4):
        assert (await channel.send(message(url(port)))).kind is kind


async def test_a_status_counts_even_if_the_rest_never_comes():
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 410 X\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(0.05)

    async with raw_server(cut) as port, webhooks() as channel:
        check(await channel.send(message(url(port))), OutcomeKind.PERMANENT, "GONE")


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 20", b"220 mail.example.org ESMTP\r\n", b"HTTP/1.1 200 X\r\nA: " + b"x" * 2**18]
)
async def test_a_cut_after_the_request_is_ambiguous(answer):
    seen = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(answer)
        await writer.drain()
        await asyncio.sleep(0.05)

    async with raw_server(talk) as port, webhooks() as channel:
        check(await channel.send(message(url(port))), OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN")
    assert len(seen) == 1


@pytest.mark.parametrize(
    "line",
    [f"X-More: {'x' * 1000}\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"],
    ids=["headers without end", "hints without end"],
)
async def test_an_answer_that_never_comes_to_its_point_is_cut(line):
    written = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(b"" if "103" in line else b"HTTP/1.1 200 X\r\n")
        while True:
            writer.write(line.encode() * 50)
            await writer.drain()
            written += len(line) * 50
            await asyncio.sleep(0.01)

    async with raw_server(talk) as port, webhooks(send_timeout=1) as channel:
        async with asyncio.timeout(2):
            check(await channel.send(message(url(port))), OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN")
    assert written < 8 * 1024 * 1024


async def test_silence_after_the_request_is_ambiguous():
    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk) as port, webhooks(send_timeout=0.3) as channel:
        async with asyncio.timeout(channel.send_timeout.total_seconds()):
            check(await channel.send(message(url(port))), OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN")


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with webhooks() as channel:
        check(await channel.send(message(url(port))), OutcomeKind.TEMPORARY, "CONNECT_FAILED")
        check(await channel.send(message(f"http://[::1]:{port}/")), OutcomeKind.TEMPORARY, "CONNECT_FAILED")


async def test_a_kept_connection_that_was_closed_is_replaced():
    served = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await read_request(reader)
        served += 1
        writer.write(b"HTTP/1.1 204 X\r\n\r\n")
        await writer.drain()

    async with raw_server(talk) as port, webhooks() as channel:
        for _ in range(3):
            assert await channel.send(message(url(port))) == DELIVERED
            await asyncio.sleep(0.05)
    assert served == 3


# ----------------------------------------------------------------------------------------------- names and addresses


async def test_tls_and_host_are_the_names_and_the_connection_the_checked_addresss(public_network, tmp_path):
    ports, dialled = public_network
    receiver, seen = Receiver(), list[str | None]()
    authority = Authority(tmp_path)
    resolve, asked = names([PUBLIC])
    async with https_server(receiver, authority.server(NAME, seen)) as port:
        ports[PUBLIC] = port
        async with webhooks(resolve, allow_private=False, ca_file=authority.file) as channel:
            for _ in range(2):
                assert await channel.send(message(f"https://{NAME}:8443/x")) == DELIVERED
    assert asked == [(NAME, 8443)]
    assert dialled == [PUBLIC]
    assert seen == [NAME]
    assert receiver.requests[0][1]["host"] == f"{NAME}:8443"
    assert receiver.connections == 1


async def test_a_certificate_of_another_name_or_unknown_authority_is_refused(public_network, tmp_path):
    ports, _ = public_network
    receiver = Receiver()
    authority = Authority(tmp_path)
    resolve, _ = names([PUBLIC])
    async with https_server(receiver, authority.server("other.example.org", [])) as port:
        ports[PUBLIC] = port
        async with webhooks(resolve, allow_private=False, ca_file=authority.file) as channel:
            check(await channel.send(message(f"https://{NAME}/")), OutcomeKind.TEMPORARY, "TLS_FAILED")
            check(await channel.send(message(f"https://{PUBLIC}/")), OutcomeKind.TEMPORARY, "TLS_FAILED")
            assert await channel.send(message("https://other.example.org/")) == DELIVERED
        async with webhooks(resolve, allow_private=False) as channel:
            check(await channel.send(message("https://other.example.org/")), OutcomeKind.TEMPORARY, "TLS_FAILED")
    assert receiver.connections == 1


async def test_plain_text_behind_https_is_no_delivery():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with raw_server(talk) as port, webhooks() as channel:
        check(await channel.send(message(f"https://127.0.0.1:{port}/")), OutcomeKind.TEMPORARY, "TLS_FAILED")


async def test_a_name_rebound_between_check_and_use_leads_nowhere_new(public_network, tmp_path):
    """The resolver says a public address when it is checked and loopback to whoever asks again."""
    ports, dialled = public_network
    outside, inside = Receiver(), Receiver()
    authority = Authority(tmp_path)
    context = authority.server(NAME, [])
    resolve, asked = names([PUBLIC], ["127.0.0.1"])
    async with https_server(outside, context) as port, https_server(inside, context) as inner:
        ports.update({PUBLIC: port, "127.0.0.1": inner})
        async with webhooks(resolve, allow_private=False, ca_file=authority.file, idle_timeout=0.01) as channel:
            target = channel.check_address(f"https://{NAME}:{inner}/")
            assert await channel.send(message(target)) == DELIVERED
            assert asked == [(NAME, inner)]
            assert dialled == [PUBLIC]
            await asyncio.sleep(0.05)
            # A new connection is a new look-up, and a new check.
            check(await channel.send(message(target)), OutcomeKind.PERMANENT, "UNSAFE_ADDRESS")
            assert len(asked) == 2
    assert dialled == [PUBLIC]
    assert (outside.connections, inside.connections) == (1, 0)


@pytest.mark.parametrize("answer", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]])
async def test_names_that_lead_inside_are_refused(public_network, answer):
    _, dialled = public_network
    resolve, _ = names(answer)
    async with webhooks(resolve, allow_private=False) as channel:
        check(await channel.send(message(f"https://{NAME}/")), OutcomeKind.PERMANENT, "UNSAFE_ADDRESS")
    assert dialled == []


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("https://127.0.0.1/", "UNSAFE_ADDRESS"),
        ("https://[::1]/", "UNSAFE_ADDRESS"),
        ("https://localhost/", "UNSAFE_ADDRESS"),
        ("http://example.org/", "INVALID_ADDRESS"),
        ("https://a:sesame@example.org/", "INVALID_ADDRESS"),
        ("", "INVALID_ADDRESS"),
        (None, "INVALID_ADDRESS"),
    ],
)
async def test_an_address_is_checked_once_more(public_network, address, code):
    _, dialled = public_network
    async with webhooks(names([PUBLIC])[0], allow_private=False) as channel:
        check(await channel.send(message(address)), OutcomeKind.PERMANENT, code)
    assert dialled == []


async def test_the_next_address_is_tried(public_network, tmp_path):
    ports, dialled = public_network
    authority = Authority(tmp_path)
    resolve, _ = names(["2606:4700::1", "1.1.1.1", PUBLIC])
    async with https_server(Receiver(), authority.server(NAME, [])) as port:
        ports[PUBLIC] = port
        async with webhooks(resolve, allow_private=False, ca_file=authority.file) as channel:
            assert await channel.send(message(f"https://{NAME}/")) == DELIVERED
    assert dialled == ["2606:4700::1", "1.1.1.1", PUBLIC]


async def test_a_name_without_an_address_may_have_one_later():
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{NAME} is not known")

    async with webhooks(unknown) as channel:
        check(await channel.send(message(f"https://{NAME}/")), OutcomeKind.TEMPORARY, "NAME_NOT_RESOLVED")
    async with webhooks(names([])[0]) as channel:
        check(await channel.send(message(f"https://{NAME}/")), OutcomeKind.TEMPORARY, "NAME_NOT_RESOLVED")


async def test_a_slow_name_server_does_not_hold_us():
    async def slow(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(10)
        return [PUBLIC]

    async with webhooks(slow, connect_timeout=0.1) as channel, asyncio.timeout(2):
        check(await channel.send(message(f"https://{NAME}/")), OutcomeKind.TEMPORARY, "CONNECT_TIMEOUT")


async def test_the_machines_own_resolver():
    receiver = Receiver()
    resolver = SystemResolver(1)
    assert set(await resolver("localhost", 80)) <= {"127.0.0.1", "::1"}
    resolver.close()
    async with raw_server(receiver.talk) as port, webhooks() as channel:
        assert await channel.send(message(f"http://localhost:{port}/")) == DELIVERED


async def test_proxies_of_the_environment_have_no_say(monkeypatch):
    proxy, receiver = Receiver(), Receiver()
    async with raw_server(proxy.talk) as elsewhere, raw_server(receiver.talk) as port:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{elsewhere}")
        async with webhooks() as channel:
            assert await channel.send(message(url(port))) == DELIVERED
    assert (proxy.connections, receiver.connections) == (0, 1)


async def test_a_sink_gets_what_is_for_others(public_network):
    ports, dialled = public_network
    sink = Receiver()
    async with raw_server(sink.talk) as port:
        ports["127.0.0.1"] = port
        settings = {"allow_private": False, "deliver_to": f"http://127.0.0.1:{port}/"}
        async with webhooks(names([PUBLIC])[0], **settings) as channel:
            assert await channel.send(message(f"https://{NAME}/x?y")) == DELIVERED
            # The rule stays the one of everyday life.
            check(await channel.send(message(url(port))), OutcomeKind.PERMANENT, "INVALID_ADDRESS")
    assert dialled == ["127.0.0.1"]
    first, headers, _ = sink.requests[0]
    assert first == "POST / HTTP/1.1"
    assert headers["webhook-original-url"] == f"https://{NAME}/x?y"
    assert headers["host"] == f"127.0.0.1:{port}"


async def test_content():
    async with webhooks() as channel:
        assert list(channel.check_content(NewNotification("anna", "T" * 255, "x" * 20_000, "webhook"))) == []
