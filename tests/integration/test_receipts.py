"""Receipts from outside, on a running hub that wants keys: what providers may do with a signature, and nobody without."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from standardwebhooks import Webhook

from hub.admin.keys import new_key
from hub.channels.sms_receipts import signature
from hub.dev.sms_gateway import AUTH_TOKEN
from hub.domain.ids import new_id
from hub.domain.principals import Scope
from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

OUTSIDE = "https://hub.example.test/receipts/sms"
"""What providers call; a proxy hands it on to the hub's own address."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY, ENTRY = new_key("ours", list(Scope), "test")
NUMBER = "+12025550123"
ADDRESS = "ada@example.org"
TEXT = "Your code is 271828."


@pytest.fixture(scope="module")
async def hub(
    mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    keys_file = tmp_path_factory.mktemp("keys") / "keys.json"
    keys_file.write_text(json.dumps([json.loads(ENTRY)]))
    more = {
        "HUB_AUTH__KEYS_FILE": str(keys_file),
        "HUB_CHANNELS__SMS__RECEIPT_URL": OUTSIDE,
        "HUB_CHANNELS__EMAIL__RECEIPT_SECRET": SECRET,
    }
    async with running_hub(mongo_url, f"{mongo_database}_receipts", None, roles=("all",), more=more) as running:
        yield running


@dataclass
class World:
    """A caller with a key, and providers without one."""

    hub: RunningHub
    caller: httpx2.AsyncClient
    provider: httpx2.AsyncClient

    async def sent(self, **fields: Any) -> str:
        """A new notification that its provider has taken over; its id."""
        command = {"user_id": "ada", "title": "T", "message": TEXT, **fields}
        created = await self.caller.post("/api/v1/notifications", json=command)
        assert created.status_code == 201, created.text
        identifier: str = created.json()["id"]

        async def is_sent() -> bool:
            return bool((await self.get(identifier))["status"] == "sent")

        await until(is_sent)
        return identifier

    async def get(self, identifier: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.caller.get(f"/api/v1/notifications/{identifier}")).json()
        return found

    async def sms(
        self, identifier: str, word: str, *, attempt: int = 1, token: str = AUTH_TOKEN, **more: str
    ) -> httpx2.Response:
        """A status callback as Twilio makes it."""
        query = urlencode({"notification_id": identifier, "attempt": attempt})
        fields = {"MessageSid": "SM1", "MessageStatus": word, "To": NUMBER, **more}
        headers = {"X-Twilio-Signature": signature(token.encode(), f"{OUTSIDE}?{query}", fields.items())}
        return await self.provider.post(f"/receipts/sms?{query}", data=fields, headers=headers)

    async def mail(
        self, report: dict[str, Any], *, secret: str = SECRET, age: timedelta = timedelta()
    ) -> httpx2.Response:
        """A signed webhook as Standard Webhooks has it."""
        body, moment = json.dumps(report), datetime.now(UTC) - age
        headers = {
            "Webhook-Id": "msg_1",
            "Webhook-Timestamp": str(int(moment.timestamp())),
            "Webhook-Signature": Webhook(secret).sign("msg_1", moment, body),
            "Content-Type": "application/json",
        }
        return await self.provider.post("/receipts/email", content=body, headers=headers)


@pytest.fixture
async def world(hub: RunningHub) -> AsyncIterator[World]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        httpx2.AsyncClient(base_url=hub.base_url, timeout=20, headers=headers) as caller,
        httpx2.AsyncClient(base_url=hub.base_url, timeout=20) as provider,
    ):
        yield World(hub, caller, provider)


def done(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.content) == (204, b"")


def is_problem(answer: httpx2.Response, status: int, reason: str) -> None:
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_a_text_message_is_reported_delivered_and_later_lost(world: World) -> None:
    identifier = await world.sent(type="sms", to=NUMBER)
    done(await world.sms(identifier, "sent"))
    assert (await world.get(identifier))["status"] == "sent"
    done(await world.sms(identifier, "delivered"))
    delivered = await world.get(identifier)
    assert (delivered["status"], delivered["status_reason"]) == ("delivered", None)
    assert delivered["delivered_at"] >= delivered["sent_at"]
    # Repeated, and late: nothing changes.
    for word in ("delivered", "sent", "queued"):
        done(await world.sms(identifier, word))
    assert await world.get(identifier) == delivered
    done(await world.sms(identifier, "undelivered", ErrorCode="30005"))
    lost = await world.get(identifier)
    assert (lost["status"], lost["status_reason"]["code"]) == ("failed", "REPORTED_FAILED")
    assert lost["status_reason"]["message"] == "A receipt says that it did not arrive (30005)."
    # Final: the two came in the wrong order, or somebody kept one.
    done(await world.sms(identifier, "delivered"))
    assert await world.get(identifier) == lost


async def test_a_failure_of_an_earlier_attempt_does_not_touch_the_replay(world: World) -> None:
    identifier = await world.sent(type="sms", to=NUMBER)
    done(await world.sms(identifier, "failed"))
    assert (await world.get(identifier))["status"] == "failed"
    replay = await world.caller.post("/api/v1/dead-letters/replay", json={"ids": [identifier]})
    assert replay.json()["count"] == 1, replay.text

    async def sent_again() -> bool:
        found = await world.get(identifier)
        return bool(found["status"] == "sent" and len(found["attempts"]) == 2)

    await until(sent_again)
    again = await world.get(identifier)
    done(await world.sms(identifier, "failed", attempt=1))
    assert await world.get(identifier) == again
    done(await world.sms(identifier, "failed", attempt=2))
    assert (await world.get(identifier))["status"] == "failed"


async def test_a_mail_is_reported_by_its_message_id_or_by_the_notifications(world: World) -> None:
    at = datetime.now(UTC).isoformat()
    for about in (
        lambda identifier: {"message_id": f"<{identifier}@example.test>"},
        lambda identifier: {"notification_id": identifier},
    ):
        identifier = await world.sent(type="email", to=ADDRESS)
        done(await world.mail({"type": "deferred", "at": at, **about(identifier)}))
        assert (await world.get(identifier))["status"] == "sent"
        done(await world.mail({"type": "delivered", "at": at, **about(identifier)}))
        assert (await world.get(identifier))["status"] == "delivered"
        done(await world.mail({"type": "bounced", "at": at, "recipient": ADDRESS, **about(identifier)}))
        bounced = await world.get(identifier)
        assert (bounced["status"], bounced["status_reason"]["code"]) == ("failed", "REPORTED_FAILED")


async def test_the_message_id_that_went_out_is_the_one_that_is_understood(world: World) -> None:
    identifier = await world.sent(type="email", to=ADDRESS)
    outbox = (await world.caller.get("/dev/outbox.json")).json()
    sent = next(message for message in outbox if message["notification_id"] == identifier)
    message_id = sent["headers"]["Message-ID"]
    done(await world.mail({"type": "delivered", "at": datetime.now(UTC).isoformat(), "message_id": message_id}))
    assert (await world.get(identifier))["status"] == "delivered"


async def test_the_watchers_of_a_notification_are_told(world: World) -> None:
    identifier = await world.sent(type="sms", to=NUMBER)
    async with world.caller.stream("GET", f"/api/v1/notifications/{identifier}/stream") as stream:
        told = False
        async for line in stream.aiter_lines():
            if '"status":"sent"' in line and not told:
                told = True
                done(await world.sms(identifier, "delivered"))
            if '"status":"delivered"' in line:
                break
    assert told


async def test_without_its_signature_nothing_is_believed(world: World) -> None:
    text, mail = await world.sent(type="sms", to=NUMBER), await world.sent(type="email", to=ADDRESS)
    report = {"type": "bounced", "notification_id": mail, "at": datetime.now(UTC).isoformat()}
    form = {"MessageStatus": "failed"}
    answers = [
        await world.sms(text, "failed", token="another"),
        await world.provider.post(f"/receipts/sms?notification_id={text}&attempt=1", data=form),
        # Nor does a key do, whatever its scopes.
        await world.caller.post(f"/receipts/sms?notification_id={text}&attempt=1", data=form),
        await world.mail(report, secret="whsec_" + "A" * 32),
        await world.mail(report, age=timedelta(minutes=6)),
        await world.mail(report, age=-timedelta(minutes=6)),
        await world.provider.post("/receipts/email", json=report),
    ]
    for answer in answers:
        is_problem(answer, 403, "PERMISSION_DENIED")
    assert [(await world.get(one))["status"] for one in (text, mail)] == ["sent", "sent"]


async def test_one_channels_signature_opens_no_other_channels_notification(world: World) -> None:
    text = await world.sent(type="sms", to=NUMBER)
    done(await world.mail({"type": "bounced", "notification_id": text, "at": datetime.now(UTC).isoformat()}))
    assert (await world.get(text))["status"] == "sent"


async def test_of_what_is_unknown_providers_are_told_nothing_and_asked_nothing(world: World) -> None:
    deleted = await world.sent(type="sms", to=NUMBER)
    assert (await world.caller.delete(f"/api/v1/notifications/{deleted}")).status_code == 204
    for identifier in (str(new_id()), deleted, "nonsense"):
        done(await world.sms(identifier, "delivered"))
    assert (await world.caller.get(f"/api/v1/notifications/{deleted}")).status_code == 404


@pytest.mark.parametrize("provider", ["webhook", "in_app", "twilio", "x" * 1000])
async def test_who_sends_no_receipts_has_no_place(world: World, provider: str) -> None:
    is_problem(await world.provider.post(f"/receipts/{provider}", content=b"{}"), 404, "NOT_FOUND")


def chunked(size: int) -> Any:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(size // 1024):
            yield b"x" * 1024

    return parts()


@pytest.mark.parametrize(
    "body", [lambda: b"x" * (64 * 1024 + 1), lambda: chunked(1024 * 1024)], ids=["declared", "chunked"]
)
async def test_a_large_one_is_not_even_looked_at(world: World, body: Callable[[], Any]) -> None:
    for provider in ("sms", "email"):
        is_problem(await world.provider.post(f"/receipts/{provider}", content=body()), 413, "TOO_LARGE")


async def test_only_posts(world: World) -> None:
    answer = await world.provider.get("/receipts/sms")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_signed_but_no_report_names_the_field(world: World) -> None:
    answer = await world.mail({"type": "bounced", "notification_id": str(new_id())})
    is_problem(answer, 422, "INVALID_VALUE")
    assert [violation["field"] for violation in answer.json()["violations"]] == ["at"]


async def test_what_was_said_in_the_log_names_nobody(world: World) -> None:
    """Of all that was sent above and here."""
    identifier = await world.sent(type="sms", to=NUMBER)
    done(await world.sms(identifier, "delivered"))
    log = world.hub.processes["all"].log_text()
    lines = [json.loads(line) for line in log.splitlines() if '"event": "receipt"' in line]
    assert {"provider": "sms", "notification_id": identifier, "done": "delivered"}.items() <= lines[-1].items()
    assert not [word for word in (NUMBER, TEXT, SECRET, ADDRESS, KEY) if word in log]
