"""Events that are rendered once for many: what they look like, who shares them, and who does not."""

import asyncio
import inspect
import json
import re
import socket as plain_socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.types import ExecutionResult

from hub.core.app import Core
from hub.domain.events import CappedCount, Event, EventKind, InboxCounts
from hub.transports.graphql.context import Context
from hub.transports.graphql.documents import Documents
from hub.transports.graphql.drain import LAST_WORD_SECONDS
from hub.transports.graphql.fanout import KEPT_PLANS, Fanout
from hub.transports.graphql.schema import Schema, build_schema
from hub.transports.graphql.wire import body_of, dump_json
from tests.integration.graphql_fake import ACME, ALL_READ, FakeCore, Running, a_notification, an_event, running
from tests.integration.test_graphql_streams import ask, event_stream, hear, messages, say, socket
from tests.waiting import until

OWN = (Path(__file__).parents[2] / "graphql" / "operations" / "inbox_events.graphql").read_text()
FRAGMENTS = """
subscription S($userId: String!, $after: String) { ...Root }
fragment Root on Subscription { inboxEvents(userId: $userId, after: $after) { ...Told cursor } }
fragment Told on Event { kind notification { ...Shown } }
fragment Shown on Notification { id title status attempts { number error { code } } }
"""
ALIASES = """subscription { bell: inboxEvents(userId: "u") {
  what: kind first: notification { name: title } second: notification { title } unread: unreadCount } }"""
DIRECTIVES = """
subscription S($userId: String!, $full: Boolean! = false, $no: Boolean!) {
  inboxEvents(userId: $userId) {
    kind unreadCount @skip(if: $no) notification @include(if: $full) { id message metadata } upTo { id } } }
"""
NULLS = """subscription { inboxEvents(userId: "u") {
  kind category markedAt upTo { deliveredAt id } notification { html to readAt scheduledAt statusReason { code } } } }"""
SEVERAL = """query Q { __typename } subscription A { inboxEvents(userId: "u") { kind } }
subscription B { inboxEvents(userId: "u") { cursor __typename } }"""
ALIKE = {
    "fragments": {"query": FRAGMENTS, "variables": {"userId": "u", "after": None}},
    "aliases": {"query": ALIASES},
    "left out": {"query": DIRECTIVES, "variables": {"userId": "u", "no": True}},
    "included": {"query": DIRECTIVES, "variables": {"userId": "u", "no": False, "full": True}},
    "nulls": {"query": NULLS},
    "several operations": {"query": SEVERAL, "operationName": "B"},
}
TOLD = [
    an_event(
        EventKind.CHANGED, notification=a_notification(title='"\u2028 <b> é 漢 😀', metadata={"n": [1, 2.5, None]})
    ),
    an_event(EventKind.REMOVED, notification=a_notification(status_reason=None, attempts=())),
    ALL_READ,
    an_event(EventKind.RESYNC),
]
BROKEN = an_event(
    EventKind.CHANGED, counts=InboxCounts(CappedCount(cast("int", None), capped=False), CappedCount(1, capped=False))
)
"""Its number of unread items is none, which the schema does not allow."""
COUNTS = 'subscription { inboxEvents(userId: "u") { kind unreadCount } }'


@pytest.fixture
async def hub() -> AsyncIterator[Running]:
    async with asyncio.timeout(60), running() as instance:
        yield instance


async def strawberrys(hub: Running, events: list[Event | Exception | None], payload: dict[str, Any]) -> list[Any]:
    """What Strawberry itself makes of a subscription: each result of its own stream, with nothing handed over."""
    results = await build_schema(Documents(), timedelta(seconds=5)).stream(
        payload["query"],
        variable_values=payload.get("variables"),
        operation_name=payload.get("operationName"),
        context_value=Context.fresh(cast("Core", hub.core), ACME),
    )
    made: list[Any] = []
    opened = len(hub.core.inbox.feeds)
    async for result in results:
        assert isinstance(result, ExecutionResult)
        made.append(body_of(result))
        for event in events if len(made) == 1 else ():
            hub.core.inbox.feeds[opened].events.put_nowait(event)
    return made


def without_ids(text: str) -> str:
    return re.sub(r'"correlation_id":\s?"[^"]*"', '"correlation_id":"…"', text)


