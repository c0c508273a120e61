"""Batches, deletion, users, statistics, health and keys in REST, over a real uvicorn in front of a fake core."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.core.credentials import Door, KeyFile
from hub.domain.errors import HubError, Reason
from hub.domain.health import ChannelHealth, ComponentHealth, Health, HealthReport, ProcessHealth
from hub.domain.keys import hash_key
from hub.domain.principals import Principal, Scope
from hub.domain.statistics import Bucket, ChannelStatistics, Row
from hub.domain.status import Status
from hub.domain.users import UserRecord
from hub.transports.rest.batch import BATCH_BYTES
from tests.integration.test_rest_transport import LIMIT, MOMENT, WELCOME, Hub, fields, problem, serving

BATCH = "/api/v1/notifications/batch"
ACME = Principal("acme", frozenset({Scope.NOTIFICATIONS_READ, Scope.NOTIFICATIONS_WRITE}))
BEARER = {"Authorization": "Bearer secret"}


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with serving() as running:
        yield running


@pytest.fixture
async def keyed_hub() -> AsyncIterator[Hub]:
    """A hub where every caller needs a key."""
    async with serving(credentials=Door(KeyFile({hash_key("secret"): ACME}))) as running:
        yield running


# ------------------------------------------------------------------------------------------------------------- batches
async def test_a_batch(hub: Hub):
    keyed = WELCOME | {"idempotency_key": "k", "scheduled_at": "2030-02-01T10:00:00+02:00", "metadata": {"n": 1.0}}
    wish = {"notifications": [WELCOME, keyed, WELCOME | {"idempotency_key": None}, keyed]}
    response = await hub.client.post(BATCH, json=wish, headers={"X-Correlation-Id": "mine-1"})
    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["index"] for result in results] == [0, 1, 2, 3]
    assert [result["error"] for result in results] == [None] * 4
    assert [result["idempotency_replayed"] for result in results] == [False, False, False, True]
    assert results[1]["notification"] == results[3]["notification"]
    assert results[1]["notification"]["scheduled_at"] == "2030-02-01T08:00:00.000Z"
    single = await hub.client.get(f"/api/v1/notifications/{results[0]['notification']['id']}")
    assert single.json() == results[0]["notification"]
    assert [call[3:] for call in hub.notifications.calls] == [(key, "mine-1") for key in (None, "k", None, "k")]


@pytest.mark.parametrize(
    ("item", "wrong"),
    [
        ({"title": None}, ["title"]),
        ({"title": 1, "message": True, "surprise": 1}, ["message", "surprise", "title"]),
        ({"idempotency_key": 7}, ["idempotency_key"]),
        ({"metadata": []}, ["metadata"]),
        ({"metadata": {"a": {"b": "\ud800"}}}, ["metadata.a.b"]),
        ({"scheduled_at": "2030-01-01"}, ["scheduled_at"]),
        ({"expires_at": "2020-01-01T00:00:00Z"}, ["expires_at"]),
        ({"user_id": ".."}, ["user_id"]),
        ({"\udfff": 1}, ["item"]),
    ],
)
async def test_a_wrong_item_is_its_own_error(hub: Hub, item: dict[str, Any], wrong: list[str]):
    content = json.dumps({"notifications": [WELCOME, WELCOME | item, WELCOME]})
    response = await hub.client.post(BATCH, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert [result["error"] is None for result in results] == [True, False, True]
    refused = results[1]
    assert (refused["index"], refused["notification"], refused["idempotency_replayed"]) == (1, None, False)
    assert (refused["error"]["code"], refused["error"]["reason"]) == ("INVALID_ARGUMENT", "INVALID_VALUE")
    assert fields(refused["error"]) == wrong


@pytest.mark.parametrize("item", [None, 1, "x", [], [WELCOME], True])
async def test_an_item_that_is_no_object(hub: Hub, item: Any):
    (result,) = (await hub.client.post(BATCH, json={"notifications": [item]})).json()["results"]
    assert result["error"] == {
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_VALUE",
        "message": "item: must be a JSON object",
        "violations": [{"field": "item", "message": "must be a JSON object"}],
        "metadata": {},
    }


async def test_the_core_s_errors_of_items(hub: Hub):
    hub.notifications.fault = HubError(Reason.PERMISSION_DENIED, "No \ud800.", metadata={"scope": "x"})
    (result,) = (await hub.client.post(BATCH, json={"notifications": [WELCOME]})).json()["results"]
    assert result["error"] == {
        "code": "PERMISSION_DENIED",
        "reason": "PERMISSION_DENIED",
        "message": "No ?.",
        "violations": [],
        "metadata": {"scope": "x"},
    }


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ["notifications"]),
        ({"notifications": None}, ["notifications"]),
        ({"notifications": {"0": WELCOME}}, ["notifications"]),
        ({"notifications": []}, ["notifications"]),
        ({"notifications": [0] * 1001}, ["notifications"]),
        ({"notifications": [WELCOME], "dry_run": True}, ["dry_run"]),
        ([WELCOME], ["body"]),
    ],
)
async def test_a_wrong_batch_is_refused_as_a_whole(hub: Hub, body: Any, wrong: list[str]):
    assert fields(problem(await hub.client.post(BATCH, json=body), 422, "INVALID_VALUE")) == wrong
    assert not hub.notifications.calls


async def test_as_many_as_may_be(hub: Hub):
    results = (await hub.client.post(BATCH, json={"notifications": [{}] * 1000})).json()["results"]
    assert [result["index"] for result in results] == list(range(1000))


async def test_a_million_items_are_refused_at_once():
    async with serving(max_body_bytes=64 * 1024 * 1024, seconds=10) as running:
        content = b'{"notifications":[' + b"0," * 3_000_000 + b"0]}"
        started = time.monotonic()
        problem(await post(running, content), 422, "INVALID_VALUE")
        assert time.monotonic() - started < 5


async def test_a_batch_has_a_limit_of_its_own():
    async with serving(max_body_bytes=64 * 1024 * 1024, seconds=10) as running:
        problem(await post(running, b" " * (BATCH_BYTES + 1)), 413, "TOO_LARGE")
        problem(await post(running, b" " * BATCH_BYTES), 400, "MALFORMED")
    async with serving() as running:
        problem(await post(running, b" " * (LIMIT + 1)), 413, "TOO_LARGE")


async def post(hub: Hub, content: bytes) -> Any:
    return await hub.client.post(BATCH, content=content, headers={"Content-Type": "application/json"})


# ------------------------------------------------------------------------------------------------------------ deletion
async def test_delete(hub: Hub):
    location = (await hub.client.post("/api/v1/notifications", json=WELCOME)).headers["location"]
    # Nothing is given, so nothing can be excluded.
    response = await hub.client.delete(location, headers={"Accept": "application/problem+json"})
    assert (response.status_code, response.content) == (204, b"")
    assert "x-correlation-id" in response.headers
    assert "content-type" not in response.headers
    problem(await hub.client.delete(location), 404, "NOT_FOUND")
    problem(await hub.client.delete("/api/v1/notifications/batch"), 404, "NOT_FOUND")


# --------------------------------------------------------------------------------------------------------------- users
async def test_a_user_s_record(hub: Hub):
    problem(await hub.client.get("/api/v1/users/a@b"), 404, "NOT_FOUND")
    record = {"contact_points": {"email": "a@example.com"}, "locale": "pt-BR", "timezone": "Europe/Paris"}
    put = await hub.client.put("/api/v1/users/a@b", json=record)
    assert put.status_code == 200
    assert put.json() == {
        "user_id": "a@b",
        **record,
        "created_at": "2030-01-31T08:00:00.123Z",
        "updated_at": "2030-01-31T08:00:00.123Z",
    }
    assert (await hub.client.get("/api/v1/users/a@b")).json() == put.json()
    deleted = await hub.client.delete("/api/v1/users/a@b")
    assert deleted.status_code == 200
    assert deleted.json() == {"notifications": 5, "cancelled": 2, "keys": 3, "contact_points": 1}
    assert set((await hub.client.delete("/api/v1/users/a@b")).json().values()) == {0}


@pytest.mark.parametrize("body", [{}, {"contact_points": None, "locale": None, "timezone": None}])
async def test_what_a_record_leaves_out_is_gone(hub: Hub, body: dict[str, Any]):
    hub.users.records["u"] = UserRecord({"email": "a@example.com"}, "en", "Europe/Paris")
    answered = (await hub.client.put("/api/v1/users/u", json=body)).json()
    assert (answered["contact_points"], answered["locale"], answered["timezone"]) == ({}, None, None)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"contact_points": []}, ["contact_points"]),
        ({"contact_points": {"email": 1, "phone": None}}, ["contact_points.email", "contact_points.phone"]),
        ({"locale": 1, "timezone": True, "surprise": {}}, ["locale", "surprise", "timezone"]),
        ({"timezone": "Mars/Base", "locale": "?"}, ["locale", "timezone"]),
        ({"user_id": "u"}, ["user_id"]),
        ([], ["body"]),
    ],
)
async def test_wrong_records(hub: Hub, body: Any, wrong: list[str]):
    assert fields(problem(await hub.client.put("/api/v1/users/u", json=body), 422, "INVALID_VALUE")) == wrong


async def test_users_and_records_that_can_t_be(hub: Hub):
    for method in ("GET", "DELETE"):
        assert fields(problem(await hub.client.request(method, "/api/v1/users/a%20b"), 422, "INVALID_VALUE")) == [
            "user_id"
        ]
    problem(await hub.client.put("/api/v1/users/u"), 400, "MALFORMED")
    problem(await hub.client.put("/api/v1/users/u", content=b"{}"), 415, "UNSUPPORTED_MEDIA_TYPE")


# ---------------------------------------------------------------------------------------------------------- statistics
async def test_statistics(hub: Hub):
    hour = datetime(2030, 1, 31, 8, tzinfo=UTC)
    hub.statistics.rows = (
        Row(hour, "email", "welcome", Status.DELIVERED, 3),
        Row(hour, "sms", None, Status.FAILED, 1),
    )
    hub.statistics.channels = (ChannelStatistics("email", 4, 1, 0.25, 6, 120.5, 900.0, None),)
    query = "from=2030-01-31T08:30:00Z&to=2030-01-31T10:30:00%2B01:00&bucket=hour&type=email&category=x&status=sent"
    body = (await hub.client.get(f"/api/v1/statistics?{query}")).json()
    assert body == {
        "from": "2030-01-31T08:00:00.000Z",
        "to": "2030-01-31T10:00:00.000Z",
        "bucket": "hour",
        "rows": [
            {
                "start": "2030-01-31T08:00:00.000Z", "type": "email", "category": "welcome", "status": "delivered",
                "count": 3,
            },
            {"start": "2030-01-31T08:00:00.000Z", "type": "sms", "category": None, "status": "failed", "count": 1},
        ],
        "channels": [
            {
                "type": "email", "settled": 4, "failed": 1, "failure_rate": 0.25, "attempts": 6, "p50_ms": 120.5,
                "p95_ms": 900.0, "p99_ms": None,
            }
        ],
    }  # fmt: skip
    assert hub.statistics.asked == [
        {
            "start": hour.replace(minute=30), "end": hour.replace(hour=9, minute=30), "bucket": Bucket.HOUR,
            "type_": "email", "category": "x", "status": Status.SENT,
        }
    ]  # fmt: skip


async def test_statistics_by_default(hub: Hub):
    body = (await hub.client.get("/api/v1/statistics")).json()
    assert (body["from"], body["to"]) == ("2030-01-30T08:00:00.000Z", "2030-01-31T09:00:00.000Z")
    wish = hub.statistics.asked[0]
    assert wish.pop("bucket") is Bucket.HOUR
    assert set(wish.values()) == {None}
    assert (await hub.client.get("/api/v1/statistics?bucket=day")).json()["bucket"] == "day"


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("from=yesterday&to=5", ["from", "to"]),
        ("from=2030-01-31T08:00:00", ["from"]),
        ("from=2031-01-01T00:00:00Z", ["from"]),
        ("to=2030-01-31T08:00:00Z&to=2030-01-31T09:00:00Z", ["to"]),
        ("start=2030-01-31T08:00:00Z", ["start"]),
        ("bucket=week", ["bucket"]),
        ("bucket=HOUR", ["bucket"]),
        ("bucket=", ["bucket"]),
        ("status=read", ["status"]),
        ("status=lost", ["status"]),
    ],
)
async def test_wrong_statistics(hub: Hub, query: str, wrong: list[str]):
    assert fields(problem(await hub.client.get(f"/api/v1/statistics?{query}"), 422, "INVALID_VALUE")) == wrong


# -------------------------------------------------------------------------------------------------------------- health
async def test_health(hub: Hub):
    hub.health.found = HealthReport(
        status=Health.DEGRADED,
        version="1.2.3",
        processes=(ProcessHealth("p1", "worker", "1.2.3", MOMENT, MOMENT, 0.5),),
        components=(ComponentHealth("store", Health.OK, "A primary answers."),),
        channels=(
            ChannelHealth("email", Health.OK, 2, "temporary", MOMENT),
            ChannelHealth("sms", Health.DEGRADED, 0, None, None),
        ),
        oldest_due_seconds=61.5,
    )
    response = await hub.client.get("/api/v1/health")
    moment = "2030-01-31T08:00:00.123Z"
    assert response.status_code == 200
    assert response.json() == {
        "status": "degraded",
        "version": "1.2.3",
        "processes": [
            {"id": "p1", "role": "worker", "version": "1.2.3", "started_at": moment, "beat_at": moment, "lag_ms": 0.5}
        ],
        "components": [{"name": "store", "status": "ok", "detail": "A primary answers."}],
        "channels": [
            {"type": "email", "status": "ok", "workers": 2, "last_outcome": "temporary", "last_attempt_at": moment},
            {"type": "sms", "status": "degraded", "workers": 0, "last_outcome": None, "last_attempt_at": None},
        ],
        "oldest_due_seconds": 61.5,
    }


async def test_a_hub_that_is_down_says_so_with_its_status(hub: Hub):
    hub.health.found = HealthReport(Health.DOWN, "1.2.3")
    response = await hub.client.get("/api/v1/health")
    assert (response.status_code, response.headers["content-type"]) == (503, "application/json")
    assert response.json()["status"] == "down"
    assert (await hub.client.head("/api/v1/health")).status_code == 503


async def test_health_without_a_key_and_with_a_wrong_one(keyed_hub: Hub):
    response = await keyed_hub.client.get("/api/v1/health")
    assert response.json() == {
        "status": "ok", "version": None, "processes": [], "components": [], "channels": [], "oldest_due_seconds": None,
    }  # fmt: skip
    refused = await keyed_hub.client.get("/api/v1/health", headers={"Authorization": "Bearer wrong"})
    problem(refused, 401, "UNAUTHENTICATED")
    assert (await keyed_hub.client.get("/api/v1/health", headers=BEARER)).status_code == 200
    assert keyed_hub.health.asked == [None, ACME]


# ---------------------------------------------------------------------------------------------------------------- keys
async def test_every_operation_wants_a_key(keyed_hub: Hub):
    document = (await keyed_hub.client.get("/openapi.json")).json()
    operations = [
        (method.upper(), path.format(notification_id="x", user_id="u", key_id="k"))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["security"] == [{"bearer": []}]
    ]
    assert len(operations) > 15
    for method, path in operations:
        response = await keyed_hub.client.request(method, path)
        problem(response, 401, "UNAUTHENTICATED")
        assert response.headers["www-authenticate"] == "Bearer"
    for path in ("/livez", "/readyz"):
        assert (await keyed_hub.client.get(path)).status_code == 200


@pytest.mark.parametrize("value", ["Bearer secret", "bearer secret", "BEARER  secret"])
async def test_a_key_that_is_known(keyed_hub: Hub, value: str):
    headers = {"Authorization": value}
    assert (await keyed_hub.client.post("/api/v1/notifications", json=WELCOME, headers=headers)).status_code == 201
    assert keyed_hub.notifications.calls[0][1] == "acme"


@pytest.mark.parametrize("values", [["Bearer wrong"], ["Bearer"], ["Basic secret"], ["secret"], ["Bearer secret"] * 2])
async def test_keys_that_are_not(keyed_hub: Hub, values: list[str]):
    headers = [("Authorization", value) for value in values]
    problem(await keyed_hub.client.get("/api/v1/notifications", headers=headers), 401, "UNAUTHENTICATED")


async def test_the_key_comes_before_everything_else_of_a_request(keyed_hub: Hub):
    async with asyncio.timeout(5):
        # The body never comes: nobody waits for it.
        head, body = await keyed_hub.raw(
            b"POST /api/v1/notifications?surprise=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAccept: image/png\r\n"
            b"Content-Type: text/plain\r\nContent-Length: 99999999\r\n\r\n"
        )
    assert head.startswith(b"http/1.1 401")
    assert json.loads(body)["reason"] == "UNAUTHENTICATED"


async def test_what_a_key_does_not_allow(keyed_hub: Hub):
    keyed_hub.notifications.fault = HubError(Reason.PERMISSION_DENIED, "It lacks a scope.", metadata={"scope": "inbox"})
    refused = await keyed_hub.client.post("/api/v1/notifications", json=WELCOME, headers=BEARER)
    assert problem(refused, 403, "PERMISSION_DENIED")["metadata"] == {"scope": "inbox"}
