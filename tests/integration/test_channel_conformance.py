"""What every channel must do, whatever it is: run for each one that is registered."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.channels.registry import CHANNELS, build_channels
from hub.domain.channels import Channel, Message
from hub.domain.errors import Violation
from hub.domain.ids import new_id
from hub.domain.notifications import NewNotification, OutcomeKind
from hub.domain.retry import RetryPolicy
from tests.integration.smtp_servers import raw_server

HOUR = timedelta(hours=1)
TITLE, TEXT, SECRET = "marked-title", "marked-text", "marked-secret-of-thirty-bytes."
ADDRESSES = {
    "email": "marked-name@marked.example.org",
    "sms": "+12025550123",
    "webhook": "http://127.0.0.1:{port}/marked-path",
}
"""One good address for each channel that has any; a new channel gets its line here and in `settings_of`."""
MARKS = (TITLE, TEXT, SECRET, "marked", "2025550123")
names = pytest.mark.parametrize("name", list(CHANNELS))
senders = pytest.mark.parametrize("name", list(ADDRESSES))


def settings_of(name: str, port: int) -> dict[str, Any]:
    """Settings with which a channel's provider is whoever listens on that port of loopback, or nobody."""
    secrets = {"default": ["whsec_" + base64.b64encode(SECRET.encode()).decode()]}
    known: dict[str, dict[str, Any]] = {
        "email": {"host": "127.0.0.1", "port": port, "security": "none", "sender_address": "hub@example.org"},
        "sms": {
            "base_url": f"http://127.0.0.1:{port}",
            "account_sid": "AC1",
            "auth_token": SECRET,
            "sender": "Hub",
        },
        "webhook": {"secrets": secrets, "allow_private": True},
        "in_app": {},
    }
    return known[name]


@asynccontextmanager
async def built(name: str, port: int = 1, **more: Any) -> AsyncIterator[Channel]:
    channels = build_channels({name: {**settings_of(name, port), **more}}, HOUR)
    try:
        yield channels[name]
    finally:
        for channel in channels.values():
            await channel.aclose()


def message(name: str, port: int, **changes: Any) -> Message:
    address = ADDRESSES[name].format(port=port) if name in ADDRESSES else None
    fields: dict[str, Any] = {
        "id": new_id(),
        "tenant": "default",
        "user_id": "anna",
        "address": address,
        "title": TITLE,
        "text": TEXT,
        "html": f"<p>{TEXT}</p>" if name == "email" else None,
        "correlation_id": "c-1",
    }
    return Message(**{**fields, **changes})


