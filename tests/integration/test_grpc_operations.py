"""Over the wire of the gRPC server: the stream of creates, users, statistics, health, and who may call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import grpc
import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed
from grpc_health.v1 import health_pb2 as probe_pb2
from grpc_health.v1 import health_pb2_grpc as probe_grpc

from hub.core import access
from hub.core.access import Operation
from hub.core.app import Core
from hub.core.credentials import Credentials, Door, KeyFile, OpenDoor
from hub.core.notifications import Created
from hub.core.rates import Rates
from hub.core.standings import Standings
from hub.domain.errors import HubError, Reason, Violation, invalid
from hub.domain.health import ChannelHealth, ComponentHealth, Health, HealthReport, ProcessHealth
from hub.domain.keys import hash_key
from hub.domain.notifications import NewNotification, Notification, Priority, User
from hub.domain.principals import ANONYMOUS_LOCAL, Principal, Scope
from hub.domain.statistics import Bucket, ChannelStatistics, Row, Statistics, StatisticsQuery
from hub.domain.status import Status
from hub.domain.users import DeletedUser, UserRecord
from hub.log import correlation_id
from hub.rpc.v1 import health_pb2, users_pb2
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.health_pb2_grpc import HealthServiceStub
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from hub.rpc.v1.users_pb2_grpc import UserServiceStub
from hub.settings import GrpcSettings
from hub.transports.grpc.app import GrpcServer, serve
from hub.transports.grpc.streams import MOST_UNDER_WAY
from tests.waiting import until

AT = datetime(2030, 1, 2, 3, 4, 5, 678000, UTC)
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
KEY = "a-key"
LIMIT = timedelta(seconds=2)
MAX_BYTES = 64 * 1024

BARE = Notification(
    id=ID,
    tenant="default",
    user_id="ann",
    title="t",
    message="m",
    type="email",
    html=None,
    to=None,
    metadata={},
    priority=Priority.NORMAL,
    category=None,
    status=Status.PENDING,
    status_reason=None,
    attempts=(),
    scheduled_at=None,
    expires_at=None,
    next_attempt_at=None,
    created_at=AT,
    updated_at=AT,
    sent_at=None,
    delivered_at=None,
    read_at=None,
    version=1,
    correlation_id="c",
)


class FakeCore:
    """Answers what the test wants, and notes what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.before_create: Callable[[NewNotification], Awaitable[None]] | None = None
        self.under_way = 0
        self.most_under_way = 0
        self.is_open = asyncio.Event()
        self.is_open.set()

    def may_create(self, principal: Principal) -> None:
        access.allow(principal, Operation.CREATE)

    async def create(
        self, principal: Principal, command: NewNotification, *, idempotency_key: str | None, correlation_id: str
    ) -> Created:
        self.calls.append((principal, command, idempotency_key, correlation_id))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.is_open.wait()
            if self.before_create is not None:
                await self.before_create(command)
        finally:
            self.under_way -= 1
        return Created(replace(BARE, title=command.title), replayed=idempotency_key == "again")

    async def delete_notification(self, principal: Principal, notification_id: str) -> None:
        self.calls.append(notification_id)
        if notification_id != str(ID):
            raise HubError(Reason.NOT_FOUND, "The notification does not exist.")

    async def get_user(self, principal: Principal, user_id: str) -> User:
        return User("default", user_id, {"email": "ann@example.org"}, None, "Europe/Paris", AT, AT)

    async def update_user(self, principal: Principal, user_id: str, record: UserRecord) -> User:
        self.calls.append((user_id, record))
        return User("default", user_id, record.contact_points, record.locale, record.timezone, AT, AT)

    async def delete_user(self, principal: Principal, user_id: str) -> DeletedUser:
        return DeletedUser(notifications=4, cancelled=3, keys=2, contact_points=1)

    async def get_statistics(self, principal: Principal, **asked: Any) -> Statistics:
        self.calls.append(asked)
        rows = (Row(AT, "email", None, Status.SENT, 2**40), Row(AT, "sms", "promo", Status.FAILED, 1))
        channels = (
            ChannelStatistics("email", 2, 0, 0.0, 3, 1.5, 2.5, 3.5),
            ChannelStatistics("sms", 4, 1, 0.25, 1, None, None, None),
        )
        return Statistics(StatisticsQuery(AT, AT + timedelta(days=1), Bucket.DAY), rows, channels)

    async def report(self, principal: Principal | None) -> HealthReport:
        if principal is None:
            return HealthReport(Health.DEGRADED)
        return HealthReport(
            Health.DEGRADED,
            "1.2.3",
            (ProcessHealth("p", "api", "1.2.3", AT, AT, 0.5),),
            (ComponentHealth("store", Health.OK, "Well."),),
            (
                ChannelHealth("email", Health.OK, 2, "delivered", AT),
                ChannelHealth("sms", Health.DEGRADED, 0, None, None),
            ),
            oldest_due_seconds=0.0,
        )

    async def ready(self) -> bool:
        return True

    def under(self, credentials: Credentials) -> Core:
        parts = SimpleNamespace(
            notifications=SimpleNamespace(
                create=self.create, may_create=self.may_create, delete=self.delete_notification
            ),
            users=SimpleNamespace(get=self.get_user, update=self.update_user, delete=self.delete_user),
            statistics=SimpleNamespace(get=self.get_statistics),
            health=SimpleNamespace(report=self.report),
            credentials=credentials,
            standings=Standings(),
            rates=Rates(),
            ready=self.ready,
        )
        return cast("Core", parts)


