"""Subscriptions by a real server: server-sent events, graphql-transport-ws, and what happens when either side goes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from dirty_equals import IsPartialDict, IsStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from hub.domain.events import EventKind
from hub.transports.graphql.sockets import OPERATIONS_PER_SOCKET
from tests.integration.graphql_fake import (
    ACME,
    ALL_READ,
    KEY,
    KEYS,
    FakeFeed,
    Running,
    a_notification,
    an_event,
    running,
)
from tests.waiting import until

EVENTS = "text/event-stream"
OPERATIONS = Path(__file__).parents[2] / "graphql" / "operations"
INBOX = 'subscription { inboxEvents(userId: "u") { kind } }'
SPOILED = 'subscription { inboxEvents(userId: "u", after: "spoiled") { kind } }'
NOBODY = 'subscription { notificationEvents(id: "01a20632-552b-7685-bad2-76a7f91b6fa6") { kind } }'
CREATE = "mutation($input: CreateNotificationInput!) { createNotification(input: $input) { notification { id } } }"
INPUT = {"userId": "user123", "title": "Welcome!", "message": "Welcome to our platform", "type": "email"}
HEARTBEAT = {"data": {"inboxEvents": {"kind": "HEARTBEAT"}}}


@pytest.fixture
async def hub() -> AsyncIterator[Running]:
    async with asyncio.timeout(60), running() as instance:
        yield instance


# ---------------------------------------------------------------------------------------------- server-sent events


@asynccontextmanager
async def event_stream(hub: Running, query: str, accept: str = EVENTS) -> AsyncIterator[httpx2.Response]:
    async with (
        httpx2.AsyncClient(timeout=10) as client,
        client.stream("POST", hub.url, json={"query": query}, headers={"accept": accept}) as response,
    ):
        yield response


async def messages(response: httpx2.Response) -> AsyncIterator[tuple[str, Any]]:
    """The events of a stream, without comments."""
    kind = ""
    async for line in response.aiter_lines():
        name, _, value = line.partition(":")
        if name == "event":
            kind = value.strip()
        elif name == "data":
            yield kind, json.loads(value) if value.strip() else None


async def all_messages(response: httpx2.Response) -> list[tuple[str, Any]]:
    return [message async for message in messages(response)]


async def test_a_subscription_as_server_sent_events(hub: Running):
    async with event_stream(
        hub, (OPERATIONS / "inbox_events.graphql").read_text().replace("$userId: String!", '$userId: String! = "u"')
    ) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{EVENTS}; charset=utf-8"
        assert response.headers["x-correlation-id"]
        (feed,) = hub.core.inbox.feeds
        one = a_notification()
        for event in (an_event(EventKind.CHANGED, notification=one), ALL_READ, None):
            feed.events.put_nowait(event)
        received = await all_messages(response)
    assert [kind for kind, _ in received] == ["next", "next", "next", "complete"]
    assert received[1][1]["data"]["inboxEvents"] == IsPartialDict(
        kind="CHANGED",
        cursor="cursor",
        unreadCount=2,
        unreadCountCapped=False,
        notification=IsPartialDict(id=str(one.id), status="RETRYING", version=3),
        upTo=None,
    )
    assert received[2][1]["data"]["inboxEvents"] == IsPartialDict(
        kind="ALL_READ",
        notification=None,
        upTo={"deliveredAt": "2030-01-31T08:00:00.123Z", "id": "00000000-0000-0000-0000-000000000007"},
    )
    assert feed.closed.is_set()


async def test_by_get_as_an_event_source_does(hub: Running):
    async with (
        httpx2.AsyncClient(timeout=10) as client,
        client.stream("GET", hub.url, params={"query": INBOX}, headers={"accept": EVENTS}) as response,
    ):
        assert await anext(messages(response)) == ("next", HEARTBEAT)


@pytest.mark.parametrize(
    ("query", "reason"),
    [(SPOILED, "INVALID_CURSOR"), (NOBODY, "NOT_FOUND"), ("subscription { nope }", "MALFORMED"), ("{", "MALFORMED")],
)
async def test_what_is_wrong_is_told_in_the_stream(hub: Running, query: str, reason: str):
    async with event_stream(hub, query) as response:
        (_, told), end = await all_messages(response)
    assert told["errors"][0]["extensions"] == IsPartialDict(
        reason=reason, correlation_id=response.headers["x-correlation-id"]
    )
    assert end == ("complete", None)


async def test_a_feed_that_breaks_is_a_defect(hub: Running):
    with structlog.testing.capture_logs() as logs:
        async with event_stream(hub, INBOX) as response:
            await until(lambda: bool(hub.core.inbox.feeds))
            hub.core.inbox.feeds[0].events.put_nowait(RuntimeError("secret"))
            received = await all_messages(response)
    assert [kind for kind, _ in received] == ["next", "next", "complete"]
    assert received[1][1]["errors"][0]["extensions"] == IsPartialDict(reason="INTERNAL")
    assert "secret" not in str(received)
    assert [entry["event"] for entry in logs] == ["graphql_operation_failed"]


async def test_a_client_that_goes_closes_its_feed(hub: Running):
    async with event_stream(hub, INBOX) as response:
        await anext(messages(response))
    await until(hub.core.inbox.feeds[0].closed.is_set)


async def test_drain_ends_event_streams_without_complete(hub: Running):
    async with event_stream(hub, INBOX) as response:
        stream = messages(response)
        assert await anext(stream) == ("next", HEARTBEAT)
        await hub.app.drain()
        assert [message async for message in stream] == []
    assert hub.core.inbox.feeds[0].closed.is_set()
    async with event_stream(hub, INBOX) as response:
        assert response.status_code == 503
        body = json.loads(await response.aread())
        assert body["errors"][0]["extensions"] == IsPartialDict(code="UNAVAILABLE", reason="OVERLOADED")
    async with httpx2.AsyncClient() as client:
        response = await client.post(hub.url, json={"query": "{ __typename }"})
        assert response.json() == {"data": {"__typename": "Query"}}


# --------------------------------------------------------------------------------------------- graphql-transport-ws


@asynccontextmanager
async def socket(hub: Running, init: Any = None, **options: Any) -> AsyncIterator[ClientConnection]:
    """An acknowledged connection, unless `init` is False."""
    protocols = [Subprotocol("graphql-transport-ws")]
    async with connect(hub.socket_url, subprotocols=protocols, compression=None, **options) as connection:
        if init is not False:
            await say(connection, init or {"type": "connection_init"})
            assert await hear(connection) == {"type": "connection_ack"}
        yield connection


async def say(connection: ClientConnection, message: Any) -> None:
    await connection.send(json.dumps(message))


async def hear(connection: ClientConnection) -> Any:
    async with asyncio.timeout(10):
        return json.loads(await connection.recv())


async def ask(connection: ClientConnection, query: str, operation_id: str = "1", **payload: Any) -> None:
    await say(connection, {"id": operation_id, "type": "subscribe", "payload": {"query": query, **payload}})


async def closed(connection: ClientConnection) -> int:
    """How the server closes it, whatever it says before."""
    async with asyncio.timeout(10):
        # Codes other than 1000 and 1001 are raised at the end of the iteration.
        with contextlib.suppress(ConnectionClosed):
            async for _ in connection:
                pass
    assert connection.close_code is not None
    return connection.close_code


@pytest.mark.parametrize(
    "init",
    [
        {"type": "connection_init"},
        {"type": "connection_init", "payload": None},
        {"type": "connection_init", "payload": {}},
        {"type": "connection_init", "payload": {"token": "x"}},
    ],
    ids=str,
)
async def test_every_legal_connection_init_is_acknowledged(hub: Running, init: Any):
    async with socket(hub, init) as connection:
        await say(connection, {"type": "ping"})
        assert await hear(connection) == {"type": "pong"}
        await say(connection, {"type": "pong", "payload": {}})
        await ask(connection, "{ __typename }")
        assert await hear(connection) == {"id": "1", "type": "next", "payload": {"data": {"__typename": "Query"}}}
        assert await hear(connection) == {"id": "1", "type": "complete"}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('{"type": "connection_init", "payload": "x"}', 4400),
        ('{"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}}', 4401),
        ("not JSON", 4400),
        ("1", 4400),
        ("[1]", 4400),
        ("{}", 4400),
        ('{"type": 5}', 4400),
        ('{"type": "nope"}', 4400),
        ('{"type": "subscribe", "payload": {"query": "{ __typename }"}}', 4400),
        ('{"id": [], "type": "subscribe", "payload": {"query": "{ __typename }"}}', 4400),
        ('{"id": "1", "type": "subscribe", "payload": "x"}', 4400),
        ('{"id": "1", "type": "subscribe", "payload": {"query": 5}}', 4400),
        ('{"id": "1", "type": "subscribe", "payload": {"query": "{a}", "variables": []}}', 4400),
        ('{"id": "1", "type": "subscribe", "payload": {"query": "{a}", "operationName": 1}}', 4400),
        ('{"id": {}, "type": "complete"}', 4400),
        ("[" * 100_000, 4400),
        ("9" * 5000, 4400),
        (b"\x00\x01", 4400),
    ],
    ids=lambda part: repr(part)[:80],
)
async def test_what_breaks_the_protocol_closes_the_socket(hub: Running, said: str | bytes, code: int):
    with structlog.testing.capture_logs() as logs:
        async with socket(hub, init=False) as connection:
            await connection.send(said)
            assert await closed(connection) == code
    assert logs == []


async def test_a_second_init_closes_the_socket(hub: Running):
    async with socket(hub) as connection:
        await say(connection, {"type": "connection_init"})
        assert await closed(connection) == 4429


async def test_without_an_init_in_time_the_socket_is_closed(hub: Running):
    assert hub.app._sockets.connection_init_wait_timeout == timedelta(seconds=10)
    hub.app._sockets.connection_init_wait_timeout = timedelta(milliseconds=100)
    async with socket(hub, init=False) as connection:
        assert await closed(connection) == 4408


async def test_other_subprotocols_are_refused(hub: Running):
    async with connect(hub.socket_url, subprotocols=[Subprotocol("graphql-ws")]) as connection:
        assert await closed(connection) == 4406


async def test_pages_of_other_origins_are_refused(hub: Running):
    with pytest.raises(InvalidStatus) as caught:
        async with socket(hub, origin="https://evil.example"):
            pass
    assert caught.value.response.status_code == 403
    async with socket(hub, origin=f"http://127.0.0.1:{hub.port}"):
        pass


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (SPOILED, "INVALID_CURSOR"),
        (NOBODY, "NOT_FOUND"),
        ("{", "MALFORMED"),
        ("{" * 100_000, "MALFORMED"),
        ("{ nope }", "MALFORMED"),
        ("query A { __typename } query B { __typename }", "MALFORMED"),
        ("subscription($id: ID!) { notificationEvents(id: $id) { kind } }", "MALFORMED"),
    ],
    ids=lambda part: part[:50],
)
async def test_what_is_wrong_is_an_error_message_and_the_socket_lives(hub: Running, query: str, reason: str):
    async with socket(hub, additional_headers={"X-Correlation-Id": "c-1"}) as connection:
        await ask(connection, query)
        told = await hear(connection)
        assert told == {"id": "1", "type": "error", "payload": [IsPartialDict(message=IsStr())]}
        assert told["payload"][0]["extensions"] == IsPartialDict(reason=reason, correlation_id="c-1")
        await ask(connection, "{ __typename }")
        assert (await hear(connection))["type"] == "next"


async def test_an_unknown_operation_name_is_an_error_message(hub: Running):
    async with socket(hub) as connection:
        await ask(connection, "query A { __typename }", operationName="B")
        told = await hear(connection)
        assert (told["type"], told["payload"][0]["extensions"]["reason"]) == ("error", "MALFORMED")


async def test_mutations_and_their_errors(hub: Running):
    async with socket(hub) as connection:
        await ask(connection, CREATE, variables={"input": INPUT})
        assert (await hear(connection))["payload"] == {
            "data": {"createNotification": {"notification": {"id": IsStr()}}}
        }
        assert hub.core.notifications.correlation_ids[-1]
        await hear(connection)
        await ask(connection, CREATE, variables={"input": {**INPUT, "title": "invalid"}})
        payload = (await hear(connection))["payload"]
        assert payload["data"] == {"createNotification": None}
        assert payload["errors"][0]["extensions"] == IsPartialDict(reason="INVALID_VALUE")


async def test_the_deadline_holds_on_sockets_too(hub: Running):
    async with socket(hub) as connection:
        await ask(connection, CREATE, variables={"input": {**INPUT, "title": "slow"}})
        told = await hear(connection)
        assert (told["type"], told["payload"][0]["extensions"]["reason"]) == ("error", "DEADLINE_EXCEEDED")
    assert hub.core.notifications.cancelled == 1


async def test_a_subscription_outlives_the_deadline(hub: Running):
    async with socket(hub) as connection:
        await ask(connection, INBOX)
        await hear(connection)
        await asyncio.sleep(1.2)
        hub.core.inbox.feeds[0].events.put_nowait(ALL_READ)
        assert (await hear(connection))["payload"]["data"] == {"inboxEvents": {"kind": "ALL_READ"}}


async def test_operations_of_one_socket_read_anew(hub: Running):
    query = "query($id: ID!) { notification(id: $id) { version } }"
    one = a_notification()
    async with socket(hub) as connection:
        for version in (3, 4):
            hub.core.notifications.known[one.id] = a_notification(id=one.id, version=version)
            await ask(connection, query, variables={"id": str(one.id)})
            assert (await hear(connection))["payload"] == {"data": {"notification": {"version": version}}}
            await hear(connection)


async def test_one_notification_is_followed_until_it_is_removed(hub: Running):
    one = a_notification()
    hub.core.notifications.known[one.id] = one
    document = (OPERATIONS / "notification_events.graphql").read_text()
    async with socket(hub) as connection:
        await ask(connection, document, variables={"id": str(one.id)})
        assert (await hear(connection))["payload"]["data"]["notificationEvents"]["kind"] == "HEARTBEAT"
        (feed,) = hub.core.notifications.feeds
        feed.events.put_nowait(an_event(EventKind.REMOVED, notification=one))
        feed.events.put_nowait(None)
        event = (await hear(connection))["payload"]["data"]["notificationEvents"]
        assert event == IsPartialDict(kind="REMOVED", notification=IsPartialDict(id=str(one.id)))
        assert await hear(connection) == {"id": "1", "type": "complete"}


async def subscribed(hub: Running, connection: ClientConnection, operation_id: str = "1") -> FakeFeed:
    await ask(connection, INBOX, operation_id)
    assert await hear(connection) == {"id": operation_id, "type": "next", "payload": HEARTBEAT}
    return hub.core.inbox.feeds[-1]


async def test_complete_closes_one_feed_and_frees_the_id(hub: Running):
    async with socket(hub) as connection:
        first = await subscribed(hub, connection, "1")
        second = await subscribed(hub, connection, "2")
        await say(connection, {"id": "1", "type": "complete"})
        await until(first.closed.is_set)
        assert not second.closed.is_set()
        await subscribed(hub, connection, "1")


async def test_an_id_in_use_closes_the_socket(hub: Running):
    async with socket(hub) as connection:
        feed = await subscribed(hub, connection)
        await ask(connection, INBOX)
        assert await closed(connection) == 4409
    await until(feed.closed.is_set)


@pytest.mark.parametrize("abruptly", [False, True])
async def test_a_socket_that_goes_closes_its_feeds(hub: Running, *, abruptly: bool):
    with structlog.testing.capture_logs() as logs:
        async with socket(hub) as connection:
            feeds = [await subscribed(hub, connection, str(number)) for number in range(3)]
            if abruptly:
                connection.transport.abort()
                for feed in feeds:
                    for _ in range(50):
                        feed.events.put_nowait(ALL_READ)
        for feed in feeds:
            await until(feed.closed.is_set)
    assert logs == []


async def test_a_socket_carries_so_many_operations(hub: Running):
    async with socket(hub) as connection:
        for number in range(OPERATIONS_PER_SOCKET):
            await subscribed(hub, connection, str(number))
        await ask(connection, INBOX, "more")
        told = await hear(connection)
        assert (told["id"], told["type"]) == ("more", "error")
        assert told["payload"][0]["extensions"] == IsPartialDict(reason="RATE_LIMITED")
    for feed in hub.core.inbox.feeds:
        await until(feed.closed.is_set)


async def test_drain_closes_sockets_so_that_clients_come_back(hub: Running):
    with structlog.testing.capture_logs() as logs:
        async with socket(hub) as one, socket(hub) as other:
            feeds = [await subscribed(hub, one), await subscribed(hub, other)]
            for feed in feeds:
                feed.events.put_nowait(ALL_READ)
            async with asyncio.timeout(5):
                await hub.app.drain()
            assert await closed(one) == 1012
            assert await closed(other) == 1012
            assert all(feed.closed.is_set() for feed in feeds)
        async with socket(hub, init=False) as late:
            assert await closed(late) == 1012
    assert logs == []


# ---------------------------------------------------------------------------------------------------- authentication

GOOD = f"Bearer {KEY}"


def init_with(**payload: Any) -> dict[str, Any]:
    return {"type": "connection_init", "payload": payload}


@pytest.mark.parametrize(
    ("init", "header"),
    [
        (init_with(Authorization=GOOD), None),
        (init_with(authorization=GOOD), None),
        (init_with(Authorization=f"bearer {KEY}", more=[1]), None),
        ({"type": "connection_init"}, GOOD),
        ({"type": "connection_init", "payload": None}, GOOD),
        (init_with(token="x"), GOOD),
        (init_with(Authorization=None), GOOD),
        # What the socket says itself goes before what surrounds it.
        (init_with(Authorization=GOOD), "Basic YTpi"),
        (init_with(Authorization=GOOD), "Bearer wrong"),
    ],
    ids=str,
)
async def test_a_socket_is_opened_by_a_key(hub: Running, init: Any, header: str | None):
    hub.core.credentials = KEYS
    headers = {} if header is None else {"Authorization": header}
    async with socket(hub, init, additional_headers=headers) as connection:
        await ask(connection, CREATE, variables={"input": INPUT})
        assert (await hear(connection))["payload"]["data"] == {"createNotification": {"notification": {"id": IsStr()}}}
        assert hub.core.notifications.principals == [ACME]
        await hear(connection)
        await subscribed(hub, connection)


@pytest.mark.parametrize(
    ("init", "header"),
    [
        ({"type": "connection_init"}, None),
        ({"type": "connection_init", "payload": None}, None),
        (init_with(Authorization="Bearer wrong"), None),
        (init_with(Authorization="Bearer wrong"), GOOD),
        (init_with(Authorization=KEY), None),
        (init_with(Authorization=5), None),
        (init_with(Authorization={}), None),
        (init_with(token=GOOD), None),
        ({"type": "connection_init"}, "Bearer wrong"),
        ({"type": "connection_init"}, "Basic YTpi"),
    ],
    ids=str,
)
async def test_a_socket_without_a_good_key_is_closed_for_good(hub: Running, init: Any, header: str | None):
    hub.core.credentials = KEYS
    headers = {} if header is None else {"Authorization": header}
    with structlog.testing.capture_logs() as logs:
        async with socket(hub, init=False, additional_headers=headers) as connection:
            await say(connection, init)
            await ask(connection, "{ health { status } }")
            assert await closed(connection) == 4401
            assert connection.close_reason
            assert KEY not in connection.close_reason
    assert hub.core.health.principals == []
    assert logs == []


async def test_nothing_runs_before_the_key(hub: Running):
    hub.core.credentials = KEYS
    async with socket(hub, init=False) as connection:
        await ask(connection, "{ __typename }")
        assert await closed(connection) == 4401


async def test_a_key_stands_for_the_whole_socket(hub: Running):
    hub.core.credentials = KEYS
    async with socket(hub, init_with(Authorization=GOOD)) as connection:
        await say(connection, init_with(Authorization="Bearer wrong"))
        assert await closed(connection) == 4429


async def test_an_event_stream_needs_a_key(hub: Running):
    hub.core.credentials = KEYS
    async with event_stream(hub, INBOX) as response:
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        body = json.loads(await response.aread())
        assert body["errors"][0]["extensions"] == IsPartialDict(code="UNAUTHENTICATED")
    assert hub.core.inbox.feeds == []
    async with (
        httpx2.AsyncClient(timeout=10) as client,
        client.stream(
            "GET", hub.url, params={"query": INBOX}, headers={"accept": EVENTS, "authorization": GOOD}
        ) as response,
    ):
        assert await anext(messages(response)) == ("next", HEARTBEAT)