async def frames(hub: Running, events: list[Event | Exception | None], payload: dict[str, Any]) -> list[str]:
    """What goes over a socket, as it goes over it."""
    opened = len(hub.core.inbox.feeds)
    async with socket(hub) as connection:
        await say(connection, {"id": "7", "type": "subscribe", "payload": payload})
        heard = [str(await connection.recv())]
        for event in events:
            hub.core.inbox.feeds[opened].events.put_nowait(event)
        while json.loads(heard[-1])["type"] != "complete":
            heard.append(str(await connection.recv()))
    return heard


def as_frames(payloads: list[Any]) -> list[str]:
    nexts = [dump_json({"id": "7", "type": "next", "payload": {"data": None, **payload}}) for payload in payloads]
    return [*nexts, dump_json({"id": "7", "type": "complete"})]


@pytest.mark.parametrize("payload", ALIKE.values(), ids=ALIKE)
async def test_a_frame_is_what_strawberry_makes_of_it(hub: Running, payload: dict[str, Any]):
    expected = await strawberrys(hub, [*TOLD, None], payload)
    assert len(expected) == len(TOLD) + 1
    assert all("errors" not in one for one in expected)
    assert await frames(hub, [*TOLD, None], payload) == as_frames(expected)
    # And again, now that everything has been rendered.
    assert await frames(hub, [*TOLD, None], payload) == as_frames(expected)


@pytest.mark.parametrize(
    "bad", [[BROKEN, TOLD[0], None], [TOLD[0], RuntimeError("secret"), None]], ids=["selection", "source"]
)
async def test_so_is_what_goes_wrong(hub: Running, bad: list[Any]):
    expected = await strawberrys(hub, bad, {"query": COUNTS})
    assert any("errors" in one for one in expected)
    heard = await frames(hub, bad, {"query": COUNTS})
    assert [without_ids(one) for one in heard] == [without_ids(one) for one in as_frames(expected)]
    assert "secret" not in str(heard)


async def test_an_error_is_each_subscribers_own(hub: Running):
    async with (
        socket(hub, additional_headers={"X-Correlation-Id": "first"}) as first,
        socket(hub, additional_headers={"X-Correlation-Id": "second"}) as second,
    ):
        for connection in (first, second):
            await ask(connection, COUNTS)
            await hear(connection)
        for feed in hub.core.inbox.feeds:
            feed.events.put_nowait(BROKEN)
        told = [await hear(connection) for connection in (first, second)]
    assert [one["payload"]["errors"][0]["extensions"]["correlation_id"] for one in told] == ["first", "second"]


async def test_event_streams_share_too_and_look_as_before(hub: Running):
    expected = await strawberrys(hub, [*TOLD, BROKEN, None], {"query": COUNTS})
    async with event_stream(hub, COUNTS) as response:
        await until(lambda: len(hub.core.inbox.feeds) == 2)
        for event in (*TOLD, BROKEN, None):
            hub.core.inbox.feeds[-1].events.put_nowait(event)
        heard = [message async for message in messages(response)]
    assert [kind for kind, _ in heard] == ["next"] * len(expected) + ["complete"]
    assert [without_ids(dump_json(told)) for _, told in heard[:-1]] == [without_ids(dump_json(one)) for one in expected]


async def test_two_users_are_told_of_their_own(hub: Running):
    mine, theirs = (an_event(EventKind.CHANGED, notification=a_notification(user_id=user)) for user in ("me", "they"))
    query = "subscription S($userId: String!) { inboxEvents(userId: $userId) { notification { userId } } }"
    async with socket(hub) as first, socket(hub) as second:
        for connection, user in ((first, "me"), (second, "they")):
            await ask(connection, query, variables={"userId": user})
            await hear(connection)
        for feed, event in zip(hub.core.inbox.feeds, (mine, theirs), strict=True):
            feed.events.put_nowait(event)
        told = [(await hear(connection))["payload"]["data"]["inboxEvents"] for connection in (first, second)]
    assert told == [{"notification": {"userId": "me"}}, {"notification": {"userId": "they"}}]


# ---------------------------------------------------------------------------------------------------------------- plans


class CountingSchema:
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Any]] = []

    async def execute(self, query: str, **options: Any) -> ExecutionResult:
        self.asked.append((query, options["variable_values"]))
        return ExecutionResult({"times": len(self.asked)}, None)


