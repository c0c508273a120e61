"""Create, get, list, change status: once written, driven through all three protocols."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dirty_equals import IsInt, IsStr

from tests.contract.comparing import everywhere, refused, refused_everywhere, status_becomes
from tests.contract.conftest import NAMES, Drivers
from tests.contract.drivers import Driver, text
from tests.hub_process import RunningHub

Body = dict[str, Any]


def welcome(user_id: str, **more: Any) -> Body:
    return {"user_id": user_id, "title": "Welcome!", "message": "Welcome to our platform", "type": "email", **more}


def in_future(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


IsId = IsStr(regex=r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
IsTime = IsStr(regex=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.mark.parametrize("name", NAMES)
async def test_a_notification_is_created_sent_and_then_the_same_everywhere(
    name: str, drivers: Drivers, hub: RunningHub, user: str
) -> None:
    metadata = {"priority": "high", "category": "welcome", "n": 1, "x": 1.5, "list": [1, {"deep": None}], "b": True}
    created, replayed = await drivers[name].create(welcome(user, html="<p>Hi</p>", metadata=metadata))
    assert not replayed
    assert created == {
        "id": IsId,
        "user_id": user,
        "title": "Welcome!",
        "message": "Welcome to our platform",
        "type": "email",
        "html": "<p>Hi</p>",
        "to": None,
        "metadata": metadata,
        "priority": "high",
        "category": "welcome",
        "status": "pending",
        "status_reason": None,
        "attempts": [],
        "scheduled_at": None,
        "expires_at": None,
        "next_attempt_at": IsTime,
        "created_at": IsTime,
        "updated_at": IsTime,
        "sent_at": None,
        "delivered_at": None,
        "read_at": None,
        "seen_at": None,
        "archived_at": None,
        "version": 1,
    }
    await status_becomes(drivers.rest, created["id"], "sent")
    sent = await everywhere(drivers, lambda driver: driver.get(created["id"]))
    assert sent["attempts"] == [
        {
            "number": 1,
            "provider": IsStr(),
            "provider_id": IsStr() | None,
            "started_at": IsTime,
            "finished_at": IsTime,
            "outcome": "accepted",
            "error": None,
        }
    ]
    assert (sent["version"], sent["next_attempt_at"]) == (IsInt(ge=3), None)
    mails: list[Any] = [mail for mail in await hub.outbox() if mail["notification_id"] == created["id"]]
    assert len(mails) == 1
    assert (mails[0]["subject"], mails[0]["text"].strip()) == ("Welcome!", "Welcome to our platform")


@pytest.mark.parametrize("channel", ["sms", "in_app"])
async def test_every_channel_delivers(channel: str, driver: Driver, user: str) -> None:
    created, _ = await driver.create(welcome(user, type=channel))
    found = await status_becomes(driver, created["id"], "sent", "delivered")
    assert found["status"] == {"sms": "sent", "in_app": "delivered"}[channel]


async def test_an_id_that_is_unknown_or_none_is_not_found(drivers: Drivers) -> None:
    for notification_id in ("01890a5d-ac96-774b-bcce-b302099a8057", "nonsense", "user:x", "0" * 500):
        found = await refused_everywhere(drivers, lambda driver, i=notification_id: driver.get(i))  # type: ignore[misc]
        assert (found.code, found.reason) == ("NOT_FOUND", "NOT_FOUND")


def nested(levels: int) -> Body:
    """An object so many levels deep below itself."""
    return {"a": nested(levels - 1)} if levels else {}


WRONG: list[tuple[Body, str, tuple[str, ...]]] = [
    ({"user_id": "white space"}, "INVALID_VALUE", ("user_id",)),
    ({"user_id": ".."}, "INVALID_VALUE", ("user_id",)),
    ({"user_id": "x" * 129}, "INVALID_VALUE", ("user_id",)),
    ({"title": ""}, "INVALID_VALUE", ("title",)),
    ({"title": "x" * 256}, "INVALID_VALUE", ("title",)),
    ({"title": "two\r\nBcc: lines@example.test"}, "INVALID_VALUE", ("title",)),
    ({"message": "x" * 20_001}, "INVALID_VALUE", ("message",)),
    ({"message": "a\0b"}, "INVALID_VALUE", ("message",)),
    ({"type": "pigeon"}, "UNKNOWN_CHANNEL", ("type",)),
    ({"type": "sms", "html": "<p>"}, "INVALID_VALUE", ("html",)),
    ({"type": "sms", "message": "x" * 1531}, "INVALID_VALUE", ("message",)),
    ({"html": "x" * (256 * 1024 + 1)}, "INVALID_VALUE", ("html",)),
    ({"to": "nobody"}, "INVALID_VALUE", ("to",)),
    ({"to": "a@example.test\r\nBcc: b@example.test"}, "INVALID_VALUE", ("to",)),
    ({"type": "sms", "to": "0815"}, "INVALID_VALUE", ("to",)),
    ({"type": "in_app", "to": "a@example.test"}, "INVALID_VALUE", ("to",)),
    ({"metadata": {"priority": "urgent"}}, "INVALID_VALUE", ("metadata.priority",)),
    ({"metadata": {"category": "x" * 65}}, "INVALID_VALUE", ("metadata.category",)),
    ({"metadata": {"category": 1}}, "INVALID_VALUE", ("metadata.category",)),
    ({"metadata": {"a.b": 1}}, "INVALID_VALUE", ("metadata",)),
    ({"metadata": {"$a": 1}}, "INVALID_VALUE", ("metadata",)),
    ({"metadata": {"a": 2**53}}, "INVALID_VALUE", ("metadata.a",)),
    ({"metadata": {"a": "x" * 16 * 1024}}, "INVALID_VALUE", ("metadata",)),
    ({"metadata": nested(8)}, "INVALID_VALUE", ("metadata" + 8 * ".a",)),
    ({"expires_at": "2001-01-01T00:00:00Z"}, "INVALID_VALUE", ("expires_at",)),
    ({"scheduled_at": "2030-01-01T00:00:00Z", "expires_at": "2029-12-31T00:00:00Z"}, "INVALID_VALUE", ("expires_at",)),
    ({"title": "", "message": "", "user_id": ""}, "INVALID_VALUE", ("user_id", "title", "message")),
]


@pytest.mark.parametrize(("wrong", "reason", "fields"), WRONG, ids=[str(case[0])[:40] for case in WRONG])
async def test_bad_input_is_refused_and_names_the_field(
    wrong: Body, reason: str, fields: tuple[str, ...], drivers: Drivers, user: str
) -> None:
    found = await refused_everywhere(drivers, lambda driver: driver.create({**welcome(user), **wrong}))
    assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", reason, fields)
    assert (await drivers.rest.list_of_user(user))["items"] == []


async def test_numbers_mean_the_same_however_they_are_written(drivers: Drivers, user: str) -> None:
    numbers = {"one": 1.0, "minus": -0.0, "big": 2**53 - 1, "half": 0.5, "small": -(2**53 - 1)}
    for driver in drivers.all():
        created, _ = await driver.create(welcome(user, metadata=numbers, scheduled_at=in_future(hours=1)))
        found = await everywhere(drivers, lambda other, i=created["id"]: other.get(i))  # type: ignore[misc]
        assert text(found["metadata"]) == text(
            {"one": 1, "minus": 0, "big": 2**53 - 1, "half": 0.5, "small": -(2**53 - 1)}
        )


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
async def test_a_create_begun_in_one_protocol_is_repeated_in_another(
    first: str, second: str, drivers: Drivers, user: str
) -> None:
    key = f"key-{user}"
    command = welcome(user, metadata={"a": 1}, scheduled_at=in_future(hours=1))
    created, replayed = await drivers[first].create(command, key)
    repeated, again = await drivers[second].create({**command, "metadata": {"a": 1.0}}, key)
    assert (replayed, again) == (False, True)
    assert text(repeated) == text(created)
    mismatch = await refused(drivers[second].create({**command, "title": "Other"}, key))
    assert (mismatch.code, mismatch.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_MISMATCH")
    assert len((await drivers.rest.list_of_user(user))["items"]) == 1


async def test_one_key_used_by_all_at_once_makes_one_notification(drivers: Drivers, user: str) -> None:
    command = welcome(user, type="in_app")
    answers = await asyncio.gather(*(d.create(command, f"key-{user}") for d in drivers.all() for _ in range(10)))
    assert len({created["id"] for created, _ in answers}) == 1
    assert [replayed for _, replayed in answers].count(False) == 1


async def test_a_bad_key_is_refused(drivers: Drivers, user: str) -> None:
    for key in ("white space", "x" * 256, '""'):
        found = await refused_everywhere(drivers, lambda driver, k=key: driver.create(welcome(user), k))  # type: ignore[misc]
        assert (found.reason, found.fields) == ("INVALID_VALUE", ("idempotency_key",))


async def test_a_page_begun_in_rest_is_continued_in_the_others(drivers: Drivers, user: str) -> None:
    ids: list[str] = []
    for number in range(7):
        created, _ = await drivers.rest.create(welcome(user, title=f"n{number}", scheduled_at=in_future(hours=1)))
        ids.insert(0, created["id"])
    page = await everywhere(drivers, lambda driver: driver.list_of_user(user, limit=2))
    seen = [item["id"] for item in page["items"]]
    for driver in (drivers.graphql, drivers.grpc, drivers.rest):
        # Those that arrive meanwhile neither repeat nor push out anything.
        await driver.create(welcome(user, scheduled_at=in_future(hours=1)))
        page = await driver.list_of_user(user, limit=2, after=page["next_cursor"])
        seen += [item["id"] for item in page["items"]]
    assert seen == ids
    assert page["next_cursor"] is None


async def test_filters_narrow_every_list_alike(drivers: Drivers, user: str) -> None:
    later = in_future(hours=1)
    mail, _ = await drivers.rest.create(welcome(user, scheduled_at=later, metadata={"category": "a"}))
    text_message, _ = await drivers.rest.create(
        welcome(user, type="sms", scheduled_at=later, metadata={"category": "b"})
    )
    await drivers.rest.update_status(text_message["id"], "cancelled")
    for filters, expected in [
        ({}, [text_message, mail]),
        ({"type": "sms"}, [text_message]),
        ({"category": "a"}, [mail]),
        ({"status": "cancelled"}, [text_message]),
        ({"status": "read"}, []),
        ({"unread": False}, []),
        ({"created_after": mail["created_at"]}, [text_message]),
        ({"created_before": text_message["created_at"]}, [mail]),
        ({"created_after": in_future(hours=1)}, []),
        ({"reason": "CANCELLED"}, [text_message]),
        ({"reason": "cancelled"}, []),
        ({"reason": ""}, []),
    ]:
        ids = [item["id"] for item in expected]
        page = await everywhere(drivers, lambda driver, f=filters: driver.list_of_user(user, **f))  # type: ignore[misc]
        assert [item["id"] for item in page["items"]] == ids
        page = await everywhere(drivers, lambda driver, f=filters: driver.list(user_id=user, **f))  # type: ignore[misc]
        assert [item["id"] for item in page["items"]] == ids
    assert (await everywhere(drivers, lambda driver: driver.list_of_user("nobody-yet")))["items"] == []


async def test_a_spoiled_or_foreign_cursor_is_refused(drivers: Drivers, user: str) -> None:
    for _ in range(2):
        await drivers.rest.create(welcome(user, scheduled_at=in_future(hours=1)))
    cursor = (await drivers.rest.list_of_user(user, limit=1))["next_cursor"]
    asks: list[Any] = [
        lambda d: d.list_of_user(user, after=cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")),
        lambda d: d.list_of_user(user, after="nonsense"),
        lambda d: d.list_of_user(user, after=cursor, type="sms"),
        lambda d: d.list_of_user(user, after=cursor, reason="CANCELLED"),
        lambda d: d.list_of_user("somebody-else", after=cursor),
        lambda d: d.list(after=cursor),
        lambda d: d.inbox(user, after=cursor),
    ]
    for ask in asks:
        found = await refused_everywhere(drivers, ask)
        assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", "INVALID_CURSOR", ("after",))


async def test_a_scheduled_notification_can_be_cancelled_once_and_for_all(driver: Driver, user: str) -> None:
    created, _ = await driver.create(welcome(user, scheduled_at=in_future(hours=1)))
    assert created["status"] == "scheduled"
    cancelled = await driver.update_status(created["id"], "cancelled")
    assert (cancelled["status"], cancelled["version"]) == ("cancelled", 2)
    assert text(await driver.update_status(created["id"], "cancelled")) == text(cancelled)
    found = await refused(driver.update_status(created["id"], "read"))
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "ILLEGAL_TRANSITION")
    assert found.metadata == {"from": "cancelled", "to": "read"}


async def test_claims_that_are_not_a_callers_to_make_are_refused(drivers: Drivers, user: str) -> None:
    created, _ = await drivers.rest.create(welcome(user, scheduled_at=in_future(hours=1)))
    for status in ("scheduled", "sending", "sent", "retrying", "expired", "pending", "delivered", "failed"):
        found = await refused_everywhere(drivers, lambda d, s=status: d.update_status(created["id"], s))  # type: ignore[misc]
        assert (found.reason, found.metadata) == ("ILLEGAL_TRANSITION", {"from": "scheduled", "to": status})


async def test_what_is_scheduled_goes_out_at_its_time(driver: Driver, user: str) -> None:
    created, _ = await driver.create(welcome(user, scheduled_at=in_future(seconds=1.5)))
    sent = await status_becomes(driver, created["id"], "sent")
    assert sent["sent_at"] >= created["scheduled_at"]


async def test_a_schedule_in_the_past_means_now(driver: Driver, user: str) -> None:
    created, _ = await driver.create(welcome(user, scheduled_at="2001-01-01T00:00:00Z"))
    assert (created["status"], created["scheduled_at"]) == ("pending", "2001-01-01T00:00:00.000Z")


async def test_receipts_move_a_sent_notification_on_and_a_dead_letter_is_replayed(drivers: Drivers, user: str) -> None:
    for driver in drivers.all():
        created, _ = await driver.create(welcome(user))
        await status_becomes(driver, created["id"], "sent")
        delivered = await driver.update_status(created["id"], "delivered")
        assert (delivered["status"], delivered["delivered_at"]) == ("delivered", IsTime)
        failed = await driver.update_status(created["id"], "failed")
        assert (failed["status"], failed["status_reason"]["code"]) == ("failed", "REPORTED_FAILED")
        letters = await everywhere(drivers, lambda d: d.dead_letters(user_id=user))
        assert [item["id"] for item in letters["items"]] == [created["id"]]
        assert await everywhere(drivers, lambda d, i=created["id"]: d.replay(ids=[i], dry_run=True)) == 1  # type: ignore[misc]
        assert await driver.replay(ids=[created["id"]]) == 1
        assert await driver.replay(ids=[created["id"]]) == 0
        await status_becomes(driver, created["id"], "sent")


async def test_dead_letters_are_purged_by_filter_after_a_dry_run(driver: Driver, drivers: Drivers, user: str) -> None:
    for _ in range(2):
        created, _ = await driver.create(welcome(user))
        await status_becomes(driver, created["id"], "sent")
        await driver.update_status(created["id"], "failed")
    assert await everywhere(drivers, lambda d: d.purge(filter={"user_id": user}, dry_run=True)) == 2
    for reason, count in (("REPORTED_FAILED", 2), ("RETRIES_EXHAUSTED", 0)):
        wanted = {"user_id": user, "reason": reason}
        letters = await everywhere(drivers, lambda d, w=wanted: d.dead_letters(**w))  # type: ignore[misc]
        assert len(letters["items"]) == count
        for name in ("replay", "purge"):
            would = await everywhere(drivers, lambda d, n=name, w=wanted: getattr(d, n)(filter=w, dry_run=True))  # type: ignore[misc]
            assert would == count
    assert await driver.purge(filter={"user_id": user, "reason": "RETRIES_EXHAUSTED"}) == 0
    assert await driver.purge(filter={"user_id": user}) == 2
    assert (await everywhere(drivers, lambda d: d.dead_letters(user_id=user)))["items"] == []
    assert (await everywhere(drivers, lambda d: d.list_of_user(user)))["items"] == []
    assert (await refused_everywhere(drivers, lambda d: d.get(created["id"]))).reason == "NOT_FOUND"


async def test_dead_letters_are_replayed_by_reason(driver: Driver, drivers: Drivers, user: str) -> None:
    created, _ = await driver.create(welcome(user))
    await status_becomes(driver, created["id"], "sent")
    await driver.update_status(created["id"], "failed")
    assert await driver.replay(filter={"user_id": user, "reason": "RETRIES_EXHAUSTED"}) == 0
    assert await driver.replay(filter={"user_id": user, "reason": "REPORTED_FAILED"}) == 1
    await status_becomes(driver, created["id"], "sent")
    letters = await everywhere(drivers, lambda d: d.dead_letters(user_id=user, reason="REPORTED_FAILED"))
    assert letters["items"] == []


async def test_a_reason_that_cannot_be_is_refused(drivers: Drivers, user: str) -> None:
    for reason in ("X" * 65, "a\0b"):
        asks: list[Any] = [
            lambda d, r=reason: d.list(reason=r),
            lambda d, r=reason: d.list_of_user(user, reason=r),
            lambda d, r=reason: d.inbox(user, reason=r),
            lambda d, r=reason: d.dead_letters(reason=r),
            lambda d, r=reason: d.replay(filter={"reason": r}, dry_run=True),
            lambda d, r=reason: d.purge(filter={"reason": r}, dry_run=True),
        ]
        for ask in asks:
            found = await refused_everywhere(drivers, ask)
            assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", "INVALID_VALUE", ("reason",))
    assert (await everywhere(drivers, lambda d: d.list_of_user(user, reason="X" * 64)))["items"] == []


async def test_a_selection_of_nothing_and_of_both_is_refused(drivers: Drivers) -> None:
    selections: tuple[Body, ...] = ({}, {"ids": []}, {"ids": ["x"], "filter": {"type": "sms"}})
    for selection in selections:
        for name in ("replay", "purge"):
            found = await refused_everywhere(drivers, lambda d, n=name, s=selection: getattr(d, n)(**s))  # type: ignore[misc]
            assert (found.reason, found.fields) == ("INVALID_VALUE", ("ids",))
