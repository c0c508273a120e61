"""A core in memory with the methods of the real one, and a real server in front of the GraphQL application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import uvicorn
from starlette.responses import HTMLResponse

from hub.core.app import Core
from hub.core.credentials import Credentials, Door, KeyFile, OpenDoor
from hub.core.dead_letters import Selection
from hub.core.notifications import Created, NewItem
from hub.core.rates import Rates
from hub.core.standings import Standings
from hub.domain.errors import HubError, Reason, Violation, invalid, invalid_field, not_found
from hub.domain.events import CappedCount, CategoryCounts, Event, EventKind, InboxCounts, InboxPosition, MarkedAll
from hub.domain.health import ChannelHealth, ComponentHealth, Health, HealthReport, ProcessHealth
from hub.domain.ids import new_id, parse_id
from hub.domain.keys import hash_key
from hub.domain.notifications import Attempt, Fault, NewNotification, Notification, OutcomeKind, Priority, User
from hub.domain.paging import Filter, ListKind, Page, PageRequest, Position, encode_cursor
from hub.domain.principals import Principal, Scope
from hub.domain.statistics import Bucket, ChannelStatistics, Row, Statistics, StatisticsQuery
from hub.domain.status import Status
from hub.domain.users import DeletedUser, UserRecord
from hub.settings import GraphQLSettings, HttpSettings, Settings, StreamSettings
from hub.transports.graphql.app import GraphQLApp, build
from tests.counts import counted

MOMENT = datetime(2030, 1, 31, 8, 0, 0, 123000, tzinfo=UTC)
OPERATION = UUID(int=5)
MAX_BODY_BYTES = 200_000
PLAIN_HTTP = HttpSettings(max_body_bytes=MAX_BODY_BYTES)
PLAIN_GRAPHQL = GraphQLSettings()
PLAIN_STREAMS = StreamSettings()
PAGE = "<!doctype html><title>A page</title>"
PAGE_HEADERS = {"Cache-Control": "no-cache", "ETag": '"1"'}
KEY = "a key of acme"
ACME = Principal("acme", frozenset(Scope))
KEYS = Door(KeyFile({hash_key(KEY): ACME}))


def a_notification(**changes: object) -> Notification:
    plain = Notification(
        id=new_id(),
        tenant="default",
        user_id="user123",
        title="Welcome!",
        message="Welcome to our platform",
        type="email",
        html=None,
        to=None,
        metadata={"n": 1},
        priority=Priority.HIGH,
        category="welcome",
        status=Status.RETRYING,
        status_reason=Fault("TIMEOUT", "No answer."),
        attempts=(Attempt(1, "smtp", None, MOMENT, MOMENT, OutcomeKind.TEMPORARY, Fault("TIMEOUT", "No answer.")),),
        scheduled_at=None,
        expires_at=None,
        next_attempt_at=MOMENT,
        created_at=MOMENT,
        updated_at=MOMENT,
        sent_at=None,
        delivered_at=None,
        read_at=None,
        version=3,
        correlation_id="",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def an_event(kind: EventKind, **parts: object) -> Event:
    return replace(Event(kind, "cursor", counted(2)), **parts)  # type: ignore[arg-type]


@dataclass
class FakeFeed:
    """One open stream; the test puts events in and sees whether it was closed."""

    events: asyncio.Queue[Event | Exception | None] = field(default_factory=asyncio.Queue)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(self) -> AsyncGenerator[Event, None]:
        self.opened.set()
        try:
            yield an_event(EventKind.HEARTBEAT)
            while (event := await self.events.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed.set()


@dataclass
class FakeNotifications:
    known: dict[UUID, Notification] = field(default_factory=dict)
    commands: list[NewNotification] = field(default_factory=list)
    correlation_ids: list[str] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    look_ups: list[list[str]] = field(default_factory=list)
    feeds: list[FakeFeed] = field(default_factory=list)
    principals: list[Principal] = field(default_factory=list)
    cancelled: int = 0

    async def create(
        self, principal: Principal, command: NewNotification, *, idempotency_key: str | None, correlation_id: str
    ) -> Created:
        self.principals.append(principal)
        self.commands.append(command)
        self.correlation_ids.append(correlation_id)
        match command.title:
            case "defect":
                raise RuntimeError("secret detail")
            case "invalid":
                raise invalid(Violation("metadata.priority", "must be low, normal or high"))
            case "overloaded":
                raise HubError(Reason.OVERLOADED, "Too many.", retry_after=timedelta(seconds=1.5))
            case "slow":
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    self.cancelled += 1
                    raise
            case _:
                pass
        made = a_notification(title=command.title, status=Status.PENDING, metadata=command.metadata)
        self.known[made.id] = made
        return Created(made, replayed=idempotency_key == "again")

    async def create_many(
        self, principal: Principal, items: Sequence[NewItem | HubError], *, correlation_id: str
    ) -> list[Created | HubError]:
        if not items:
            raise invalid_field("notifications", "must be 1 to 1,000 items")
        return [await self._create_item(principal, item, correlation_id) for item in items]

    async def _create_item(
        self, principal: Principal, item: NewItem | HubError, correlation_id: str
    ) -> Created | HubError:
        assert isinstance(item, NewItem)
        try:
            return await self.create(
                principal, item.command, idempotency_key=item.idempotency_key, correlation_id=correlation_id
            )
        except HubError as error:
            return error

    async def get_many(self, principal: Principal, notification_ids: list[str]) -> Mapping[str, Notification]:
        self.look_ups.append(notification_ids)
        found = {text: self.known.get(parsed) for text in notification_ids if (parsed := parse_id(text))}
        return {text: notification for text, notification in found.items() if notification}

    async def list(self, principal: Principal, filters: Filter, page: PageRequest) -> Page:
        self.filters.append(filters)
        if page.after == "spoiled":
            raise invalid_field("after", "is not a cursor of this list and filter", Reason.INVALID_CURSOR)
        items = tuple(self.known.values())[: page.limit]
        places = [Position(item.created_at, item.id) for item in items]
        cursors = tuple(encode_cursor(ListKind.NOTIFICATIONS, ("default", None), filters, place) for place in places)
        return Page(items, cursors, has_next=True, has_previous=False)

    async def list_of_user(self, principal: Principal, user_id: str, filters: Filter, page: PageRequest) -> Page:
        return await self.list(principal, filters, page)

    async def update_status(self, principal: Principal, notification_id: str, target: Status) -> Notification:
        found = await self._load(notification_id)
        if target is Status.SENT:
            raise HubError(Reason.ILLEGAL_TRANSITION, "No.", metadata={"from": "pending", "to": "sent"})
        return replace(found, status=target)

    async def delete(self, principal: Principal, notification_id: str) -> None:
        del self.known[(await self._load(notification_id)).id]

    async def mark_read(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self._load(notification_id), status=Status.SENT, read_at=MOMENT)

    async def mark_unread(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self._load(notification_id), status=Status.SENT, read_at=None)

    async def mark_seen(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self._load(notification_id), seen_at=MOMENT)

    async def mark_unseen(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self._load(notification_id), seen_at=None)

    async def archive(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self._load(notification_id), archived_at=MOMENT)

    async def unarchive(self, principal: Principal, notification_id: str) -> Notification:
        return replace(await self._load(notification_id), archived_at=None)

    async def watch(self, principal: Principal, notification_id: str) -> AsyncGenerator[Event, None]:
        await self._load(notification_id)
        self.feeds.append(FakeFeed())
        return self.feeds[-1].stream()

    async def _load(self, notification_id: str) -> Notification:
        found = await self.get_many(cast("Principal", None), [notification_id])
        if not found:
            raise not_found("The notification")
        return found[notification_id]


@dataclass
class FakeInbox:
    notifications: FakeNotifications
    feeds: list[FakeFeed] = field(default_factory=list)
    unread_counts: int = 0

    async def list(self, principal: Principal, user_id: str, filters: Filter, page: PageRequest) -> Page:
        return await self.notifications.list(principal, filters, page)

    async def unread_count(self, principal: Principal, user_id: str) -> CappedCount:
        self.unread_counts += 1
        return CappedCount(1000, capped=True)

    async def mark_all_read(
        self, principal: Principal, user_id: str, *, up_to: str | None = None, category: str | None = None
    ) -> MarkedAll:
        return MarkedAll(7, OPERATION)

    async def mark_all_seen(
        self, principal: Principal, user_id: str, *, up_to: str | None = None, category: str | None = None
    ) -> MarkedAll:
        return MarkedAll(0, None)

    async def undo_mark_all(self, principal: Principal, user_id: str, operation_id: str) -> int:
        return 5 if operation_id == str(OPERATION) else 0

    async def counts(
        self, principal: Principal, user_id: str, categories: Sequence[str] = ()
    ) -> tuple[InboxCounts, Sequence[CategoryCounts]]:
        return counted(1001, 2), [CategoryCounts(name, counted(1, 0)) for name in categories]

    async def watch(self, principal: Principal, user_id: str, after: str | None) -> AsyncGenerator[Event, None]:
        if after == "spoiled":
            raise invalid_field("after", "is not a cursor of this list and filter", Reason.INVALID_CURSOR)
        self.feeds.append(FakeFeed())
        return self.feeds[-1].stream()


@dataclass
class FakeDeadLetters:
    notifications: FakeNotifications
    selections: list[tuple[Selection, bool]] = field(default_factory=list)

    async def list(self, principal: Principal, filters: Filter, page: PageRequest) -> Page:
        return await self.notifications.list(principal, filters, page)

    async def replay(self, principal: Principal, selection: Selection, *, dry_run: bool) -> int:
        self.selections.append((selection, dry_run))
        return 3

    async def purge(self, principal: Principal, selection: Selection, *, dry_run: bool) -> int:
        self.selections.append((selection, dry_run))
        return 4


@dataclass
class FakeUsers:
    known: dict[str, User] = field(default_factory=dict)
    look_ups: list[str] = field(default_factory=list)

    async def get(self, principal: Principal, user_id: str) -> User:
        self.look_ups.append(user_id)
        if user_id == "secret":
            raise HubError(Reason.PERMISSION_DENIED, "No.", metadata={"scope": "users"})
        if user_id not in self.known:
            raise not_found("The user record")
        return self.known[user_id]

    async def update(self, principal: Principal, user_id: str, record: UserRecord) -> User:
        if record.locale == "nonsense":
            raise invalid(Violation("locale", "must be a language tag such as en or pt-BR"))
        self.known[user_id] = User(
            principal.tenant, user_id, record.contact_points, record.locale, record.timezone, MOMENT, MOMENT
        )
        return self.known[user_id]

    async def delete(self, principal: Principal, user_id: str) -> DeletedUser:
        return DeletedUser(4, 3, 2, 1) if self.known.pop(user_id, None) else DeletedUser(0, 0, 0, 0)


@dataclass
class FakeStatistics:
    asked: list[StatisticsQuery] = field(default_factory=list)

    async def get(
        self,
        principal: Principal,
        *,
        start: datetime | None,
        end: datetime | None,
        bucket: Bucket,
        type_: str | None,
        category: str | None,
        status: Status | None,
    ) -> Statistics:
        if start is not None and end is not None and start >= end:
            raise invalid_field("from", "must lie before to")
        query = StatisticsQuery(start or MOMENT, end or MOMENT, bucket, type_, category, status)
        self.asked.append(query)
        rows = (Row(MOMENT, "email", "welcome", Status.SENT, 3), Row(MOMENT, "sms", None, Status.FAILED, 1))
        channels = (
            ChannelStatistics("email", 3, 0, 0.0, 4, 12.5, 80.25, 99.0),
            ChannelStatistics("sms", 1, 1, 1.0, 7, None, None, None),
        )
        return Statistics(query, rows, channels)


@dataclass
class FakeHealth:
    principals: list[Principal | None] = field(default_factory=list)

    async def report(self, principal: Principal | None) -> HealthReport:
        self.principals.append(principal)
        if principal is None or Scope.NOTIFICATIONS_READ not in principal.scopes:
            return HealthReport(Health.DEGRADED)
        return HealthReport(
            Health.DEGRADED,
            "1.2.3",
            (ProcessHealth("p-1", "api", "1.2.3", MOMENT, MOMENT, 0.25),),
            (ComponentHealth("store", Health.OK, "A primary answers."),),
            (
                ChannelHealth("email", Health.OK, 2, "temporary", MOMENT),
                ChannelHealth("sms", Health.DEGRADED, 0, None, None),
            ),
            61.5,
        )


@dataclass
class FakeCore:
    notifications: FakeNotifications
    inbox: FakeInbox
    dead_letters: FakeDeadLetters
    users: FakeUsers = field(default_factory=FakeUsers)
    statistics: FakeStatistics = field(default_factory=FakeStatistics)
    health: FakeHealth = field(default_factory=FakeHealth)
    credentials: Credentials = field(default_factory=OpenDoor)
    standings: Standings = field(default_factory=Standings)
    rates: Rates = field(default_factory=Rates)

    @classmethod
    def new(cls) -> FakeCore:
        notifications = FakeNotifications()
        return cls(notifications, FakeInbox(notifications), FakeDeadLetters(notifications))


@dataclass
class Running:
    """The application on a free port."""

    core: FakeCore
    app: GraphQLApp
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/graphql"


@asynccontextmanager
async def running(
    *,
    http: HttpSettings = PLAIN_HTTP,
    graphql: GraphQLSettings = PLAIN_GRAPHQL,
    streams: StreamSettings = PLAIN_STREAMS,
) -> AsyncIterator[Running]:
    core = FakeCore.new()
    settings = Settings(http=http, graphql=graphql, streams=streams, request_timeout=timedelta(seconds=1))
    page = (lambda _request: HTMLResponse(PAGE, headers=PAGE_HEADERS)) if settings.explores else None
    app = build(cast("Core", core), settings, page=page)
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="warning", ws_per_message_deflate=False)
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield Running(core, app, port)
        finally:
            await app.drain()
            server.should_exit = True
            await serving


ALL_READ = an_event(EventKind.ALL_READ, up_to=InboxPosition(MOMENT, UUID(int=7)))