@pytest.fixture
def core() -> FakeCore:
    return FakeCore()


@pytest.fixture
async def server(core: FakeCore) -> AsyncIterator[GrpcServer]:
    settings = GrpcSettings(port=0, max_message_bytes=MAX_BYTES)
    running = await serve(core.under(OpenDoor()), settings, request_timeout=LIMIT)
    yield running
    await running.stop(timedelta(0))


@pytest.fixture
async def channel(server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return NotificationServiceStub(channel)


@pytest.fixture
async def locked(core: FakeCore, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    """A hub that wants keys."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps([{"hash": hash_key(KEY), "tenant": "acme", "scopes": ["notifications:write"]}]))
    running = await serve(core.under(Door(KeyFile.read(file))), GrpcSettings(port=0), request_timeout=LIMIT)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as opened:
        yield opened
    await running.stop(timedelta(0))


def item(title: str = "t", **fields: Any) -> pb.CreateNotificationsRequest:
    given = {"user_id": "ann", "title": title, "message": "m", "type": "email"} | fields
    return pb.CreateNotificationsRequest(notification=pb.CreateNotificationRequest(**given))


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, list[str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    trailing = dict(caught.value.trailing_metadata() or ())
    details = status_pb2.Status.FromString(trailing["grpc-status-details-bin"]).details
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in details:
        detail.Unpack(info)
        detail.Unpack(bad)
    return caught.value.code(), info.reason, [violation.field for violation in bad.field_violations]


async def answers(call: Any, *items: pb.CreateNotificationsRequest) -> dict[int, pb.CreateNotificationsResponse]:
    for one in items:
        await call.write(one)
    await call.done_writing()
    return {answer.index: answer async for answer in call}


# ---------------------------------------------------------------------------------------------- the stream of creates


async def test_every_item_is_answered_by_its_index(stub: Any, core: FakeCore) -> None:
    call = stub.CreateNotifications(metadata=(("x-correlation-id", "mine"),))
    got = await answers(call, item("a", idempotency_key="again"), item("b"))
    assert {i: (a.notification.title, a.idempotency_replayed) for i, a in got.items()} == {
        0: ("a", True),
        1: ("b", False),
    }
    assert not got[0].HasField("error")
    assert [(c[0], c[1].title, c[2], c[3]) for c in core.calls] == [
        (ANONYMOUS_LOCAL, "a", "again", "mine"),
        (ANONYMOUS_LOCAL, "b", None, "mine"),
    ]
    assert dict(await call.initial_metadata())["x-correlation-id"] == "mine"
    assert dict(await call.trailing_metadata())["x-correlation-id"] == "mine"


async def test_an_empty_stream_ends(stub: Any) -> None:
    assert await answers(stub.CreateNotifications()) == {}


async def test_an_item_fails_by_itself(stub: Any, core: FakeCore, capsys: pytest.CaptureFixture[str]) -> None:
    async def judge(command: NewNotification) -> None:
        if command.title == "bad":
            raise invalid(Violation("metadata.\ud800", "no"), Violation("to", "no"), reason=Reason.NO_CONTACT_POINT)
        if command.title == "broken":
            raise RuntimeError("secret")

    core.before_create = judge
    nothing = Struct(fields={"a": Value(list_value=ListValue(values=[Value()]))})
    got = await answers(
        stub.CreateNotifications(),
        item("bad"),
        item("broken"),
        item(type=""),
        item(metadata=nothing),
        item(scheduled_at=Timestamp(seconds=2**60)),
        pb.CreateNotificationsRequest(),
        item(message="x" * MAX_BYTES),
        item("good"),
    )
    errors = {i: (a.error.code, a.error.reason, [v.field for v in a.error.violations]) for i, a in got.items()}
    assert errors == {
        0: ("INVALID_ARGUMENT", "NO_CONTACT_POINT", ["metadata.?", "to"]),
        1: ("INTERNAL", "INTERNAL", []),
        2: ("INVALID_ARGUMENT", "INVALID_VALUE", ["type"]),
        3: ("INVALID_ARGUMENT", "INVALID_VALUE", ["metadata.a.0"]),
        4: ("INVALID_ARGUMENT", "INVALID_VALUE", ["scheduled_at"]),
        5: ("INVALID_ARGUMENT", "INVALID_VALUE", ["type"]),
        6: ("RESOURCE_EXHAUSTED", "TOO_LARGE", []),
        7: ("", "", []),
    }
    assert got[7].notification.title == "good"
    assert not any(got[i].HasField("notification") for i in range(7))
    assert "secret" not in str(got[1])
    captured = capsys.readouterr()
    assert "secret" in captured.out + captured.err


async def test_bytes_that_are_no_message_are_that_items_error(channel: Any) -> None:
    call = channel.stream_stream(
        "/hub.v1.NotificationService/CreateNotifications",
        request_serializer=bytes,
        response_deserializer=pb.CreateNotificationsResponse.FromString,
    )()
    got = await answers(call, cast("Any", b"\xff\xff"), cast("Any", item("good").SerializeToString()))
    assert (got[0].error.reason, got[1].notification.title) == ("MALFORMED", "good")


async def test_an_item_has_a_deadline_of_its_own(stub: Any, core: FakeCore) -> None:
    async def judge(command: NewNotification) -> None:
        if command.title == "slow":
            await asyncio.sleep(60)

    core.before_create = judge
    got = await answers(stub.CreateNotifications(), item("slow"), item("quick"))
    assert (got[0].error.code, got[1].notification.title) == ("DEADLINE_EXCEEDED", "quick")


async def test_acknowledgements_come_as_items_are_done(stub: Any, core: FakeCore) -> None:
    release = asyncio.Event()

    async def judge(command: NewNotification) -> None:
        if command.title == "first":
            await release.wait()

    core.before_create = judge
    call = stub.CreateNotifications()
    await call.write(item("first"))
    await call.write(item("second"))
    assert (await call.read()).index == 1
    release.set()
    assert (await call.read()).index == 0
    call.cancel()


async def test_no_more_than_so_many_are_under_way(stub: Any, core: FakeCore) -> None:
    core.is_open.clear()
    total = 3 * MOST_UNDER_WAY
    call = stub.CreateNotifications()

    async def send() -> None:
        for number in range(total):
            await call.write(item(str(number)))
        await call.done_writing()

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        await until(lambda: core.under_way == MOST_UNDER_WAY)
        await asyncio.sleep(0.2)
        assert len(core.calls) == MOST_UNDER_WAY
        core.is_open.set()
        got = [answer.index async for answer in call]
    assert sorted(got) == list(range(total))
    assert core.most_under_way == MOST_UNDER_WAY


async def test_who_takes_no_acknowledgements_is_not_read(stub: Any, core: FakeCore) -> None:
    async def long_answer(command: NewNotification) -> None:
        object.__setattr__(command, "title", "x" * 20_000)

    core.before_create = long_answer
    call = stub.CreateNotifications()
    sent = 0

    async def send() -> None:
        nonlocal sent
        while True:
            async with asyncio.timeout(1):
                await call.write(item("y" * 5_000))
            sent += 1

    # The sender's own window and grpc's buffers take some; it must come to a stop all the same.
    with pytest.raises(TimeoutError):
        await send()
    assert len(core.calls) < sent
    assert core.under_way == 0
    # A timeout on a write cancels the call.
    assert call.done()


async def test_a_drain_acknowledges_what_is_under_way(server: GrpcServer, stub: Any, core: FakeCore) -> None:
    core.is_open.clear()
    call = stub.CreateNotifications()
    await call.write(item("a"))
    await call.write(item("b"))
    await until(lambda: core.under_way == 2)
    idle = stub.CreateNotifications()
    await idle.initial_metadata()
    await server.drain()
    assert await refusal(idle.read()) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED", [])
    with_late = asyncio.gather(call.write(item("late")), return_exceptions=True)
    core.is_open.set()
    assert {(await call.read()).index, (await call.read()).index} == {0, 1}
    assert await refusal(call.read()) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED", [])
    await with_late
    assert [c[1].title for c in core.calls] == ["a", "b"]
    assert await refusal(stub.CreateNotifications().read()) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED", [])


async def test_a_caller_who_goes_away_leaves_nothing_behind(
    stub: Any, core: FakeCore, capsys: pytest.CaptureFixture[str]
) -> None:
    core.is_open.clear()
    call = stub.CreateNotifications()
    for _ in range(10):
        await call.write(item())
    await until(lambda: core.under_way == 10)
    call.cancel()
    await until(lambda: core.under_way == 0)
    await asyncio.sleep(0.1)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


# ------------------------------------------------------------------------------------------------ the other operations


async def test_deleting_a_notification(stub: Any, core: FakeCore) -> None:
    answer = await stub.DeleteNotification(pb.DeleteNotificationRequest(notification_id=str(ID)))
    assert answer == pb.DeleteNotificationResponse()
    again = stub.DeleteNotification(pb.DeleteNotificationRequest(notification_id="x"))
    assert await refusal(again) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND", [])
    assert core.calls == [str(ID), "x"]


async def test_user_records(channel: grpc.aio.Channel, core: FakeCore) -> None:
    users: Any = UserServiceStub(channel)
    found = (await users.GetUser(users_pb2.GetUserRequest(user_id="ann"))).user
    assert (found.user_id, dict(found.contact_points), found.timezone) == (
        "ann",
        {"email": "ann@example.org"},
        "Europe/Paris",
    )
    assert not found.HasField("locale")
    assert found.created_at.ToDatetime(UTC) == found.updated_at.ToDatetime(UTC) == AT
    request = users_pb2.UpdateUserRequest(user_id="bob", contact_points={"phone": "+4915"}, locale="pt-BR")
    kept = (await users.UpdateUser(request)).user
    assert (kept.user_id, dict(kept.contact_points), kept.locale) == ("bob", {"phone": "+4915"}, "pt-BR")
    await users.UpdateUser(users_pb2.UpdateUserRequest(user_id="bob", timezone=""))
    assert core.calls == [("bob", UserRecord({"phone": "+4915"}, "pt-BR")), ("bob", UserRecord({}, None, ""))]
    assert await users.DeleteUser(users_pb2.DeleteUserRequest(user_id="bob")) == users_pb2.DeleteUserResponse(
        notifications=4, cancelled=3, keys=2, contact_points=1
    )


async def test_statistics_are_told_in_full(stub: Any, core: FakeCore) -> None:
    limits: dict[str, Any] = {"from": Timestamp(seconds=60), "to": Timestamp(seconds=120)}
    request = pb.GetStatisticsRequest(**limits, bucket="STATISTICS_BUCKET_DAY", type="email", category="", status=6)  # type: ignore[arg-type]
    told = (await stub.GetStatistics(request)).statistics
    await stub.GetStatistics(pb.GetStatisticsRequest())
    assert core.calls == [
        {
            "start": datetime(1970, 1, 1, 0, 1, tzinfo=UTC),
            "end": datetime(1970, 1, 1, 0, 2, tzinfo=UTC),
            "bucket": Bucket.DAY,
            "type_": "email",
            "category": "",
            "status": Status.DELIVERED,
        },
        {"start": None, "end": None, "bucket": Bucket.HOUR, "type_": None, "category": None, "status": None},
    ]
    assert getattr(told, "from").ToDatetime(UTC) == AT
    assert told.to.ToDatetime(UTC) == AT + timedelta(days=1)
    assert told.bucket == 2
    rows = [(r.type, r.category, r.HasField("category"), r.status, r.count) for r in told.rows]
    assert rows == [("email", "", False, 5, 2**40), ("sms", "promo", True, 7, 1)]
    channels = [(c.type, c.settled, c.failed, c.failure_rate, c.attempts, c.p50_ms) for c in told.channels]
    assert channels == [("email", 2, 0, 0.0, 3, 1.5), ("sms", 4, 1, 0.25, 1, 0)]
    assert [c.HasField("p99_ms") for c in told.channels] == [True, False]


@pytest.mark.parametrize(
    ("fields", "violations"),
    [
        ({"bucket": 9}, ["bucket"]),
        ({"status": 99}, ["status"]),
        ({"from": Timestamp(nanos=-1), "to": Timestamp(seconds=2**60)}, ["from", "to"]),
    ],
)
async def test_statistics_that_cannot_be_asked_for(stub: Any, fields: dict[str, Any], violations: list[str]) -> None:
    refused = await refusal(stub.GetStatistics(pb.GetStatisticsRequest(**fields)))
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_VALUE", violations)


async def test_health_is_told_in_full(channel: grpc.aio.Channel) -> None:
    stub: Any = HealthServiceStub(channel)
    told = (await stub.GetHealth(health_pb2.GetHealthRequest())).health
    assert (told.status, told.version, told.HasField("oldest_due_seconds")) == (2, "1.2.3", True)
    assert [(p.id, p.role, p.lag_ms, p.started_at.ToDatetime(UTC)) for p in told.processes] == [("p", "api", 0.5, AT)]
    assert [(c.name, c.status, c.detail) for c in told.components] == [("store", 1, "Well.")]
    channels = [(c.type, c.status, c.workers, c.HasField("last_outcome"), c.last_outcome) for c in told.channels]
    assert channels == [("email", 1, 2, True, 2), ("sms", 2, 0, False, 0)]
    assert not told.channels[1].HasField("last_attempt_at")


# ------------------------------------------------------------------------------------------------------- who may call

UNKNOWN: tuple[grpc.StatusCode, str, list[str]] = (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", [])


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic YTpi", KEY])
async def test_who_has_no_key_is_told_so_first(locked: Any, core: FakeCore, header: str | None) -> None:
    metadata = None if header is None else (("authorization", header),)
    stub: Any = NotificationServiceStub(locked)
    assert await refusal(stub.CreateNotification(item(type="").notification, metadata=metadata)) == UNKNOWN
    assert await refusal(stub.CreateNotifications(metadata=metadata).read()) == UNKNOWN
    assert await refusal(stub.WatchInbox(pb.WatchInboxRequest(), metadata=metadata).read()) == UNKNOWN
    users: Any = UserServiceStub(locked)
    assert await refusal(users.GetUser(users_pb2.GetUserRequest(), metadata=metadata)) == UNKNOWN
    path = "/hub.v1.NotificationService/"
    assert await refusal(locked.unary_unary(f"{path}GetNotification")(b"\xff", metadata=metadata)) == UNKNOWN
    assert await refusal(locked.unary_stream(f"{path}WatchInbox")(b"\xff", metadata=metadata).read()) == UNKNOWN
    assert core.calls == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_key_says_who_calls(locked: grpc.aio.Channel, core: FakeCore, scheme: str) -> None:
    metadata = (("authorization", f"{scheme} {KEY}"),)
    stub: Any = NotificationServiceStub(locked)
    await stub.CreateNotification(item("a").notification, metadata=metadata)
    assert len(await answers(stub.CreateNotifications(metadata=metadata), item("b"))) == 1
    mine = Principal("acme", frozenset({Scope.NOTIFICATIONS_WRITE}), None, hash_key(KEY)[:12])
    assert [(c[0], c[1].title) for c in core.calls] == [(mine, "a"), (mine, "b")]
    raw: Any = locked
    assert await refusal(raw.unary_unary("/hub.v1.UserService/GetUser")(b"\xff", metadata=metadata)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "MALFORMED",
        [],
    )


async def test_health_and_probes_need_no_key_but_take_no_wrong_one(locked: grpc.aio.Channel) -> None:
    stub: Any = HealthServiceStub(locked)
    request = health_pb2.GetHealthRequest()
    bare = (await stub.GetHealth(request)).health
    assert bare == health_pb2.HealthReport(status=health_pb2.HEALTH_STATUS_DEGRADED)
    assert (await stub.GetHealth(request, metadata=(("authorization", f"Bearer {KEY}"),))).health.version == "1.2.3"
    assert await refusal(stub.GetHealth(request, metadata=(("authorization", "Bearer wrong"),))) == UNKNOWN
    probe: Any = probe_grpc.HealthStub(locked)
    assert (await probe.Check(probe_pb2.HealthCheckRequest(service="hub.v1.UserService"))).status == 1
    assert correlation_id() == ""
