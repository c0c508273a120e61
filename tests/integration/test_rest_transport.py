"""The REST protocol over a real uvicorn and real sockets, in front of a core that is a plain class."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx2
import pytest
import structlog
import uvicorn

from hub.core.app import Core
from hub.core.credentials import Credentials, OpenDoor
from hub.core.dead_letters import Selection
from hub.core.notifications import Created, NewItem
from hub.core.rates import Rates
from hub.domain.checks import check_new, check_user_id
from hub.domain.errors import HubError, Reason, invalid, not_found
from hub.domain.events import CappedCount, CategoryCounts, Event, EventKind, InboxCounts, InboxPosition, MarkedAll
from hub.domain.health import Health, HealthReport
from hub.domain.ids import new_id, parse_id
from hub.domain.notifications import Attempt, Fault, NewNotification, Notification, OutcomeKind, Priority, User
from hub.domain.paging import Filter, Page, PageRequest, checked_limit
from hub.domain.principals import Principal
from hub.domain.statistics import ChannelStatistics, Row, Statistics, checked_query
from hub.domain.status import Status
from hub.domain.users import DeletedUser, UserRecord, record_violations
from hub.settings import HttpSettings, Settings
from hub.transports.rest.app import build
from hub.transports.rest.streams import Streams
from tests.counts import counted

MOMENT = datetime(2030, 1, 31, 8, 0, 0, 123_000, UTC)
WELCOME: dict[str, Any] = {
    "user_id": "user123",
    "title": "Welcome!",
    "message": "Welcome to our platform",
    "type": "email",
}
LIMIT = 64 * 1024


def made(command: NewNotification, **changes: Any) -> Notification:
    notification = Notification(
        id=new_id(), tenant="default", user_id=command.user_id, title=command.title, message=command.message,
        type=command.type, html=command.html, to=command.to, metadata=command.metadata, priority=Priority.NORMAL,
        category=None, status=Status.PENDING, status_reason=None, attempts=(), scheduled_at=command.scheduled_at,
        expires_at=command.expires_at, next_attempt_at=None, created_at=MOMENT, updated_at=MOMENT, sent_at=None,
        delivered_at=None, read_at=None, version=1, correlation_id="",
    )  # fmt: skip
    return replace(notification, **changes)


@dataclass
class FakeNotifications:
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    stored: dict[UUID, Notification] = field(default_factory=dict)
    keys: dict[str, UUID] = field(default_factory=dict)
    fault: Exception | None = None
    hang: bool = False

    async def create(
        self, principal: Principal, command: NewNotification, *, idempotency_key: str | None, correlation_id: str
    ) -> Created:
        if self.fault:
            raise self.fault
        if self.hang:
            await asyncio.sleep(3600)
        self.calls.append(("create", principal.tenant, command, idempotency_key, correlation_id))
        if idempotency_key in self.keys:
            return Created(self.stored[self.keys[idempotency_key]], replayed=True)
        notification = made(check_new(command, MOMENT).command)
        self.stored[notification.id] = notification
        if idempotency_key:
            self.keys[idempotency_key] = notification.id
        return Created(notification, replayed=False)

    async def create_many(
        self, principal: Principal, items: Sequence[NewItem | HubError], *, correlation_id: str
    ) -> list[Created | HubError]:
        results: list[Created | HubError] = []
        for item in items:
            try:
                if isinstance(item, HubError):
                    raise item
                key = item.idempotency_key
                results.append(
                    await self.create(principal, item.command, idempotency_key=key, correlation_id=correlation_id)
                )
            except HubError as error:
                results.append(error)
        return results

    async def get(self, principal: Principal, notification_id: str) -> Notification:
        parsed = parse_id(notification_id)
        if parsed is None or parsed not in self.stored:
            raise not_found("The notification")
        return self.stored[parsed]

    async def list(self, principal: Principal, filters: Filter, page: PageRequest) -> Page:
        checked_limit("limit", page.limit)
        self.calls.append(("list", filters, page))
        items = tuple(self.stored.values())[: page.limit]
        more = len(items) < len(self.stored)
        return Page(items, tuple(f"cursor-{item.id}" for item in items), has_next=more, has_previous=False)

    async def list_of_user(self, principal: Principal, user_id: str, filters: Filter, page: PageRequest) -> Page:
        check_user_id(user_id)
        return await self.list(principal, filters, page)

    async def update_status(self, principal: Principal, notification_id: str, target: Status) -> Notification:
        current = await self.get(principal, notification_id)
        if target is Status.SENT:
            metadata = {"from": current.status.value, "to": target.value}
            raise HubError(Reason.ILLEGAL_TRANSITION, "It can't.", metadata=metadata)
        self.stored[current.id] = replace(current, status=target)
        return self.stored[current.id]

    async def mark_read(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self.get(principal, notification_id), status=Status.SENT, read_at=MOMENT)

    async def mark_unread(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self.get(principal, notification_id), status=Status.SENT)

    async def mark_seen(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self.get(principal, notification_id), seen_at=MOMENT)

    async def mark_unseen(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self.get(principal, notification_id), seen_at=None)

    async def archive(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self.get(principal, notification_id), archived_at=MOMENT)

    async def unarchive(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self.get(principal, notification_id), archived_at=None)

    async def delete(self, principal: Principal, notification_id: str) -> None:
        del self.stored[(await self.get(principal, notification_id)).id]

    async def watch(self, principal: Principal, notification_id: str) -> AsyncGenerator[Event]:
        return events_of(await self.get(principal, notification_id))


async def events_of(notification: Notification) -> AsyncGenerator[Event]:
    yield Event(EventKind.HEARTBEAT, "c0", counted(1))
    yield Event(EventKind.REMOVED, "c1", counted(0), notification)


@dataclass
class FakeInbox:
    afters: list[str | None] = field(default_factory=list)
    marked: list[tuple[str | None, str | None]] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    queue: asyncio.Queue[Event | Exception] = field(default_factory=lambda: asyncio.Queue(10))
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    first_fault: Exception | None = None

    async def list(self, principal: Principal, user_id: str, filters: Filter, page: PageRequest) -> Page:
        checked_limit("limit", page.limit)
        return Page((), (), has_next=False, has_previous=False)

    async def unread_count(self, principal: Principal, user_id: str) -> CappedCount:
        return CappedCount(1000, capped=True)

    async def mark_all_read(
        self, principal: Principal, user_id: str, *, up_to: str | None = None, category: str | None = None
    ) -> MarkedAll:
        self.marked.append((up_to, category))
        return MarkedAll(3, UUID(int=3))

    async def mark_all_seen(
        self, principal: Principal, user_id: str, *, up_to: str | None = None, category: str | None = None
    ) -> MarkedAll:
        return MarkedAll(0, None)

    async def undo_mark_all(self, principal: Principal, user_id: str, operation_id: str) -> int:
        self.undone.append(operation_id)
        return 2

    async def counts(
        self, principal: Principal, user_id: str, categories: Sequence[str] = ()
    ) -> tuple[InboxCounts, Sequence[CategoryCounts]]:
        return counted(1001, 2), [CategoryCounts(name, counted(1, 0)) for name in categories]

    async def watch(self, principal: Principal, user_id: str, after: str | None) -> AsyncGenerator[Event]:
        check_user_id(user_id)
        self.afters.append(after)
        return self._events()

    async def _events(self) -> AsyncGenerator[Event]:
        try:
            if self.first_fault:
                raise self.first_fault
            yield Event(EventKind.HEARTBEAT, "c0", counted(3, 2))
            while True:
                item = await self.queue.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed.set()


@dataclass
class FakeDeadLetters:
    calls: list[tuple[str, Selection, bool]] = field(default_factory=list)

    async def list(self, principal: Principal, filters: Filter, page: PageRequest) -> Page:
        checked_limit("limit", page.limit)
        return Page((), (), has_next=False, has_previous=False)

    async def replay(self, principal: Principal, selection: Selection, *, dry_run: bool) -> int:
        self.calls.append(("replay", selection, dry_run))
        return 7

    async def purge(self, principal: Principal, selection: Selection, *, dry_run: bool) -> int:
        self.calls.append(("purge", selection, dry_run))
        return 8


@dataclass
class FakeUsers:
    records: dict[str, UserRecord] = field(default_factory=dict)

    async def get(self, principal: Principal, user_id: str) -> User:
        if check_user_id(user_id) not in self.records:
            raise not_found("The user record")
        record = self.records[user_id]
        return User("default", user_id, record.contact_points, record.locale, record.timezone, MOMENT, MOMENT)

    async def update(self, principal: Principal, user_id: str, record: UserRecord) -> User:
        if violations := record_violations(record):
            raise invalid(*violations)
        self.records[check_user_id(user_id)] = record
        return await self.get(principal, user_id)

    async def delete(self, principal: Principal, user_id: str) -> DeletedUser:
        record = self.records.pop(check_user_id(user_id), None)
        return DeletedUser(0, 0, 0, 0) if record is None else DeletedUser(5, 2, 3, len(record.contact_points))


@dataclass
class FakeStatistics:
    asked: list[dict[str, Any]] = field(default_factory=list)
    rows: tuple[Row, ...] = ()
    channels: tuple[ChannelStatistics, ...] = ()

    async def get(self, principal: Principal, **query: Any) -> Statistics:
        self.asked.append(query)
        return Statistics(checked_query(**query, now=MOMENT), self.rows, self.channels)


@dataclass
class FakeHealth:
    found: HealthReport = field(default_factory=lambda: HealthReport(Health.OK))
    asked: list[Principal | None] = field(default_factory=list)

    async def report(self, principal: Principal | None) -> HealthReport:
        self.asked.append(principal)
        return self.found


@dataclass
class Hub:
    """A running server, the fakes behind it and a client in front of it."""

    notifications: FakeNotifications
    inbox: FakeInbox
    dead_letters: FakeDeadLetters
    users: FakeUsers
    statistics: FakeStatistics
    health: FakeHealth
    streams: Streams
    state: SimpleNamespace
    port: int
    client: httpx2.AsyncClient

    async def raw(self, request: bytes) -> tuple[bytes, bytes]:
        """Head and body of the answer to exactly these bytes; for what no client library would send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        answered = await asyncio.wait_for(reader.read(), 10)  # noqa: TID251
        writer.close()
        head, _, body = answered.partition(b"\r\n\r\n")
        return head.lower(), body


