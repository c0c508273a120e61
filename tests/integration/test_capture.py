"""Capture: the channels as configured by it reach its sinks over SMTP and HTTP, and the page shows what came."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiosmtplib
import httpx2
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.channels.registry import build_channels
from hub.channels.standard_webhooks import signature
from hub.dev.capture import Capture, capture
from hub.dev.loopback import on_loopback
from hub.dev.outbox import routes
from hub.dev.smtp_sink import read_mail
from hub.dev.webhook_sink import SECRET
from hub.domain.channels import Channel, Message, Reporting
from hub.domain.ids import new_id
from hub.domain.notifications import OutcomeKind
from hub.domain.receipts import Callback, Receipt
from hub.domain.status import Status
from tests.hub_process import free_ports


@asynccontextmanager
async def channels_of(
    sinks: Capture, user_settings: dict[str, dict[str, Any]] | None = None
) -> AsyncIterator[dict[str, Channel]]:
    channels = build_channels(sinks.redirect(user_settings or {}), timedelta(hours=1))
    try:
        yield channels
    finally:
        for channel in channels.values():
            await channel.aclose()


def message(sinks: Capture, contact_point: str, **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "id": new_id(),
        "tenant": "default",
        "user_id": "user123",
        "address": sinks.contact_points.sample(contact_point, "user123"),
        "title": "Welcome!",
        "text": "Grüße,\n.\nHub",
        "html": None,
        "correlation_id": "c-1",
    }
    return Message(**{**fields, **changes})


@asynccontextmanager
async def page_of(sinks: Capture) -> AsyncIterator[httpx2.AsyncClient]:
    """The routes behind a real server on a socket."""
    config = uvicorn.Config(Starlette(routes=list(routes(sinks.outbox))), lifespan="off", log_config=None, ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listener = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listener])
    try:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", trust_env=False
        ) as client:
            yield client
    finally:
        await server.shutdown(sockets=[listener])


async def test_mail_is_captured():
    async with capture() as sinks, channels_of(sinks) as channels:
        sent = message(sinks, "email", html="<p>Grüße</p>")
        outcome = await channels["email"].send(sent)
        assert outcome.kind is OutcomeKind.ACCEPTED
        assert outcome.provider_id is not None
        (captured,) = sinks.outbox
    assert captured.channel == "email"
    assert captured.recipient == "user123@example.test"
    assert captured.subject == "Welcome!"
    assert captured.text == "Grüße,\n.\nHub\n"
    assert captured.html == "<p>Grüße</p>\n"
    assert captured.notification_id == sent.id
    assert captured.headers["X-Correlation-Id"] == "c-1"


async def test_sms_is_captured():
    async with capture() as sinks, channels_of(sinks) as channels:
        sent = message(sinks, "phone")
        assert channels["sms"].check_address(sent.address or "") == sent.address
        outcome = await channels["sms"].send(sent)
        assert outcome.kind is OutcomeKind.ACCEPTED
        assert (outcome.provider_id or "").startswith("SM")
        (captured,) = sinks.outbox
    assert (captured.channel, captured.recipient, captured.subject) == ("sms", sent.address, None)
    assert captured.text == "Grüße,\n.\nHub"
    assert captured.notification_id == sent.id


async def test_the_sms_gateway_reports_delivery_to_this_machine_alone():
    seen = asyncio.Queue[Callback](10)

    async def take(request: Request) -> Response:
        headers = dict(request.headers)
        seen.put_nowait(Callback(request.scope["query_string"].decode(), headers, await request.body()))
        return Response(status_code=204)

    hub = on_loopback(Starlette(routes=[Route("/receipts/sms", take, methods=["POST"])]), 0)
    async with hub as port, capture() as sinks:
        elsewhere = {"sms": {"receipt_url": f"https://127.0.0.1:{port}/receipts/sms"}}
        async with channels_of(sinks, elsewhere) as channels:
            await channels["sms"].send(message(sinks, "phone"))
        here = {"sms": {"receipt_url": f"http://127.0.0.1:{port}/receipts/sms"}}
        async with channels_of(sinks, here) as channels, asyncio.timeout(10):
            sent = message(sinks, "phone", attempt=3)
            await channels["sms"].send(sent)
            channel = channels["sms"]
            assert isinstance(channel, Reporting)
            assert channel.receipts is not None
            assert channel.receipts.read(await seen.get()) == Receipt(sent.id, Status.DELIVERED, attempt=3)
    assert seen.empty()


async def test_webhooks_are_captured():
    async with capture() as sinks, channels_of(sinks) as channels:
        sent = message(sinks, "webhook")
        assert channels["webhook"].check_address(sent.address or "") == sent.address
        for tenant in ("default", "another"):
            assert (
                await channels["webhook"].send(message(sinks, "webhook", tenant=tenant))
            ).kind is OutcomeKind.DELIVERED
        assert (await channels["webhook"].send(sent)).kind is OutcomeKind.DELIVERED
        captured, *_ = sinks.outbox
        assert len(sinks.outbox) == 3
    assert (captured.channel, captured.subject) == ("webhook", "Welcome!")
    assert captured.recipient == "https://hooks.example.test/user123"
    assert captured.text == "Grüße,\n.\nHub"
    assert captured.notification_id == sent.id
    assert captured.headers["Webhook-Signature"].startswith("v1,")


async def test_the_webhook_sink_checks_what_it_is_sent():
    def signed(body: bytes, identifier: str = "1") -> dict[str, str]:
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        return {
            "webhook-id": identifier,
            "webhook-timestamp": "2",
            "webhook-signature": signature(key, identifier, "2", body),
        }

    async with capture() as sinks, httpx2.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{sinks.webhook_port}/any/path"
        good = b'{"data": {}}'
        assert (await client.post(url, content=good)).status_code == 401
        assert (await client.post(url, content=good, headers=signed(b"other"))).status_code == 401
        for bad in (b"", b"x", b"[]", b'{"data": 1}', b"[" * 100_000):
            assert (await client.post(url, content=bad, headers=signed(bad))).status_code == 400
        assert (await client.get(url)).status_code == 405
        assert len(sinks.outbox) == 0
        assert (await client.post(url, content=good, headers=signed(good))).status_code == 204
        assert [message.notification_id for message in sinks.outbox] == [None]


async def test_many_at_once_newest_first_and_bounded():
    async with capture() as sinks, channels_of(sinks) as channels:
        for start in range(0, 600, 20):
            outcomes = await asyncio.gather(
                *(channels["email"].send(message(sinks, "email", title=f"T{start + i}")) for i in range(20))
            )
            assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
        assert len(sinks.outbox) == 500
        assert next(iter(sinks.outbox)).subject in {f"T{i}" for i in range(580, 600)}


async def test_the_gateway_checks_what_it_is_sent():
    async with capture() as sinks, httpx2.AsyncClient(trust_env=False) as client:
        base = f"http://127.0.0.1:{sinks.sms_port}/2010-04-01/Accounts"
        form = {"To": "+12025550100", "From": "Hub", "Body": "x"}
        good = ("ACcapture", "capture")
        statuses = [
            (await client.post(f"{base}/ACcapture/Messages.json", data=form)).status_code,
            (await client.post(f"{base}/ACcapture/Messages.json", data=form, auth=("ACcapture", "no"))).status_code,
            (await client.post(f"{base}/ACother/Messages.json", data=form, auth=good)).status_code,
            (await client.post(f"{base}/ACcapture/Messages.json", data={**form, "To": ""}, auth=good)).status_code,
            (await client.post(f"{base}/ACcapture/Messages.json", data={**form, "Body": ""}, auth=good)).status_code,
            (await client.get(f"{base}/ACcapture/Messages.json", auth=good)).status_code,
        ]
        assert statuses == [401, 401, 401, 400, 400, 405]
        assert len(sinks.outbox) == 0


async def test_split_roles_meet_at_fixed_ports():
    smtp_port, sms_port, webhook_port = free_ports(3)
    ports = {"smtp_port": smtp_port, "sms_port": sms_port, "webhook_port": webhook_port}
    async with (
        capture(own_sinks=True, **ports) as owner,
        capture(own_sinks=False, **ports) as worker,
        channels_of(worker) as channels,
    ):
        assert owner.channel_settings() == worker.channel_settings()
        assert (await channels["email"].send(message(worker, "email"))).kind is OutcomeKind.ACCEPTED
        assert (await channels["sms"].send(message(worker, "phone"))).kind is OutcomeKind.ACCEPTED
        assert (await channels["webhook"].send(message(worker, "webhook"))).kind is OutcomeKind.DELIVERED
        assert [captured.channel for captured in owner.outbox] == ["webhook", "sms", "email"]
        assert len(worker.outbox) == 0


@pytest.mark.parametrize("name", ["smtp", "sms", "webhook"])
async def test_wrong_settings_are_named(name):
    ports = {f"{sink}_port": 1 for sink in ("smtp", "sms", "webhook") if sink != name}
    with pytest.raises(ValueError, match=f"HUB_DEV__CAPTURE_{name.upper()}_PORT must be set"):
        async with capture(own_sinks=False, **ports):
            pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"HUB_DEV__CAPTURE_{name.upper()}_PORT: cannot listen on port {port}"):
            async with capture(**{f"{name}_port": port}):
                pass


async def test_ports_are_free_again_even_if_clients_stay():
    async with capture() as sinks:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=sinks.smtp_port, start_tls=False)
        await client.connect()
        _, writer = await asyncio.open_connection("127.0.0.1", sinks.sms_port)
    async with capture(smtp_port=sinks.smtp_port, sms_port=sinks.sms_port) as again:
        assert again.smtp_port == sinks.smtp_port
    client.close()
    writer.close()


async def test_no_real_provider_is_reached_under_capture():
    user_settings: dict[str, dict[str, Any]] = {
        "email": {
            "host": "mail.example.org",
            "security": "tls",
            "username": "hub",
            "password": "secret",
            "sender_address": "news@example.org",
            "concurrency": "3",
        },
        "sms": {"base_url": "https://sms.example.org", "auth_token": "secret", "sender": "News"},
        "webhook": {"secrets": '{"default": ["whsec_secret"]}', "ca_file": "/nowhere", "concurrency": "5"},
    }
    async with capture() as sinks, channels_of(sinks, user_settings) as channels:
        assert channels["email"].concurrency == 3
        assert (await channels["email"].send(message(sinks, "email"))).kind is OutcomeKind.ACCEPTED
        assert (await channels["sms"].send(message(sinks, "phone"))).kind is OutcomeKind.ACCEPTED
        text, mail = sinks.outbox
    assert mail.headers["From"] == '"Notification hub" <news@example.org>'
    assert text.headers["From"] == "News"


async def test_the_page_shows_text_escaped_and_html_in_a_sandbox():
    evil = "<script>alert(1)</script>"
    async with capture() as sinks, channels_of(sinks) as channels, page_of(sinks) as client:
        assert "Nothing yet" in (await client.get("/dev/outbox")).text
        await channels["email"].send(message(sinks, "email", title=evil, text=evil, html=f"<p>{evil}</p>"))
        await channels["sms"].send(message(sinks, "phone", text=evil))
        page = await client.get("/dev/outbox")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert evil not in page.text
        assert page.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
        assert "style=" not in page.text
        assert "<style" not in page.text
        assert page.text.index("+1") < page.text.index("user123@example.test")
        assert '<iframe sandbox loading=lazy title="HTML of message 1" src="/dev/outbox/1.html">' in page.text
        mail = await client.get("/dev/outbox/1.html")
        assert mail.text == f"<p>{evil}</p>\n"
        assert mail.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert (await client.get("/dev/outbox/2.html")).status_code == 404
        assert (await client.get("/dev/outbox/99.html")).status_code == 404
        assert (await client.get("/dev/outbox.css")).headers["content-type"].startswith("text/css")
        assert (await client.get("/dev/outbox.js")).headers["content-type"].startswith("text/javascript")


async def test_the_outbox_as_json():
    async with capture() as sinks, channels_of(sinks) as channels, page_of(sinks) as client:
        sent = message(sinks, "email")
        await channels["email"].send(sent)
        await channels["sms"].send(message(sinks, "phone"))
        listed = (await client.get("/dev/outbox.json")).json()
        assert [item["channel"] for item in listed] == ["sms", "email"]
        assert listed[1]["notification_id"] == str(sent.id)
        assert listed[1]["subject"] == "Welcome!"
        assert listed[1]["html"] is None
        assert [item["number"] for item in (await client.get("/dev/outbox.json?limit=1")).json()] == [2]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"no headers",
        b"Subject: =?utf-8?b?///?=\r\n\r\nx",
        b"Content-Type: text/plain; charset=klingon\r\n\r\n\xff",
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n",
        b"Content-Type: multipart/alternative\r\n\r\n",
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Message-ID: <not-an-id@example.org>\r\n\r\nx",
        b"Subject: =?klingon?q?a?=\r\n\r\nx",
        b"Subject: =?utf-8?q?=ED=A0=80?=\r\n\r\nx",
        b"Content-Type: text/plain; charset=\r\n\r\nx",
        b"From: \xff\xfe\r\nTo: <\r\nDate: never\r\n\r\nx",
        bytes(range(256)),
    ],
)
def test_no_mail_is_too_broken_to_be_shown(raw):
    captured = read_mail(raw, "anna@example.org")
    assert captured.recipient == "anna@example.org"
    assert captured.notification_id is None
    assert json.dumps(captured.as_json(), ensure_ascii=False).encode()


@given(st.binary(max_size=500))
def test_no_bytes_are_too_broken_to_be_shown(raw):
    assert json.dumps(read_mail(raw, "anna@example.org").as_json(), ensure_ascii=False).encode()
