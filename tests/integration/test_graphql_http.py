"""GraphQL over HTTP, by a real server: operations, statuses, odd bodies, and the rules of the graphql-http audits."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from dirty_equals import IsPartialDict, IsStr

from hub.domain.notifications import Priority
from hub.domain.paging import Filter
from hub.domain.status import Status
from tests.integration.graphql_fake import MAX_BODY_BYTES, PAGE, PAGE_HEADERS, Running, a_notification, running

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
OPERATIONS = Path(__file__).parents[2] / "graphql" / "operations"
INPUT = {"userId": "user123", "title": "Welcome!", "message": "Welcome to our platform", "type": "email"}
CREATE = "mutation($input: CreateNotificationInput!) { createNotification(input: $input) { notification { id } } }"
UNKNOWN_ID = "01a20632-552b-7685-bad2-76a7f91b6fa6"


@pytest.fixture(scope="module")
async def hub() -> AsyncIterator[Running]:
    async with running() as instance:
        yield instance


@pytest.fixture(scope="module")
async def client(hub: Running) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=hub.url, timeout=10) as instance:
        yield instance


async def post(client: httpx2.AsyncClient, body: Any, accept: str | None = None, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": JSON, **headers}
    if accept is not None:
        sent["accept"] = accept
    return await client.post("", content=content, headers=sent)


async def run(client: httpx2.AsyncClient, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    response = await post(client, {"query": query, "variables": variables})
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def document(name: str) -> str:
    return (OPERATIONS / f"{name}.graphql").read_text()


def refusal(response: httpx2.Response) -> dict[str, Any]:
    """The one error of an answer in which nothing was executed."""
    body = response.json()
    assert set(body) == {"errors"}
    assert len(body["errors"]) == 1
    extensions: dict[str, Any] = body["errors"][0]["extensions"]
    assert extensions["correlation_id"] == response.headers["x-correlation-id"]
    return extensions


# ------------------------------------------------------------------------------------------------------- operations


async def test_a_notification_with_all_its_fields(hub: Running, client: httpx2.AsyncClient):
    one = a_notification(status=Status.SENT, read_at=datetime(2030, 1, 31, 9, 0, tzinfo=UTC))
    hub.core.notifications.known[one.id] = one
    body = await run(client, document("get_notification"), {"id": str(one.id)})
    assert body == {
        "data": {
            "notification": {
                "id": str(one.id),
                "userId": "user123",
                "title": "Welcome!",
                "message": "Welcome to our platform",
                "type": "email",
                "html": None,
                "to": None,
                "metadata": {"n": 1},
                "priority": "HIGH",
                "category": "welcome",
                "status": "READ",
                "statusReason": {"code": "TIMEOUT", "message": "No answer."},
                "attempts": [
                    {
                        "number": 1,
                        "provider": "smtp",
                        "providerId": None,
                        "startedAt": "2030-01-31T08:00:00.123Z",
                        "finishedAt": "2030-01-31T08:00:00.123Z",
                        "outcome": "TEMPORARY",
                        "error": {"code": "TIMEOUT", "message": "No answer."},
                    }
                ],
                "scheduledAt": None,
                "expiresAt": None,
                "nextAttemptAt": "2030-01-31T08:00:00.123Z",
                "createdAt": "2030-01-31T08:00:00.123Z",
                "updatedAt": "2030-01-31T08:00:00.123Z",
                "sentAt": None,
                "deliveredAt": None,
                "readAt": "2030-01-31T09:00:00.000Z",
                "version": 3,
            }
        }
    }


async def test_a_create_reaches_the_core_as_it_was_sent(hub: Running, client: httpx2.AsyncClient):
    given = {
        **INPUT,
        "metadata": {"priority": "high", "whole": 1, "deep": [{"x": 1.5}]},
        "scheduledAt": "2031-01-31T09:00:00.1239+01:00",
        "expiresAt": "2032-01-31T08:00:00Z",
        "to": "a@example.com",
        "html": "<p>Hi</p>",
        "idempotencyKey": "again",
    }
    response = await post(
        client, {"query": document("create_notification"), "variables": {"input": given}}, **{"X-Correlation-Id": "c-1"}
    )
    assert response.headers["x-correlation-id"] == "c-1"
    assert response.json()["data"]["createNotification"] == {
        "idempotencyReplayed": True,
        "notification": {"id": IsStr(), "status": "PENDING", "createdAt": IsStr(), "version": 3},
    }
    command = hub.core.notifications.commands[-1]
    assert (command.user_id, command.type, command.to, command.html) == (
        "user123",
        "email",
        "a@example.com",
        "<p>Hi</p>",
    )
    assert repr(command.metadata) == repr(given["metadata"])
    assert command.scheduled_at == datetime(2031, 1, 31, 8, 0, 0, 123000, tzinfo=UTC)
    assert command.expires_at == datetime(2032, 1, 31, 8, tzinfo=UTC)
    assert hub.core.notifications.correlation_ids[-1] == "c-1"


async def test_metadata_may_stand_in_the_document(hub: Running, client: httpx2.AsyncClient):
    query = (
        'mutation($b: JSON) { createNotification(input: {userId: "u", title: "t", message: "m", type: "sms", '
        "metadata: {a: 1, b: $b, c: [1.5, null, true]}}) { notification { metadata } } }"
    )
    body = await run(client, query, {"b": {"d": 2}})
    expected = {"a": 1, "b": {"d": 2}, "c": [1.5, None, True]}
    assert body["data"]["createNotification"]["notification"]["metadata"] == expected


async def test_without_metadata_it_is_empty(hub: Running, client: httpx2.AsyncClient):
    await run(client, CREATE, {"input": {**INPUT, "metadata": None}})
    assert hub.core.notifications.commands[-1].metadata == {}


async def test_look_ups_share_one_round_trip(hub: Running, client: httpx2.AsyncClient):
    one = a_notification()
    hub.core.notifications.known[one.id] = one
    hub.core.notifications.look_ups.clear()
    query = "query($a: ID!, $b: ID!) { x: notification(id: $a) { id } y: node(id: $b) { id } z: node(id: $a) { id } }"
    body = await run(client, query, {"a": str(one.id), "b": UNKNOWN_ID})
    assert body["data"] == {"x": {"id": str(one.id)}, "y": None, "z": {"id": str(one.id)}}
    assert hub.core.notifications.look_ups == [[str(one.id), UNKNOWN_ID]]


@pytest.mark.parametrize("node_id", [UNKNOWN_ID, "", "x", "user:", "user:a b", "user:..", "Tm90aWZpY2F0aW9uOjE=", "\0"])
async def test_an_unknown_node_is_null_without_an_error(client: httpx2.AsyncClient, node_id: str):
    assert await run(client, document("get_node"), {"id": node_id}) == {"data": {"node": None}}


@pytest.mark.parametrize("user_id", ["", "a b", ".", "..", "x" * 129])
async def test_what_cannot_be_a_user_is_null(client: httpx2.AsyncClient, user_id: str):
    assert await run(client, "query($id: ID!) { user(id: $id) { id } }", {"id": user_id}) == {"data": {"user": None}}


async def test_a_user_is_a_node_and_counts_once(hub: Running, client: httpx2.AsyncClient):
    hub.core.inbox.counts = 0
    body = await run(
        client,
        'query { user(id: "user123") { id userId unreadCount unreadCountCapped } node(id: "user:user123") { __typename id } }',
    )
    assert body["data"] == {
        "user": {"id": "user:user123", "userId": "user123", "unreadCount": 1000, "unreadCountCapped": True},
        "node": {"__typename": "User", "id": "user:user123"},
    }
    assert hub.core.inbox.counts == 1


async def test_a_connection_is_the_cores_page(hub: Running, client: httpx2.AsyncClient):
    hub.core.notifications.known.clear()
    for _ in range(2):
        one = a_notification()
        hub.core.notifications.known[one.id] = one
    variables = {
        "first": 2,
        "status": "READ",
        "type": "email",
        "category": "welcome",
        "unread": False,
        "userId": "user123",
        "createdAfter": "2030-01-01T00:00:00Z",
        "createdBefore": "2030-02-01T00:00:00+02:00",
    }
    body = await run(client, document("list_notifications"), variables)
    connection = body["data"]["notifications"]
    assert [edge["node"]["id"] for edge in connection["edges"]] == [str(i) for i in hub.core.notifications.known]
    assert connection["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": connection["edges"][0]["cursor"],
        "endCursor": connection["edges"][1]["cursor"],
    }
    assert hub.core.notifications.filters[-1] == Filter(
        status=Status.READ,
        type="email",
        category="welcome",
        unread=False,
        user_id="user123",
        created_after=datetime(2030, 1, 1, tzinfo=UTC),
        created_before=datetime(2030, 1, 31, 22, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "field",
    [
        "notifications{args} {{ edges {{ cursor }} }}",
        "deadLetters{args} {{ edges {{ cursor }} }}",
        'user(id: "u") {{ notifications{args} {{ edges {{ cursor }} }} }}',
        'user(id: "u") {{ inbox{args} {{ edges {{ cursor }} }} }}',
    ],
)
@pytest.mark.parametrize(
    "args", ["", "(first: 0)", "(first: 101)", "(first: 1, last: 1)", '(first: 1, after: "spoiled")']
)
async def test_every_list_refuses_the_same(client: httpx2.AsyncClient, field: str, args: str):
    body = await run(client, "{" + field.format(args=args) + "}")
    reason = "INVALID_CURSOR" if "spoiled" in args else "INVALID_VALUE"
    assert body["errors"][0]["extensions"] == IsPartialDict(code="INVALID_ARGUMENT", reason=reason)
    violation = body["errors"][0]["extensions"]["violations"][0]
    assert violation["field"] == ("after" if "spoiled" in args else "first")


@pytest.mark.parametrize(
    ("name", "given", "answer"),
    [
        ("mark_read", {}, {"status": "READ"}),
        ("mark_unread", {}, {"status": "SENT"}),
        ("update_notification_status", {"status": "CANCELLED"}, {"status": "CANCELLED"}),
    ],
)
async def test_changes_of_one(hub: Running, client: httpx2.AsyncClient, name: str, given: Any, answer: Any):
    one = a_notification()
    hub.core.notifications.known[one.id] = one
    body = await run(client, document(name), {"input": {"id": str(one.id), **given}})
    (payload,) = body["data"].values()
    assert payload["notification"] == IsPartialDict(id=str(one.id), **answer)
    body = await run(client, document(name), {"input": {"id": UNKNOWN_ID, **given}})
    assert list(body["data"].values()) == [None]
    assert body["errors"][0]["extensions"] == IsPartialDict(code="NOT_FOUND", reason="NOT_FOUND")


async def test_counts_of_many(hub: Running, client: httpx2.AsyncClient):
    body = await run(client, document("mark_all_read"), {"input": {"userId": "u", "category": "c", "upTo": "x"}})
    assert body["data"] == {"markAllRead": {"count": 7}}
    body = await run(client, document("replay_dead_letters"), {"input": {"ids": ["a", "b"], "dryRun": True}})
    assert body["data"] == {"replayDeadLetters": {"count": 3}}
    body = await run(client, document("purge_dead_letters"), {"input": {"filter": {"type": "email"}}})
    assert body["data"] == {"purgeDeadLetters": {"count": 4}}
    (replayed, dry), (purged, wet) = hub.core.dead_letters.selections[-2:]
    assert (replayed.ids, replayed.filters, dry) == (("a", "b"), None, True)
    assert (purged.ids, purged.filters, wet) == (None, Filter(type="email"), False)


async def test_what_another_mutation_did_stays_in_the_answer(client: httpx2.AsyncClient):
    query = (
        "mutation($a: CreateNotificationInput!, $b: CreateNotificationInput!) "
        "{ x: createNotification(input: $a) { notification { id } } y: createNotification(input: $b) { notification { id } } }"
    )
    body = await run(client, query, {"a": INPUT, "b": {**INPUT, "title": "invalid"}})
    assert body["data"] == {"x": {"notification": {"id": IsStr()}}, "y": None}
    assert [error["path"] for error in body["errors"]] == [["y"]]


async def test_errors_of_the_core_are_the_catalogues(client: httpx2.AsyncClient):
    body = await run(client, CREATE, {"input": {**INPUT, "title": "invalid"}})
    assert body["errors"] == [
        {
            "message": "metadata.priority: must be low, normal or high",
            "locations": [{"line": 1, "column": 46}],
            "path": ["createNotification"],
            "extensions": {
                "code": "INVALID_ARGUMENT",
                "reason": "INVALID_VALUE",
                "violations": [{"field": "metadata.priority", "message": "must be low, normal or high"}],
                "correlation_id": IsStr(),
            },
        }
    ]
    body = await run(client, CREATE, {"input": {**INPUT, "title": "overloaded"}})
    assert body["errors"][0]["extensions"] == IsPartialDict(code="UNAVAILABLE", reason="OVERLOADED", retry_after=2)


async def test_a_defect_shows_its_id_alone(client: httpx2.AsyncClient):
    with structlog.testing.capture_logs() as logs:
        response = await post(client, {"query": CREATE, "variables": {"input": {**INPUT, "title": "defect"}}})
    assert "secret" not in response.text
    extensions = response.json()["errors"][0]["extensions"]
    assert extensions == {
        "code": "INTERNAL",
        "reason": "INTERNAL",
        "violations": [],
        "correlation_id": response.headers["x-correlation-id"],
    }
    assert [entry["event"] for entry in logs] == ["graphql_operation_failed"]


async def test_a_refusal_leaves_no_trace_in_the_log(client: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]):
    with structlog.testing.capture_logs() as logs:
        await run(client, CREATE, {"input": {**INPUT, "title": "invalid"}})
        await run(client, "{ nope }")
        await run(client, "{")
    assert logs == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_the_deadline_ends_an_operation(hub: Running, client: httpx2.AsyncClient, accept: str):
    before = hub.core.notifications.cancelled
    response = await post(client, {"query": CREATE, "variables": {"input": {**INPUT, "title": "slow"}}}, accept)
    assert response.status_code == (200 if accept == JSON else 504)
    assert refusal(response) == IsPartialDict(code="DEADLINE_EXCEEDED", reason="DEADLINE_EXCEEDED")
    assert hub.core.notifications.cancelled == before + 1


async def test_priorities_are_the_domains(hub: Running, client: httpx2.AsyncClient):
    for priority in Priority:
        one = a_notification(priority=priority)
        hub.core.notifications.known[one.id] = one
        body = await run(client, "query($id: ID!) { notification(id: $id) { priority } }", {"id": str(one.id)})
        assert body["data"]["notification"]["priority"] == priority.name


# ------------------------------------------------------------------------------------------------ GraphQL over HTTP

TYPENAME = {"query": "{ __typename }"}
WITH_ID = "query($id: ID!) { notification(id: $id) { id } }"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (GRAPHQL, GRAPHQL),
        (JSON, JSON),
        ("*/*", JSON),
        ("text/event-stream", JSON),
        (f"{GRAPHQL}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed", GRAPHQL),
        (f"text/event-stream, {GRAPHQL}", GRAPHQL),
    ],
)
async def test_the_answer_has_the_type_that_was_asked_for(client: httpx2.AsyncClient, accept: str, content_type: str):
    response = await post(client, TYPENAME, accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{content_type}; charset=utf-8"
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{"},
        {"query": "{ 8f31403dfe404bccbb0e835f2629c6a7 }"},
        {"query": "{ nope }"},
        {"query": "query A { __typename } query B { __typename }"},
        {"query": "query A { __typename }", "operationName": "B"},
        {"query": WITH_ID, "variables": {"id": None}},
        {"query": WITH_ID, "variables": {"id": {}}},
        {"query": CREATE, "variables": {"input": {**INPUT, "nope": 1}}},
        {"query": CREATE, "variables": {"input": {**INPUT, "scheduledAt": "2030-01-31T08:00:00"}}},
        {"query": CREATE, "variables": {"input": {**INPUT, "scheduledAt": 5}}},
        {"query": CREATE, "variables": {"input": {"userId": "u"}}},
        {"query": "{ notifications(first: 1, status: NOPE) { edges { cursor } } }"},
        {"query": "{ notifications(first: 99999999999) { edges { cursor } } }"},
        {"query": "{ notifications(first: " + "9" * 5000 + ") { edges { cursor } } }"},
        {"query": "{ __typename " * 500},
        {"query": "{ a(x: " + "[" * 100_000},
        {"query": "{" * 100_000},
        {"query": "\ud800"},
        {"query": "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"},
        {"query": "{ " + "__typename " * 1000 + "}"},
        {"query": "fragment A on Query { ...A } { ...A }"},
        {"query": "fragment A on Query { __typename }"},
    ],
    ids=lambda body: json.dumps(body)[:20] + "…" + json.dumps(body)[-50:],
)
async def test_what_graphql_refuses(client: httpx2.AsyncClient, body: Any):
    response = await post(client, body, GRAPHQL)
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"] == IsPartialDict(code="INVALID_ARGUMENT", reason="MALFORMED")
    assert "data" not in response.json()
    # The older media type is 200 for whatever could be read.
    response = await post(client, body, JSON)
    assert response.status_code == 200
    assert "data" not in response.json()


async def test_an_argument_that_turns_out_null_is_the_callers_mistake(client: httpx2.AsyncClient):
    body = await run(client, 'query($id: ID = "x") { notification(id: $id) { id } }', {"id": None})
    assert body["data"] == {"notification": None}
    assert body["errors"][0]["extensions"] == IsPartialDict(reason="MALFORMED")


@pytest.mark.parametrize("accept", [JSON, GRAPHQL, "text/event-stream", "image/png, */*;q=0.1"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"1",
        b'"x"',
        b"null",
        b"true",
        b"[]",
        b'[{"query": "{ __typename }"}]',
        b'{ "not a JSON',
        b"{}",
        b'{"qeury": "{ __typename }"}',
        b'{"query": {"obj": "ect"}}',
        b'{"query": 0}',
        b'{"query": false}',
        b'{"query": ["array"]}',
        b'{"query": null}',
        b'{"query": ""}',
        b'{"query": "{ __typename }", "operationName": {"obj": "ect"}}',
        b'{"query": "{ __typename }", "operationName": 0}',
        b'{"query": "{ __typename }", "operationName": false}',
        b'{"query": "{ __typename }", "operationName": ["array"]}',
        b'{"query": "{ __typename }", "variables": "string"}',
        b'{"query": "{ __typename }", "variables": 0}',
        b'{"query": "{ __typename }", "variables": false}',
        b'{"query": "{ __typename }", "variables": ["array"]}',
        b'{"query": "{ __typename }", "extensions": "string"}',
        b'{"query": "{ __typename }", "extensions": 0}',
        b'{"query": "{ __typename }", "extensions": false}',
        b'{"query": "{ __typename }", "extensions": ["array"]}',
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b'{"query": "{ __typename }", "variables": {"x": NaN}}',
        b'{"query": "{ __typename }", "variables": {"x": ' + b"9" * 5000 + b"}}",
        b"\xff\xfe{\x00}\x00",
        b'{"query": "\xff"}',
        b'\xef\xbb\xbf{"query": "{ __typename }"}',
    ],
    ids=lambda part: repr(part[:70]),
)
async def test_an_odd_body_is_a_clean_400(client: httpx2.AsyncClient, body: bytes, accept: str):
    response = await post(client, body, accept)
    assert response.status_code == 400
    assert refusal(response) == IsPartialDict(code="INVALID_ARGUMENT", reason="MALFORMED")
    assert response.headers["content-type"].startswith(GRAPHQL if accept == GRAPHQL else JSON)


@pytest.mark.parametrize("parameter", ["variables", "operationName", "extensions", "somethingElse"])
@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_parameters_may_be_null(client: httpx2.AsyncClient, parameter: str, accept: str):
    response = await post(client, {**TYPENAME, parameter: None}, accept)
    assert (response.status_code, response.json()) == (200, {"data": {"__typename": "Query"}})


async def test_extensions_and_names_and_variables_are_taken(client: httpx2.AsyncClient):
    body = {
        "query": "query A($name: String!) { __type(name: $name) { name } } mutation B { __typename }",
        "operationName": "A",
        "variables": {"name": "User", "unused": 1},
        "extensions": {"some": "value"},
    }
    response = await post(client, body, GRAPHQL)
    assert (response.status_code, response.json()) == (200, {"data": {"__type": {"name": "User"}}})


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", f"{JSON}; charset=utf-16"],
)
async def test_other_content_types_are_415(client: httpx2.AsyncClient, content_type: str):
    response = await post(client, TYPENAME, **{"content-type": content_type})
    assert response.status_code == 415
    assert response.headers["accept-post"] == JSON
    assert refusal(response) == IsPartialDict(reason="MALFORMED")


@pytest.mark.parametrize("content_type", [f"{JSON}; charset=utf-8", f'{JSON}; charset="UTF-8"', "Application/JSON"])
async def test_json_in_utf8_is_taken_however_it_is_spelled(client: httpx2.AsyncClient, content_type: str):
    body = {"query": '{ __type(name: "Run🏃Swim🏊") { name } }'}
    response = await post(client, body, **{"content-type": content_type})
    assert (response.status_code, response.json()) == (200, {"data": {"__type": None}})


async def test_nothing_acceptable_is_406(client: httpx2.AsyncClient):
    response = await post(client, TYPENAME, "image/png")
    assert response.status_code == 406
    assert refusal(response) == IsPartialDict(reason="MALFORMED")


async def test_too_large_is_413_told_or_found(client: httpx2.AsyncClient):
    body = json.dumps({"query": "{ __typename }", "pad": "x" * MAX_BODY_BYTES}).encode()
    response = await post(client, body)
    assert response.status_code == 413
    assert refusal(response) == IsPartialDict(code="RESOURCE_EXHAUSTED", reason="TOO_LARGE")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    response = await client.post("", content=chunks(), headers={"content-type": JSON})
    assert response.status_code == 413


async def test_get_answers_queries(client: httpx2.AsyncClient):
    params = {
        "query": "query A($n: String!) { __type(name: $n) { name } }",
        "variables": '{"n": "User"}',
        "operationName": "A",
    }
    for accept in (JSON, GRAPHQL):
        response = await client.get("", params=params, headers={"accept": accept})
        assert (response.status_code, response.json()) == (200, {"data": {"__type": {"name": "User"}}})
        assert response.headers["cache-control"] == "no-store"
    response = await client.get("", params={"query": "{ __typename }", "variables": "{"})
    assert response.status_code == 400
    assert refusal(response) == IsPartialDict(reason="MALFORMED")
    response = await client.get("")
    assert response.status_code == 400


async def test_get_mutates_nothing(hub: Running, client: httpx2.AsyncClient):
    before = len(hub.core.notifications.commands)
    query = 'mutation { createNotification(input: {userId: "u", title: "t", message: "m", type: "sms"}) { notification { id } } }'
    for accept in (JSON, GRAPHQL, "text/event-stream"):
        response = await client.get("", params={"query": query}, headers={"accept": accept})
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert refusal(response) == IsPartialDict(reason="MALFORMED")
    assert len(hub.core.notifications.commands) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_other_methods_are_405(client: httpx2.AsyncClient, method: str):
    response = await client.request(method, "")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("accept", [JSON, GRAPHQL, "*/*"])
async def test_a_subscription_for_json_is_told_what_to_use(client: httpx2.AsyncClient, accept: str):
    query = 'subscription { inboxEvents(userId: "u") { kind } }'
    for response in (
        await post(client, {"query": query}, accept),
        await client.get("", params={"query": query}, headers={"accept": accept}),
    ):
        assert response.status_code == 400
        message = response.json()["errors"][0]["message"]
        assert "graphql-transport-ws" in message
        assert "text/event-stream" in message


async def test_a_browser_sees_the_page_that_was_given(client: httpx2.AsyncClient):
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    response = await client.get("", headers={"accept": browser})
    assert (response.status_code, response.text) == (200, PAGE)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["vary"] == "Accept"
    assert response.headers.items() >= {name.lower(): value for name, value in PAGE_HEADERS.items()}.items()
    response = await client.head("", headers={"accept": browser})
    assert (response.status_code, response.text, response.headers["etag"]) == (200, "", '"1"')
    response = await client.get("", params={"query": "{ __typename }"}, headers={"accept": browser})
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("given", ["", "has space", "x" * 129, "é"])
async def test_an_unfit_correlation_id_is_replaced(client: httpx2.AsyncClient, given: str):
    response = await client.post("", json=TYPENAME, headers=[(b"x-correlation-id", given.encode())])
    assert len(response.headers["x-correlation-id"]) == 16
