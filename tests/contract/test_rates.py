"""Rate limits: one count for all three protocols, one refusal, and each protocol's own way to say when to come back."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import httpx2
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed
from grpc_health.v1 import health_pb2, health_pb2_grpc
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from hub.admin.keys import new_key
from hub.domain.principals import Scope
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from tests.contract.comparing import refused, refused_everywhere
from tests.contract.conftest import NAMES, Drivers
from tests.contract.drivers import Body
from tests.contract.graphql_driver import GraphqlDriver
from tests.contract.rest_driver import RestDriver
from tests.contract.rpc_driver import RpcDriver
from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

AMOUNT = 12
FOR_ONE = 3
WINDOW = 3 * 3600
KEYS = [new_key(tenant, list(Scope), "test") for tenant in ("ours",) * 30 + ("theirs",)]
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"
QUERY = f'{{ notification(id: "{UNKNOWN}") {{ id }} }}'


@dataclass(frozen=True)
class Caller:
    """Whose key no other test has."""

    key: str
    drivers: Drivers
    client: httpx2.AsyncClient
    channel: grpc.aio.Channel
    socket_url: str

    async def use(self, count: int) -> None:
        """So many operations, by turns in each protocol."""
        for number in range(count):
            await self.drivers[NAMES[number % 3]].unread_count("nobody")

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.key}")]


@pytest.fixture(scope="module")
async def limited(
    mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    # All is about one window: where this one is about to end, the next one is waited for.
    await until(lambda: time.time() % WINDOW < WINDOW - 90, 100)
    keys_file = tmp_path_factory.mktemp("keys") / "keys.json"
    keys_file.write_text(json.dumps([json.loads(entry) for _, entry in KEYS]))
    more = {
        "HUB_AUTH__KEYS_FILE": str(keys_file),
        "HUB_LIMITS__PER_CREDENTIAL": f"{AMOUNT} per 3 hours",
        "HUB_LIMITS__PER_RECIPIENT": f"{FOR_ONE}/3hours",
    }
    async with running_hub(mongo_url, f"{mongo_database}_rates", None, roles=("all",), more=more) as hub:
        yield hub


@pytest.fixture(scope="module")
def keys() -> list[str]:
    return [key for key, _ in KEYS]


@pytest.fixture
async def new_caller(limited: RunningHub, keys: list[str]) -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def make(*, stranger: bool = False) -> Caller:
            key = keys.pop(-1 if stranger else 0)
            headers = {"Authorization": f"Bearer {key}"}
            client = await stack.enter_async_context(
                httpx2.AsyncClient(base_url=limited.base_url, timeout=20, headers=headers)
            )
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(limited.grpc_target))
            url = f"ws://127.0.0.1:{limited.http_port}/graphql"
            drivers = Drivers(RestDriver(client), GraphqlDriver(client, url, key), RpcDriver(channel, key))
            return Caller(key, drivers, client, channel, url)

        yield make


@pytest.fixture
async def caller(new_caller: Callable[..., Any]) -> Caller:
    made: Caller = await new_caller()
    return made


def welcome(user: str, **more: Any) -> Body:
    return {"user_id": user, "title": "Welcome!", "message": "Welcome to our platform", "type": "in_app", **more}


def someone() -> str:
    return f"user-{uuid4().hex[:12]}"


def left(response: httpx2.Response) -> dict[str, tuple[int, int]]:
    """What `RateLimit` says: by limit what remains, and in how many seconds it begins anew."""
    items = re.findall(r'"(\w+)";r=(\d+);t=(\d+)', response.headers.get("RateLimit", ""))
    return {name: (int(remaining), int(seconds)) for name, remaining, seconds in items}


class TestCredentials:
    async def test_have_one_count_in_all_three_protocols(self, caller: Caller, new_caller: Callable[..., Any]) -> None:
        await caller.use(AMOUNT)
        for ask in [
            lambda d: d.list_of_user("nobody"),
            lambda d: d.get(UNKNOWN),
            lambda d: d.create(welcome("nobody")),
            lambda d: d.create_many([welcome("nobody")]) if d.name != "grpc" else d.create(welcome("nobody")),
            lambda d: d.update_user("nobody", {}),
            lambda d: d.statistics(),
        ]:
            refusal = await refused_everywhere(caller.drivers, ask)
            assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
            assert refusal.metadata == {"limit": "credential"}
        # Another key of the same tenant has a count of its own.
        await (await new_caller()).use(AMOUNT)

    async def test_health_probes_and_metrics_are_never_limited(self, caller: Caller, limited: RunningHub) -> None:
        await caller.use(AMOUNT)
        for driver in caller.drivers.all():
            assert (await driver.health())["status"] == "ok"
        for path in ("/livez", "/readyz", "/metrics", "/api/v1/health"):
            answer = await caller.client.get(path)
            assert (answer.status_code, left(answer)) == (200, {})
        stub: Any = health_pb2_grpc.HealthStub(caller.channel)
        checked = await stub.Check(health_pb2.HealthCheckRequest(), metadata=caller.metadata)
        assert checked.status == health_pb2.HealthCheckResponse.SERVING
        assert (await refused(caller.drivers.rest.get(UNKNOWN))).reason == "RATE_LIMITED"

    async def test_what_fails_counts_too(self, caller: Caller) -> None:
        """Bad input must not be free: whoever sends nothing else is limited as everybody is."""
        client = caller.client
        json_type = {"Content-Type": "application/json"}
        await client.post("/api/v1/notifications", content="{", headers=json_type)
        await client.post("/api/v1/notifications", json={"user_id": 1})
        await client.get(f"/api/v1/notifications/{UNKNOWN}")
        await client.get("/api/v1/notifications", params={"nonsense": "1"})
        await client.post("/graphql", json={"query": "{"})
        await client.post("/graphql", json={"query": "{ nonsense }"})
        call: Any = caller.channel.unary_unary("/hub.v1.NotificationService/GetNotification")
        with pytest.raises(grpc.aio.AioRpcError) as unreadable:
            await call(b"\xff\xff", metadata=caller.metadata)
        assert unreadable.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        stream: Any = caller.channel.stream_stream("/hub.v1.NotificationService/CreateNotifications")
        assert len([item async for item in stream(iter([b"\xff\xff"] * 2), metadata=caller.metadata)]) == 2
        assert left(await client.get(f"/api/v1/notifications/{UNKNOWN}"))["credential"][0] == AMOUNT - 10

    @pytest.mark.parametrize("name", NAMES)
    async def test_an_item_counts_one_and_is_refused_in_its_place(self, name: str, caller: Caller) -> None:
        users = [someone() for _ in range(AMOUNT + 5)]
        results = await caller.drivers[name].create_many([welcome(user) for user in users])
        assert [result["index"] for result in results] == list(range(AMOUNT + 5))
        accepted = [result for result in results if result["error"] is None]
        errors = [result["error"] for result in results if result["error"] is not None]
        assert (len(accepted), len(errors)) == (AMOUNT, 5)
        for error in errors:
            assert (error["code"], error["reason"]) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
            assert error["metadata"] == {"limit": "credential"}
        assert all(result["notification"]["user_id"] == users[result["index"]] for result in accepted)

    @pytest.mark.parametrize(
        ("query", "units"),
        [
            (QUERY, 1),
            # Elsewhere these would be three operations.
            (
                f'{{ a: notification(id: "{UNKNOWN}") {{ id }} b: user(id: "ann") {{ id }} c: user(id: "bob") {{ id }} }}',
                3,
            ),
            # A connection, a hundred edges and as many nodes: a point each, a hundred points are one.
            ("{ notifications(first: 100) { edges { node { id } } } }", 3),
            ("{ health { status } __typename }", 0),
        ],
    )
    async def test_graphql_counts_by_what_is_asked_for(self, query: str, units: int, caller: Caller) -> None:
        answer = await caller.client.post("/graphql", json={"query": query})
        assert "errors" not in answer.json()
        assert left(answer).get("credential", (AMOUNT, 0))[0] == AMOUNT - units
        async with connect(caller.socket_url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {caller.key}"}}
            await socket.send(json.dumps(init))
            await socket.recv()
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}}))
            assert json.loads(await socket.recv())["type"] == "next"
        after = await caller.client.get(f"/api/v1/notifications/{UNKNOWN}")
        assert left(after)["credential"][0] == AMOUNT - 2 * units - 1

    @pytest.mark.parametrize("name", NAMES)
    async def test_opening_a_stream_counts_one_and_what_comes_through_it_none(self, name: str, caller: Caller) -> None:
        driver, user = caller.drivers[name], someone()
        await caller.use(AMOUNT - 3)
        async with driver.watch(user) as events:
            assert (await anext(events))["kind"] == "heartbeat"
            await driver.create(welcome(user))
            assert (await anext(events))["kind"] == "changed"
        async with driver.watch(user) as events:
            await anext(events)

        async def watch() -> None:
            async with driver.watch(user) as events:
                await anext(events)

        assert (await refused(watch())).reason == "RATE_LIMITED"

    async def test_refusals_are_counted_in_the_metrics(self, caller: Caller) -> None:
        async def counted() -> float:
            text = (await caller.client.get("/metrics")).text
            found = re.search(r'^hub_rate_limited_total\{limit="credential"\} (\S+)$', text, re.MULTILINE)
            return float(found[1]) if found else 0.0

        before = await counted()
        await caller.use(AMOUNT)
        for driver in caller.drivers.all():
            await refused(driver.list_of_user("nobody"))
        assert await counted() == before + 3


class TestAnswers:
    async def test_rest_says_in_every_answer_what_is_left(self, caller: Caller) -> None:
        answers = [
            await caller.client.get("/api/v1/users/nobody/notifications"),
            await caller.client.get(f"/api/v1/notifications/{UNKNOWN}"),
            await caller.client.delete(f"/api/v1/notifications/{UNKNOWN}"),
            await caller.client.post(
                "/api/v1/notifications", content="{", headers={"Content-Type": "application/json"}
            ),
            await caller.client.head("/api/v1/users/nobody/notifications"),
        ]
        assert [answer.status_code for answer in answers] == [200, 404, 404, 400, 200]
        assert [left(answer)["credential"][0] for answer in answers] == [AMOUNT - n for n in range(1, 6)]
        for answer in answers:
            assert answer.headers["RateLimit-Policy"] == f'"credential";q={AMOUNT};w={WINDOW}'
            assert 0 < left(answer)["credential"][1] <= WINDOW

    async def test_rest_says_of_a_create_what_is_left_for_its_recipient(self, caller: Caller) -> None:
        user = someone()
        answer = await caller.client.post("/api/v1/notifications", json=welcome(user))
        assert answer.status_code == 201
        policy = f'"credential";q={AMOUNT};w={WINDOW}, "recipient";q={FOR_ONE};w={WINDOW}'
        assert answer.headers["RateLimit-Policy"] == policy
        found = left(answer)
        assert (found["credential"][0], found["recipient"][0]) == (AMOUNT - 1, FOR_ONE - 1)

    async def test_rest_refuses_with_429_and_when_to_come_back(self, caller: Caller) -> None:
        await caller.use(AMOUNT)
        answer = await caller.client.get(f"/api/v1/notifications/{UNKNOWN}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (429, "application/problem+json")
        problem = answer.json()
        assert (problem["status"], problem["title"]) == (429, "Too Many Requests")
        assert (problem["code"], problem["reason"]) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
        remaining, seconds = left(answer)["credential"]
        assert (remaining, answer.headers["Retry-After"]) == (0, str(seconds))
        assert int(answer.headers["Retry-After"]) == pytest.approx(WINDOW - time.time() % WINDOW, abs=10)

    @pytest.mark.parametrize("media", ["application/json", "application/graphql-response+json"])
    async def test_graphql_refuses_with_429_before_anything_is_executed(self, media: str, caller: Caller) -> None:
        await caller.use(AMOUNT)
        answer = await caller.client.post("/graphql", json={"query": QUERY}, headers={"Accept": media})
        assert (answer.status_code, answer.headers["Content-Type"]) == (429, f"{media}; charset=utf-8")
        body = answer.json()
        assert body.keys() == {"errors"}
        extensions = body["errors"][0]["extensions"]
        assert (extensions["code"], extensions["reason"]) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
        assert answer.headers["Retry-After"] == str(extensions["retry_after"])
        assert left(answer)["credential"] == (0, extensions["retry_after"])

    async def test_graphql_refuses_an_operation_on_a_socket_and_leaves_the_others(self, caller: Caller) -> None:
        user = someone()
        await caller.use(AMOUNT - 1)
        async with connect(caller.socket_url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {caller.key}"}}
            await socket.send(json.dumps(init))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            watch = f'subscription {{ inboxEvents(userId: "{user}") {{ kind }} }}'
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": watch}}))
            assert json.loads(await socket.recv())["payload"]["data"] == {"inboxEvents": {"kind": "HEARTBEAT"}}
            await socket.send(json.dumps({"type": "subscribe", "id": "2", "payload": {"query": QUERY}}))
            told = json.loads(await socket.recv())
            assert (told["type"], told["id"]) == ("error", "2")
            extensions = told["payload"][0]["extensions"]
            assert (extensions["reason"], extensions["retry_after"] > 0) == ("RATE_LIMITED", True)
            # The stream is there, and so is the socket.
            await socket.send(json.dumps({"type": "complete", "id": "1"}))
            await socket.send(json.dumps({"type": "ping"}))
            assert json.loads(await socket.recv())["type"] == "pong"

    async def test_grpc_refuses_with_retry_info(self, caller: Caller) -> None:
        await caller.use(AMOUNT)
        stub: Any = NotificationServiceStub(caller.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetNotification(pb.GetNotificationRequest(notification_id=UNKNOWN), metadata=caller.metadata)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailing = dict(caught.value.trailing_metadata() or ())
        details = {d.TypeName(): d for d in status_pb2.Status.FromString(trailing["grpc-status-details-bin"]).details}
        retry = error_details_pb2.RetryInfo()
        assert details["google.rpc.RetryInfo"].Unpack(retry)
        assert retry.retry_delay.ToTimedelta().total_seconds() == pytest.approx(WINDOW - time.time() % WINDOW, abs=10)


class TestRecipients:
    async def test_get_so_many_whoever_creates_through_whichever_protocol(
        self, caller: Caller, new_caller: Callable[..., Any]
    ) -> None:
        user, other = someone(), await new_caller()
        await caller.drivers.rest.create(welcome(user))
        await other.drivers.graphql.create(welcome(user))
        await other.drivers.grpc.create(welcome(user))
        refusal = await refused_everywhere(caller.drivers, lambda d: d.create(welcome(user)))
        assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
        assert refusal.metadata == {"limit": "recipient"}
        await caller.drivers.rest.create(welcome(someone()))
        # A user of that name in another tenant is somebody else.
        stranger = await new_caller(stranger=True)
        await stranger.drivers.rest.create(welcome(user))

    async def test_repeats_are_answered_in_every_protocol_when_nothing_is_left(self, caller: Caller) -> None:
        user = someone()
        first, _ = await caller.drivers.rest.create(welcome(user), f"{user}-0")
        for number in (1, 2):
            await caller.drivers.grpc.create(welcome(user), f"{user}-{number}")
        for driver in caller.drivers.all():
            again, replayed = await driver.create(welcome(user), f"{user}-0")
            assert (again["id"], replayed) == (first["id"], True)
        assert (await refused(caller.drivers.graphql.create(welcome(user), f"{user}-3"))).metadata == {
            "limit": "recipient"
        }

    @pytest.mark.parametrize("name", NAMES)
    async def test_an_item_over_the_limit_is_refused_in_its_place(self, name: str, caller: Caller) -> None:
        user, other = someone(), someone()
        users = [user, user, other, user, user, user, other]
        results = await caller.drivers[name].create_many([welcome(each) for each in users])
        refusals = [result for result in results if result["error"] is not None]
        assert len(refusals) == 2
        for result in refusals:
            assert users[result["index"]] == user
            assert result["error"]["metadata"] == {"limit": "recipient"}
