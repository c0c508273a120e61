"""Seen, archived, all of an inbox at once and its undoing, counts: through all three protocols."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from dirty_equals import IsStr

from tests.contract.comparing import everywhere, refused, refused_everywhere
from tests.contract.conftest import NAMES, Drivers
from tests.contract.drivers import Driver, text
from tests.contract.test_inbox import delivered, next_event
from tests.contract.test_notifications import in_future, welcome

Body = dict[str, Any]
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


def counts(unread: int, unseen: int) -> Body:
    return {"unread": unread, "unread_capped": False, "unseen": unseen, "unseen_capped": False}


async def watching(stack: AsyncExitStack, drivers: Drivers, user: str) -> list[AsyncIterator[Body]]:
    """A stream of each protocol, each past its first heartbeat."""
    streams = [await stack.enter_async_context(driver.watch(user)) for driver in drivers.all()]
    for events in streams:
        await next_event(events, "heartbeat")
    return streams


async def told(streams: list[AsyncIterator[Body]]) -> Body:
    """The next event, the same in all three protocols; heartbeats are passed over."""
    kinds = ("changed", "removed", "all_read", "all_seen", "resync")
    seen = [await next_event(events, *kinds) for events in streams]
    assert len({text(event) for event in seen}) == 1, seen
    return seen[0]


async def test_seen_is_a_mark_beside_the_status(driver: Driver, drivers: Drivers, user: str) -> None:
    item = await delivered(driver, user)
    assert (item["seen_at"], item["archived_at"]) == (None, None)
    seen = await driver.mark_seen(item["id"])
    assert (seen["status"], seen["seen_at"], seen["version"]) == ("delivered", IsStr(), item["version"] + 1)
    assert text(await driver.mark_seen(item["id"])) == text(seen)
    assert await everywhere(drivers, lambda d: d.inbox_counts(user)) == {**counts(1, 0), "categories": []}
    unseen = await driver.mark_unseen(item["id"])
    assert (unseen["status"], unseen["seen_at"]) == ("delivered", None)
    assert text(await driver.mark_unseen(item["id"])) == text(unseen)
    assert await everywhere(drivers, lambda d: d.inbox_counts(user)) == {**counts(1, 1), "categories": []}


async def test_what_is_read_was_seen_and_what_is_unseen_is_unread(driver: Driver, drivers: Drivers, user: str) -> None:
    item = await delivered(driver, user)
    read = await driver.mark_read(item["id"])
    assert read["seen_at"] == read["read_at"] == IsStr()
    assert text(await driver.mark_seen(item["id"])) == text(read)
    assert await everywhere(drivers, lambda d: d.inbox_counts(user)) == {**counts(0, 0), "categories": []}
    unread = await driver.mark_unread(item["id"])
    assert (unread["read_at"], unread["seen_at"]) == (None, read["seen_at"])
    assert await everywhere(drivers, lambda d: d.inbox_counts(user)) == {**counts(1, 0), "categories": []}
    await driver.mark_read(item["id"])
    unseen = await driver.mark_unseen(item["id"])
    assert (unseen["status"], unseen["read_at"], unseen["seen_at"]) == ("delivered", None, None)
    assert await everywhere(drivers, lambda d: d.inbox_counts(user)) == {**counts(1, 1), "categories": []}


async def test_an_archived_item_leaves_the_inbox_and_comes_back_to_its_place(
    driver: Driver, drivers: Drivers, user: str
) -> None:
    first, second, third = [await delivered(driver, user) for _ in range(3)]
    seen = await driver.mark_seen(second["id"])
    archived = await driver.archive(second["id"])
    assert (archived["archived_at"], archived["seen_at"]) == (IsStr(), seen["seen_at"])
    assert archived["status"] == "delivered"
    assert text(await driver.archive(second["id"])) == text(archived)
    for filters in ({}, {"archived": False}):
        page = await everywhere(drivers, lambda d, f=filters: d.inbox(user, **f))  # type: ignore[misc]
        assert [item["id"] for item in page["items"]] == [third["id"], first["id"]]
    page = await everywhere(drivers, lambda d: d.inbox(user, archived=True))
    assert [text(item) for item in page["items"]] == [text(archived)]
    assert (await everywhere(drivers, lambda d: d.unread_count(user)))["unread_count"] == 2
    history = await everywhere(drivers, lambda d: d.list_of_user(user))
    assert len(history["items"]) == 3
    history = await everywhere(drivers, lambda d: d.list_of_user(user, archived=True))
    assert [item["id"] for item in history["items"]] == [second["id"]]
    await driver.mark_read(second["id"])
    assert (await everywhere(drivers, lambda d: d.inbox_counts(user)))["unread"] == 2
    back = await driver.unarchive(second["id"])
    assert (back["archived_at"], back["status"]) == (None, "read")
    assert text(await driver.unarchive(second["id"])) == text(back)
    page = await everywhere(drivers, lambda d: d.inbox(user))
    assert [item["id"] for item in page["items"]] == [third["id"], second["id"], first["id"]]
    assert (await everywhere(drivers, lambda d: d.inbox(user, archived=True)))["items"] == []


async def test_the_archive_has_pages_of_its_own(drivers: Drivers, user: str) -> None:
    items = [await delivered(drivers.rest, user) for _ in range(3)]
    for item in items:
        await drivers.rest.archive(item["id"])
    page = await everywhere(drivers, lambda d: d.inbox(user, archived=True, limit=2))
    assert [item["id"] for item in page["items"]] == [items[2]["id"], items[1]["id"]]
    cursor = page["next_cursor"]
    page = await everywhere(drivers, lambda d: d.inbox(user, archived=True, limit=2, after=cursor))
    assert ([item["id"] for item in page["items"]], page["next_cursor"]) == ([items[0]["id"]], None)
    found = await refused_everywhere(drivers, lambda d: d.inbox(user, after=cursor))
    assert (found.reason, found.fields) == ("INVALID_CURSOR", ("after",))


@pytest.mark.parametrize(
    ("names", "target"), [(("mark_seen", "mark_unseen"), "seen"), (("archive", "unarchive"), "archived")]
)
async def test_only_what_has_arrived_can_be_marked(
    names: tuple[str, str], target: str, drivers: Drivers, user: str
) -> None:
    created, _ = await drivers.rest.create(welcome(user, type="in_app", scheduled_at=in_future(hours=1)))
    for name in names:
        found = await refused_everywhere(drivers, lambda d, n=name: getattr(d, n)(created["id"]))  # type: ignore[misc]
        assert (found.reason, found.metadata) == ("ILLEGAL_TRANSITION", {"from": "scheduled", "to": target})
        found = await refused_everywhere(drivers, lambda d, n=name: getattr(d, n)("nonsense"))  # type: ignore[misc]
        assert found.reason == "NOT_FOUND"


@pytest.mark.parametrize("actor", NAMES)
async def test_watchers_in_all_protocols_see_each_change(actor: str, drivers: Drivers, user: str) -> None:
    item = await delivered(drivers[actor], user)
    changes = [
        (drivers[actor].mark_seen, "changed", 1, 0),
        (drivers[actor].mark_read, "changed", 0, 0),
        (drivers[actor].mark_unread, "changed", 1, 0),
        (drivers[actor].mark_unseen, "changed", 1, 1),
        (drivers[actor].archive, "removed", 0, 0),
        (drivers[actor].mark_seen, "removed", 0, 0),
        (drivers[actor].unarchive, "changed", 1, 0),
    ]
    async with AsyncExitStack() as stack:
        streams = await watching(stack, drivers, user)
        for change, kind, unread, unseen in changes:
            answer = await change(item["id"])
            event = await told(streams)
            assert (event["kind"], text(event["notification"])) == (kind, text(answer))
            assert (event["unread_count"], event["unseen_count"]) == (unread, unseen), change
            assert (event["unread_count_capped"], event["unseen_count_capped"]) == (False, False)


@pytest.mark.parametrize("mark", ["read", "seen"])
async def test_all_at_once_is_one_event_and_undone_in_one(mark: str, drivers: Drivers, user: str) -> None:
    items = [await delivered(drivers.rest, user, metadata={"category": "a"}) for _ in range(3)]
    other = await delivered(drivers.rest, user, metadata={"category": "b"})
    before = await everywhere(drivers, lambda d: d.inbox(user))
    async with AsyncExitStack() as stack:
        streams = await watching(stack, drivers, user)
        for driver in drivers.all():
            marked = await driver.mark_all(mark, user, category="a")
            assert marked == {"count": 3, "operation_id": IsStr()}
            event = await told(streams)
            assert (event["kind"], event["category"], event["notification"]) == (f"all_{mark}", "a", None)
            assert event["up_to"]["delivered_at"] >= other["delivered_at"]
            left = (1, 1) if mark == "read" else (4, 1)
            assert (event["unread_count"], event["unseen_count"]) == left
            page = await driver.inbox(user)
            assert {item["updated_at"] for item in page["items"] if item[f"{mark}_at"]} == {event["marked_at"]}
            assert {item["id"] for item in page["items"] if item[f"{mark}_at"]} == {item["id"] for item in items}
            assert await driver.mark_all(mark, user, category="a") == {"count": 0, "operation_id": None}
            assert await driver.undo_mark_all(user, marked["operation_id"]) == 3
            event = await told(streams)
            assert (event["kind"], event["unread_count"], event["unseen_count"]) == ("resync", 4, 4)
            assert await driver.undo_mark_all(user, marked["operation_id"]) == 0
    after = await everywhere(drivers, lambda d: d.inbox(user))
    assert [as_marked(item) for item in after["items"]] == [as_marked(item) for item in before["items"]]


def as_marked(item: Body) -> Body:
    return {name: value for name, value in item.items() if name not in {"version", "updated_at"}}


async def test_mark_all_seen_stops_at_its_cursor(driver: Driver, drivers: Drivers, user: str) -> None:
    for _ in range(3):
        await delivered(driver, user)
    cursor = (await driver.inbox(user, limit=2))["next_cursor"]
    assert (await driver.mark_all("seen", user, up_to=cursor))["count"] == 2
    assert await everywhere(drivers, lambda d: d.inbox_counts(user)) == {**counts(3, 1), "categories": []}
    found = await refused(driver.mark_all("seen", user, up_to="nonsense"))
    assert (found.reason, found.fields) == ("INVALID_CURSOR", ("up_to",))


async def test_undo_leaves_alone_what_was_changed_since(driver: Driver, user: str) -> None:
    unseen, seen, marked_again, archived, untouched = [await delivered(driver, user) for _ in range(5)]
    seen = await driver.mark_seen(seen["id"])
    operation = (await driver.mark_all("read", user))["operation_id"]
    await driver.mark_unread(marked_again["id"])
    again = await driver.mark_read(marked_again["id"])
    put_away = await driver.archive(archived["id"])
    assert await driver.undo_mark_all(user, operation) == 3
    assert text(await driver.get(marked_again["id"])) == text(again)
    assert text(await driver.get(archived["id"])) == text(put_away)
    for item in (unseen, seen, untouched):
        assert as_marked(await driver.get(item["id"])) == as_marked(item)
    assert await driver.inbox_counts(user) == {**counts(3, 2), "categories": []}


async def test_an_operation_of_nobody_or_of_somebody_else_cannot_be_undone(drivers: Drivers, user: str) -> None:
    await delivered(drivers.rest, user)
    operation = (await drivers.rest.mark_all("seen", user))["operation_id"]
    for whose, which in ((f"{user}-not", operation), (user, UNKNOWN), (user, "nonsense")):
        found = await refused_everywhere(drivers, lambda d, w=whose, o=which: d.undo_mark_all(w, o))  # type: ignore[misc]
        assert found.reason == "NOT_FOUND"
    assert await drivers.rest.undo_mark_all(user, operation) == 1


async def test_counts_by_category(drivers: Drivers, user: str) -> None:
    news = [await delivered(drivers.rest, user, metadata={"category": "news"}) for _ in range(3)]
    await delivered(drivers.rest, user, metadata={"category": "orders"})
    await delivered(drivers.rest, user)
    await drivers.rest.mark_seen(news[0]["id"])
    await drivers.rest.mark_read(news[1]["id"])
    found = await everywhere(drivers, lambda d: d.inbox_counts(user, "orders", "news", "none"))
    assert found == {
        **counts(4, 3),
        "categories": [
            {"category": "orders", **counts(1, 1)},
            {"category": "news", **counts(2, 1)},
            {"category": "none", **counts(0, 0)},
        ],
    }
    many = [f"c{n}" for n in range(21)]
    assert len((await everywhere(drivers, lambda d: d.inbox_counts(user, *many[1:])))["categories"]) == 20
    refusal = await refused_everywhere(drivers, lambda d: d.inbox_counts(user, *many))
    assert (refusal.reason, refusal.fields) == ("INVALID_VALUE", ("categories",))
    refusal = await refused_everywhere(drivers, lambda d: d.inbox_counts(user, "a", "b\0"))
    assert (refusal.reason, refusal.fields) == ("INVALID_VALUE", ("categories.1",))


@pytest.mark.parametrize("name", NAMES)
async def test_who_was_away_learns_of_every_state(name: str, drivers: Drivers, user: str) -> None:
    items = [await delivered(drivers.rest, user) for _ in range(3)]
    async with drivers[name].watch(user) as events:
        cursor = (await next_event(events, "heartbeat"))["cursor"]
    await drivers.rest.archive(items[0]["id"])
    operation = (await drivers.rest.mark_all("read", user))["operation_id"]
    await drivers.rest.undo_mark_all(user, operation)
    await drivers.rest.mark_seen(items[2]["id"])
    latest = {item["id"]: text(await drivers.rest.get(item["id"])) for item in items}
    async with drivers[name].watch(user, cursor) as events:
        hello = await next_event(events, "heartbeat")
        assert (hello["unread_count"], hello["unseen_count"]) == (2, 1)
        seen: dict[str, str] = {}
        async with asyncio.timeout(10):
            while seen != latest:
                event = await next_event(events, "changed", "removed")
                assert (event["kind"] == "removed") is (event["notification"]["id"] == items[0]["id"])
                seen[event["notification"]["id"]] = text(event["notification"])
