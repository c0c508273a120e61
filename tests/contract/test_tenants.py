"""Two tenants that call everything by the same names: neither meets anything of the other, on either transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import httpx2
import pytest

from hub.admin.keys import new_key
from hub.domain.ids import new_id
from hub.domain.paging import Filter, ListKind, Position, decode_cursor, encode_cursor
from hub.domain.principals import Scope
from hub.domain.times import now
from hub.live import wire
from hub.store.documents import DOCUMENTS
from hub.store.keys import Reservation
from tests.contract.comparing import everywhere, refused_everywhere, status_becomes
from tests.contract.conftest import NAMES, Drivers
from tests.contract.drivers import Body, Driver
from tests.contract.graphql_driver import GraphqlDriver
from tests.contract.rest_driver import RestDriver
from tests.contract.rpc_driver import RpcDriver
from tests.contract.test_inbox import delivered, next_event
from tests.contract.test_notifications import in_future, welcome
from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

TENANTS = ("ours", "theirs")
KEYS = {tenant: new_key(tenant, list(Scope), "test") for tenant in TENANTS}


@dataclass(frozen=True)
class Tenants:
    """Each through all three protocols; `graphql` for documents of one's own."""

    ours: Drivers
    theirs: Drivers
    graphql: dict[str, Callable[[str], Awaitable[Body]]]

    def both(self) -> tuple[Drivers, Drivers]:
        return self.ours, self.theirs


@pytest.fixture(scope="module", params=["local", "rabbitmq"])
def transport(request: pytest.FixtureRequest) -> str | None:
    """The broker's URL or none: live updates come by the broker in the one case, by change streams in the other."""
    return request.getfixturevalue("own_amqp_url") if request.param == "rabbitmq" else None


@pytest.fixture(scope="module")
async def locked(
    transport: str | None, mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    keys_file = tmp_path_factory.mktemp("keys") / "keys.json"
    keys_file.write_text(json.dumps([json.loads(entry) for _, entry in KEYS.values()]))
    more = {"HUB_AUTH__KEYS_FILE": str(keys_file)}
    database = f"{mongo_database}_tenants_{'rabbitmq' if transport else 'local'}"
    async with running_hub(mongo_url, database, transport, roles=("all",), more=more) as hub:
        yield hub


@pytest.fixture(scope="module")
async def tenants(locked: RunningHub) -> AsyncIterator[Tenants]:
    async with AsyncExitStack() as stack:
        drivers: dict[str, Drivers] = {}
        graphql = {}
        for tenant, (secret, _) in KEYS.items():
            headers = {"Authorization": f"Bearer {secret}"}
            client = await stack.enter_async_context(
                httpx2.AsyncClient(base_url=locked.base_url, timeout=20, headers=headers)
            )
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(locked.grpc_target))
            socket_url = f"ws://127.0.0.1:{locked.http_port}/graphql"
            drivers[tenant] = Drivers(
                RestDriver(client), GraphqlDriver(client, socket_url, secret), RpcDriver(channel, secret)
            )
            graphql[tenant] = _documents(client)
        yield Tenants(drivers["ours"], drivers["theirs"], graphql)


def _documents(client: httpx2.AsyncClient) -> Callable[[str], Awaitable[Body]]:
    async def run(query: str) -> Body:
        body: Body = (await client.post("/graphql", json={"query": query})).json()
        assert "errors" not in body, body
        data: Body = body["data"]
        return data

    return run


@pytest.fixture
def user() -> str:
    """A user of both."""
    return f"ann-{uuid4().hex[:8]}"


@pytest.fixture
def category() -> str:
    """A category of both."""
    return f"news-{uuid4().hex[:8]}"


def ids(page: Body) -> list[str]:
    return [item["id"] for item in page["items"]]


async def failed(driver: Driver, user: str, **more: Any) -> Body:
    item = await delivered(driver, user, **more)
    found: Body = await driver.update_status(item["id"], "failed")
    return found


async def test_lists_and_counts_hold_ones_own_alone(tenants: Tenants, user: str, category: str) -> None:
    metadata = {"category": category}
    mine = [(await delivered(tenants.ours.rest, user, metadata=metadata))["id"] for _ in range(3)]
    other = [(await delivered(tenants.theirs.grpc, user, metadata=metadata))["id"] for _ in range(2)]
    for drivers, made in zip(tenants.both(), (mine, other), strict=True):
        for ask in (
            lambda d: d.list(user_id=user),
            lambda d: d.list(category=category),
            lambda d: d.list_of_user(user),
            lambda d: d.inbox(user),
            lambda d: d.inbox(user, category=category, unread=True),
        ):
            assert ids(await everywhere(drivers, ask)) == made[::-1]
        assert (await everywhere(drivers, lambda d: d.unread_count(user)))["unread_count"] == len(made)