class QuietServer(uvicorn.Server):
    """Leaves signals to the test run."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def serving(
    max_body_bytes: int = LIMIT, credentials: Credentials | None = None, seconds: float = 1
) -> AsyncIterator[Hub]:
    notifications, inbox, dead_letters = FakeNotifications(), FakeInbox(), FakeDeadLetters()
    users, statistics, health, streams = FakeUsers(), FakeStatistics(), FakeHealth(), Streams()
    state = SimpleNamespace(ready=True)

    async def ready() -> bool:
        return bool(state.ready)

    fake = SimpleNamespace(
        notifications=notifications, inbox=inbox, dead_letters=dead_letters, users=users, statistics=statistics,
        health=health, credentials=credentials or OpenDoor(), rates=Rates(), ready=ready,
        # Only to be mounted: each has tests of its own.
        **dict.fromkeys(("receipts", "keys", "tokens", "audit")),
    )  # fmt: skip
    settings = Settings(request_timeout=timedelta(seconds=seconds), http=HttpSettings(max_body_bytes=max_body_bytes))
    app = build(cast("Core", fake), settings, streams=streams)
    # Without the protocol spelled out, asyncio does not set TCP_NODELAY: 40 ms for each answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=2)
    server = QuietServer(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client:
            yield Hub(notifications, inbox, dead_letters, users, statistics, health, streams, state, port, client)
    finally:
        await streams.drain()
        server.should_exit = True
        await task
        listener.close()


@pytest.fixture(scope="module")
async def shared_hub() -> AsyncIterator[Hub]:
    async with serving() as running:
        yield running


@pytest.fixture
def hub(shared_hub: Hub) -> Hub:
    """The server all tests share, its fakes as new."""
    for fake in (shared_hub.notifications, shared_hub.inbox, shared_hub.dead_letters):
        vars(fake).update(vars(type(fake)()))
    return shared_hub


@pytest.fixture
async def draining_hub() -> AsyncIterator[Hub]:
    """A server of its own, for tests after which it takes no new streams."""
    async with serving() as running:
        yield running


def problem(response: httpx2.Response, status: int, reason: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["reason"]) == (status, reason)
    assert body["correlation_id"] == response.headers["x-correlation-id"]
    return body


def fields(body: dict[str, Any]) -> list[str]:
    return sorted(violation["field"] for violation in body["violations"])


async def test_create(hub: Hub):
    response = await hub.client.post("/api/v1/notifications", json=WELCOME, headers={"X-Correlation-Id": "mine-1"})
    assert response.status_code == 201
    body = response.json()
    assert response.headers["location"] == f"/api/v1/notifications/{body['id']}"
    assert response.headers["x-correlation-id"] == "mine-1"
    assert "idempotency-replayed" not in response.headers
    assert hub.notifications.calls[0][3:] == (None, "mine-1")
    assert body == {
        **WELCOME, "id": body["id"], "html": None, "to": None, "metadata": {}, "priority": "normal", "category": None,
        "status": "pending", "status_reason": None, "attempts": [], "scheduled_at": None, "expires_at": None,
        "next_attempt_at": None, "created_at": "2030-01-31T08:00:00.123Z", "updated_at": "2030-01-31T08:00:00.123Z",
        "sent_at": None, "delivered_at": None, "read_at": None,
        "seen_at": None, "archived_at": None, "version": 1,
    }  # fmt: skip
    assert (await hub.client.get(response.headers["location"])).json() == body


async def test_times_and_nulls_of_a_create(hub: Hub):
    wish = WELCOME | {"scheduled_at": "2030-02-01T10:00:00.1239+02:00", "html": None, "metadata": None, "to": None}
    body = (await hub.client.post("/api/v1/notifications", json=wish)).json()
    assert body["scheduled_at"] == "2030-02-01T08:00:00.123Z"
    assert body["metadata"] == {}


async def test_a_repeat_says_so(hub: Hub):
    answers = [
        await hub.client.post("/api/v1/notifications", json=WELCOME, headers={"Idempotency-Key": "k"}) for _ in "ab"
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert answers[1].headers["idempotency-replayed"] == "true"


async def test_a_repeated_idempotency_key_is_refused(hub: Hub):
    headers = [("Idempotency-Key", "a"), ("idempotency-key", "a")]
    refused = await hub.client.post("/api/v1/notifications", json=WELCOME, headers=headers)
    assert problem(refused, 422, "INVALID_VALUE")["violations"] == [
        {"field": "idempotency_key", "message": "must be given once"}
    ]
    assert not hub.notifications.calls


async def test_attempts_and_shown_status(hub: Hub):
    attempt = Attempt(1, "smtp", "p-1", MOMENT, MOMENT, OutcomeKind.TEMPORARY, Fault("BUSY", "Come back."))
    stored = made(NewNotification(**WELCOME), status=Status.DELIVERED, read_at=MOMENT, attempts=(attempt,))
    hub.notifications.stored[stored.id] = stored
    body = (await hub.client.get(f"/api/v1/notifications/{stored.id}")).json()
    assert body["status"] == "read"
    assert body["attempts"] == [
        {
            "number": 1, "provider": "smtp", "provider_id": "p-1", "started_at": "2030-01-31T08:00:00.123Z",
            "finished_at": "2030-01-31T08:00:00.123Z", "outcome": "temporary",
            "error": {"code": "BUSY", "message": "Come back."},
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"title": None}, ["title"]),
        ({"title": 1, "message": True}, ["message", "title"]),
        ({"surprise": 1}, ["surprise"]),
        ({"metadata": []}, ["metadata"]),
        ({"metadata": {"a": {"b": "\ud800"}}}, ["metadata.a.b"]),
        ({"metadata": {"\ud800": 1}}, ["metadata"]),
        ({"metadata": {"n": 2**53}}, ["metadata.n"]),
        ({"title": "\ud800"}, ["title"]),
        ({"scheduled_at": 5}, ["scheduled_at"]),
        ({"scheduled_at": "2030-01-01"}, ["scheduled_at"]),
        ({"scheduled_at": "2030-01-01T00:00:00"}, ["scheduled_at"]),
        ({"\udfff": 1}, ["body"]),
    ],
)
async def test_wrong_fields(hub: Hub, change: dict[str, Any], wrong: list[str]):
    content = json.dumps(WELCOME | change)
    response = await hub.client.post(
        "/api/v1/notifications", content=content, headers={"Content-Type": "application/json"}
    )
    assert fields(problem(response, 422, "INVALID_VALUE")) == wrong


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null", b"true"])
async def test_json_that_is_no_object(hub: Hub, body: bytes):
    headers = {"Content-Type": "application/json"}
    response = await hub.client.post("/api/v1/notifications", content=body, headers=headers)
    assert problem(response, 422, "INVALID_VALUE")["violations"] == [
        {"field": "body", "message": "must be a JSON object"}
    ]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"title": NaN}', b"[" * 60_000, b'{"a":' * 10_000, b'{"title": "\n"}']
)
async def test_what_is_no_json(hub: Hub, body: bytes):
    headers = {"Content-Type": "application/json"}
    problem(await hub.client.post("/api/v1/notifications", content=body, headers=headers), 400, "MALFORMED")


async def test_a_repeated_name_counts_last(hub: Hub):
    content = json.dumps(WELCOME)[:-1] + ', "title": "Last"}'
    headers = {"Content-Type": "application/merge-patch+json; charset=UTF-8"}
    response = await hub.client.post("/api/v1/notifications", content=content, headers=headers)
    assert response.json()["title"] == "Last"


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/json; charset=latin-1"],
)
async def test_other_content_types(hub: Hub, content_type: str | None):
    headers = {"Content-Type": content_type} if content_type else {}
    content = json.dumps(WELCOME).encode()
    response = await hub.client.post("/api/v1/notifications", content=content, headers=headers)
    problem(response, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/api/v1/notifications", "text/html"),
        ("/api/v1/users/u/inbox/stream", "application/json"),
        ("/readyz", "image/*"),
    ],
)
async def test_not_acceptable(hub: Hub, path: str, accept: str):
    problem(await hub.client.get(path, headers={"Accept": accept}), 406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/notifications/", "/docs", "/api/v1/users/a/b/inbox"])
async def test_unknown_paths(hub: Hub, path: str):
    problem(await hub.client.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/notifications", "GET, HEAD, POST"),
        ("POST", "/api/v1/users/u", "DELETE, GET, HEAD, PUT"),
        ("POST", "/api/v1/notifications/x/read", "DELETE, PUT"),
        ("OPTIONS", "/api/v1/users/u/inbox/read", "POST"),
        ("HEAD", "/api/v1/dead-letters/replay", "POST"),
        ("BREW", "/livez", "GET, HEAD"),
    ],
)
async def test_methods(hub: Hub, method: str, path: str, allowed: str):
    response = await hub.client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    if method != "HEAD":
        problem(response, 405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("name", ["not-an-id", "0198d0c2-7c1e-7b3a-9f0e-3a5b6c7d8e9f", "%00", "%ff", "\u00e9"])
async def test_unknown_ids(hub: Hub, name: str):
    problem(await hub.client.get(f"/api/v1/notifications/{name}"), 404, "NOT_FOUND")
    problem(await hub.client.get(f"/api/v1/notifications/{name}/stream"), 404, "NOT_FOUND")


async def test_bodies_that_are_too_large(hub: Hub):
    declared = await hub.client.post("/api/v1/notifications", json={"title": "x" * LIMIT})
    problem(declared, 413, "TOO_LARGE")
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    head, body = await hub.raw(
        b"POST /api/v1/notifications HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n"
    )
    assert head.startswith(b"http/1.1 413")
    assert json.loads(body)["reason"] == "TOO_LARGE"
    head, _ = await hub.raw(
        b"PUT /api/v1/notifications/x/read HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 99999999\r\n\r\n"
    )
    assert head.startswith(b"http/1.1 413")


async def test_query_parameters(hub: Hub):
    query = "limit=7&after=c&status=read&type=sms&category=x&unread=false&user_id=u&created_after=2030-01-01T00:00:00Z"
    assert (await hub.client.get(f"/api/v1/notifications?{query}&reason=EXPIRED")).status_code == 200
    _, filters, page = hub.notifications.calls[0]
    assert filters == Filter(
        Status.READ,
        "sms",
        "x",
        unread=False,
        user_id="u",
        created_after=datetime(2030, 1, 1, tzinfo=UTC),
        reason="EXPIRED",
    )
    assert page == PageRequest(7, "c", each_cursor=False)


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("surprise=1", ["surprise"]),
        ("limit=1&limit=2", ["limit"]),
        ("limit=0", ["limit"]),
        ("limit=101", ["limit"]),
        ("limit=+5", ["limit"]),
        ("limit=5.0", ["limit"]),
        ("limit=" + "9" * 5000, ["limit"]),
        ("limit=", ["limit"]),
        ("unread=1", ["unread"]),
        ("status=READ", ["status"]),
        ("created_after=1893456000", ["created_after"]),
        ("created_before=2030-01-01", ["created_before"]),
        ("user_id=u", ["user_id"]),
        ("%ff=1", ["\ufffd"]),
    ],
)
async def test_wrong_query_parameters(hub: Hub, query: str, wrong: list[str]):
    body = problem(await hub.client.get(f"/api/v1/users/u/notifications?{query}"), 422, "INVALID_VALUE")
    assert fields(body) == wrong


async def test_query_parameters_where_none_is_known(hub: Hub):
    assert fields(problem(await hub.client.get("/livez?a=1"), 422, "INVALID_VALUE")) == ["a"]


async def test_pages_link_to_the_next(hub: Hub):
    for _ in range(3):
        await hub.client.post("/api/v1/notifications", json=WELCOME)
    response = await hub.client.get("/api/v1/users/a@b/notifications?limit=2&type=a%26b&after=x")
    body = response.json()
    assert len(body["items"]) == 2
    assert response.links["next"]["url"] == (
        f"/api/v1/users/a@b/notifications?limit=2&type=a%26b&after={body['next_cursor']}"
    )
    assert (await hub.client.get(response.links["next"]["url"])).status_code == 200
    last = await hub.client.get("/api/v1/notifications")
    assert last.json()["next_cursor"] is None
    assert "link" not in last.headers


async def test_status_changes(hub: Hub):
    location = (await hub.client.post("/api/v1/notifications", json=WELCOME)).headers["location"]
    assert (await hub.client.patch(f"{location}/status", json={"status": "cancelled"})).json()["status"] == "cancelled"
    refused = problem(await hub.client.patch(f"{location}/status", json={"status": "sent"}), 409, "ILLEGAL_TRANSITION")
    assert refused["metadata"] == {"from": "cancelled", "to": "sent"}
    unknown = problem(await hub.client.patch(f"{location}/status", json={"status": "lost"}), 422, "INVALID_VALUE")
    assert "'cancelled'" in unknown["violations"][0]["message"]
    problem(await hub.client.patch(f"{location}/status", json={"status": 3}), 422, "INVALID_VALUE")


async def test_marks(hub: Hub):
    location = (await hub.client.post("/api/v1/notifications", json=WELCOME)).headers["location"]
    assert (await hub.client.put(f"{location}/read")).json()["status"] == "read"
    assert (await hub.client.delete(f"{location}/read")).json()["status"] == "sent"
    for mark, name in (("seen", "seen_at"), ("archived", "archived_at")):
        assert (await hub.client.put(f"{location}/{mark}")).json()[name] == "2030-01-31T08:00:00.123Z"
        assert (await hub.client.delete(f"{location}/{mark}")).json()[name] is None


async def test_inbox(hub: Hub):
    assert (await hub.client.get("/api/v1/users/u/inbox")).json() == {"items": [], "next_cursor": None}
    count = await hub.client.get("/api/v1/users/u/inbox/unread-count")
    assert count.json() == {"unread_count": 1000, "unread_count_capped": True}
    marked = {"count": 3, "operation_id": str(UUID(int=3))}
    assert (await hub.client.post("/api/v1/users/u/inbox/read")).json() == marked
    nothing = {"count": 0, "operation_id": None}
    assert (await hub.client.post("/api/v1/users/u/inbox/seen")).json() == nothing
    undone = await hub.client.post("/api/v1/users/u/inbox/undo", json={"operation_id": "o"})
    assert (undone.json(), hub.inbox.undone) == ({"count": 2}, ["o"])
    problem(await hub.client.post("/api/v1/users/u/inbox/undo", json={}), 422, "INVALID_VALUE")
    numbers = {"unread": 1000, "unread_capped": True, "unseen": 2, "unseen_capped": False, "categories": []}
    assert (await hub.client.get("/api/v1/users/u/inbox/counts")).json() == numbers
    some = (await hub.client.get("/api/v1/users/u/inbox/counts?categories=a&categories=b")).json()["categories"]
    assert [(one["category"], one["unread"], one["unseen"]) for one in some] == [("a", 1, 0), ("b", 1, 0)]
    problem(await hub.client.get("/api/v1/users/u/inbox?category=a&category=b"), 422, "INVALID_VALUE")
    await hub.client.post("/api/v1/users/u/inbox/read", json={"up_to": "c", "category": "x"})
    assert hub.inbox.marked == [(None, None), ("c", "x")]
    problem(await hub.client.post("/api/v1/users/u/inbox/read", json={"upto": "c"}), 422, "INVALID_VALUE")


async def test_dead_letters(hub: Hub):
    assert (await hub.client.get("/api/v1/dead-letters?user_id=u")).json()["items"] == []
    assert (await hub.client.post("/api/v1/dead-letters/replay", json={"ids": ["a"]})).json() == {"count": 7}
    wish = {
        "filter": {"type": "sms", "created_before": "2030-01-31T08:00:00.123Z", "reason": "TIMEOUT"},
        "dry_run": True,
    }
    assert (await hub.client.post("/api/v1/dead-letters/purge", json=wish)).json() == {"count": 8}
    assert hub.dead_letters.calls == [
        ("replay", Selection(ids=("a",)), False),
        ("purge", Selection(filters=Filter(type="sms", created_before=MOMENT, reason="TIMEOUT")), True),
    ]
    wrong = {"filter": {"sort": 1, "unread": "yes"}, "ids": ["a", 1], "dry_run": 1}
    refused = problem(await hub.client.post("/api/v1/dead-letters/purge", json=wrong), 422, "INVALID_VALUE")
    assert fields(refused) == ["dry_run", "filter.sort", "filter.unread", "ids.1"]


async def test_an_unexpected_exception_stays_inside(hub: Hub):
    hub.notifications.fault = RuntimeError("secret")
    with structlog.testing.capture_logs() as logs:
        response = await hub.client.post("/api/v1/notifications", json=WELCOME)
    body = problem(response, 500, "INTERNAL")
    assert "secret" not in response.text
    assert body["metadata"] == {}
    assert [(log["event"], log["route"], log["exc_info"]) for log in logs if log["log_level"] == "error"] == [
        ("request_failed", "/api/v1/notifications", True)
    ]


async def test_unavailable_tells_when_to_come_back(hub: Hub):
    hub.notifications.fault = HubError(Reason.STORE_UNREACHABLE, "It is away.", retry_after=timedelta(seconds=4))
    response = await hub.client.post("/api/v1/notifications", json=WELCOME)
    problem(response, 503, "STORE_UNREACHABLE")
    assert response.headers["retry-after"] == "4"


async def test_the_deadline(hub: Hub):
    hub.notifications.hang = True
    problem(await hub.client.post("/api/v1/notifications", json=WELCOME), 504, "DEADLINE_EXCEEDED")


async def test_unfit_correlation_ids_are_replaced(hub: Hub):
    response = await hub.client.get("/livez", headers={"X-Correlation-Id": "not fit!"})
    assert response.headers["x-correlation-id"] not in {"", "not fit!"}
    assert response.json() == {"status": "ok"}


async def test_head(hub: Hub):
    got = await hub.client.get("/api/v1/notifications")
    head = await hub.client.head("/api/v1/notifications")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    stream = await hub.client.head("/api/v1/users/u/inbox/stream")
    assert stream.headers["content-type"].startswith("text/event-stream")
    async with asyncio.timeout(5):
        await hub.inbox.closed.wait()


async def test_openapi_is_served(hub: Hub):
    assert (await hub.client.get("/openapi.json")).json()["openapi"] == "3.1.0"


async def test_probes(draining_hub: Hub):
    assert (await draining_hub.client.get("/readyz")).status_code == 200
    draining_hub.state.ready = False
    problem(await draining_hub.client.get("/readyz"), 503, "STORE_UNREACHABLE")
    draining_hub.state.ready = True
    draining_hub.streams.announce_drain()
    problem(await draining_hub.client.get("/readyz"), 503, "OVERLOADED")
    assert (await draining_hub.client.get("/livez")).status_code == 200


async def read_events(lines: AsyncIterator[str], count: int) -> list[dict[str, Any]]:
    """The next events of a stream; checks that `id` and `event` say what `data` says."""
    found: list[dict[str, Any]] = []
    frame: dict[str, str] = {}
    async with asyncio.timeout(5):
        async for line in lines:
            if line:
                name, _, value = line.partition(": ")
                frame[name] = value
            elif "data" in frame:
                data = json.loads(frame["data"])
                assert (frame["id"], frame["event"]) == (data["cursor"], data["kind"])
                found.append(data)
                frame = {}
                if len(found) == count:
                    break
            else:
                assert frame.keys() == {"retry"}
                frame = {}
    return found


async def test_a_stream(hub: Hub):
    notification = made(NewNotification(**WELCOME))
    async with hub.client.stream(
        "GET", "/api/v1/users/u/inbox/stream?after=old", headers={"Last-Event-ID": "newer"}
    ) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-length" not in response.headers
        lines = response.aiter_lines()
        assert (await read_events(lines, 1))[0] == {
            "kind": "heartbeat", "notification": None, "unread_count": 3, "unread_count_capped": False,
            "unseen_count": 2, "unseen_count_capped": False, "cursor": "c0", "up_to": None, "category": None, "marked_at": None,
        }  # fmt: skip
        hub.inbox.queue.put_nowait(Event(EventKind.CHANGED, "c1", counted(4), notification))
        place = InboxPosition(MOMENT, notification.id)
        hub.inbox.queue.put_nowait(
            Event(EventKind.ALL_READ, "c2", counted(0), up_to=place, category="news", marked_at=MOMENT)
        )
        changed, all_read = await read_events(lines, 2)
        assert changed["notification"]["id"] == str(notification.id)
        assert all_read["up_to"] == {"delivered_at": "2030-01-31T08:00:00.123Z", "id": str(notification.id)}
        assert (all_read["category"], all_read["marked_at"]) == ("news", "2030-01-31T08:00:00.123Z")
    # Going away closes the feed.
    async with asyncio.timeout(5):
        await hub.inbox.closed.wait()
    assert hub.inbox.afters == ["newer"]


async def test_a_stream_that_ends_by_itself(hub: Hub):
    location = (await hub.client.post("/api/v1/notifications", json=WELCOME)).headers["location"]
    response = await hub.client.get(f"{location}/stream", headers={"Accept": "text/event-stream"})
    assert [line for line in response.text.splitlines() if line.startswith("event")] == [
        "event: heartbeat",
        "event: removed",
    ]


async def test_errors_before_a_stream_begins_are_problems(hub: Hub):
    problem(await hub.client.get("/api/v1/users/a%20b/inbox/stream"), 422, "INVALID_VALUE")
    hub.inbox.first_fault = HubError(Reason.STORE_UNREACHABLE, "It is away.")
    problem(await hub.client.get("/api/v1/users/u/inbox/stream"), 503, "STORE_UNREACHABLE")


@pytest.mark.parametrize("fault", [HubError(Reason.STORE_UNREACHABLE, "It is away."), RuntimeError("secret")])
async def test_errors_later_on_end_the_stream(hub: Hub, fault: Exception):
    hub.inbox.queue.put_nowait(fault)
    response = await hub.client.get("/api/v1/users/u/inbox/stream")
    assert response.text.count("event: ") == 1
    assert "secret" not in response.text


async def test_drain_ends_streams_and_takes_no_new_ones(draining_hub: Hub):
    async with draining_hub.client.stream("GET", "/api/v1/users/u/inbox/stream") as response:
        lines = response.aiter_lines()
        await read_events(lines, 1)
        async with asyncio.timeout(5):
            await draining_hub.streams.drain()
            assert [line async for line in lines] == []
    assert draining_hub.inbox.closed.is_set()
    problem(await draining_hub.client.get("/api/v1/users/u/inbox/stream"), 503, "OVERLOADED")


async def test_drain_does_not_wait_for_a_reader_that_never_reads(draining_hub: Hub):
    reader, writer = await asyncio.open_connection("127.0.0.1", draining_hub.port, limit=1024)
    writer.write(b"GET /api/v1/users/u/inbox/stream HTTP/1.1\r\nHost: h\r\n\r\n")
    big = made(NewNotification(**WELCOME | {"message": "x" * 1_000_000}))
    async with asyncio.timeout(10):
        # More than all the buffers on the way hold: the feed stands still, nothing piles up.
        for number in range(30):
            event = Event(EventKind.CHANGED, f"c{number}", counted(1), big)
            try:
                async with asyncio.timeout(1):
                    await draining_hub.inbox.queue.put(event)
            except TimeoutError:
                break
        else:
            pytest.fail("the feed was drained into memory")
        await draining_hub.streams.drain()
    assert draining_hub.inbox.closed.is_set()
    writer.transport.abort()
    del reader
