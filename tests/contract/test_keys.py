"""Keys from a file: who has none, a wrong one, one of another tenant or one without the scope, in all three protocols."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hub.admin.keys import new_key
from hub.domain.principals import Scope
from tests.contract.comparing import everywhere, refused_everywhere
from tests.contract.conftest import Drivers, calling
from tests.contract.test_notifications import in_future, welcome
from tests.hub_process import RunningHub, running_hub

KEYS = {
    "ours": new_key("ours", list(Scope), "test"),
    "theirs": new_key("theirs", list(Scope), "test"),
    "reader": new_key("ours", [Scope.NOTIFICATIONS_READ], "test"),
}


@pytest.fixture(scope="module")
async def locked(
    mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    keys_file = tmp_path_factory.mktemp("keys") / "keys.json"
    keys_file.write_text(json.dumps([json.loads(entry) for _, entry in KEYS.values()]))
    more = {"HUB_AUTH__KEYS_FILE": str(keys_file)}
    async with running_hub(mongo_url, f"{mongo_database}_keys", None, roles=("all",), more=more) as hub:
        yield hub


@pytest.fixture(scope="module")
async def callers(locked: RunningHub) -> AsyncIterator[dict[str, Drivers]]:
    """Drivers by whose key they carry."""
    async with AsyncExitStack() as stack:
        found = {}
        for name, key in [("nobody", None), ("stranger", "hub_test_0_x"), *((n, k) for n, (k, _) in KEYS.items())]:
            found[name] = await stack.enter_async_context(calling(locked, key))
        yield found


@pytest.mark.parametrize("who", ["nobody", "stranger"])
async def test_without_a_known_key_nothing_is_answered(who: str, callers: dict[str, Drivers], user: str) -> None:
    asks: list[Any] = [
        lambda d: d.create(welcome(user)),
        lambda d: d.get("01890a5d-ac96-774b-bcce-b302099a8057"),
        lambda d: d.list_of_user(user),
        lambda d: d.update_user(user, {}),
        lambda d: d.statistics(),
        lambda d: d.purge(filter={}),
        lambda d: d.create_many([welcome(user)]),
    ]
    for ask in asks:
        found = await refused_everywhere(callers[who], ask)
        assert (found.code, found.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


async def test_what_belongs_to_another_tenant_does_not_exist(callers: dict[str, Drivers], user: str) -> None:
    ours, theirs = callers["ours"], callers["theirs"]
    created, _ = await ours.rest.create(welcome(user, scheduled_at=in_future(hours=1)), f"key-{user}")
    assert (await everywhere(ours, lambda d: d.get(created["id"])))["id"] == created["id"]
    asks: list[Any] = [
        lambda d: d.get(created["id"]),
        lambda d: d.update_status(created["id"], "cancelled"),
        lambda d: d.delete(created["id"]),
        lambda d: d.mark_read(created["id"]),
    ]
    for ask in asks:
        assert (await refused_everywhere(theirs, ask)).reason == "NOT_FOUND"
    assert (await everywhere(theirs, lambda d: d.list_of_user(user)))["items"] == []
    # The same key, in another tenant, is another key.
    other, replayed = await theirs.grpc.create(welcome(user, scheduled_at=in_future(hours=1)), f"key-{user}")
    assert (replayed, other["id"] != created["id"]) == (False, True)
    cursor = (await ours.rest.list(limit=1))["next_cursor"]
    if cursor is not None:
        assert (await refused_everywhere(theirs, lambda d: d.list(after=cursor))).reason == "INVALID_CURSOR"


async def test_a_key_without_the_scope_is_told_which_one(callers: dict[str, Drivers], user: str) -> None:
    for ask, scope in [
        (lambda d: d.create(welcome(user)), "notifications:write"),
        (lambda d: d.inbox(user), "inbox"),
        (lambda d: d.update_user(user, {}), "users"),
        (lambda d: d.dead_letters(), "dead-letters"),
    ]:
        found = await refused_everywhere(callers["reader"], ask)
        assert (found.code, found.metadata) == ("PERMISSION_DENIED", {"scope": scope})


async def test_health_says_one_word_to_strangers_and_everything_to_callers(callers: dict[str, Drivers]) -> None:
    shown = await everywhere(callers["nobody"], lambda d: d.health())
    assert shown == {
        "status": "ok",
        "version": None,
        "processes": [],
        "components": [],
        "channels": [],
        "oldest_due_seconds": None,
    }
    assert len((await callers["ours"].rest.health())["processes"]) == 1
    assert (await refused_everywhere(callers["stranger"], lambda d: d.health())).code == "UNAUTHENTICATED"


async def test_a_socket_without_a_key_is_closed_for_good(locked: RunningHub) -> None:
    url = f"ws://127.0.0.1:{locked.http_port}/graphql"
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize(
    ("who", "status", "reason", "metadata"),
    [
        ("nobody", 401, "UNAUTHENTICATED", {}),
        ("stranger", 401, "UNAUTHENTICATED", {}),
        ("reader", 403, "PERMISSION_DENIED", {"scope": "admin"}),
    ],
)
async def test_metrics_are_refused_as_operations_are(
    locked: RunningHub, who: str, status: int, reason: str, metadata: dict[str, str]
) -> None:
    key = KEYS[who][0] if who in KEYS else "hub_test_0_x"
    headers = {"X-Correlation-Id": "mine-1"} | ({} if who == "nobody" else {"Authorization": f"Bearer {key}"})
    async with httpx2.AsyncClient(base_url=locked.base_url, headers=headers) as client:
        answer = await client.get("/metrics")
        head = await client.head("/metrics")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["reason"]) == (status, reason, reason)
    assert (problem["metadata"], problem["violations"]) == (metadata, [])
    assert problem["correlation_id"] == answer.headers["X-Correlation-Id"] == "mine-1"
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert (head.status_code, head.content) == (status, b"")


async def test_metrics_and_probes(locked: RunningHub) -> None:
    key = KEYS["ours"][0]
    async with httpx2.AsyncClient(base_url=locked.base_url) as client:
        assert (await client.get("/metrics")).status_code == 401
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, "hub_notifications_accepted_total" in answer.text) == (200, True)
        both = [("Authorization", f"Bearer {key}"), ("Authorization", "Bearer x")]
        # Two keys are nobody's, whichever comes last.
        assert [(await client.get("/metrics", headers=h)).status_code for h in (both, both[::-1])] == [401, 401]
        assert (await client.get("/livez")).status_code == (await client.get("/readyz")).status_code == 200
    assert key not in locked.processes["all"].log_text()