async def test_a_whole_list_page_by_page_shows_nothing_of_the_other(tenants: Tenants, user: str) -> None:
    made: dict[str, list[str]] = {}
    for tenant, drivers in zip(TENANTS, tenants.both(), strict=True):
        results = await drivers.rest.create_many([welcome(user, scheduled_at=in_future(hours=1)) for _ in range(5)])
        made[tenant] = [result["notification"]["id"] for result in results]
    for name in NAMES:
        for tenant, drivers in zip(TENANTS, tenants.both(), strict=True):
            found: list[str] = []
            cursor = None
            while len(found) < 50:
                page = await drivers[name].list(limit=2, user_id=user, after=cursor)
                found += ids(page)
                cursor = page["next_cursor"]
                if cursor is None:
                    break
            assert sorted(found) == sorted(made[tenant])


async def test_a_cursor_of_the_other_is_none(tenants: Tenants, user: str) -> None:
    for driver in (tenants.ours.rest, tenants.theirs.rest):
        for _ in range(2):
            await failed(driver, user)
            await delivered(driver, user)
    asks: list[Callable[..., Any]] = [
        lambda d, **page: d.list(user_id=user, **page),
        lambda d, **page: d.list_of_user(user, **page),
        lambda d, **page: d.inbox(user, **page),
        lambda d, **page: d.dead_letters(user_id=user, **page),
    ]
    for ask in asks:
        cursor = (await ask(tenants.ours.rest, limit=1))["next_cursor"]
        assert len((await everywhere(tenants.ours, lambda d: ask(d, after=cursor)))["items"]) >= 1  # noqa: B023 - asked here
        found = await refused_everywhere(tenants.theirs, lambda d: ask(d, after=cursor))  # noqa: B023 - asked here
        assert found.reason == "INVALID_CURSOR"


async def test_a_streams_cursor_of_the_other_is_none(tenants: Tenants, user: str) -> None:
    async with tenants.ours.rest.watch(user) as events:
        cursor = (await anext(events))["cursor"]

    async def watch(driver: Driver) -> None:
        async with driver.watch(user, after=cursor) as events:
            await anext(events)

    await everywhere(tenants.ours, watch)
    assert (await refused_everywhere(tenants.theirs, watch)).reason == "INVALID_CURSOR"
    found = await refused_everywhere(tenants.theirs, lambda d: d.mark_all_read(user, up_to=cursor))
    assert found.reason == "INVALID_CURSOR"


async def test_what_is_the_others_does_not_exist(tenants: Tenants, user: str) -> None:
    item = await delivered(tenants.ours.rest, user)
    operation = (await tenants.ours.rest.mark_all("seen", user))["operation_id"]
    item = await tenants.ours.rest.get(item["id"])
    waiting, _ = await tenants.ours.rest.create(welcome(user, scheduled_at=in_future(hours=1)))

    async def watch_one(driver: Driver) -> None:
        async with driver.watch_one(item["id"]) as events:
            await anext(events)

    asks: list[Any] = [
        lambda d: d.get(item["id"]),
        lambda d: d.mark_read(item["id"]),
        lambda d: d.mark_unread(item["id"]),
        lambda d: d.mark_seen(item["id"]),
        lambda d: d.mark_unseen(item["id"]),
        lambda d: d.archive(item["id"]),
        lambda d: d.unarchive(item["id"]),
        lambda d: d.undo_mark_all(user, operation),
        lambda d: d.delete(item["id"]),
        *(
            lambda d, status=status: d.update_status(item["id"], status)
            for status in ("read", "delivered", "failed", "pending", "cancelled")
        ),
        lambda d: d.update_status(waiting["id"], "cancelled"),
        lambda d: d.delete(waiting["id"]),
        watch_one,
    ]
    for ask in asks:
        assert (await refused_everywhere(tenants.theirs, ask)).reason == "NOT_FOUND"
    assert await tenants.ours.rest.get(item["id"]) == item
    assert (await tenants.ours.rest.get(waiting["id"]))["version"] == waiting["version"]


@pytest.mark.parametrize("name", NAMES)
async def test_dead_letters_of_the_other_stay_where_they_are(tenants: Tenants, name: str, user: str) -> None:
    mine = [await failed(tenants.ours.rest, user) for _ in range(2)]
    other = await failed(tenants.theirs.rest, user)
    chosen = [item["id"] for item in mine]
    theirs = tenants.theirs[name]
    assert ids(await theirs.dead_letters(user_id=user)) == [other["id"]]
    for act in (theirs.replay, theirs.purge):
        assert await act(ids=chosen, dry_run=True) == 0
        assert await act(ids=chosen) == 0
        assert await act(filter={"user_id": user}, dry_run=True) == 1
    assert await theirs.purge(filter={"user_id": user}) == 1
    assert await theirs.purge(filter={}, dry_run=True) == len(ids(await theirs.dead_letters(limit=100)))
    assert [await tenants.ours.rest.get(item) for item in chosen] == mine


@pytest.mark.parametrize("name", NAMES)
async def test_streams_tell_nothing_of_the_other(tenants: Tenants, name: str, user: str) -> None:
    ours, theirs = tenants.ours[name], tenants.theirs[name]
    mine = await delivered(ours, user)
    told: list[Body] = []
    async with ours.watch(user) as inbox, ours.watch_one(mine["id"]) as single, theirs.watch(user) as other_inbox:
        for events in (inbox, single, other_inbox):
            await next_event(events, "heartbeat")
        other = await delivered(theirs, user)
        await theirs.mark_read(other["id"])
        await theirs.mark_unread(other["id"])
        await theirs.mark_all_read(user)
        await theirs.delete(other["id"])
        # Their own stream has told all of it, to the end: what ours would be told, it would have been by now.
        removed = await next_event(other_inbox, "removed")
        assert removed["notification"]["id"] == other["id"]
        await ours.mark_read(mine["id"])
        async with asyncio.timeout(10):
            for events in (inbox, single):
                while True:
                    event = await anext(events)
                    told.append(event)
                    if event["notification"] and event["notification"]["status"] == "read":
                        break
    assert {event["notification"]["id"] for event in told if event["notification"]} == {mine["id"]}
    assert {event["kind"] for event in told} <= {"changed", "heartbeat"}


async def test_marking_everything_read_leaves_the_others_inbox(tenants: Tenants, user: str) -> None:
    for driver in (tenants.ours.rest, tenants.theirs.rest):
        await delivered(driver, user)
    for name in NAMES:
        await tenants.theirs[name].mark_all_read(user)
    assert (await everywhere(tenants.theirs, lambda d: d.unread_count(user)))["unread_count"] == 0
    assert (await everywhere(tenants.ours, lambda d: d.unread_count(user)))["unread_count"] == 1


async def test_one_idempotency_key_in_two_tenants_is_two(tenants: Tenants, user: str) -> None:
    key = f"key-{user}"
    made = {}
    for tenant, drivers in zip(TENANTS, tenants.both(), strict=True):
        # Another command, too: were the key shared, the second would be a mismatch.
        command = welcome(user, title=tenant, scheduled_at=in_future(hours=1))
        first, replayed = await drivers.rest.create(command, key)
        assert not replayed
        made[tenant] = first["id"]
        for driver in drivers.all():
            again, replayed = await driver.create(command, key)
            assert (again["id"], again["title"], replayed) == (first["id"], tenant, True)
    assert made["ours"] != made["theirs"]


async def test_look_ups_of_many_ids_give_null_for_the_others(tenants: Tenants, user: str) -> None:
    made = {}
    for tenant, drivers in zip(TENANTS, tenants.both(), strict=True):
        made[tenant] = (await delivered(drivers.rest, user))["id"]
        await drivers.rest.update_user(user, {"locale": {"ours": "pt-BR", "theirs": "de"}[tenant]})
    query = (
        "{ "
        + " ".join(
            f'{tenant}{field.capitalize()}: {field}(id: "{identifier}") {{ id }}'
            for tenant, identifier in made.items()
            for field in ("node", "notification")
        )
        + f' one: node(id: "user:{user}") {{ ... on User {{ locale unreadCount }} }}'
        + f' other: user(id: "{user}") {{ locale inbox(first: 5) {{ edges {{ node {{ id }} }} }} }} }}'
    )
    for tenant, foreign in (("ours", "theirs"), ("theirs", "ours")):
        data = await tenants.graphql[tenant](query)
        own = {"id": made[tenant]}
        assert (data[f"{tenant}Node"], data[f"{tenant}Notification"]) == (own, own)
        assert (data[f"{foreign}Node"], data[f"{foreign}Notification"]) == (None, None)
        locale = {"ours": "pt-BR", "theirs": "de"}[tenant]
        assert data["one"] == {"locale": locale, "unreadCount": 1}
        assert data["other"] == {"locale": locale, "inbox": {"edges": [{"node": own}]}}


@pytest.mark.parametrize("name", NAMES)
async def test_records_and_deleting_are_each_tenants_own(tenants: Tenants, name: str, user: str) -> None:
    ours, theirs = tenants.ours[name], tenants.theirs[name]
    record = {"contact_points": {"email": f"{user}@example.com"}, "locale": "pt-BR", "timezone": None}
    kept = await ours.update_user(user, record)
    command = welcome(user, scheduled_at=in_future(hours=1))
    waiting, _ = await ours.create(command, f"key-{user}")
    shown = await delivered(ours, user)
    assert (await refused_everywhere(tenants.theirs, lambda d: d.get_user(user))).reason == "NOT_FOUND"
    assert await theirs.delete_user(user) == {"notifications": 0, "cancelled": 0, "keys": 0, "contact_points": 0}
    await theirs.update_user(user, {"contact_points": {}, "locale": "de", "timezone": None})
    await theirs.create(command, f"key-{user}")
    counts = await theirs.delete_user(user)
    assert (counts["notifications"], counts["keys"]) == (1, 1)
    # All of it, and the key.
    assert await ours.get_user(user) == kept
    assert ids(await ours.list_of_user(user)) == [shown["id"], waiting["id"]]
    again, replayed = await ours.create(command, f"key-{user}")
    assert (again["id"], again["status"], replayed) == (waiting["id"], "scheduled", True)


async def test_an_address_of_the_other_is_none(tenants: Tenants, user: str, locked: RunningHub) -> None:
    """The record of the tenant that sends is the one that is looked into."""
    await tenants.ours.rest.update_user(user, {"contact_points": {"email": f"{user}@example.com"}})
    sent, _ = await tenants.theirs.rest.create(welcome(user))
    await status_becomes(tenants.theirs.rest, sent["id"], "sent")
    (mail,) = [mail for mail in await locked.outbox() if mail["notification_id"] == sent["id"]]
    assert f"{user}@example.com" not in str(mail)


async def test_statistics_count_ones_own_alone(tenants: Tenants, user: str, category: str) -> None:
    for drivers, count in zip(tenants.both(), (3, 2), strict=True):
        command = welcome(user, type="in_app", metadata={"category": category})
        await drivers.rest.create_many([command] * count)

    async def counted(drivers: Drivers) -> int:
        return sum(row["count"] for row in (await drivers.rest.statistics(category=category))["rows"])

    async def complete() -> bool:
        return [await counted(drivers) for drivers in tenants.both()] == [3, 2]

    await until(complete, 70)
    for drivers, count in zip(tenants.both(), (3, 2), strict=True):
        found = await everywhere(drivers, lambda d: d.statistics(category=category))
        assert sum(row["count"] for row in found["rows"]) == count


# What carries the tenant inside.

OF_THE_HUB = {
    ("notifications", "purge"): "MongoDB's own deleting",
    ("idempotency_keys", "purge"): "〃",
    ("inbox_operations", "purge"): "〃",
    ("inbox_marks", "purge"): "〃",
    ("heartbeats", "purge"): "〃",
    ("api_keys", "purge"): "〃",
    ("audit", "purge"): "〃",
    ("rates", "purge"): "〃",
    ("api_keys", "changes"): "who calls is found out before a tenant is known",
    ("rollups", "unfolded"): "finds what has to be folded, for whichever tenant",
}
"""Indexes that do not begin with the tenant, and why."""
WITHOUT_TENANT = {"leases": "a duty of processes", "heartbeats": "of processes"}


def test_every_index_begins_with_the_tenant() -> None:
    others = {
        (document.Settings.name, index.document["name"])
        for document in DOCUMENTS
        for index in getattr(document.Settings, "indexes", [])
        if next(iter(index.document["key"])) != "tenant"
    }
    assert others <= set(OF_THE_HUB), "an index that is walked for callers begins with their tenant"


def test_every_document_names_its_tenant() -> None:
    nobody_s = {d.Settings.name for d in DOCUMENTS if "tenant" not in d.model_fields}
    assert nobody_s <= set(WITHOUT_TENANT)


def test_routing_keys_seals_and_reservations_differ_by_tenant() -> None:
    """Also where the names run together: what one says with two letters more, the other may say with two less."""
    pairs = [("ours", "ann"), ("theirs", "ann"), ("our", "sann"), ("ours-ann", ""), ("", "ours-ann")]
    assert len({wire.routing_key(*pair) for pair in pairs}) == len(pairs)
    reserved = {Reservation(tenant, key, "ann", b"", new_id()).hash for tenant, key in pairs}
    assert len(reserved) == len(pairs)
    place = Position(now(), new_id())
    cursors = {pair: encode_cursor(ListKind.INBOX, pair, Filter(), place) for pair in pairs}
    assert len(set(cursors.values())) == len(pairs)
    for pair, cursor in cursors.items():
        assert decode_cursor(cursor, (ListKind.INBOX,), pair, Filter()).id == place.id
