"""The inbox and its streams, through all three protocols."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dirty_equals import IsStr

from tests.contract.comparing import everywhere, refused, refused_everywhere, status_becomes
from tests.contract.conftest import NAMES, Drivers
from tests.contract.drivers import Driver, text
from tests.contract.test_notifications import in_future, welcome

Body = dict[str, Any]


async def delivered(driver: Driver, user: str, **more: Any) -> Body:
    created, _ = await driver.create(welcome(user, type="in_app", **more))
    found: Body = await status_becomes(driver, created["id"], "delivered")
    return found


async def next_event(events: AsyncIterator[Body], *kinds: str) -> Body:
    """The next event of one of these kinds; others are passed over."""
    async with asyncio.timeout(10):
        while True:
            event = await anext(events)
            if event["kind"] in kinds:
                return event


async def next_state(events: AsyncIterator[Body], notification_id: str, status: str) -> Body:
    """The event with which a notification reached a status."""
    while True:
        event = await next_event(events, "changed", "removed")
        if event["notification"]["id"] == notification_id and event["notification"]["status"] == status:
            return event


async def test_the_inbox_holds_what_was_delivered_in_the_app_newest_first(drivers: Drivers, user: str) -> None:
    first = await delivered(drivers.rest, user)
    second = await delivered(drivers.grpc, user)
    await drivers.graphql.create(welcome(user))
    await drivers.graphql.create(welcome(user, type="in_app", scheduled_at=in_future(hours=1)))
    page = await everywhere(drivers, lambda d: d.inbox(user))
    assert [item["id"] for item in page["items"]] == [second["id"], first["id"]]
    count = await everywhere(drivers, lambda d: d.unread_count(user))
    assert count == {"unread_count": 2, "unread_count_capped": False}
    page = await everywhere(drivers, lambda d: d.inbox(user, limit=1))
    page = await everywhere(drivers, lambda d: d.inbox(user, limit=1, after=page["next_cursor"]))
    assert ([item["id"] for item in page["items"]], page["next_cursor"]) == ([first["id"]], None)


async def test_marks_cover_and_uncover_the_delivery_status(driver: Driver, drivers: Drivers, user: str) -> None:
    item = await delivered(driver, user)
    read = await driver.mark_read(item["id"])
    assert (read["status"], read["read_at"], read["version"]) == ("read", IsStr(), item["version"] + 1)
    assert text(await driver.mark_read(item["id"])) == text(read)
    assert text(await driver.update_status(item["id"], "read")) == text(read)
    assert (await everywhere(drivers, lambda d: d.unread_count(user)))["unread_count"] == 0
    assert (await everywhere(drivers, lambda d: d.inbox(user, unread=True)))["items"] == []
    assert len((await everywhere(drivers, lambda d: d.inbox(user, status="read")))["items"]) == 1
    unread = await driver.mark_unread(item["id"])
    assert (unread["status"], unread["read_at"]) == ("delivered", None)
    assert text(await driver.mark_unread(item["id"])) == text(unread)
    assert (await everywhere(drivers, lambda d: d.unread_count(user)))["unread_count"] == 1


async def test_what_was_not_sent_cannot_be_marked(drivers: Drivers, user: str) -> None:
    created, _ = await drivers.rest.create(welcome(user, type="in_app", scheduled_at=in_future(hours=1)))
    for name in ("mark_read", "mark_unread"):
        found = await refused_everywhere(drivers, lambda d, n=name: getattr(d, n)(created["id"]))  # type: ignore[misc]
        assert (found.reason, found.metadata) == ("ILLEGAL_TRANSITION", {"from": "scheduled", "to": "read"})
        found = await refused_everywhere(drivers, lambda d, n=name: getattr(d, n)("nonsense"))  # type: ignore[misc]
        assert found.reason == "NOT_FOUND"


async def test_mark_all_stops_at_its_cursor_and_category(driver: Driver, drivers: Drivers, user: str) -> None:
    await delivered(driver, user, metadata={"category": "a"})
    await delivered(driver, user, metadata={"category": "b"})
    await delivered(driver, user, metadata={"category": "a"})
    cursor = (await driver.inbox(user, limit=2))["next_cursor"]
    assert await driver.mark_all_read(user, category="a", up_to=cursor) == 1
    assert await driver.mark_all_read(user, up_to=cursor) == 1
    assert (await everywhere(drivers, lambda d: d.unread_count(user)))["unread_count"] == 1
    assert await driver.mark_all_read(user) == 1
    assert await driver.mark_all_read(user) == 0
    found = await refused(driver.mark_all_read(user, up_to="nonsense"))
    assert (found.reason, found.fields) == ("INVALID_CURSOR", ("up_to",))


async def test_an_item_that_expires_leaves_the_inbox_and_keeps_its_status(driver: Driver, user: str) -> None:
    async with driver.watch(user) as events:
        await next_event(events, "heartbeat")
        item = await delivered(driver, user, expires_at=in_future(seconds=2.5))
        await next_state(events, item["id"], "delivered")
        gone = await next_event(events, "removed")
    assert gone["notification"]["id"] == item["id"]
    assert (await driver.inbox(user))["items"] == []
    assert (await driver.unread_count(user))["unread_count"] == 0
    assert (await driver.get(item["id"]))["status"] == "delivered"


@pytest.mark.parametrize("sender", NAMES)
async def test_a_notification_sent_in_any_protocol_appears_on_the_streams_of_all(
    sender: str, drivers: Drivers, user: str
) -> None:
    async with (
        drivers.rest.watch(user) as over_sse,
        drivers.graphql.watch(user) as over_socket,
        drivers.grpc.watch(user) as over_grpc,
    ):
        streams = (over_sse, over_socket, over_grpc)
        for events in streams:
            hello = await next_event(events, "heartbeat")
            assert (hello["unread_count"], hello["notification"], hello["up_to"]) == (0, None, None)
        created, _ = await drivers[sender].create(welcome(user, type="in_app", metadata={"n": 1}))
        seen = [await next_state(events, created["id"], "delivered") for events in streams]
        assert len({text(event) for event in seen}) == 1
        assert (seen[0]["unread_count"], seen[0]["unread_count_capped"]) == (1, False)
        assert text(seen[0]["notification"]) == text(await drivers.rest.get(created["id"]))
        await drivers[sender].mark_read(created["id"])
        seen = [await next_state(events, created["id"], "read") for events in streams]
        assert {event["unread_count"] for event in seen} == {0}


async def test_mark_all_is_one_event_however_many_items(drivers: Drivers, user: str) -> None:
    items = [await delivered(drivers.rest, user) for _ in range(3)]
    async with (
        drivers.rest.watch(user) as over_sse,
        drivers.graphql.watch(user) as over_socket,
        drivers.grpc.watch(user) as over_grpc,
    ):
        for events in (over_sse, over_socket, over_grpc):
            await next_event(events, "heartbeat")
        cursor = (await drivers.rest.inbox(user, limit=1))["next_cursor"]
        await drivers.grpc.mark_all_read(user, up_to=cursor)
        seen = [await next_event(events, "all_read", "changed") for events in (over_sse, over_socket, over_grpc)]
        up_to = {"delivered_at": items[2]["delivered_at"], "id": items[2]["id"]}
        assert [(event["kind"], event["up_to"]) for event in seen] == [("all_read", up_to)] * 3
        assert {event["unread_count"] for event in seen} == {0}


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
async def test_a_stream_left_in_one_protocol_is_resumed_in_another(
    first: str, second: str, drivers: Drivers, user: str
) -> None:
    async with drivers[first].watch(user) as events:
        cursor = (await next_event(events, "heartbeat"))["cursor"]
    missed = [await delivered(drivers.rest, user) for _ in range(2)]
    await drivers.rest.mark_read(missed[0]["id"])
    async with drivers[second].watch(user, cursor) as events:
        assert (await next_event(events, "heartbeat"))["unread_count"] == 1
        seen: dict[str, str] = {}
        while seen != {missed[0]["id"]: "read", missed[1]["id"]: "delivered"}:
            event = await next_event(events, "changed")
            seen[event["notification"]["id"]] = event["notification"]["status"]


async def test_watching_one_shows_its_whole_way(driver: Driver, user: str) -> None:
    created, _ = await driver.create(welcome(user, scheduled_at=in_future(seconds=1.5)))
    async with driver.watch_one(created["id"]) as events:
        await next_event(events, "heartbeat")
        versions = [created["version"] - 1]
        while True:
            event = await next_event(events, "changed")
            assert event["notification"]["version"] > versions[-1]
            versions.append(event["notification"]["version"])
            if event["notification"]["status"] == "sent":
                break
        await driver.update_status(created["id"], "failed")
        await next_state(events, created["id"], "failed")
        await driver.purge(ids=[created["id"]])
        await next_event(events, "removed")
        with pytest.raises(StopAsyncIteration):
            async with asyncio.timeout(5):
                await anext(events)


async def test_watching_what_does_not_exist_and_bad_cursors_are_refused(drivers: Drivers, user: str) -> None:
    async def open_one(driver: Driver, notification_id: str) -> Body:
        async with driver.watch_one(notification_id) as events:
            return await anext(events)

    async def resume(driver: Driver, cursor: str) -> Body:
        async with driver.watch(user, cursor) as events:
            return await anext(events)

    found = await refused_everywhere(drivers, lambda d: open_one(d, "01890a5d-ac96-774b-bcce-b302099a8057"))
    assert found.reason == "NOT_FOUND"
    found = await refused_everywhere(drivers, lambda d: resume(d, "nonsense"))
    assert (found.reason, found.fields) == ("INVALID_CURSOR", ("after",))
