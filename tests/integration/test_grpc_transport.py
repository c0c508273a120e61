"""What goes over the wire of the gRPC server: errors, ids, deadlines, health, reflection, and how it goes away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import grpc
import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from hub.core import access
from hub.core.access import Operation
from hub.core.app import Core
from hub.core.credentials import OpenDoor
from hub.core.dead_letters import Selection
from hub.core.notifications import Created
from hub.core.rates import Rates
from hub.core.standings import Standings
from hub.domain.errors import HubError, Reason, invalid_field
from hub.domain.events import CappedCount, CategoryCounts, Event, EventKind, InboxCounts, InboxPosition, MarkedAll
from hub.domain.notifications import Attempt, Fault, NewNotification, Notification, OutcomeKind, Priority
from hub.domain.paging import Filter, Page, PageRequest
from hub.domain.principals import ANONYMOUS_LOCAL, Principal
from hub.domain.status import Status
from hub.rpc.v1 import entities_pb2
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from hub.settings import GrpcSettings
from hub.transports.grpc.app import GrpcServer, serve
from tests.counts import counted

if TYPE_CHECKING:
    # Known to the stubs' types only.
    from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceAsyncStub

AT = datetime(2030, 1, 2, 3, 4, 5, 678000, UTC)
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
MAX_BYTES = 64 * 1024

SAMPLE = Notification(
    id=ID,
    tenant="default",
    user_id="ann",
    title="Hello",
    message="World",
    type="email",
    html=None,
    to="ann@example.org",
    metadata={
        "n": 1,
        "big": 2**53 - 1,
        "half": 0.5,
        "yes": True,
        "none": None,
        "map": {},
        "list": [],
        "deep": [{"a": [1]}],
    },
    priority=Priority.HIGH,
    category="welcome",
    status=Status.DELIVERED,
    status_reason=None,
    attempts=(
        Attempt(1, "smtp", None, AT, AT, OutcomeKind.TEMPORARY, Fault("BUSY", "Later.")),
        Attempt(2, "smtp", "p-1", AT, AT, OutcomeKind.ACCEPTED, None),
    ),
    scheduled_at=None,
    expires_at=None,
    next_attempt_at=None,
    created_at=AT,
    updated_at=AT,
    sent_at=AT,
    delivered_at=AT,
    read_at=AT,
    version=7,
    correlation_id="c",
)


@dataclass
class Doings:
    """Notes what it was asked, and answers or raises what the test wants."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    error: BaseException | None = None
    delay: float = 0
    opened: int = 0
    closed: int = 0
    is_ready: bool = True

    async def note(self, name: str, *args: Any, **kwargs: Any) -> None:
        self.calls.append((name, args, kwargs))
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error

    async def ready(self) -> bool:
        return self.is_ready

    async def stream(self) -> AsyncGenerator[Event]:
        self.opened += 1
        try:
            yield Event(EventKind.HEARTBEAT, "cur-0", counted(1001, 999))
            yield Event(EventKind.CHANGED, "cur-1", counted(1), SAMPLE)
            yield Event(EventKind.ALL_READ, "cur-2", counted(0), None, InboxPosition(AT, ID))
            await asyncio.Event().wait()
        finally:
            self.closed += 1


