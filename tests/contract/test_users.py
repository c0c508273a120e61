"""User records, deletion and batches, through all three protocols."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from dirty_equals import IsInt, IsStr

from tests.contract.comparing import everywhere, refused_everywhere, status_becomes
from tests.contract.conftest import NAMES, Drivers
from tests.contract.drivers import Driver, text
from tests.contract.test_inbox import delivered, next_event
from tests.contract.test_notifications import IsTime, in_future, welcome
from tests.hub_process import RunningHub

Body = dict[str, Any]

RECORD = {
    "contact_points": {"email": "Ada@EXAMPLE.test", "phone": "+1 202-555-0123"},
    "locale": "pt-BR",
    "timezone": "Europe/Paris",
}


async def test_a_user_record_is_replaced_as_a_whole(driver: Driver, drivers: Drivers, user: str) -> None:
    written = await driver.update_user(user, RECORD)
    assert written == {
        "user_id": user,
        "contact_points": {"email": "Ada@example.test", "phone": "+12025550123"},
        "locale": "pt-BR",
        "timezone": "Europe/Paris",
        "created_at": IsTime,
        "updated_at": IsTime,
    }
    assert text(await everywhere(drivers, lambda d: d.get_user(user))) == text(written)
    again = await driver.update_user(user, {"contact_points": {"phone": "+12025550123"}})
    assert (again["contact_points"], again["locale"], again["timezone"]) == ({"phone": "+12025550123"}, None, None)
    assert again["created_at"] == written["created_at"]


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"contact_points": {"email": "nobody"}}, ("contact_points.email",)),
        ({"contact_points": {"phone": "0815"}}, ("contact_points.phone",)),
        ({"contact_points": {"webhook": "http://127.0.0.1/"}}, ("contact_points.webhook",)),
        ({"contact_points": {"pigeon": "loft 7"}}, ("contact_points",)),
        ({"locale": "not a tag"}, ("locale",)),
        ({"timezone": "Mars/Olympus"}, ("timezone",)),
    ],
)
async def test_a_wrong_record_is_refused_and_changes_nothing(
    wrong: Body, fields: tuple[str, ...], drivers: Drivers, user: str
) -> None:
    found = await refused_everywhere(drivers, lambda d: d.update_user(user, wrong))
    assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", "INVALID_VALUE", fields)
    assert (await refused_everywhere(drivers, lambda d: d.get_user(user))).reason == "NOT_FOUND"


async def test_mail_goes_to_the_users_contact_point_or_to_the_override(
    driver: Driver, hub: RunningHub, user: str
) -> None:
    await driver.update_user(user, RECORD)
    own, _ = await driver.create(welcome(user))
    other, _ = await driver.create(welcome(user, to="other@example.test"))
    for created in (own, other):
        await status_becomes(driver, created["id"], "sent")
    recipients = {mail["notification_id"]: mail["recipient"] for mail in await hub.outbox()}
    assert (recipients[own["id"]], recipients[other["id"]]) == ("Ada@example.test", "other@example.test")


async def test_deleting_a_user_removes_everything_and_can_be_repeated(
    driver: Driver, drivers: Drivers, user: str
) -> None:
    await driver.update_user(user, RECORD)
    await delivered(driver, user)
    mail, _ = await driver.create(welcome(user), f"key-{user}")
    await status_becomes(driver, mail["id"], "sent")
    waiting, _ = await driver.create(welcome(user, scheduled_at=in_future(hours=1)))
    async with driver.watch(user) as events:
        await next_event(events, "heartbeat")
        counts = await driver.delete_user(user)
        assert counts == {"notifications": 3, "cancelled": 1, "keys": 1, "contact_points": 2}
        gone = await next_event(events, "removed")
        assert (gone["notification"]["title"], gone["unread_count"]) == ("", 0)
    assert await driver.delete_user(user) == {"notifications": 0, "cancelled": 0, "keys": 0, "contact_points": 0}
    assert (await everywhere(drivers, lambda d: d.list_of_user(user)))["items"] == []
    assert (await everywhere(drivers, lambda d: d.inbox(user)))["items"] == []
    for notification_id in (mail["id"], waiting["id"]):
        found = await refused_everywhere(drivers, lambda d, i=notification_id: d.get(i))  # type: ignore[misc]
        assert found.reason == "NOT_FOUND"
    assert (await refused_everywhere(drivers, lambda d: d.get_user(user))).reason == "NOT_FOUND"


async def test_a_deleted_notification_is_gone_once_and_for_all(driver: Driver, drivers: Drivers, user: str) -> None:
    created, _ = await driver.create(welcome(user, scheduled_at=in_future(seconds=1)))
    await driver.delete(created["id"])
    found = await refused_everywhere(drivers, lambda d: d.delete(created["id"]))
    assert found.reason == "NOT_FOUND"
    assert (await everywhere(drivers, lambda d: d.list_of_user(user)))["items"] == []


async def test_what_was_deleted_while_it_waited_is_never_sent(driver: Driver, hub: RunningHub, user: str) -> None:
    created, _ = await driver.create(welcome(user, scheduled_at=in_future(seconds=1)))
    await driver.delete(created["id"])
    witness, _ = await driver.create(welcome(user, scheduled_at=in_future(seconds=1.5)))
    await status_becomes(driver, witness["id"], "sent")
    assert created["id"] not in {mail["notification_id"] for mail in await hub.outbox()}


@pytest.mark.parametrize("name", NAMES)
async def test_a_batch_answers_for_each_item_by_itself(name: str, drivers: Drivers, user: str) -> None:
    driver = drivers[name]
    later = in_future(hours=1)
    first, _ = await driver.create(welcome(user, scheduled_at=later), f"first-{user}")
    results = await driver.create_many(
        [
            welcome(user, scheduled_at=later, metadata={"n": 1}),
            welcome(user, title=""),
            welcome(user, scheduled_at=later, idempotency_key=f"first-{user}"),
            welcome(user, type="pigeon"),
            welcome(user, title="other", scheduled_at=later, idempotency_key=f"first-{user}"),
        ]
    )
    assert [result["index"] for result in results] == [0, 1, 2, 3, 4]
    assert [result["notification"] is None for result in results] == [False, True, False, True, True]
    assert [result["idempotency_replayed"] for result in results] == [False, False, True, False, False]
    assert text(results[2]["notification"]) == text(first)
    errors = [results[index]["error"] for index in (1, 3, 4)]
    assert [(error["code"], error["reason"]) for error in errors] == [
        ("INVALID_ARGUMENT", "INVALID_VALUE"),
        ("INVALID_ARGUMENT", "UNKNOWN_CHANNEL"),
        ("ALREADY_EXISTS", "IDEMPOTENCY_MISMATCH"),
    ]
    assert [[v["field"] for v in error["violations"]] for error in errors] == [["title"], ["type"], []]
    assert all(error["message"] for error in errors)
    assert len((await drivers.rest.list_of_user(user))["items"]) == 2


async def test_batches_of_all_protocols_refuse_with_the_same_words(drivers: Drivers, user: str) -> None:
    bad = [welcome(user, title="", metadata={"priority": "urgent"}), welcome("white space")]
    results = await everywhere(drivers, lambda d: d.create_many(bad))
    assert [result["error"]["reason"] for result in results] == ["INVALID_VALUE", "INVALID_VALUE"]


async def test_a_thousand_at_once_are_all_accepted(driver: Driver, user: str) -> None:
    commands = [welcome(user, type="in_app", title=f"n{number}") for number in range(1000)]
    async with asyncio.timeout(30):
        results = await driver.create_many(commands)
    assert {result["notification"]["title"] for result in results} == {f"n{number}" for number in range(1000)}
    assert len(results) == 1000


async def test_a_batch_that_is_empty_or_too_long_is_refused(drivers: Drivers, user: str) -> None:
    # A stream has no length: only the other two can be too long.
    for commands in ([], [welcome(user)] * 1001):
        for driver in (drivers.rest, drivers.graphql):
            with pytest.raises(Exception, match="INVALID_VALUE") as caught:
                await driver.create_many(commands)
            assert caught.value.fields == ("notifications",)  # type: ignore[attr-defined]
    assert await drivers.grpc.create_many([]) == []


async def test_statistics_count_what_was_created_and_how_it_ended(drivers: Drivers, user: str) -> None:
    category = f"c-{user[-8:]}"
    for channel in ("email", "sms", "in_app"):
        created, _ = await drivers.rest.create(welcome(user, type=channel, metadata={"category": category}))
        await status_becomes(drivers.rest, created["id"], "sent", "delivered")
    async with asyncio.timeout(60):
        while sum(row["count"] for row in (await drivers.rest.statistics(category=category))["rows"]) < 3:
            await asyncio.sleep(0.5)
        # One more turn of the roll-ups, in case they had counted in between.
        while (
            len(
                [
                    r
                    for r in (await drivers.rest.statistics(category=category))["rows"]
                    if r["status"] in ("sent", "delivered")
                ]
            )
            < 3
        ):
            await asyncio.sleep(0.5)
    found = await everywhere(
        drivers,
        lambda d: d.statistics(category=category, bucket="day", from_=in_future(hours=-2), to=in_future(hours=1)),
    )
    assert found["bucket"] == "day"
    assert [(row["type"], row["category"], row["status"], row["count"]) for row in found["rows"]] == [
        ("email", category, "sent", 1),
        ("in_app", category, "delivered", 1),
        ("sms", category, "sent", 1),
    ]
    assert [channel["type"] for channel in found["channels"]] == ["email", "in_app", "sms"]
    for channel in found["channels"]:
        assert (channel["settled"], channel["failed"], channel["failure_rate"], channel["attempts"]) == (1, 0, 0, 1)
        assert 0 < channel["p50_ms"] <= channel["p95_ms"] <= channel["p99_ms"] < 10_000


async def test_statistics_refuse_ranges_that_are_none_or_too_long(drivers: Drivers) -> None:
    for arguments, fields in [
        ({"from_": in_future(hours=1), "to": in_future(hours=-1)}, ("from",)),
        ({"from_": in_future(days=-91)}, ("from",)),
        ({"from_": in_future(days=-60), "bucket": "hour"}, ("bucket",)),
        ({"status": "read"}, ("status",)),
        ({"to": "1970-01-01T00:00:00Z"}, ("to",)),
        ({"to": "9999-12-31T23:59:59Z", "bucket": "day"}, ("to",)),
        ({"type_": "a\0b"}, ("type",)),
    ]:
        found = await refused_everywhere(drivers, lambda d, a=arguments: d.statistics(**a))  # type: ignore[misc]
        assert (found.reason, found.fields) == ("INVALID_VALUE", fields)


async def test_health_names_every_process_and_channel(drivers: Drivers) -> None:
    async def steady(driver: Driver) -> Body:
        report = await driver.health()
        for process in report["processes"]:
            process["beat_at"], process["lag_ms"] = "", 0
        for channel in report["channels"]:
            channel["last_attempt_at"], channel["last_outcome"] = "", ""
        report["oldest_due_seconds"] = None
        return report

    report = await everywhere(drivers, steady)
    assert report["status"] == "ok", report
    assert sorted(process["role"] for process in report["processes"]) == ["api", "relay", "worker"]
    assert {process["version"] for process in report["processes"]} == {report["version"]}
    assert [(component["name"], component["status"]) for component in report["components"]] == [
        ("store", "ok"),
        ("broker", "ok"),
    ]
    assert [(c["type"], c["status"], c["workers"]) for c in report["channels"]] == [
        (name, "ok", IsInt(ge=1)) for name in ("email", "in_app", "sms", "webhook")
    ]
    assert all(component["detail"] == IsStr(min_length=3) for component in report["components"])
