"""A process with more under way than its limit: refused at once, in all three protocols alike, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx2
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed
from grpc_health.v1 import health_pb2, health_pb2_grpc
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from tests.contract.comparing import refused_everywhere
from tests.contract.conftest import Drivers
from tests.contract.graphql_driver import GraphqlDriver
from tests.contract.rest_driver import RestDriver
from tests.contract.rpc_driver import RpcDriver
from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

LIMIT = 8
COMMAND: dict[str, Any] = {
    "user_id": "crowd",
    "title": "Welcome!",
    "message": "Welcome to our platform",
    "type": "in_app",
}
CREATE = "mutation ($input: CreateNotificationInput!) { createNotification(input: $input) { notification { id } } }"
INPUT = {"userId": "crowd", "title": "Welcome!", "message": "Welcome to our platform", "type": "in_app"}
LARGE = {**COMMAND, "metadata": {"filling": "x" * 4096}}


@pytest.fixture(scope="module")
async def small(mongo_url: str, mongo_database: str) -> AsyncIterator[RunningHub]:
    """A hub that has room for eight at a time."""
    more = {"HUB_IN_FLIGHT_LIMIT": str(LIMIT)}
    async with running_hub(mongo_url, f"{mongo_database}_overload", None, roles=("all",), more=more) as running:
        yield running


@pytest.fixture(scope="module")
async def client(small: RunningHub) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=small.base_url, timeout=20) as made:
        yield made


@pytest.fixture(scope="module")
async def channel(small: RunningHub) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(small.grpc_target) as made:
        yield made


@pytest.fixture(scope="module")
def all_three(small: RunningHub, client: httpx2.AsyncClient, channel: grpc.aio.Channel) -> Drivers:
    socket_url = f"ws://127.0.0.1:{small.http_port}/graphql"
    return Drivers(RestDriver(client), GraphqlDriver(client, socket_url), RpcDriver(channel))


async def in_flight(client: httpx2.AsyncClient) -> int:
    found = re.search(r"^hub_in_flight (\S+)$", (await client.get("/metrics")).text, re.MULTILINE)
    assert found
    return int(float(found[1]))


@asynccontextmanager
async def crowd(small: RunningHub, client: httpx2.AsyncClient, size: int = LIMIT) -> AsyncIterator[None]:
    """So many callers who have begun a request and do not go on with it."""
    head = b"POST /api/v1/notifications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    writers = []
    for _ in range(size):
        _, writer = await asyncio.open_connection("127.0.0.1", small.http_port)
        writer.write(head)
        writers.append(writer)

    async def all_under_way() -> bool:
        return await in_flight(client) == size

    async def none_under_way() -> bool:
        return await in_flight(client) == 0

    await until(all_under_way)
    try:
        yield
    finally:
        for writer in writers:
            writer.close()
    await until(none_under_way)


async def test_it_is_refused_alike_and_says_when_to_come_back(
    small: RunningHub, client: httpx2.AsyncClient, channel: grpc.aio.Channel, all_three: Drivers
):
    async with crowd(small, client):
        refusal = await refused_everywhere(all_three, lambda driver: driver.create(COMMAND))
        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "OVERLOADED")
        await refused_everywhere(all_three, lambda driver: driver.inbox("crowd"))

        rest = await client.post("/api/v1/notifications", json=COMMAND)
        assert (rest.status_code, rest.headers["retry-after"]) == (503, "1")
        graphql = await client.post("/graphql", json={"query": CREATE, "variables": {"input": INPUT}})
        assert (graphql.status_code, graphql.headers["retry-after"]) == (503, "1")
        assert graphql.json()["errors"][0]["extensions"]["retry_after"] == 1
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await NotificationServiceStub(channel).CreateNotification(pb.CreateNotificationRequest(**COMMAND))
        assert retry_delay(raised.value) == 1


def retry_delay(error: grpc.aio.AioRpcError) -> int:
    status = status_pb2.Status.FromString(dict(error.trailing_metadata() or ())["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    return int(retry.retry_delay.seconds)


async def test_many_at_once_are_refused_too(
    small: RunningHub, client: httpx2.AsyncClient, channel: grpc.aio.Channel, all_three: Drivers
):
    async with crowd(small, client):
        for driver in (all_three.rest, all_three.graphql):
            refusal = await refused_everywhere(
                Drivers(driver, driver, driver), lambda driver: driver.create_many([COMMAND, COMMAND])
            )
            assert refusal.reason == "OVERLOADED"
        # Each item of a stream has an answer of its own.
        results = await all_three.grpc.create_many([COMMAND, COMMAND])
        assert [result["error"]["reason"] for result in results] == ["OVERLOADED", "OVERLOADED"]


@pytest.mark.parametrize("others", [0, LIMIT - 1])
async def test_a_long_stream_is_held_up_instead_of_being_refused(
    small: RunningHub, client: httpx2.AsyncClient, all_three: Drivers, others: int
):
    async with crowd(small, client, others):
        results = await all_three.grpc.create_many([COMMAND] * 5 * LIMIT)
    assert [result["error"] for result in results] == [None] * 5 * LIMIT


async def test_an_operation_on_a_socket_is_refused_and_the_socket_stays(small: RunningHub, client: httpx2.AsyncClient):
    async with connect(
        f"ws://127.0.0.1:{small.http_port}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]
    ) as socket:

        async def asked(identifier: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
            payload = {"query": query, "variables": variables}
            await socket.send(json.dumps({"id": identifier, "type": "subscribe", "payload": payload}))
            message: dict[str, Any] = json.loads(await socket.recv())
            assert message["id"] == identifier
            return message

        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        watch = 'subscription { inboxEvents(userId: "crowd") { kind } }'
        async with crowd(small, client):
            for query, variables in ((CREATE, {"input": INPUT}), (watch, {})):
                message = await asked("1", query, variables)
                assert message["type"] == "error"
                assert message["payload"][0]["extensions"]["reason"] == "OVERLOADED"
                assert message["payload"][0]["extensions"]["retry_after"] == 1
        assert (await asked("1", watch, {}))["type"] == "next"


async def test_probes_and_metrics_answer_all_the_same(
    small: RunningHub, client: httpx2.AsyncClient, channel: grpc.aio.Channel
):
    async with crowd(small, client):
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await client.get(path)).status_code == 200
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert "hub_requests_refused_total" in (await client.get("/metrics")).text


async def test_what_was_refused_has_left_nothing_behind(
    small: RunningHub, client: httpx2.AsyncClient, all_three: Drivers
):
    command = {**COMMAND, "user_id": "nobody"}
    async with crowd(small, client):
        await refused_everywhere(all_three, lambda driver: driver.create(command, f"key-{driver.name}"))
    assert (await all_three.rest.list_of_user("nobody"))["items"] == []
    created = [await driver.create(command, f"key-{driver.name}") for driver in all_three.all()]
    assert [replayed for _, replayed in created] == [False, False, False]


async def test_an_open_stream_holds_no_place(small: RunningHub, client: httpx2.AsyncClient, all_three: Drivers):
    for driver in all_three.all():
        async with driver.watch("crowd") as events:
            assert (await anext(aiter(events)))["kind"] == "heartbeat"
            await until(lambda: nothing_under_way(client))


async def nothing_under_way(client: httpx2.AsyncClient) -> bool:
    return await in_flight(client) == 0


async def test_a_body_that_nobody_declared_counts_as_it_comes(small: RunningHub, client: httpx2.AsyncClient):
    async def chunks(body: dict[str, Any]) -> AsyncIterator[bytes]:
        raw = json.dumps(body).encode()
        yield raw[:100]
        yield raw[100:]

    def graphql(fields: dict[str, Any]) -> dict[str, Any]:
        return {"query": CREATE, "variables": {"input": {**INPUT, "metadata": fields.get("metadata")}}}

    async def status(path: str, body: dict[str, Any]) -> int:
        headers = {"Content-Type": "application/json"}
        return (await client.post(path, content=chunks(body), headers=headers)).status_code

    async with crowd(small, client, LIMIT - 1):
        assert await status("/api/v1/notifications", COMMAND) == 201
        assert await status("/graphql", graphql(COMMAND)) == 200
        assert await status("/api/v1/notifications", LARGE) == 503
        assert await status("/graphql", graphql(LARGE)) == 503
    assert await status("/api/v1/notifications", LARGE) == 201
    assert await status("/graphql", graphql(LARGE)) == 200