class FakeNotifications:
    def __init__(self, doings: Doings) -> None:
        self.doings = doings

    def may_create(self, principal: Principal) -> None:
        access.allow(principal, Operation.CREATE)

    async def create(
        self, principal: Principal, command: NewNotification, *, idempotency_key: str | None, correlation_id: str
    ) -> Created:
        await self.doings.note(
            "create", principal, command, idempotency_key=idempotency_key, correlation_id=correlation_id
        )
        return Created(SAMPLE, replayed=idempotency_key is not None)

    async def get(self, principal: Principal, notification_id: str) -> Notification:
        await self.doings.note("get", principal, notification_id)
        return SAMPLE

    async def list(self, principal: Principal, filters: Filter, page: PageRequest) -> Page:
        await self.doings.note("list", filters, page)
        return Page((SAMPLE,), ("next",), has_next=True, has_previous=False)

    async def list_of_user(self, principal: Principal, user_id: str, filters: Filter, page: PageRequest) -> Page:
        await self.doings.note("list_of_user", user_id, filters, page)
        return Page((SAMPLE,), ("last",), has_next=False, has_previous=False)

    async def update_status(self, principal: Principal, notification_id: str, target: Status) -> Notification:
        await self.doings.note("update_status", notification_id, target)
        return SAMPLE

    async def mark_read(self, principal: Principal, notification_id: str) -> Notification:
        await self.doings.note("mark_read", notification_id)
        return SAMPLE

    async def mark_unread(self, principal: Principal, notification_id: str) -> Notification:
        await self.doings.note("mark_unread", notification_id)
        return SAMPLE

    async def mark_seen(self, principal: Principal, notification_id: str) -> Notification:
        await self.doings.note("mark_seen", notification_id)
        return SAMPLE

    async def mark_unseen(self, principal: Principal, notification_id: str) -> Notification:
        await self.doings.note("mark_unseen", notification_id)
        return SAMPLE

    async def archive(self, principal: Principal, notification_id: str) -> Notification:
        await self.doings.note("archive", notification_id)
        return SAMPLE

    async def unarchive(self, principal: Principal, notification_id: str) -> Notification:
        await self.doings.note("unarchive", notification_id)
        return SAMPLE

    async def watch(self, principal: Principal, notification_id: str) -> AsyncGenerator[Event]:
        await self.doings.note("watch_one", notification_id)
        return self.doings.stream()


class FakeInbox:
    def __init__(self, doings: Doings) -> None:
        self.doings = doings

    async def list(self, principal: Principal, user_id: str, filters: Filter, page: PageRequest) -> Page:
        await self.doings.note("inbox", user_id, filters, page)
        return Page((), (), has_next=False, has_previous=False)

    async def unread_count(self, principal: Principal, user_id: str) -> CappedCount:
        await self.doings.note("unread_count", user_id)
        return CappedCount(1000, capped=True)

    async def mark_all_read(
        self, principal: Principal, user_id: str, *, up_to: str | None, category: str | None
    ) -> MarkedAll:
        await self.doings.note("mark_all_read", user_id, up_to=up_to, category=category)
        return MarkedAll(3, ID)

    async def mark_all_seen(
        self, principal: Principal, user_id: str, *, up_to: str | None, category: str | None
    ) -> MarkedAll:
        await self.doings.note("mark_all_seen", user_id, up_to=up_to, category=category)
        return MarkedAll(0, None)

    async def undo_mark_all(self, principal: Principal, user_id: str, operation_id: str) -> int:
        await self.doings.note("undo_mark_all", user_id, operation_id)
        return 2

    async def counts(
        self, principal: Principal, user_id: str, categories: Sequence[str] = ()
    ) -> tuple[InboxCounts, Sequence[CategoryCounts]]:
        await self.doings.note("counts", user_id, categories)
        return counted(1001, 2), [CategoryCounts(name, counted(1, 0)) for name in categories]

    async def watch(self, principal: Principal, user_id: str, after: str | None) -> AsyncGenerator[Event]:
        await self.doings.note("watch", user_id, after)
        return self.doings.stream()


class FakeDeadLetters:
    def __init__(self, doings: Doings) -> None:
        self.doings = doings

    async def list(self, principal: Principal, filters: Filter, page: PageRequest) -> Page:
        await self.doings.note("dead_letters", filters, page)
        return Page((SAMPLE,), ("x",), has_next=False, has_previous=False)

    async def replay(self, principal: Principal, selection: Selection, *, dry_run: bool) -> int:
        await self.doings.note("replay", selection, dry_run=dry_run)
        return 4

    async def purge(self, principal: Principal, selection: Selection, *, dry_run: bool) -> int:
        await self.doings.note("purge", selection, dry_run=dry_run)
        return 5


@pytest.fixture
def doings() -> Doings:
    return Doings()