@pytest.fixture
def schema() -> CountingSchema:
    return CountingSchema()


@pytest.fixture
def fanout(schema: CountingSchema) -> Fanout:
    return Fanout(cast("Schema", schema), Documents(), cast("Core", FakeCore.new()))


async def told(fanout: Fanout, event: Event, query: str, name: str | None = None, /, **variables: Any) -> Any:
    subscriber = fanout.subscriber(query, name, variables or None)
    text = fanout.shared(event, subscriber) or await fanout.payload(event, subscriber)
    assert isinstance(text, str)
    return json.loads(text)["data"]["times"]


async def test_one_execution_for_each_plan_and_event(fanout: Fanout, schema: CountingSchema):
    event = an_event(EventKind.RESYNC)
    where: dict[str, Any] = {"userId": "u", "no": False}
    assert [await told(fanout, event, DIRECTIVES, **where, full=full) for full in (True, True, False, 1)] == [
        1,
        1,
        2,
        3,
    ]
    # What only the resolver was told makes no difference: from where a subscriber goes on.
    assert [await told(fanout, event, OWN, userId="u", after=after) for after in ("a", "b", None)] == [4, 4, 4]
    assert [await told(fanout, event, SEVERAL, name) for name in ("A", "B", "A")] == [5, 6, 5]
    assert len(schema.asked) == 6


async def test_an_event_that_says_the_same_is_another_one(fanout: Fanout):
    event = an_event(EventKind.RESYNC)
    same = replace(event)
    assert same == event
    assert [await told(fanout, one, ALIASES) for one in (event, same, event)] == [1, 2, 1]


async def test_a_rendering_goes_with_its_event(fanout: Fanout):
    event = an_event(EventKind.RESYNC)
    await told(fanout, event, ALIASES)
    assert len(fanout._texts) == 1
    del event
    assert len(fanout._texts) == 0


async def test_plans_are_bounded(fanout: Fanout):
    event = an_event(EventKind.RESYNC)
    for number in range(2 * KEPT_PLANS):
        fanout.subscriber(f"{ALIASES} # {number}", None, None)
    assert fanout._plan.cache_info().currsize == fanout._names.cache_info().currsize == KEPT_PLANS
    # Whoever brings much is rendered for alone.
    long: dict[str, Any] = {"userId": "u", "no": False, "full": "x" * 2000}
    assert [await told(fanout, event, DIRECTIVES, **long) for _ in range(2)] == [1, 2]
    assert [await told(fanout, event, ALIASES + "#" * 20_000) for _ in range(2)] == [3, 4]


def test_names_that_strawberry_does_not_promise():
    assert list(inspect.signature(BaseGraphQLTransportWSHandler._send_result_stream).parameters) == [
        "self",
        "operation",
        "result_source",
    ]
    assert {"id", "query", "variables", "operation_name", "completed"} <= set(Operation.__slots__)
    assert list(inspect.signature(Operation.send_next).parameters) == ["self", "execution_result"]


# ----------------------------------------------------------------------------------------------- who does not read on


async def test_a_reader_that_does_not_read_does_not_hold_up_a_drain(hub: Running):
    loop = asyncio.get_running_loop()
    with plain_socket.socket() as deaf:
        deaf.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_RCVBUF, 4096)
        async with socket(hub, sock=_connected(deaf, hub.port), max_queue=1) as connection:
            await ask(connection, INBOX_OF_ALL)
            await hear(connection)
            connection.transport.pause_reading()
            (feed,) = hub.core.inbox.feeds
            much = an_event(EventKind.CHANGED, notification=a_notification(message="x" * 500_000))
            for _ in range(40):
                feed.events.put_nowait(much)
            # It takes some, and then no more.
            await until(lambda: feed.events.qsize() < 40)
            began = loop.time()
            await hub.app.drain()
            assert feed.closed.is_set()
            assert feed.events.qsize() > 0
            assert loop.time() - began < 5 * LAST_WORD_SECONDS
            connection.transport.abort()


INBOX_OF_ALL = 'subscription { inboxEvents(userId: "u") { notification { message } } }'


def _connected(sock: plain_socket.socket, port: int) -> plain_socket.socket:
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock
