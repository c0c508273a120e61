"""GraphQL over HTTP, by a real server: operations, statuses, odd bodies, and the rules of the graphql-http audits."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from dirty_equals import IsPartialDict, IsStr

from hub.core.credentials import OpenDoor
from hub.domain.notifications import Priority, User
from hub.domain.paging import Filter
from hub.domain.statistics import Bucket, StatisticsQuery
from hub.domain.status import Status
from hub.transports.graphql.auth import GUEST, GUEST_BODY_BYTES
from tests.integration.graphql_fake import (
    ACME,
    KEY,
    KEYS,
    MAX_BODY_BYTES,
    MOMENT,
    OPERATION,
    PAGE,
    PAGE_HEADERS,
    Running,
    a_notification,
    running,
)

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
    hub.core.inbox.unread_counts = 0
    body = await run(
        client,
        'query { user(id: "user123") { id userId unreadCount unreadCountCapped } node(id: "user:user123") { __typename id } }',
    )
    assert body["data"] == {
        "user": {"id": "user:user123", "userId": "user123", "unreadCount": 1000, "unreadCountCapped": True},
        "node": {"__typename": "User", "id": "user:user123"},
    }
    assert hub.core.inbox.unread_counts == 1


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
        "reason": "EXPIRED",
        "archived": True,
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
        reason="EXPIRED",
        archived=True,
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
        ("mark_seen", {}, {"seenAt": "2030-01-31T08:00:00.123Z"}),
        ("mark_unseen", {}, {"seenAt": None}),
        ("archive_notification", {}, {"archivedAt": "2030-01-31T08:00:00.123Z"}),
        ("unarchive_notification", {}, {"archivedAt": None}),
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
    assert body["data"] == {"markAllRead": {"count": 7, "operationId": str(OPERATION)}}
    body = await run(client, document("mark_all_seen"), {"input": {"userId": "u"}})
    assert body["data"] == {"markAllSeen": {"count": 0, "operationId": None}}
    body = await run(client, document("undo_mark_all"), {"input": {"userId": "u", "operationId": str(OPERATION)}})
    assert body["data"] == {"undoMarkAll": {"count": 5}}
    body = await run(client, document("inbox_counts"), {"userId": "u", "categories": ["a"]})
    numbers = {"unread": 1000, "unreadCapped": True, "unseen": 2, "unseenCapped": False}
    one = {"category": "a", "unread": 1, "unreadCapped": False, "unseen": 0, "unseenCapped": False}
    assert body["data"] == {"user": {"inboxCounts": {**numbers, "categories": [one]}}}
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


async def test_a_batch_answers_each_item_by_itself(hub: Running, client: httpx2.AsyncClient):
    items: list[dict[str, Any]] = [
        {**INPUT, "idempotencyKey": "again", "metadata": {"n": 1}},
        {**INPUT, "title": "invalid"},
        {**INPUT, "title": "overloaded"},
        INPUT,
    ]
    body = await run(client, document("create_notifications"), {"input": {"notifications": items}})
    made = {"id": IsStr(), "status": "PENDING", "createdAt": IsStr(), "version": 3}
    results = body["data"]["createNotifications"]["results"]
    assert results == [
        {"index": 0, "notification": made, "error": None, "idempotencyReplayed": True},
        {
            "index": 1,
            "notification": None,
            "error": {
                "code": "INVALID_ARGUMENT",
                "reason": "INVALID_VALUE",
                "message": "metadata.priority: must be low, normal or high",
                "violations": [{"field": "metadata.priority", "message": "must be low, normal or high"}],
                "metadata": {},
            },
            "idempotencyReplayed": False,
        },
        {
            "index": 2,
            "notification": None,
            "error": IsPartialDict(code="UNAVAILABLE", reason="OVERLOADED", violations=[]),
            "idempotencyReplayed": False,
        },
        {"index": 3, "notification": made, "error": None, "idempotencyReplayed": False},
    ]
    assert [command.title for command in hub.core.notifications.commands[-4:]] == [item["title"] for item in items]
    assert hub.core.notifications.commands[-4].metadata == {"n": 1}


async def test_a_batch_of_none_is_refused_by_the_core(client: httpx2.AsyncClient):
    body = await run(client, document("create_notifications"), {"input": {"notifications": []}})
    assert body["data"] == {"createNotifications": None}
    extensions = body["errors"][0]["extensions"]
    assert (extensions["reason"], extensions["violations"][0]["field"]) == ("INVALID_VALUE", "notifications")


async def test_a_defect_in_a_batch_is_no_answer_of_an_item(client: httpx2.AsyncClient):
    with structlog.testing.capture_logs() as logs:
        given = {"input": {"notifications": [INPUT, {**INPUT, "title": "defect"}]}}
        body = await run(client, document("create_notifications"), given)
    assert body["data"] == {"createNotifications": None}
    assert body["errors"][0]["extensions"] == IsPartialDict(code="INTERNAL", reason="INTERNAL")
    assert [entry["event"] for entry in logs] == ["graphql_operation_failed"]


async def test_a_notification_is_deleted_once(hub: Running, client: httpx2.AsyncClient):
    one = a_notification()
    hub.core.notifications.known[one.id] = one
    body = await run(client, document("delete_notification"), {"input": {"id": str(one.id)}})
    assert body == {"data": {"deleteNotification": {"notificationId": str(one.id)}}}
    body = await run(client, document("delete_notification"), {"input": {"id": str(one.id)}})
    assert body["data"] == {"deleteNotification": None}
    assert body["errors"][0]["extensions"] == IsPartialDict(code="NOT_FOUND", reason="NOT_FOUND")


RECORD: dict[str, Any] = {
    "id": "user:ada",
    "userId": "ada",
    "contactPoints": {"email": "ada@example.com", "phone": "+15550100"},
    "locale": "pt-BR",
    "timezone": "Europe/Paris",
    "createdAt": "2030-01-31T08:00:00.123Z",
    "updatedAt": "2030-01-31T08:00:00.123Z",
}


async def test_a_user_record_is_written_and_read(hub: Running, client: httpx2.AsyncClient):
    hub.core.users.look_ups.clear()
    given = {name: RECORD[name] for name in ("userId", "contactPoints", "locale", "timezone")}
    body = await run(client, document("update_user"), {"input": given})
    assert body == {"data": {"updateUser": {"user": RECORD}}}
    # What was written is shown as it was written, not as it is read.
    assert hub.core.users.look_ups == []
    assert await run(client, document("get_user"), {"userId": "ada"}) == {"data": {"user": RECORD}}
    assert hub.core.users.look_ups == ["ada"]
    body = await run(client, document("update_user"), {"input": {"userId": "ada"}})
    assert body["data"]["updateUser"]["user"] == IsPartialDict(contactPoints={}, locale=None, timezone=None)


async def test_a_record_is_read_once_and_only_if_it_is_asked_for(hub: Running, client: httpx2.AsyncClient):
    hub.core.users.known["bob"] = User("default", "bob", {}, "en", None, MOMENT, MOMENT)
    hub.core.users.look_ups.clear()
    query = """{
      a: user(id: "bob") { locale timezone contactPoints }
      b: node(id: "user:bob") { ... on User { locale createdAt } }
      c: user(id: "nobody") { locale updatedAt }
      d: user(id: "other") { id userId unreadCount }
    }"""
    assert await run(client, query) == {
        "data": {
            "a": {"locale": "en", "timezone": None, "contactPoints": {}},
            "b": {"locale": "en", "createdAt": "2030-01-31T08:00:00.123Z"},
            "c": {"locale": None, "updatedAt": None},
            "d": {"id": "user:other", "userId": "other", "unreadCount": 1000},
        }
    }
    assert hub.core.users.look_ups == ["bob", "nobody"]


async def test_without_the_scope_only_the_fields_of_the_record_are_refused(client: httpx2.AsyncClient):
    body = await run(client, '{ a: user(id: "secret") { userId locale } b: user(id: "nobody") { locale } }')
    assert body["data"] == {"a": {"userId": "secret", "locale": None}, "b": {"locale": None}}
    assert [error["path"] for error in body["errors"]] == [["a", "locale"]]
    assert body["errors"][0]["extensions"] == IsPartialDict(
        code="PERMISSION_DENIED", reason="PERMISSION_DENIED", metadata={"scope": "users"}
    )


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"contactPoints": []}, ["contact_points"]),
        ({"contactPoints": "a@example.com"}, ["contact_points"]),
        (
            {"contactPoints": {"email": 5, "phone": None, "webhook": "https://a"}},
            ["contact_points.email", "contact_points.phone"],
        ),
        ({"locale": "nonsense"}, ["locale"]),
    ],
)
async def test_a_wrong_record_names_its_fields(client: httpx2.AsyncClient, given: Any, fields: list[str]):
    body = await run(client, document("update_user"), {"input": {"userId": "ada", **given}})
    assert body["data"] == {"updateUser": None}
    extensions = body["errors"][0]["extensions"]
    assert (extensions["code"], extensions["reason"]) == ("INVALID_ARGUMENT", "INVALID_VALUE")
    assert [violation["field"] for violation in extensions["violations"]] == fields


async def test_a_user_is_deleted_and_counted(hub: Running, client: httpx2.AsyncClient):
    hub.core.users.known["eve"] = User("default", "eve", {}, None, None, MOMENT, MOMENT)
    counts = {"notifications": 4, "cancelled": 3, "keys": 2, "contactPoints": 1}
    for expected in (counts, dict.fromkeys(counts, 0)):
        body = await run(client, document("delete_user"), {"input": {"userId": "eve"}})
        assert body == {"data": {"deleteUser": expected}}


async def test_statistics(hub: Running, client: httpx2.AsyncClient):
    given = {
        "from": "2030-01-01T00:00:00Z",
        "to": "2030-01-31T02:00:00+02:00",
        "bucket": "DAY",
        "type": "email",
        "category": "welcome",
        "status": "FAILED",
    }
    body = await run(client, document("statistics"), given)
    start, end = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 31, tzinfo=UTC)
    assert hub.core.statistics.asked[-1] == StatisticsQuery(start, end, Bucket.DAY, "email", "welcome", Status.FAILED)
    assert body["data"]["statistics"] == {
        "from": "2030-01-01T00:00:00.000Z",
        "to": "2030-01-31T00:00:00.000Z",
        "bucket": "DAY",
        "rows": [
            {"start": IsStr(), "type": "email", "category": "welcome", "status": "SENT", "count": 3},
            {"start": IsStr(), "type": "sms", "category": None, "status": "FAILED", "count": 1},
        ],
        "channels": [
            {
                "type": "email",
                "settled": 3,
                "failed": 0,
                "failureRate": 0,
                "attempts": 4,
                "p50Ms": 12.5,
                "p95Ms": 80.25,
                "p99Ms": 99,
            },
            {
                "type": "sms",
                "settled": 1,
                "failed": 1,
                "failureRate": 1,
                "attempts": 7,
                "p50Ms": None,
                "p95Ms": None,
                "p99Ms": None,
            },
        ],
    }


@pytest.mark.parametrize("arguments", ["", "(bucket: null)", "(bucket: HOUR)", "(from: null, to: null, status: null)"])
async def test_statistics_are_by_the_hour_unless_told_otherwise(
    hub: Running, client: httpx2.AsyncClient, arguments: str
):
    body = await run(client, "{ statistics" + arguments + " { bucket } }")
    assert body["data"] == {"statistics": {"bucket": "HOUR"}}
    assert hub.core.statistics.asked[-1] == StatisticsQuery(MOMENT, MOMENT, Bucket.HOUR)


async def test_statistics_of_no_time_are_refused(client: httpx2.AsyncClient):
    moment = "2030-01-01T00:00:00Z"
    body = await run(client, document("statistics"), {"from": moment, "to": moment})
    assert body["data"] is None
    assert body["errors"][0]["extensions"]["violations"] == [{"field": "from", "message": "must lie before to"}]


async def test_health(client: httpx2.AsyncClient):
    body = await run(client, document("health"))
    moment = "2030-01-31T08:00:00.123Z"
    assert body["data"]["health"] == {
        "status": "DEGRADED",
        "version": "1.2.3",
        "processes": [
            {"id": "p-1", "role": "api", "version": "1.2.3", "startedAt": moment, "beatAt": moment, "lagMs": 0.25}
        ],
        "components": [{"name": "store", "status": "OK", "detail": "A primary answers."}],
        "channels": [
            {"type": "email", "status": "OK", "workers": 2, "lastOutcome": "TEMPORARY", "lastAttemptAt": moment},
            {"type": "sms", "status": "DEGRADED", "workers": 0, "lastOutcome": None, "lastAttemptAt": None},
        ],
        "oldestDueSeconds": 61.5,
    }


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


# ---------------------------------------------------------------------------------------------------- authentication

BEARER = {"authorization": f"Bearer {KEY}"}
UNAUTHENTICATED = IsPartialDict(code="UNAUTHENTICATED", reason="UNAUTHENTICATED", violations=[])
WORD = {"query": "{ health { status version processes { id } oldestDueSeconds } __typename }"}


@pytest.fixture
def locked(hub: Running) -> Iterator[Running]:
    """The hub with one key."""
    hub.core.credentials = KEYS
    yield hub
    hub.core.credentials = OpenDoor()


async def test_a_key_tells_who_calls(locked: Running, client: httpx2.AsyncClient):
    body = {"query": CREATE, "variables": {"input": INPUT}}
    for header in (f"Bearer {KEY}", f"bearer   {KEY}"):
        response = await post(client, body, authorization=header)
        assert response.json() == {"data": {"createNotification": {"notification": {"id": IsStr()}}}}
        assert locked.core.notifications.principals[-1] is ACME
    response = await client.get("", params={"query": "{ __schema { queryType { name } } }"}, headers=BEARER)
    assert response.status_code == 200


@pytest.mark.parametrize("accept", [JSON, GRAPHQL, "text/event-stream"])
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", KEY)],
        [("authorization", "Basic YTpi")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer wrong")],
        [("authorization", f"Bearer {KEY}x")],
        [("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}")],
    ],
    ids=str,
)
async def test_without_a_good_key_nothing_is_done(
    locked: Running, client: httpx2.AsyncClient, headers: list[tuple[str, str]], accept: str
):
    before = len(locked.core.notifications.commands)
    response = await client.post(
        "",
        json={"query": CREATE, "variables": {"input": INPUT}},
        headers=[*headers, ("accept", accept), ("x-correlation-id", "c-1")],
    )
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert response.headers["content-type"] == f"{GRAPHQL if accept == GRAPHQL else JSON}; charset=utf-8"
    assert refusal(response) == UNAUTHENTICATED
    assert KEY not in response.text
    assert len(locked.core.notifications.commands) == before


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize(
    "query",
    [
        "{",
        "{ nope }",
        "{ __schema { queryType { name } } }",
        '{ __type(name: "User") { name } }',
        'mutation { deleteUser(input: {userId: "u"}) { keys } }',
        'subscription { inboxEvents(userId: "u") { kind } }',
        'query { health { status } user(id: "u") { id } }',
        "query { a: health { status } b: health { status } }",
        "query { ... { health { status } } }",
        "query { ...A } fragment A on Query { health { status } }",
        "query A { health { status } } query B { notifications(first: 1) { edges { cursor } } }",
        "mutation { health { status } }",
        "{ health { " + "status " * 1000 + "} }",
    ],
    ids=lambda query: query[:50],
)
async def test_guests_learn_nothing_else_not_even_what_is_wrong(client: httpx2.AsyncClient, query: str):
    for accept in (JSON, GRAPHQL, "text/event-stream"):
        for response in (
            await post(client, {"query": query}, accept),
            await client.get("", params={"query": query}, headers={"accept": accept}),
        ):
            assert response.status_code == 401
            assert refusal(response) == UNAUTHENTICATED


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("body", [b"", b"[]", b"[" * 1000, b"\xff", b"{}", b'{"query": 1}'])
async def test_guests_are_not_told_what_is_wrong_with_a_body(client: httpx2.AsyncClient, body: bytes):
    assert refusal(await post(client, body)) == UNAUTHENTICATED
    response = await post(client, body, **{"content-type": "text/plain"})
    assert response.status_code == 401
    # With the key they are.
    assert (await post(client, body, **BEARER)).status_code == 400


@pytest.mark.usefixtures("locked")
async def test_a_guests_body_is_read_no_further_than_needed(client: httpx2.AsyncClient):
    response = await post(client, {**WORD, "pad": "x" * GUEST_BODY_BYTES})
    assert response.status_code == 401
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * MAX_BODY_BYTES:
            sent += 10_000
            yield b" " * 10_000

    with contextlib.suppress(httpx2.TransportError):
        response = await client.post("", content=endless(), headers={"content-type": JSON})
        assert response.status_code == 401
    # With a wrong key none of it is read.
    response = await post(client, b"x" * MAX_BODY_BYTES * 2, authorization="Bearer wrong")
    assert response.status_code == 401


async def test_guests_who_send_slowly_keep_no_place_from_callers(locked: Running, client: httpx2.AsyncClient):
    url = httpx2.URL(locked.url)
    head = f"POST {url.path} HTTP/1.1\r\nHost: hub\r\nContent-Type: {JSON}\r\nContent-Length: 100\r\n\r\n{{"
    async with contextlib.AsyncExitStack() as stack:
        # Together they would have more places than there are.
        for _ in range(520):
            _, writer = await asyncio.open_connection(url.host, url.port)
            stack.callback(writer.close)
            writer.write(head.encode())
        # Until they have surely been taken in, a few in each turn of the loop.
        for _ in range(100):
            response = await post(client, WORD, **BEARER)
            assert response.status_code == 200


@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_guests_see_the_word_on_health(locked: Running, client: httpx2.AsyncClient, accept: str):
    word: dict[str, Any] = {"status": "DEGRADED", "version": None, "processes": [], "oldestDueSeconds": None}
    for response in (
        await post(client, WORD, accept),
        await client.get("", params=WORD, headers={"accept": accept}),
        await post(client, {"query": "query A " + WORD["query"], "operationName": "A"}, accept),
    ):
        assert (response.status_code, response.json()) == (200, {"data": {"health": word, "__typename": "Query"}})
        assert locked.core.health.principals[-1] is GUEST
    response = await post(client, {"query": document("health")}, accept)
    assert response.json()["data"]["health"] == IsPartialDict(status="DEGRADED", channels=[])


async def test_callers_see_all_of_health_and_wrong_keys_nothing(locked: Running, client: httpx2.AsyncClient):
    response = await post(client, WORD, **BEARER)
    assert response.json()["data"]["health"] == IsPartialDict(version="1.2.3", processes=[{"id": "p-1"}])
    assert locked.core.health.principals[-1] is ACME
    response = await post(client, WORD, authorization="Bearer wrong")
    assert response.status_code == 401
    assert refusal(response) == UNAUTHENTICATED


@pytest.mark.usefixtures("locked")
async def test_the_page_needs_no_key(client: httpx2.AsyncClient):
    response = await client.get("", headers={"accept": "text/html"})
    assert (response.status_code, response.text) == (200, PAGE)