@pytest.fixture
async def server(doings: Doings) -> AsyncIterator[GrpcServer]:
    core = SimpleNamespace(
        notifications=FakeNotifications(doings),
        inbox=FakeInbox(doings),
        dead_letters=FakeDeadLetters(doings),
        credentials=OpenDoor(),
        standings=Standings(),
        rates=Rates(),
        ready=doings.ready,
    )
    settings = GrpcSettings(port=0, max_message_bytes=MAX_BYTES)
    running = await serve(cast("Core", core), settings, request_timeout=timedelta(seconds=2))
    yield running
    await running.stop(timedelta(0))


@pytest.fixture
async def channel(server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> NotificationServiceAsyncStub:
    return NotificationServiceStub(channel)


def message(**fields: Any) -> pb.CreateNotificationRequest:
    return pb.CreateNotificationRequest(**({"user_id": "ann", "title": "t", "message": "m", "type": "email"} | fields))


class Refused:
    """An error as a client takes it apart."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        trailing = dict(error.trailing_metadata() or ())
        self.correlation_id = trailing.get("x-correlation-id")
        self.status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
        assert self.status.message == error.details()
        assert self.status.code == self.code.value[0]
        self.reason = self.detail(error_details_pb2.ErrorInfo).reason
        bad = self.detail(error_details_pb2.BadRequest)
        self.fields = [violation.field for violation in bad.field_violations] if bad else []

    def detail(self, kind: Any) -> Any:
        for packed in self.status.details:
            found = kind()
            if packed.Unpack(found):
                return found
        return None


async def refused(call: Any) -> Refused:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return Refused(caught.value)


async def test_a_create_goes_in_and_comes_back_whole(stub: NotificationServiceAsyncStub, doings: Doings) -> None:
    metadata = Struct()
    metadata.update({"a": 1, "b": [True, None, {"c": "d"}]})
    request = message(
        metadata=metadata,
        html="<p>",
        scheduled_at=Timestamp(seconds=1_900_000_000, nanos=123_999_999),
        idempotency_key="k",
    )
    answer = await stub.CreateNotification(request, metadata=(("x-correlation-id", "corr-1"),))
    assert answer.idempotency_replayed
    ((name, (principal, command), kwargs),) = doings.calls
    assert (name, principal, kwargs) == (
        "create",
        ANONYMOUS_LOCAL,
        {"idempotency_key": "k", "correlation_id": "corr-1"},
    )
    assert command == NewNotification(
        user_id="ann",
        title="t",
        message="m",
        type="email",
        html="<p>",
        metadata={"a": 1.0, "b": [True, None, {"c": "d"}]},
        scheduled_at=datetime(2030, 3, 17, 17, 46, 40, 123000, UTC),
    )
    assert json.dumps(command.metadata) == '{"a": 1.0, "b": [true, null, {"c": "d"}]}'


async def test_a_notification_is_told_in_full(stub: NotificationServiceAsyncStub) -> None:
    found = (await stub.GetNotification(pb.GetNotificationRequest(notification_id=str(ID)))).notification
    assert (found.id, found.version, found.status, found.priority) == (str(ID), 7, 10, 3)
    assert not found.HasField("html")
    assert found.to == "ann@example.org"
    assert not found.HasField("scheduled_at")
    assert (found.created_at.seconds, found.created_at.nanos) == (int(AT.timestamp()), 678_000_000)
    assert [(a.number, a.outcome, a.HasField("provider_id"), a.HasField("error")) for a in found.attempts] == [
        (1, 3, False, True),
        (2, 1, True, False),
    ]
    kinds = {key: value.WhichOneof("kind") for key, value in found.metadata.fields.items()}
    assert kinds == {
        "n": "number_value",
        "big": "number_value",
        "half": "number_value",
        "yes": "bool_value",
        "none": "null_value",
        "map": "struct_value",
        "list": "list_value",
        "deep": "list_value",
    }
    assert int(found.metadata.fields["big"].number_value) == 2**53 - 1


async def test_filters_and_pages_reach_the_core(stub: NotificationServiceAsyncStub, doings: Doings) -> None:
    bare = await stub.ListNotifications(pb.ListNotificationsRequest())
    assert bare.next_page_token == "next"
    full = pb.ListNotificationsRequest(
        status=entities_pb2.NOTIFICATION_STATUS_READ,
        type="email",
        category="",
        unread=False,
        user_id="bob",
        created_after=Timestamp(seconds=1),
        reason="EXPIRED",
        page_size=1000,
        page_token="tok",
    )
    await stub.ListNotifications(full)
    last = await stub.ListUserNotifications(pb.ListUserNotificationsRequest(user_id="ann", page_size=100))
    assert last.next_page_token == ""
    assert [args for _, args, _ in doings.calls] == [
        (Filter(), PageRequest(20, each_cursor=False)),
        (
            Filter(Status.READ, "email", "", False, "bob", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), reason="EXPIRED"),
            PageRequest(100, "tok", each_cursor=False),
        ),
        ("ann", Filter(), PageRequest(100, each_cursor=False)),
    ]


async def test_the_rest_of_the_operations(stub: NotificationServiceAsyncStub, doings: Doings) -> None:
    await stub.ListInbox(pb.ListInboxRequest(user_id="ann", unread=True))
    unread = await stub.GetUnreadCount(pb.GetUnreadCountRequest(user_id="ann"))
    assert (unread.unread_count, unread.unread_count_capped) == (1000, True)
    await stub.UpdateNotificationStatus(
        pb.UpdateNotificationStatusRequest(notification_id="i", status=entities_pb2.NOTIFICATION_STATUS_READ)
    )
    await stub.MarkRead(pb.MarkReadRequest(notification_id="i"))
    await stub.MarkUnread(pb.MarkUnreadRequest(notification_id="i"))
    for marking in (
        stub.MarkSeen(pb.MarkSeenRequest(notification_id="i")),
        stub.MarkUnseen(pb.MarkUnseenRequest(notification_id="i")),
        stub.ArchiveNotification(pb.ArchiveNotificationRequest(notification_id="i")),
        stub.UnarchiveNotification(pb.UnarchiveNotificationRequest(notification_id="i")),
    ):
        await marking
    marked = await stub.MarkAllRead(pb.MarkAllReadRequest(user_id="ann", up_to="cur"))
    assert (marked.count, marked.operation_id) == (3, str(ID))
    none = await stub.MarkAllSeen(pb.MarkAllSeenRequest(user_id="ann", category="c"))
    assert (none.count, none.HasField("operation_id")) == (0, False)
    assert (await stub.UndoMarkAll(pb.UndoMarkAllRequest(user_id="ann", operation_id="o"))).count == 2
    counts = (await stub.GetInboxCounts(pb.GetInboxCountsRequest(user_id="ann", categories=["a"]))).counts
    assert (counts.unread, counts.unread_capped, counts.unseen, counts.unseen_capped) == (1000, True, 2, False)
    assert [(one.category, one.unread, one.unseen) for one in counts.categories] == [("a", 1, 0)]
    await stub.ListDeadLetters(pb.ListDeadLettersRequest(user_id="bob"))
    assert (await stub.ReplayDeadLetters(pb.ReplayDeadLettersRequest(ids=["i", "j"], dry_run=True))).count == 4
    some = pb.DeadLetterFilter(type="sms", reason="TIMEOUT")
    assert (await stub.PurgeDeadLetters(pb.PurgeDeadLettersRequest(filter=some))).count == 5
    await stub.PurgeDeadLetters(pb.PurgeDeadLettersRequest(filter=pb.DeadLetterFilter()))
    await stub.PurgeDeadLetters(pb.PurgeDeadLettersRequest())
    assert doings.calls == [
        ("inbox", ("ann", Filter(unread=True), PageRequest(20, each_cursor=False)), {}),
        ("unread_count", ("ann",), {}),
        ("update_status", ("i", Status.READ), {}),
        ("mark_read", ("i",), {}),
        ("mark_unread", ("i",), {}),
        ("mark_seen", ("i",), {}),
        ("mark_unseen", ("i",), {}),
        ("archive", ("i",), {}),
        ("unarchive", ("i",), {}),
        ("mark_all_read", ("ann",), {"up_to": "cur", "category": None}),
        ("mark_all_seen", ("ann",), {"up_to": None, "category": "c"}),
        ("undo_mark_all", ("ann", "o"), {}),
        ("counts", ("ann", ["a"]), {}),
        ("dead_letters", (Filter(user_id="bob"), PageRequest(20, each_cursor=False)), {}),
        ("replay", (Selection(ids=("i", "j")),), {"dry_run": True}),
        ("purge", (Selection(filters=Filter(type="sms", reason="TIMEOUT")),), {"dry_run": False}),
        ("purge", (Selection(filters=Filter()),), {"dry_run": False}),
        ("purge", (Selection(),), {"dry_run": False}),
    ]


NO_VALUE = Struct(fields={"a": Value(list_value=ListValue(values=[Value()]))})


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("CreateNotification", message(type=""), ["type"]),
        ("CreateNotification", message(metadata=NO_VALUE), ["metadata.a.0"]),
        (
            "CreateNotification",
            message(scheduled_at=Timestamp(seconds=2**60), expires_at=Timestamp(nanos=-1)),
            ["scheduled_at", "expires_at"],
        ),
        ("UpdateNotificationStatus", pb.UpdateNotificationStatusRequest(notification_id="i"), ["status"]),
        ("UpdateNotificationStatus", pb.UpdateNotificationStatusRequest(notification_id="i", status=99), ["status"]),  # type: ignore[arg-type]
        ("ListNotifications", pb.ListNotificationsRequest(status=99), ["status"]),  # type: ignore[arg-type]
        ("ListInbox", pb.ListInboxRequest(page_size=-1), ["page_size"]),
        ("ListDeadLetters", pb.ListDeadLettersRequest(created_before=Timestamp(seconds=-(2**60))), ["created_before"]),
        (
            "ReplayDeadLetters",
            pb.ReplayDeadLettersRequest(filter=pb.DeadLetterFilter(created_after=Timestamp(nanos=10**9))),
            ["filter.created_after"],
        ),
        (
            "PurgeDeadLetters",
            pb.PurgeDeadLettersRequest(filter=pb.DeadLetterFilter(status=99)),  # type: ignore[arg-type]
            ["filter.status"],
        ),
    ],
)
async def test_what_protobuf_allows_and_the_hub_does_not(
    stub: NotificationServiceAsyncStub, doings: Doings, method: str, request_: Any, fields: list[str]
) -> None:
    error = await refused(getattr(stub, method)(request_))
    assert (error.code, error.reason, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_VALUE", fields)
    assert doings.calls == []


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff", b"\x0a\x03\xff\xfe\xfd", b"\x0a\x7fshort"])
@pytest.mark.parametrize("method", ["CreateNotification", "WatchInbox"])
async def test_bytes_that_are_no_message(channel: Any, method: str, garbage: bytes) -> None:
    path = f"/hub.v1.NotificationService/{method}"
    if method.startswith("Watch"):
        error = await refused(channel.unary_stream(path)(garbage).read())
    else:
        error = await refused(channel.unary_unary(path)(garbage))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert error.status.message == f"The request is not a hub.v1.{method}Request."
    assert error.detail(error_details_pb2.RequestInfo).request_id == error.correlation_id


async def test_too_large_a_message(stub: NotificationServiceAsyncStub) -> None:
    error = await refused(stub.CreateNotification(message(message="x" * MAX_BYTES)))
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CreateNotification(message(message="x" * MAX_BYTES * 3))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_error_of_the_core(stub: NotificationServiceAsyncStub, doings: Doings) -> None:
    doings.error = HubError(
        Reason.ILLEGAL_TRANSITION, "No. Ümläut.", metadata={"from": Status.SENT, "to": Status.PENDING}
    )
    error = await refused(stub.MarkRead(pb.MarkReadRequest(), metadata=(("x-correlation-id", "mine"),)))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_TRANSITION")
    assert dict(error.detail(error_details_pb2.ErrorInfo).metadata) == {"from": "sent", "to": "pending"}
    assert error.detail(error_details_pb2.ErrorInfo).domain == "hub"
    assert error.correlation_id == "mine"


async def test_a_spoiled_cursor_is_a_page_token_in_lists_only(
    stub: NotificationServiceAsyncStub, doings: Doings
) -> None:
    doings.error = invalid_field("after", "is spoiled", Reason.INVALID_CURSOR)
    error = await refused(stub.ListInbox(pb.ListInboxRequest(user_id="ann", page_token="x")))
    assert (error.reason, error.fields, error.status.message) == (
        "INVALID_CURSOR",
        ["page_token"],
        "page_token: is spoiled",
    )
    error = await refused(stub.WatchInbox(pb.WatchInboxRequest(user_id="ann", after="x")).read())
    assert (error.reason, error.fields) == ("INVALID_CURSOR", ["after"])


@pytest.mark.parametrize("failure", [RuntimeError("secret"), grpc.RpcError("secret"), KeyError("secret")])
async def test_a_defect_shows_the_correlation_id_alone(
    stub: NotificationServiceAsyncStub, doings: Doings, failure: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    doings.error = failure
    for call in (stub.GetNotification(pb.GetNotificationRequest()), stub.WatchInbox(pb.WatchInboxRequest()).read()):
        error = await refused(call)
        assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert "secret" not in str(error.status)
        assert error.correlation_id
    captured = capsys.readouterr()
    assert "secret" in captured.out + captured.err


@pytest.mark.parametrize("given", [None, "not fit for logs", "x" * 129])
async def test_a_correlation_id_is_made_where_none_fits(stub: NotificationServiceAsyncStub, given: str | None) -> None:
    call = stub.GetNotification(
        pb.GetNotificationRequest(), metadata=None if given is None else (("x-correlation-id", given),)
    )
    await call
    made = dict(await call.trailing_metadata())["x-correlation-id"]
    assert made != given
    assert len(made) == 16


async def test_a_stream_gives_its_correlation_id_at_once(stub: NotificationServiceAsyncStub) -> None:
    call = stub.WatchInbox(pb.WatchInboxRequest(user_id="ann"), metadata=(("x-correlation-id", "mine"),))
    assert dict(await call.initial_metadata())["x-correlation-id"] == "mine"
    call.cancel()


async def test_the_servers_deadline(stub: NotificationServiceAsyncStub, doings: Doings) -> None:
    doings.delay = 60
    error = await refused(stub.GetNotification(pb.GetNotificationRequest()))
    assert (error.code, error.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_the_clients_deadline_is_shorter(stub: NotificationServiceAsyncStub, doings: Doings) -> None:
    doings.delay = 60
    began = asyncio.get_running_loop().time()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetNotification(pb.GetNotificationRequest(), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert asyncio.get_running_loop().time() - began < 1


async def test_events_of_a_stream(stub: NotificationServiceAsyncStub, doings: Doings) -> None:
    call = stub.WatchInbox(pb.WatchInboxRequest(user_id="ann", after="cur"))
    first, second, third = [(await anext(aiter(call))).event for _ in range(3)]
    assert (first.kind, first.unread_count, first.unread_count_capped, first.cursor) == (5, 1000, True, "cur-0")
    assert not first.HasField("notification")
    assert (second.kind, second.notification.id, second.cursor) == (1, str(ID), "cur-1")
    assert (third.kind, third.up_to.id, third.up_to.delivered_at.ToDatetime(UTC)) == (3, str(ID), AT)
    assert doings.calls == [("watch", ("ann", "cur"), {})]
    call.cancel()
    await until(lambda: doings.closed == 1)


async def test_a_drain_ends_streams_so_that_clients_come_back(
    server: GrpcServer, stub: NotificationServiceAsyncStub, doings: Doings
) -> None:
    calls: list[Any] = [
        stub.WatchInbox(pb.WatchInboxRequest(user_id="ann")),
        stub.WatchNotification(pb.WatchNotificationRequest()),
    ]
    for call in calls:
        for _ in range(3):
            await call.read()
    await server.drain()
    for call in calls:
        error = await refused(call.read())
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
        assert error.detail(error_details_pb2.RetryInfo).retry_delay.ToTimedelta() == timedelta(seconds=1)
    assert doings.opened == doings.closed == 2
    late = await refused(stub.WatchInbox(pb.WatchInboxRequest(user_id="ann")).read())
    assert late.reason == "OVERLOADED"
    # Calls of one answer are served until the server stops.
    await stub.GetNotification(pb.GetNotificationRequest())


async def test_a_stop_waits_for_calls_and_for_nothing_else(
    server: GrpcServer, channel: grpc.aio.Channel, stub: NotificationServiceAsyncStub, doings: Doings
) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    watch = health.Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    reflection = reflect(channel, "v1")
    await reflection.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    await reflection.read()
    doings.delay = 0.5
    loop = asyncio.get_running_loop()
    call = asyncio.ensure_future(stub.GetNotification(pb.GetNotificationRequest()))  # noqa: TID251 - awaited below
    await until(lambda: bool(doings.calls))
    began = loop.time()
    await server.stop(timedelta(seconds=10))
    assert 0.3 < loop.time() - began < 3
    assert (await call).notification.id == str(ID)
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.GetNotification(pb.GetNotificationRequest())


async def test_a_reader_that_does_not_read_holds_up_no_stop(
    server: GrpcServer, stub: NotificationServiceAsyncStub, doings: Doings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flood(self: Doings) -> AsyncGenerator[Event]:
        self.opened += 1
        try:
            while True:
                yield Event(EventKind.CHANGED, "c", counted(1), SAMPLE)
        finally:
            self.closed += 1

    monkeypatch.setattr(Doings, "stream", flood)
    call = stub.WatchInbox(pb.WatchInboxRequest(user_id="ann"))
    await call.read()
    await asyncio.sleep(0.3)
    began = asyncio.get_running_loop().time()
    await server.drain()
    await server.stop(timedelta(seconds=0.5))
    assert asyncio.get_running_loop().time() - began < 3
    assert doings.closed == 1


async def test_health_follows_readiness(server: GrpcServer, channel: grpc.aio.Channel, doings: Doings) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING

    async def states() -> set[int]:
        names = ("", "hub.v1.NotificationService", "hub.v1.UserService", "hub.v1.HealthService")
        return {(await health.Check(health_pb2.HealthCheckRequest(service=name))).status for name in names}

    assert await states() == {serving}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(health_pb2.HealthCheckRequest(service="hub.v1.Nothing"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watch = health.Watch(health_pb2.HealthCheckRequest(service="hub.v1.NotificationService"))
    assert (await watch.read()).status == serving
    doings.is_ready = False
    assert (await watch.read()).status == not_serving
    assert await states() == {not_serving}
    doings.is_ready = True
    assert (await watch.read()).status == serving
    await server.drain()
    assert (await watch.read()).status == not_serving
    assert await states() == {not_serving}


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_under_both_names(channel: grpc.aio.Channel, version: str) -> None:
    call = reflect(channel, version)
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = {service.name for service in (await call.read()).list_services_response.service}
    services = {"hub.v1.NotificationService", "hub.v1.UserService", "hub.v1.HealthService"}
    assert listed >= services | {"grpc.health.v1.Health"}
    for name in services:
        await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name))
        assert (await call.read()).file_descriptor_response.file_descriptor_proto
    await call.done_writing()


async def test_a_taken_port_stops_the_start(server: GrpcServer) -> None:
    core = cast("Core", SimpleNamespace(credentials=OpenDoor(), standings=Standings(), rates=Rates(), ready=None))
    with pytest.raises(RuntimeError):
        await serve(core, GrpcSettings(port=server.port), request_timeout=timedelta(seconds=1))


def reflect(channel: grpc.aio.Channel, version: str) -> Any:
    return channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )()


async def until(holds: Any) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)
