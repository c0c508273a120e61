"""What GraphQL refuses before it runs anything: over HTTP, as server-sent events and on sockets, by a real server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from dirty_equals import IsPartialDict, IsStr
from graphql import get_introspection_query
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from hub.core.credentials import Door, KeyFile
from hub.domain.keys import hash_key
from hub.domain.principals import Principal, Scope
from hub.settings import GraphQLSettings, HttpSettings, StreamSettings
from hub.transports.graphql.trusted import hash_of
from tests.integration.graphql_fake import KEY, KEYS, MAX_BODY_BYTES, PAGE, Running, running
from tests.waiting import until

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
EVENTS = "text/event-stream"
OPERATIONS = Path(__file__).parents[2] / "graphql" / "operations"
INBOX = 'subscription { inboxEvents(userId: "u") { kind } }'


@pytest.fixture(scope="module")
async def hub() -> AsyncIterator[Running]:
    async with running() as instance:
        yield instance


async def by_post(hub: Running, payload: dict[str, Any]) -> Any:
    """What is answered where nothing is executed; the two media types agree on it."""
    async with httpx2.AsyncClient(timeout=10) as client:
        old = await client.post(hub.url, json=payload, headers={"accept": JSON})
        new = await client.post(hub.url, json=payload, headers={"accept": GRAPHQL})
    assert new.status_code == {"PERMISSION_DENIED": 403, "NOT_FOUND": 404}.get(_reason(new.json()), 400)
    assert _without_ids(old.json()) == _without_ids(new.json())
    return old.json()


async def by_get(hub: Running, payload: dict[str, Any]) -> Any:
    params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in payload.items()}
    async with httpx2.AsyncClient(timeout=10) as client:
        return (await client.get(hub.url, params=params)).json()


async def by_events(hub: Running, payload: dict[str, Any]) -> Any:
    """As a stream: what GraphQL refuses is told in it, what it never sees as a plain answer."""
    async with httpx2.AsyncClient(timeout=10) as client:
        response = await client.post(hub.url, json=payload, headers={"accept": EVENTS})
    if not response.headers["content-type"].startswith(EVENTS):
        return response.json()
    (data,) = (line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: "))
    return json.loads(data)


async def by_socket(hub: Running, payload: dict[str, Any]) -> Any:
    async with socket(hub) as connection:
        await say(connection, {"id": "1", "type": "subscribe", "payload": payload})
        told = await hear(connection)
        if told["type"] == "error":
            # The one operation is refused; the socket lives.
            await say(connection, {"type": "ping"})
            assert await hear(connection) == {"type": "pong"}
            return {"errors": told["payload"]}
        return told["payload"]


WAYS = {"post": by_post, "get": by_get, "events": by_events, "socket": by_socket}


@asynccontextmanager
async def socket(hub: Running, init: Any = None, **options: Any) -> AsyncIterator[ClientConnection]:
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


async def close_code(connection: ClientConnection) -> int | None:
    async with asyncio.timeout(10):
        try:
            while True:
                await connection.recv()
        except ConnectionClosed:
            return connection.close_code


def _reason(body: Any) -> Any:
    return body["errors"][0]["extensions"]["reason"]


def _without_ids(body: Any) -> Any:
    for error in body["errors"]:
        error["extensions"].pop("correlation_id")
    return body


# ----------------------------------------------------------------------------------------------------------- limits

PAGES = "query($n: Int) { notifications(first: $n) { edges { node { attempts { number } } } } }"
HOSTILE: dict[str, tuple[dict[str, Any], str | None]] = {
    "a thousand aliases": ({"query": "{ " + " ".join(f"a{n}: __typename" for n in range(1000)) + " }"}, None),
    "aliases": ({"query": "{ " + " ".join(f"a{n}: __typename" for n in range(300)) + " }"}, "aliases"),
    "aliases by fragments": (
        {"query": "{ ...A ...A ...A } fragment A on Query { ...B ...B ...B } fragment B on Query { ...C ...C ...C } "
         "fragment C on Query { a: __typename b: __typename }"},
        "aliases",
    ),
    "a thousand directives": ({"query": "{ __typename " + "@a " * 1000 + "}"}, None),
    "directives": ({"query": "{ __typename " + "@a " * 450 + "}"}, "directives"),
    "a hundred thousand brackets": ({"query": "{" * 100_000}, None),
    "a hundred thousand brackets in an argument": ({"query": "{ user(id: " + "[" * 100_000}, None),
    "depth": ({"query": "{ a " * 60 + "}" * 60}, "depth"),
    "depth by fragments": (
        {"query": "{ a { ...F0 } } "
         + " ".join(f"fragment F{n} on User {{ a {{ ...F{n + 1} }} }}" for n in range(50)) + " fragment F50 on User { id }"},
        "depth",
    ),
    "a page of a million": ({"query": PAGES, "variables": {"n": 1_000_000}}, "cost"),
    "a product of a million": (
        {"query": "{ " + " ".join(f"a{n}: notifications(first: 4000) {{ edges {{ node {{ attempts {{ number }} }} }} }}"
                                  for n in range(25)) + " }"},
        "cost",
    ),
    "a fragment bomb": (
        {"query": "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(80))
         + " fragment F80 on Query { notifications(first: 1) { edges { cursor } } }"},
        "cost",
    ),
    "a circle": ({"query": "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }"}, None),
}  # fmt: skip


@pytest.mark.parametrize("way", [name for name in WAYS if name != "get"])
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_documents_are_refused_at_once_and_say_which_limit(hub: Running, name: str, way: str) -> None:
    payload, limit = HOSTILE[name]
    began = time.monotonic()
    body = await WAYS[way](hub, payload)
    # 4 to 42 ms in the middle on a busy machine; run, the bomb has 2⁸⁰ parts.
    assert time.monotonic() - began < 2
    assert body.get("data") is None
    assert body["errors"][0]["extensions"] == IsPartialDict(code="INVALID_ARGUMENT", reason="MALFORMED")
    if limit is not None:
        metadata = body["errors"][0]["extensions"]["metadata"]
        assert metadata == {"limit": limit, "at_most": IsStr(regex=r"\d+"), "found": IsStr(regex=r"\d+")}
        assert int(metadata["found"]) > int(metadata["at_most"])
        assert f"limit of {limit}" in body["errors"][0]["message"]


async def test_nothing_of_a_refused_document_is_run(hub: Running) -> None:
    hub.core.notifications.filters.clear()
    for way in WAYS.values():
        await way(hub, {"query": PAGES, "variables": {"n": 1_000_000}})
    assert hub.core.notifications.filters == []
    items = [{"userId": "u", "title": "t", "message": "m", "type": "sms"}] * 100
    created = len(hub.core.notifications.commands)
    async with running(graphql=GraphQLSettings(max_cost=150)) as small:
        text = "mutation($i: CreateNotificationsInput!) { createNotifications(input: $i) { results { index } } }"
        body = await by_post(small, {"query": text, "variables": {"i": {"notifications": items}}})
        assert body["errors"][0]["extensions"]["metadata"] == {"limit": "cost", "at_most": "150", "found": "200"}
        assert small.core.notifications.commands == []
    assert len(hub.core.notifications.commands) == created


async def test_what_the_operation_to_run_asks_for_counts(hub: Running) -> None:
    text = "query Small { __typename } query Large { notifications(first: 10000) { edges { node { id } } } }"
    async with httpx2.AsyncClient() as client:
        small = (await client.post(hub.url, json={"query": text, "operationName": "Small"})).json()
    assert small == {"data": {"__typename": "Query"}}
    large = await by_post(hub, {"query": text, "operationName": "Large"})
    assert large["errors"][0]["extensions"]["metadata"] == IsPartialDict(limit="cost", found="20001")


async def test_the_largest_batch_is_within_the_limits(hub: Running) -> None:
    items = [{"userId": "u", "title": "t", "message": "m", "type": "sms"}] * 1000
    text = (OPERATIONS / "create_notifications.graphql").read_text()
    async with httpx2.AsyncClient(timeout=30) as client:
        answer = await client.post(hub.url, json={"query": text, "variables": {"input": {"notifications": items}}})
    assert len(answer.json()["data"]["createNotifications"]["results"]) == 1000


# ---------------------------------------------------------------------------------------------------- introspection

HIDING = GraphQLSettings(introspection=False, graphiql=False)
INTROSPECTIVE = {"query": "{ __schema { queryType { name } } }"}
BY_NAME = {"query": '{ x: __type(name: "Query") { name } }'}
NEARLY: list[dict[str, Any]] = [
    {"query": "{ notificatons(first: 1) { edges { cursor } } }"},
    {"query": "{ notifications(frist: 1) { edges { cursor } } }"},
    {"query": "{ notifications(first: 1, status: DELIVRED) { edges { cursor } } }"},
    {"query": "query($x: NotificationStatu) { __typename }"},
    {"query": '{ node(id: "x") { title } }'},
    {"query": "{ health { ... on Helth { status } } }"},
    {
        "query": "mutation($i: CreateNotificationInput!) { createNotification(input: $i) { idempotencyReplayed } }",
        "variables": {"i": {"userid": "u", "title": "t", "message": "m", "type": "sms"}},
    },
    {
        "query": "query($s: NotificationStatus) { notifications(first: 1, status: $s) { edges { cursor } } }",
        "variables": {"s": "DELIVRED"},
    },
    {"query": 'subscription { inboxEvent(userId: "u") { kind } }'},
    {"query": "subscription($u: String!) { inboxEvents(userId: $u, afte: 1) { kind } }", "variables": {"u": "u"}},
]


@pytest.fixture(scope="module")
async def hiding() -> AsyncIterator[Running]:
    async with running(graphql=HIDING) as instance:
        yield instance


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "payload", [INTROSPECTIVE, BY_NAME, {"query": get_introspection_query()}], ids=lambda p: p["query"][:30]
)
async def test_the_schema_is_not_told_where_introspection_is_off(
    hub: Running, hiding: Running, way: str, payload: dict[str, Any]
) -> None:
    body = await WAYS[way](hiding, payload)
    assert body.get("data") is None
    assert _reason(body) == "MALFORMED"
    assert "introspection is off" in body["errors"][0]["message"]
    async with httpx2.AsyncClient() as client:
        told = await client.post(hub.url, json=payload)
        # What every object is called stays.
        plain = await client.post(hiding.url, json={"query": "{ __typename health { __typename } }"})
    assert set(told.json()) == {"data"}
    assert plain.json() == {"data": {"__typename": "Query", "health": {"__typename": "Health"}}}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("payload", NEARLY, ids=lambda payload: payload["query"][:60])
async def test_no_names_are_suggested_where_introspection_is_off(
    hub: Running, hiding: Running, way: str, payload: dict[str, Any]
) -> None:
    body = await WAYS[way](hiding, payload)
    assert body["errors"]
    assert "Did you mean" not in json.dumps(body)


async def test_names_are_suggested_where_introspection_is_on(hub: Running) -> None:
    told = [json.dumps(await by_socket(hub, payload)) for payload in NEARLY]
    # All but the one whose sentence ends with a value, which is cut off.
    assert sum("Did you mean" in one for one in told) >= len(NEARLY) - 3


async def test_a_browser_is_told_that_there_is_no_page(hub: Running, hiding: Running) -> None:
    accept = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    async with httpx2.AsyncClient() as client:
        shown = await client.get(hub.url, headers=accept)
        absent = await client.get(hiding.url, headers=accept)
        head = await client.head(hiding.url, headers=accept)
        queried = await client.get(hiding.url, params={"query": "{ __typename }"}, headers=accept)
    assert (shown.status_code, shown.text) == (200, PAGE)
    assert (absent.status_code, head.status_code) == (404, 404)
    assert absent.json()["errors"][0]["extensions"] == IsPartialDict(code="NOT_FOUND", reason="NOT_FOUND")
    assert "POST" in absent.json()["errors"][0]["message"]
    assert queried.json() == {"data": {"__typename": "Query"}}


# ------------------------------------------------------------------------------------------------ trusted documents

TYPENAME = "{ __typename }"
CREATE = "mutation($i: CreateNotificationInput!) { createNotification(input: $i) { notification { id } } }"
WITH_PAGE = "query($n: Int) { notifications(first: $n) { edges { node { id } } } }"
HEALTH = "{ health { status } }"
MANIFEST = {"typename": TYPENAME, "create": CREATE, "inbox": INBOX, "pages": WITH_PAGE, "health": HEALTH}


@pytest.fixture(scope="module")
async def trusting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    path = tmp_path_factory.mktemp("manifest") / "manifest.json"
    path.write_text(json.dumps(MANIFEST))
    async with running(graphql=GraphQLSettings(trusted_documents=path)) as instance:
        yield instance


@pytest.mark.parametrize("way", [name for name in WAYS if name != "post"])
@pytest.mark.parametrize(
    "payload",
    [
        {"documentId": "typename"},
        {"documentId": f"sha256:{hash_of(TYPENAME)}"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_of(TYPENAME)}}},
    ],
    ids=str,
)
async def test_a_trusted_document_is_run_by_its_id(trusting: Running, way: str, payload: dict[str, Any]) -> None:
    assert await WAYS[way](trusting, payload) == {"data": {"__typename": "Query"}}
    async with httpx2.AsyncClient() as client:
        assert (await client.post(trusting.url, json=payload)).json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"query": TYPENAME}, "PERMISSION_DENIED"),
        ({"query": TYPENAME, "documentId": "typename"}, "PERMISSION_DENIED"),
        ({"query": INBOX}, "PERMISSION_DENIED"),
        ({"documentId": "nope"}, "NOT_FOUND"),
        # Its variables are the caller's, and so are its limits.
        ({"documentId": "pages", "variables": {"n": 1_000_000}}, "MALFORMED"),
    ],
    ids=str,
)
async def test_no_other_document_is_run(trusting: Running, way: str, payload: dict[str, Any], reason: str) -> None:
    body = await WAYS[way](trusting, payload)
    assert body.get("data") is None
    assert _reason(body) == reason


async def test_a_trusted_mutation_is_none_by_get(trusting: Running) -> None:
    given = {"userId": "u", "title": "t", "message": "m", "type": "sms"}
    async with httpx2.AsyncClient() as client:
        params = {"documentId": "create", "variables": json.dumps({"i": given})}
        by_get = await client.get(trusting.url, params=params)
        assert (by_get.status_code, by_get.headers["allow"]) == (405, "POST")
        assert trusting.core.notifications.commands == []
        made = await client.post(trusting.url, json={"documentId": "create", "variables": {"i": given}})
    assert made.json() == {"data": {"createNotification": {"notification": {"id": IsStr()}}}}


async def test_a_trusted_subscription_is_followed(trusting: Running) -> None:
    async with socket(trusting) as connection:
        await say(connection, {"id": "1", "type": "subscribe", "payload": {"documentId": "inbox"}})
        assert (await hear(connection))["payload"] == {"data": {"inboxEvents": {"kind": "HEARTBEAT"}}}
    async with (
        httpx2.AsyncClient(timeout=10) as client,
        client.stream("GET", trusting.url, params={"documentId": "inbox"}, headers={"accept": EVENTS}) as response,
    ):
        lines = response.aiter_lines()
        while not (line := await anext(lines)).startswith("data:"):
            pass
        assert json.loads(line.removeprefix("data:")) == {"data": {"inboxEvents": {"kind": "HEARTBEAT"}}}


async def test_a_guest_may_name_the_word_on_health(trusting: Running) -> None:
    before, trusting.core.credentials = trusting.core.credentials, KEYS
    try:
        async with httpx2.AsyncClient() as client:
            told = await client.post(trusting.url, json={"documentId": "health"})
            text = await client.post(trusting.url, json={"query": HEALTH})
    finally:
        trusting.core.credentials = before
    assert told.json() == {"data": {"health": {"status": "DEGRADED"}}}
    assert text.status_code == 401


@pytest.mark.parametrize("way", WAYS)
async def test_without_a_manifest_an_id_is_refused(hub: Running, way: str) -> None:
    for payload in ({"documentId": "typename"}, {"documentId": "typename", "query": TYPENAME}):
        body = await WAYS[way](hub, payload)
        assert _reason(body) == "MALFORMED"
        assert "without documentId" in body["errors"][0]["message"]


# ------------------------------------------------------------------------------------------- what a page could forge


@pytest.mark.parametrize(
    ("media", "content"),
    [
        ("text/plain", json.dumps({"query": TYPENAME})),
        ("application/x-www-form-urlencoded", "query=%7B__typename%7D"),
        ("application/graphql", TYPENAME),
        (
            "multipart/form-data; boundary=x",
            '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query": "{ __typename }"}\r\n--x--\r\n',
        ),
        ("", json.dumps({"query": TYPENAME})),
        ("text/plain; application/json", json.dumps({"query": TYPENAME})),
    ],
)
async def test_what_a_page_may_send_unasked_is_not_read(hub: Running, media: str, content: str) -> None:
    headers = {"content-type": media} if media else {}
    async with httpx2.AsyncClient() as client:
        response = await client.post(hub.url, content=content.encode(), headers=headers)
    assert (response.status_code, response.headers["accept-post"]) == (415, JSON)


async def test_neither_get_nor_a_list_changes_anything(hub: Running) -> None:
    created = len(hub.core.notifications.commands)
    variables = {"i": {"userId": "u", "title": "t", "message": "m", "type": "sms"}}
    async with httpx2.AsyncClient() as client:
        got = await client.get(hub.url, params={"query": CREATE, "variables": json.dumps(variables)})
        listed = await client.post(hub.url, json=[{"query": CREATE, "variables": variables}] * 2)
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert (listed.status_code, _reason(listed.json())) == (400, "MALFORMED")
    assert len(hub.core.notifications.commands) == created


# ---------------------------------------------------------------------------------------------------------- sockets

APP = "https://app.example"


@pytest.mark.parametrize(
    ("origin", "opens"),
    [
        (APP, True),
        ("https://APP.example:443", True),
        (None, True),
        ("http://127.0.0.1:{port}", True),
        ("http://app.example", False),
        ("https://app.example:8443", False),
        ("https://evil.example", False),
        ("https://app.example.evil.example", False),
        ("http://127.0.0.1:1", False),
        ("null", False),
        ("", False),
        ("*", False),
    ],
)
async def test_only_pages_that_are_allowed_open_sockets(origin: str | None, *, opens: bool) -> None:
    async with running(http=HttpSettings(max_body_bytes=MAX_BODY_BYTES, allowed_origins=(APP,))) as hub:
        headers = {} if origin is None else {"Origin": origin.format(port=hub.port)}
        if opens:
            async with socket(hub, additional_headers=headers):
                return
        with pytest.raises(InvalidStatus) as caught:
            async with socket(hub, additional_headers=headers):
                pass
        assert caught.value.response.status_code == 403


ANN = Principal("acme", frozenset({Scope.INBOX}), "ann")
BOB = Principal("acme", frozenset({Scope.INBOX}), "bob")
USERS = Door(
    KeyFile({hash_key("ann's"): ANN, hash_key("bob's"): BOB, hash_key(KEY): Principal("acme", frozenset(Scope))})
)


def init_of(credential: str) -> dict[str, Any]:
    return {"type": "connection_init", "payload": {"Authorization": f"Bearer {credential}"}}


async def test_a_user_has_so_many_sockets() -> None:
    async with running(streams=StreamSettings(per_user=2, in_total=100)) as hub, AsyncExitStack() as stack:
        hub.core.credentials = USERS
        first, _ = [await stack.enter_async_context(socket(hub, init_of("ann's"))) for _ in range(2)]
        async with socket(hub, init=False) as third:
            await say(third, init_of("ann's"))
            # Clients try again after it, which may find room.
            assert await close_code(third) == 1013
            assert "2 sockets" in (third.close_reason or "")
        for other in ("bob's", KEY, KEY, KEY):
            await stack.enter_async_context(socket(hub, init_of(other)))
        await first.close()
        await until(lambda: hub.app._sockets._of_users.open == 5)
        await stack.enter_async_context(socket(hub, init_of("ann's")))


async def test_a_process_has_so_many_sockets_whoever_they_are() -> None:
    async with running(streams=StreamSettings(per_user=1, in_total=3)) as hub:
        async with AsyncExitStack() as stack:
            # They need not even have said who they are.
            for _ in range(3):
                await stack.enter_async_context(socket(hub, init=False))
            with pytest.raises(InvalidStatus) as caught:
                async with socket(hub):
                    pass
            response = caught.value.response
            assert (response.status_code, response.headers["retry-after"]) == (503, "10")
            assert json.loads(response.body or b"")["errors"][0]["extensions"] == IsPartialDict(reason="OVERLOADED")
            async with httpx2.AsyncClient() as client:
                assert (await client.post(hub.url, json={"query": TYPENAME})).status_code == 200
        await until(lambda: hub.app._sockets._open.open == 0)
        async with socket(hub):
            pass
