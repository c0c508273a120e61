"""Keys and tokens as callers manage them, and what the audit trail says of it, in all three protocols."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from hub.admin.keys import new_key
from hub.domain.keys import hash_key
from hub.domain.principals import Scope
from tests.contract.comparing import Ask, everywhere, refused, refused_everywhere, status_becomes
from tests.contract.conftest import Drivers, calling
from tests.contract.drivers import Body, Driver, Refused
from tests.contract.test_notifications import in_future, welcome
from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

SECRET = "a secret of thirty-two characters"
ADMINS = {name: new_key(name, list(Scope), "test") for name in ("ours", "theirs")}
FIELDS = {
    "id", "name", "scopes", "environment", "created_at", "created_by", "expires_at", "revoked_at", "last_used_at"
}  # fmt: skip
NOBODYS = "0123456789ab"

Caller = Callable[[str], Any]


@pytest.fixture(scope="module")
async def locked(
    mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    keys_file = tmp_path_factory.mktemp("keys") / "keys.json"
    keys_file.write_text(json.dumps([json.loads(entry) for _, entry in ADMINS.values()]))
    more = {"HUB_AUTH__KEYS_FILE": str(keys_file), "HUB_AUTH__TOKEN_SECRET": SECRET}
    async with running_hub(mongo_url, f"{mongo_database}_access", None, roles=("all",), more=more) as hub:
        yield hub


@pytest.fixture
async def caller(locked: RunningHub) -> AsyncIterator[Caller]:
    """Drivers for a credential."""
    async with AsyncExitStack() as stack:

        async def made(credential: str) -> Drivers:
            return await stack.enter_async_context(calling(locked, credential))

        yield made


@pytest.fixture
async def admin(caller: Caller) -> Drivers:
    found: Drivers = await caller(ADMINS["ours"][0])
    return found


@pytest.fixture(params=["rest", "graphql", "grpc"])
def by(request: pytest.FixtureRequest, admin: Drivers) -> Driver:
    """Each scenario that takes this is managed once through every protocol."""
    return admin[request.param]


def command(*scopes: Scope, **fields: Any) -> Body:
    return {"name": "shop", "scopes": list(scopes) or ["inbox"], **fields}


async def shown(admin: Drivers, key_id: str) -> Body:
    """A key as all three lists have it."""

    async def ask(driver: Driver) -> Body:
        return next(key for key in await driver.keys() if key["id"] == key_id)

    found: Body = await everywhere(admin, ask)
    return found


async def deeds(admin: Drivers, subject: str | None) -> list[tuple[str, str, Any]]:
    """What the trail says was done to something, latest first: the same in all three protocols."""
    page = await everywhere(admin, lambda d: d.audit(limit=100))
    return [(e["action"], e["actor"], e["result"]) for e in page["items"] if e["subject"] == subject]


def refusing(driver: Driver, ask: Ask, code: str) -> Callable[[], Any]:
    async def is_refused() -> bool:
        try:
            await ask(driver)
        except Refused as refusal:
            return refusal.code == code
        return False

    return is_refused


def actor() -> str:
    """The id of the key that the admin of these tests comes with."""
    return str(json.loads(ADMINS["ours"][1])["id"])


async def test_a_new_key_opens_what_it_is_for_in_every_protocol(
    by: Driver, admin: Drivers, caller: Caller, user: str
) -> None:
    ends = in_future(days=1)
    issued = await by.create_key(command(Scope.NOTIFICATIONS_WRITE, expires_at=ends, environment="test"))
    key, secret = issued["key"], issued["secret"]
    assert issued.keys() == {"key", "secret"}
    assert key.keys() == FIELDS
    assert secret.startswith(f"hub_test_{key['id']}_")
    assert (key["name"], key["scopes"], key["created_by"]) == ("shop", ["notifications:write"], actor())
    assert (key["expires_at"], key["revoked_at"], key["last_used_at"]) == (ends, None, None)
    holder = await caller(secret)
    for driver in holder.all():
        created, _ = await driver.create(welcome(user))
        assert created["user_id"] == user
    found = await refused_everywhere(holder, lambda d: d.list())
    assert (found.code, found.metadata) == ("PERMISSION_DENIED", {"scope": "notifications:read"})
    assert await deeds(admin, key["id"]) == [("key.created", actor(), {})]


async def test_only_an_admin_manages_keys_and_reads_the_trail(admin: Drivers, caller: Caller) -> None:
    scopes = [scope for scope in Scope if scope is not Scope.ADMIN]
    issued = await admin.rest.create_key(command(*scopes))
    holder = await caller(issued["secret"])
    asks: list[Ask] = [
        lambda d: d.create_key(command()),
        lambda d: d.keys(),
        lambda d: d.rotate_key(issued["key"]["id"]),
        lambda d: d.revoke_key(issued["key"]["id"]),
        lambda d: d.audit(),
    ]
    for ask in asks:
        found = await refused_everywhere(holder, ask)
        assert (found.code, found.metadata) == ("PERMISSION_DENIED", {"scope": "admin"})


async def test_the_list_shows_keys_without_secrets_and_when_they_were_used(
    by: Driver, admin: Drivers, caller: Caller, user: str
) -> None:
    issued = await by.create_key(command(Scope.INBOX))
    key = await shown(admin, issued["key"]["id"])
    assert key == issued["key"]
    listed = json.dumps(await everywhere(admin, lambda d: d.keys()))
    assert issued["secret"] not in listed
    assert hash_key(issued["secret"]) not in listed
    begun = datetime.now(UTC)
    await (await caller(issued["secret"])).rest.unread_count(user)

    async def used() -> bool:
        return any(one["id"] == key["id"] and one["last_used_at"] for one in await by.keys())

    await until(used, 15)
    last = datetime.fromisoformat((await shown(admin, key["id"]))["last_used_at"])
    assert begun - timedelta(minutes=1) < last <= datetime.now(UTC)
    assert (last.second, last.microsecond) == (0, 0)


async def test_a_key_is_rotated_without_a_gap(by: Driver, admin: Drivers, caller: Caller, user: str) -> None:
    old = await by.create_key(command(Scope.INBOX, environment="test"))
    before = await caller(old["secret"])
    await everywhere(before, lambda d: d.unread_count(user))
    new = await by.rotate_key(old["key"]["id"], overlap_seconds=60)
    assert new["key"]["id"] != old["key"]["id"]
    assert {n: new["key"][n] for n in ("name", "scopes", "environment", "expires_at")} == {
        n: old["key"][n] for n in ("name", "scopes", "environment", "expires_at")
    }
    ends = datetime.fromisoformat((await shown(admin, old["key"]["id"]))["expires_at"])
    assert timedelta(seconds=50) < ends - datetime.now(UTC) <= timedelta(seconds=60)
    for holder in (before, await caller(new["secret"])):
        await everywhere(holder, lambda d: d.unread_count(user))
    assert await deeds(admin, old["key"]["id"]) == [("key.rotated", actor(), {}), ("key.created", actor(), {})]
    assert await deeds(admin, new["key"]["id"]) == [("key.created", actor(), {})]


async def test_a_rotation_without_overlap_ends_the_old_key(
    by: Driver, admin: Drivers, caller: Caller, user: str
) -> None:
    old = await by.create_key(command(Scope.INBOX))
    before = await caller(old["secret"])
    await everywhere(before, lambda d: d.unread_count(user))
    new = await by.rotate_key(old["key"]["id"], overlap_seconds=0)
    await until(refusing(before.rest, lambda d: d.unread_count(user), "UNAUTHENTICATED"), 2)
    assert (await refused_everywhere(before, lambda d: d.unread_count(user))).reason == "UNAUTHENTICATED"
    await everywhere(await caller(new["secret"]), lambda d: d.unread_count(user))
    # What has ended can't be rotated any more.
    assert (await refused_everywhere(admin, lambda d: d.rotate_key(old["key"]["id"]))).reason == "NOT_FOUND"


async def test_a_rotation_leaves_a_day_unless_told(admin: Drivers) -> None:
    for driver in admin.all():
        old = await driver.create_key(command())
        await driver.rotate_key(old["key"]["id"])
        ends = datetime.fromisoformat((await shown(admin, old["key"]["id"]))["expires_at"])
        assert timedelta(hours=23, minutes=59) < ends - datetime.now(UTC) <= timedelta(hours=24)


async def test_a_revoked_key_is_refused_within_two_seconds(
    by: Driver, admin: Drivers, caller: Caller, user: str
) -> None:
    issued = await by.create_key(command(Scope.INBOX))
    holder = await caller(issued["secret"])
    await everywhere(holder, lambda d: d.unread_count(user))
    revoked = await by.revoke_key(issued["key"]["id"])
    assert revoked["revoked_at"] is not None
    await until(refusing(holder.rest, lambda d: d.unread_count(user), "UNAUTHENTICATED"), 2)
    assert (await refused_everywhere(holder, lambda d: d.unread_count(user))).reason == "UNAUTHENTICATED"
    # The first time counts, however often it is repeated.
    again = await everywhere(admin, lambda d: d.revoke_key(issued["key"]["id"]))
    assert again["revoked_at"] == revoked["revoked_at"] == (await shown(admin, again["id"]))["revoked_at"]
    assert {action for action, _, _ in await deeds(admin, again["id"])} == {"key.revoked", "key.created"}


async def test_another_tenants_keys_and_deeds_do_not_exist(admin: Drivers, caller: Caller) -> None:
    issued = await admin.rest.create_key(command())
    theirs = await caller(ADMINS["theirs"][0])
    for key_id in (issued["key"]["id"], NOBODYS, NOBODYS.upper(), "nobody"):
        for ask in (partial(_rotate, key_id, None), partial(_revoke, key_id)):
            assert (await refused_everywhere(theirs, ask)).reason == "NOT_FOUND"
    assert issued["key"]["id"] not in json.dumps(await everywhere(theirs, lambda d: d.keys()))
    assert issued["key"]["id"] not in json.dumps(await everywhere(theirs, lambda d: d.audit(limit=100)))
    assert (await shown(admin, issued["key"]["id"]))["revoked_at"] is None
    await admin.rest.create_key(command())
    cursor = (await admin.rest.audit(limit=1))["next_cursor"]
    assert (await refused_everywhere(theirs, lambda d: d.audit(after=cursor))).reason == "INVALID_CURSOR"


async def test_what_no_key_can_be_is_refused_by_field(admin: Drivers) -> None:
    for given, field in [
        (command(name=""), "name"),
        (command(name=" "), "name"),
        (command(name="n" * 129), "name"),
        (command(name="a\nb"), "name"),
        (command() | {"scopes": []}, "scopes"),
        (command() | {"scopes": ["inbox", "everything"]}, "scopes"),
        (command(environment=""), "environment"),
        (command(environment="Live"), "environment"),
        (command(expires_at="2020-01-31T08:00:00.000Z"), "expires_at"),
        (command(expires_at="9999-12-31T23:59:59.999Z"), "expires_at"),
    ]:
        found = await refused_everywhere(admin, partial(_create, given))
        assert (found.reason, found.fields) == ("INVALID_VALUE", (field,)), given
    key_id = (await admin.rest.create_key(command()))["key"]["id"]
    for seconds in (-1, 2_592_001):
        found = await refused_everywhere(admin, partial(_rotate, key_id, seconds))
        assert (found.reason, found.fields) == ("INVALID_VALUE", ("overlap_seconds",))
    for seconds in (0, 86_401):
        found = await refused_everywhere(admin, partial(_issue, "ann", seconds))
        assert (found.reason, found.fields) == ("INVALID_VALUE", ("lifetime_seconds",))
    assert (await refused_everywhere(admin, lambda d: d.issue_user_token("a b"))).fields == ("user_id",)


async def test_the_trail_names_who_did_what(admin: Drivers, caller: Caller, user: str) -> None:
    issued = await admin.rest.create_key(command(*Scope))
    key_id, holder = issued["key"]["id"], await caller(issued["secret"])
    created, _ = await holder.rest.create(welcome(user, scheduled_at=in_future(hours=1)))
    await holder.rest.delete(created["id"])
    await holder.graphql.update_user(user, {"locale": "en"})
    assert await deeds(admin, created["id"]) == [("notification.deleted", key_id, {})]
    assert await deeds(admin, user) == [("user.updated", key_id, {})]
    await holder.grpc.purge(filter={"user_id": user})
    purged = ("dead_letters.purged", key_id, {"count": 0})
    assert (await deeds(admin, user))[0] == purged
    await holder.grpc.purge(filter={})
    assert (await deeds(admin, None))[0] == purged
    counts = await holder.grpc.delete_user(user)
    # From then on the trail does not name them either.
    assert await deeds(admin, user) == []
    page = await everywhere(admin, lambda d: d.audit(limit=100))
    mine = [(e["action"], e["subject"], e["result"]) for e in page["items"] if e["actor"] == key_id]
    pseudonym = mine[0][1]
    assert pseudonym.startswith("deleted:")
    assert ("user.deleted", pseudonym, counts) == mine[0]
    assert ("user.updated", pseudonym, {}) in mine
    assert all(entry["correlation_id"] for entry in page["items"])


async def test_what_can_be_no_id_is_not_put_on_record(admin: Drivers, locked: RunningHub) -> None:
    before = len(await deeds(admin, None))
    assert await everywhere(admin, lambda d: d.purge(ids=["ann@example.org"])) == 0
    headers = {"Authorization": f"Bearer {ADMINS['ours'][0]}", "Content-Type": "application/json"}
    async with httpx2.AsyncClient(base_url=locked.base_url, headers=headers) as client:
        answer = await client.post("/api/v1/dead-letters/replay", content=b'{"ids": ["\\ud800"]}')
    assert (answer.status_code, answer.json()) == (200, {"count": 0})
    assert len(await deeds(admin, None)) == before + 4


async def test_a_page_of_the_trail_is_continued_in_another_protocol(admin: Drivers) -> None:
    for _ in range(4):
        await admin.rest.create_key(command())
    wanted = [entry["id"] for entry in (await admin.rest.audit(limit=3))["items"]]
    first = await everywhere(admin, lambda d: d.audit(limit=1))
    second = await everywhere(admin, lambda d: d.audit(limit=1, after=first["next_cursor"]))
    third = await everywhere(admin, lambda d: d.audit(limit=1, after=second["next_cursor"]))
    assert [page["items"][0]["id"] for page in (first, second, third)] == wanted
    assert (await refused_everywhere(admin, lambda d: d.audit(after="x"))).reason == "INVALID_CURSOR"
    for driver in (admin.rest, admin.graphql):
        assert (await refused(driver.audit(limit=101))).fields == ("limit",)


async def test_a_users_token_opens_one_inbox_and_nothing_else(
    by: Driver, admin: Drivers, caller: Caller, user: str
) -> None:
    issuer = await caller((await admin.rest.create_key(command(Scope.INBOX)))["secret"])
    issued = await issuer[by.name].issue_user_token(user, lifetime_seconds=120)
    left = datetime.fromisoformat(issued["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=100) < left <= timedelta(seconds=120)
    own = await caller(issued["token"])
    created, _ = await admin.rest.create(welcome(user, type="in_app"))
    item = await status_becomes(admin.rest, created["id"], "delivered")

    assert (await everywhere(own, lambda d: d.inbox(user)))["items"] == [item]
    assert (await everywhere(own, lambda d: d.unread_count(user)))["unread_count"] == 1
    for driver in own.all():
        assert (await driver.mark_read(item["id"]))["status"] == "read"
        assert (await driver.mark_unread(item["id"]))["status"] == "delivered"
        assert (await driver.update_status(item["id"], "read"))["status"] == "read"
        assert (await driver.mark_unread(item["id"]))["status"] == "delivered"
        assert await driver.mark_all_read(user) == 1
        assert (await driver.mark_unread(item["id"]))["status"] == "delivered"
        async with driver.watch(user) as events:
            assert (await anext(events))["kind"] == "heartbeat"
    shown_health = await everywhere(own, lambda d: d.health())
    assert (shown_health["status"], shown_health["processes"]) == ("ok", [])

    asks: list[Ask] = [
        lambda d: d.create(welcome(user)),
        lambda d: d.create_many([welcome(user)]),
        lambda d: d.delete(item["id"]),
        lambda d: d.update_status(item["id"], "cancelled"),
        lambda d: d.update_status(item["id"], "delivered"),
        lambda d: d.update_status(item["id"], "pending"),
        lambda d: d.list(),
        lambda d: d.list_of_user(user),
        lambda d: _first(d.watch_one(item["id"])),
        lambda d: d.statistics(),
        lambda d: d.dead_letters(),
        lambda d: d.replay(filter={}),
        lambda d: d.purge(filter={}),
        lambda d: d.get_user(user),
        lambda d: d.update_user(user, {}),
        lambda d: d.delete_user(user),
        lambda d: d.create_key(command()),
        lambda d: d.keys(),
        lambda d: d.rotate_key(NOBODYS),
        lambda d: d.revoke_key(NOBODYS),
        lambda d: d.audit(),
        # It begets no others either: it would never end.
        lambda d: d.issue_user_token(user),
    ]
    for ask in asks:
        assert (await refused_everywhere(own, ask)).code == "PERMISSION_DENIED"


async def test_to_a_users_token_nobody_else_exists(admin: Drivers, caller: Caller, user: str) -> None:
    other = f"other-{uuid4().hex[:12]}"
    own = await caller((await admin.rest.issue_user_token(user))["token"])
    foreign = await caller((await (await caller(ADMINS["theirs"][0])).rest.issue_user_token(user))["token"])
    created, _ = await admin.rest.create(welcome(other, type="in_app"))
    mine, _ = await admin.rest.create(welcome(user, type="in_app"))
    for notification in (created, mine):
        await status_becomes(admin.rest, notification["id"], "delivered")
    asks: list[Ask] = [
        lambda d: d.inbox(other),
        lambda d: d.unread_count(other),
        lambda d: d.mark_read(created["id"]),
        lambda d: d.mark_unread(created["id"]),
        lambda d: d.update_status(created["id"], "read"),
        lambda d: d.mark_all_read(other),
        lambda d: _first(d.watch(other)),
    ]
    for ask in asks:
        assert (await refused_everywhere(own, ask)).reason == "NOT_FOUND"
    # The same name in another tenant is somebody else.
    assert (await everywhere(foreign, lambda d: d.inbox(user)))["items"] == []
    assert (await refused_everywhere(foreign, lambda d: d.mark_read(mine["id"]))).reason == "NOT_FOUND"
    assert (await admin.rest.unread_count(other))["unread_count"] == 1


async def test_a_token_ends_by_itself(by: Driver, caller: Caller, user: str) -> None:
    issued = await by.issue_user_token(user, lifetime_seconds=2)
    own = await caller(issued["token"])
    await own.rest.unread_count(user)
    await until(refusing(own.rest, lambda d: d.unread_count(user), "UNAUTHENTICATED"), 3)
    assert datetime.now(UTC) >= datetime.fromisoformat(issued["expires_at"])
    for ask in (lambda d: d.unread_count(user), lambda d: d.mark_all_read(user), lambda d: _first(d.watch(user))):
        assert (await refused_everywhere(own, ask)).reason == "UNAUTHENTICATED"


async def test_a_hub_without_a_secret_issues_no_tokens(drivers: Drivers, user: str) -> None:
    found = await refused_everywhere(drivers, lambda d: d.issue_user_token(user))
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "TOKENS_NOT_ISSUED")


async def test_no_secret_stands_in_any_log(admin: Drivers, locked: RunningHub, user: str) -> None:
    told = [(await driver.create_key(command()))["secret"] for driver in admin.all()]
    told += [(await driver.issue_user_token(user))["token"] for driver in admin.all()]
    log = locked.processes["all"].log_text()
    assert log
    assert [secret for secret in told if secret in log or hash_key(secret) in log] == []


async def _create(given: Body, driver: Driver) -> Body:
    return await driver.create_key(given)


async def _rotate(key_id: str, seconds: int | None, driver: Driver) -> Body:
    return await driver.rotate_key(key_id, seconds)


async def _revoke(key_id: str, driver: Driver) -> Body:
    return await driver.revoke_key(key_id)


async def _issue(user_id: str, seconds: int, driver: Driver) -> Body:
    return await driver.issue_user_token(user_id, seconds)


async def _first(opening: Any) -> Body:
    """The first event of a stream."""
    async with opening as events:
        found: Body = await anext(events)
        return found