@pytest.fixture
def nobody() -> int:
    """A port of loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@names
async def test_it_is_what_it_was_registered_as(name):
    async with built(name) as channel:
        assert channel.name == name
        assert (channel.contact_point is None) == (name not in ADDRESSES)
        assert timedelta(0) < channel.send_timeout < timedelta(seconds=30)
        assert channel.concurrency >= 1
        assert isinstance(channel.retry, RetryPolicy)
        assert channel.retry.give_up_after > timedelta(0)
        assert channel.retry.longest_delay == HOUR


@names
async def test_what_every_channel_can_be_told(name):
    more: dict[str, Any] = {"concurrency": "3", "send_timeout": "4", "give_up_after": "PT2H", "on_ambiguous": "hold"}
    async with built(name, **more) as channel:
        assert (channel.concurrency, channel.send_timeout) == (3, timedelta(seconds=4))
        assert (channel.retry.give_up_after, channel.retry.on_ambiguous) == (2 * HOUR, "hold")


@names
async def test_closing_twice_is_closing(name):
    async with built(name) as channel:
        await channel.aclose()
        await channel.aclose()


@senders
async def test_a_good_address_has_one_canonical_form(name):
    async with built(name) as channel:
        canonical = channel.check_address(ADDRESSES[name].format(port=8080))
        assert channel.check_address(canonical) == canonical
        assert canonical.isascii()
        assert canonical.isprintable()
        assert len(canonical) <= 512


@names
@given(text=st.one_of(st.text(), st.text().map("https://{}".format), st.text().map("a@{}.org".format)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_other_address_is_refused_in_a_sentence(name, text):
    canonical = checked(name, text)
    assert canonical is None or checked(name, canonical) == canonical


def checked(name: str, text: str) -> str | None:
    try:
        return kept(name).check_address(text)
    except UnicodeError:
        # A ValueError, too, but one that quotes what it was given.
        raise
    except ValueError as error:
        refusal = str(error)
    assert refusal.split(" ", maxsplit=1)[0] in {"must", "takes"}, "a sentence that goes on after the name of the field"
    return None


_kept: dict[str, Channel] = {}


def kept(name: str) -> Channel:
    """One channel for many examples; it never connects to anything."""
    if name not in _kept:
        _kept.update(build_channels({one: settings_of(one, 1) for one in CHANNELS}, HOUR))
    return _kept[name]


@pytest.fixture(autouse=True, scope="module")
async def _close_kept():
    yield
    for channel in _kept.values():
        await channel.aclose()
    _kept.clear()


@names
@pytest.mark.parametrize("text", ["x", "x" * 20_000, "ж" * 20_000, "🎉\u202e\u2028\t"])
async def test_content_is_judged_in_violations(name, text):
    async with built(name) as channel:
        for violation in channel.check_content(NewNotification("anna", TITLE, text, name)):
            assert isinstance(violation, Violation)
            assert violation.field in {"message", "title", "html", "to"}
            assert text not in violation.message or len(text) == 1


@senders
async def test_a_provider_that_cannot_be_reached_is_a_passing_trouble(name, nobody, caplog, capfd):
    caplog.set_level(logging.INFO)
    async with built(name, nobody) as channel:
        outcome = await channel.send(message(name, nobody))
    assert outcome.kind is OutcomeKind.TEMPORARY
    assert outcome.error is not None
    assert outcome.error.code.isupper()
    told = [outcome.error.message, outcome.error.code, *capfd.readouterr()]
    told += [record.getMessage() for record in caplog.records if not library(record)]
    assert not [mark for mark in MARKS if any(mark in text for text in told)]


def library(record: logging.LogRecord) -> bool:
    """Libraries below warnings are not heard: `hub.log` sets their level."""
    return record.levelno < logging.WARNING and not record.name.startswith("hub")


@senders
@pytest.mark.parametrize("greeting", [b"", b"\x00\xff\r\n", b"HTTP/1.1 999 X\r\n\r\n", b"554 no\r\n", b"x" * 300_000])
async def test_whatever_a_provider_says_is_data(name, greeting, caplog, capfd):
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        await asyncio.sleep(0.05)

    async with raw_server(talk) as port, built(name, port) as channel:
        outcome = await channel.send(message(name, port))
    assert outcome.kind not in {OutcomeKind.ACCEPTED, OutcomeKind.DELIVERED}
    assert outcome.error is not None
    told = [outcome.error.message, *capfd.readouterr()]
    told += [record.getMessage() for record in caplog.records if not library(record)]
    assert not [mark for mark in MARKS if any(mark in text for text in told)]


@senders
async def test_a_silent_provider_costs_no_more_than_the_send_timeout(name):
    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk) as port, built(name, port, send_timeout="1") as channel, asyncio.timeout(1):
        outcome = await channel.send(message(name, port))
    assert outcome.kind in {OutcomeKind.TEMPORARY, OutcomeKind.AMBIGUOUS}


@senders
async def test_without_an_address_nothing_is_sent(name, nobody):
    async with built(name, nobody) as channel:
        outcome = await channel.send(message(name, nobody, address=None))
    assert outcome.kind is OutcomeKind.PERMANENT


@senders
async def test_a_cancelled_send_leaves_nothing_behind(name):
    connected, gone = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        connected.set()
        while await reader.read(65536):
            pass
        gone.set()

    async with raw_server(talk) as port:
        async with built(name, port) as channel:
            before = asyncio.all_tasks()
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(channel.send(message(name, port)))
                async with asyncio.timeout(5):
                    await connected.wait()
                # In Python 3.11 `asyncio.wait_for`, which aiosmtplib uses, overlooks a cancellation that comes in the
                # very turn of the loop in which it is done.
                await asyncio.sleep(0.05)
                sending.cancel()
            assert sending.cancelled()
            await asyncio.sleep(0.05)
            # What serves the connection on the other side is the test's own.
            left = [task for task in asyncio.all_tasks() - before if "serve" not in repr(task.get_coro())]
            assert not left
        async with asyncio.timeout(5):
            await gone.wait()


@senders
async def test_many_at_once_go_their_own_ways(name, nobody):
    async with built(name, nobody) as channel:
        outcomes = await asyncio.gather(*(channel.send(message(name, nobody)) for _ in range(channel.concurrency)))
    assert {outcome.kind for outcome in outcomes} <= {OutcomeKind.TEMPORARY, OutcomeKind.THROTTLED}


async def test_a_channel_without_a_provider_is_done_at_once():
    async with built("in_app") as channel:
        assert (await channel.send(message("in_app", 1))).kind is OutcomeKind.DELIVERED
