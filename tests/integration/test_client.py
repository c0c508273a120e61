"""`hub.client` against a real server of ours: its tries, its keys, and its streams when the server goes away."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid5

import grpc
import pytest

from hub.client import Backoff, ClientOptions, HubClient, HubClientError, Tls, Violation
from hub.client.watching import MOST_REMEMBERED, Told
from hub.core import access
from hub.core.access import Operation
from hub.core.app import Core
from hub.core.credentials import Door, KeyFile, OpenDoor
from hub.core.notifications import Created
from hub.core.rates import Rates
from hub.core.standings import Standings
from hub.core.user_tokens import IssuedToken
from hub.domain.audit import Action, AuditEntry, AuditPage
from hub.domain.errors import HubError, Reason, invalid_field
from hub.domain.events import CappedCount, CategoryCounts, Event, EventKind, MarkedAll
from hub.domain.health import Health, HealthReport
from hub.domain.keys import ApiKey, IssuedKey, NewKey, hash_key
from hub.domain.notifications import NewNotification, Notification, Priority, User
from hub.domain.paging import Filter, Page, PageRequest
from hub.domain.principals import Principal, Scope
from hub.domain.statistics import Bucket, Statistics, StatisticsQuery
from hub.domain.status import Status
from hub.domain.users import DeletedUser, UserRecord
from hub.rpc.v1 import access_pb2, entities_pb2, events_pb2, health_pb2, users_pb2
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.health_pb2_grpc import HealthServiceServicer, add_HealthServiceServicer_to_server
from hub.settings import GrpcSettings
from hub.transports.grpc.app import GrpcServer, serve
from tests.counts import counted
from tests.waiting import until

AT = datetime(2030, 1, 2, 3, 4, 5, 678000, UTC)
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
COUNTS = counted(1)
MARKS = ("mark_read", "mark_unread", "mark_seen", "mark_unseen", "archive", "unarchive")
QUICK = Backoff(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=200))
BUSY = HubError(Reason.OVERLOADED, "Busy.", retry_after=timedelta(milliseconds=50))

BARE = Notification(
    id=ID,
    tenant="default",
    user_id="ann",
    title="t",
    message="m",
    type="in_app",
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

KEY = ApiKey("0123456789ab", "default", "shop", frozenset({Scope.INBOX}), "live", AT, "cli")
DEED = AuditEntry(ID, "default", AT, "cli", Action.KEY_CREATED, KEY.id, "c", {"count": 2})


class FakeCore:
    """A hub in memory: creates are kept by their keys, and an inbox has a journal that watches replay."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        """Raised one by one, each by one call."""
        self.calls: list[tuple[Any, ...]] = []
        self.made: dict[str, Notification] = {}
        self.delay = 0.0
        self.journal: list[Event] = []
        self.watches: list[str | None] = []
        self.open_watches = self.begun_watches = 0
        self.is_silent = False
        self.news = asyncio.Condition()

    async def answer(self, name: str, *asked: Any) -> None:
        self.calls.append((name, *asked))
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.errors:
            raise self.errors.pop(0)

    def noting(self, name: str, result: Any) -> Callable[..., Any]:
        async def method(_principal: Principal | None, *asked: Any, **named: Any) -> Any:
            await self.answer(name, *asked, *named.values())
            return result

        return method

    def may_create(self, principal: Principal) -> None:
        access.allow(principal, Operation.CREATE)

    async def create(
        self, principal: Principal, command: NewNotification, *, idempotency_key: str | None, correlation_id: str
    ) -> Created:
        assert idempotency_key is not None
        replayed = idempotency_key in self.made
        made = replace(BARE, id=uuid5(ID, idempotency_key), title=command.title)
        await self.answer("create", command.title, idempotency_key, principal.tenant)
        if command.title == "refused":
            raise invalid_field("title", "is no good")
        self.made[idempotency_key] = made
        return Created(made, replayed)

    async def watch(self, principal: Principal, user_id: str, after: str | None) -> AsyncGenerator[Event]:
        self.watches.append(after)
        await self.answer("watch", user_id)
        return self._events(int(after or 0))

    async def _events(self, place: int) -> AsyncGenerator[Event]:
        self.open_watches += 1
        self.begun_watches += 1
        try:
            yield Event(EventKind.HEARTBEAT, str(place), COUNTS)
            # One is told again, as the contract allows.
            place = max(0, place - 1)
            while True:
                for event in self.journal[place:]:
                    place += 1
                    yield event
                async with self.news:
                    await self.news.wait()
        finally:
            self.open_watches -= 1

    async def watch_one(self, principal: Principal, notification_id: str) -> AsyncGenerator[Event]:
        await self.answer("watch_one", notification_id)
        return self._until_removed()

    async def _until_removed(self) -> AsyncGenerator[Event]:
        async with aclosing(self._events(len(self.journal))) as events:
            async for event in events:
                yield event
                if event.kind is EventKind.REMOVED:
                    return

    async def tell(self, version: int, kind: EventKind = EventKind.CHANGED) -> None:
        cursor = str(len(self.journal) + 1)
        self.journal.append(Event(kind, cursor, COUNTS, replace(BARE, version=version)))
        async with self.news:
            self.news.notify_all()

    def issue(self, *asked: Any) -> IssuedToken:
        self.calls.append(("issue", *asked))
        return IssuedToken("token", AT)

    async def ready(self) -> bool:
        return True

    def core(self, credentials: Any = None) -> Core:
        page = Page((BARE,), ("next",), has_next=True, has_previous=False)
        user = User("default", "ann", {"email": "a@b.c"}, None, None, AT, AT)
        statistics = Statistics(StatisticsQuery(AT, AT, Bucket.HOUR), (), ())
        marks = {name: self.noting(name, BARE) for name in ("get", "update_status", *MARKS)}
        noting = self.noting
        parts = SimpleNamespace(
            notifications=SimpleNamespace(
                create=self.create,
                may_create=self.may_create,
                list=noting("list", page),
                list_of_user=noting("list_of_user", page),
                delete=noting("delete", None),
                watch=self.watch_one,
                **marks,
            ),
            inbox=SimpleNamespace(
                list=noting("inbox", page),
                unread_count=noting("unread_count", CappedCount(1000, capped=True)),
                counts=noting("counts", (counted(3, 2), [CategoryCounts("a", counted(1))])),
                mark_all_read=noting("mark_all_read", MarkedAll(3, ID)),
                mark_all_seen=noting("mark_all_seen", MarkedAll(2, ID)),
                undo_mark_all=noting("undo_mark_all", 1),
                watch=self.watch,
            ),
            dead_letters=SimpleNamespace(
                list=noting("dead_letters", page), replay=noting("replay", 4), purge=noting("purge", 5)
            ),
            users=SimpleNamespace(
                get=noting("get_user", user),
                update=noting("update_user", user),
                delete=noting("delete_user", DeletedUser(4, 3, 2, 1)),
            ),
            statistics=SimpleNamespace(get=noting("statistics", statistics)),
            keys=SimpleNamespace(
                create=noting("create_key", IssuedKey(KEY, "secret")),
                list=noting("keys", [KEY]),
                rotate=noting("rotate_key", IssuedKey(KEY, "secret")),
                revoke=noting("revoke_key", KEY),
            ),
            tokens=SimpleNamespace(issue=lambda _principal, *asked: self.issue(*asked)),
            audit=SimpleNamespace(list=noting("audit", AuditPage((DEED,), ("next",), has_next=True))),
            health=SimpleNamespace(report=noting("health", HealthReport(Health.OK, "1.2.3"))),
            credentials=credentials or OpenDoor(),
            standings=Standings(),
            rates=Rates(),
            ready=self.ready,
        )
        return cast("Core", parts)


class Wire:
    """Stands between client and server, so that connections can break without a word from either."""

    def __init__(self, port: int) -> None:
        self.server_port = port
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def connect(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Resets all connections, and refuses new ones until `connect`."""
        assert self._server is not None
        self._server.close()
        self.reset()
        await self._server.wait_closed()

    def reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there}
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(reader, there))
            group.create_task(_copy(back, writer))
        self._writers -= {writer, there}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.transport.abort()


@asynccontextmanager
async def serving(core: Core, port: int = 0) -> AsyncIterator[GrpcServer]:
    running = await serve(core, GrpcSettings(port=port), request_timeout=timedelta(seconds=5))
    try:
        yield running
    finally:
        await running.stop(timedelta(0))


@asynccontextmanager
async def client_of(port: int, **options: Any) -> AsyncIterator[HubClient]:
    given: dict[str, Any] = {"backoff": QUICK, "timeout": timedelta(seconds=10)} | options
    async with HubClient(f"127.0.0.1:{port}", ClientOptions(**given)) as client:
        yield client


@pytest.fixture
def fake() -> FakeCore:
    return FakeCore()


@pytest.fixture
async def wire(fake: FakeCore) -> AsyncIterator[Wire]:
    async with serving(fake.core()) as server:
        between = Wire(server.port)
        await between.connect()
        yield between
        await between.cut()


@pytest.fixture
async def client(wire: Wire) -> AsyncIterator[HubClient]:
    async with client_of(wire.port) as made:
        yield made


def request(title: str = "t", **fields: Any) -> pb.CreateNotificationRequest:
    return pb.CreateNotificationRequest(user_id="ann", title=title, message="m", type="in_app", **fields)


async def failing(call: Any) -> HubClientError:
    with pytest.raises(HubClientError) as caught:
        await call
    return caught.value


def creates(fake: FakeCore) -> list[tuple[str, str]]:
    return [(call[1], call[2]) for call in fake.calls if call[0] == "create"]


# ------------------------------------------------------------------------------------------------------ single calls


async def test_every_operation_has_a_method(client: HubClient, fake: FakeCore) -> None:
    assert (await client.create(request(idempotency_key="k"))).notification.title == "t"
    assert (await client.get(str(ID))).id == str(ID)
    read = await client.update_status(str(ID), entities_pb2.NOTIFICATION_STATUS_READ)
    assert read.status == entities_pb2.NOTIFICATION_STATUS_PENDING
    for mark in MARKS:
        assert (await getattr(client, mark)("i")).version == 1
    marked = await client.mark_all_read(pb.MarkAllReadRequest(user_id="ann"))
    assert (marked.count, marked.operation_id) == (3, str(ID))
    assert (await client.mark_all_seen(pb.MarkAllSeenRequest(user_id="ann"))).count == 2
    assert await client.undo_mark_all("ann", marked.operation_id) == 1
    counts = await client.inbox_counts("ann", ["a"])
    assert (counts.unread, counts.unseen, [one.category for one in counts.categories]) == (3, 2, ["a"])
    assert (await client.unread_count("ann")).unread_count_capped
    pages: list[Any] = [
        await client.list(pb.ListNotificationsRequest(page_size=7)),
        await client.list_of_user(pb.ListUserNotificationsRequest(user_id="ann")),
        await client.inbox(pb.ListInboxRequest(user_id="ann")),
        await client.dead_letters(pb.ListDeadLettersRequest()),
    ]
    assert {page.next_page_token for page in pages} == {"next"}
    assert await client.replay_dead_letters(pb.ReplayDeadLettersRequest(ids=["i"])) == 4
    assert await client.purge_dead_letters(pb.PurgeDeadLettersRequest(ids=["i"], dry_run=True)) == 5
    assert (await client.statistics(pb.GetStatisticsRequest())).to.ToDatetime(UTC) == AT
    assert dict((await client.get_user("ann")).contact_points) == {"email": "a@b.c"}
    assert (await client.update_user(users_pb2.UpdateUserRequest(user_id="ann", locale="en"))).user_id == "ann"
    assert (await client.delete_user("ann")).keys == 2
    made = await client.create_key(access_pb2.CreateKeyRequest(name="shop", scopes=["inbox"]))
    assert (made.key.id, list(made.key.scopes), made.secret) == (KEY.id, ["inbox"], "secret")
    assert [key.name for key in await client.keys()] == ["shop"]
    assert (await client.rotate_key(KEY.id, timedelta(hours=1))).secret == "secret"
    assert (await client.revoke_key(KEY.id)).created_by == "cli"
    assert (await client.issue_user_token("ann")).token == "token"
    trail = await client.audit(access_pb2.ListAuditEntriesRequest(page_size=7))
    assert (trail.entries[0].action, dict(trail.entries[0].result), trail.next_page_token) == (
        "key.created",
        {"count": 2.0},
        "next",
    )
    assert (await client.health()).status == health_pb2.HEALTH_STATUS_OK
    await client.delete(str(ID))
    assert fake.calls[0] == ("create", "t", "k", "default")
    assert fake.calls[-1] == ("delete", str(ID))
    assert ("list", Filter(), PageRequest(7, each_cursor=False)) in fake.calls
    assert ("update_user", "ann", UserRecord({}, "en")) in fake.calls
    assert ("create_key", NewKey("shop", frozenset({Scope.INBOX}))) in fake.calls
    assert ("rotate_key", KEY.id, timedelta(hours=1)) in fake.calls
    assert ("issue", "ann", None) in fake.calls
    assert ("audit", 7, None) in fake.calls


async def test_what_makes_a_secret_is_not_tried_again_once_one_may_have_been_made(
    client: HubClient, fake: FakeCore
) -> None:
    away = HubError(Reason.STORE_UNREACHABLE, "Away.", retry_after=timedelta(0))
    for call in (
        lambda: client.create_key(access_pb2.CreateKeyRequest(scopes=["inbox"])),
        lambda: client.rotate_key("i"),
    ):
        fake.calls.clear()
        fake.errors = [BUSY, away]
        error = await failing(call())
        # What was certainly not accepted was.
        assert (error.reason, error.unknown, len(fake.calls)) == ("STORE_UNREACHABLE", True, 2)
    fake.errors = [away]
    assert (await client.revoke_key("i")).id == KEY.id


async def test_tries_of_a_create_share_a_key(client: HubClient, fake: FakeCore) -> None:
    fake.errors = [BUSY, HubError(Reason.STORE_UNREACHABLE, "Away."), HubError(Reason.RATE_LIMITED, "Slowly.")]
    fake.errors[1:] = [HubError(e.reason, e.message, retry_after=timedelta(0)) for e in cast("Any", fake.errors[1:])]
    mine = request()
    answer = await client.create(mine)
    assert len(creates(fake)) == 4
    assert len({key for _, key in creates(fake)}) == 1
    assert answer.notification.title == "t"
    # The caller's message stays theirs.
    assert not mine.HasField("idempotency_key")
    await client.create(mine)
    assert len({key for _, key in creates(fake)}) == 2


async def test_a_wait_the_hub_asks_for_is_kept(client: HubClient, fake: FakeCore) -> None:
    fake.errors = [HubError(Reason.RATE_LIMITED, "Slowly.", retry_after=timedelta(seconds=0.5))]
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.get("i")
    assert 0.5 <= loop.time() - began < 2
    fake.errors = [HubError(Reason.RATE_LIMITED, "Slowly.", retry_after=timedelta(seconds=60))]
    began = loop.time()
    error = await failing(client.get("i"))
    assert (error.reason, error.retry_after) == ("RATE_LIMITED", timedelta(seconds=60))
    # No time for that: nobody waits in vain.
    assert loop.time() - began < 1


@pytest.mark.parametrize("reason", [Reason.NOT_FOUND, Reason.TOO_LARGE, Reason.INTERNAL, Reason.ILLEGAL_TRANSITION])
async def test_what_does_not_pass_is_raised_at_once(client: HubClient, fake: FakeCore, reason: Reason) -> None:
    fake.errors = [HubError(reason, "No.", metadata={"from": "sent"}), BUSY]
    error = await failing(client.get("i"))
    assert (error.reason, error.message, error.metadata) == (reason, "No.", {"from": "sent"})
    assert len(fake.calls) == 1


async def test_an_error_says_all_that_the_hub_says(client: HubClient, fake: FakeCore) -> None:
    fake.errors = [invalid_field("title", "is no good")]
    error = await failing(client.create(request()))
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "INVALID_VALUE")
    assert error.violations == (Violation("title", "is no good"),)
    assert len(error.correlation_id) == 32
    assert error.correlation_id in str(error)


async def test_a_try_that_gets_no_answer_leaves_time_for_another(wire: Wire, fake: FakeCore) -> None:
    fake.delay = 60
    async with client_of(wire.port, try_timeout=timedelta(seconds=0.2), timeout=timedelta(seconds=1)) as client:
        error = await failing(client.create(request()))
        assert error.code == "DEADLINE_EXCEEDED"
        assert len(creates(fake)) >= 3
        assert len({key for _, key in creates(fake)}) == 1
        before = len(fake.calls)
        assert (await failing(client.get("i", within=timedelta(seconds=0.1)))).code == "DEADLINE_EXCEEDED"
        assert len(fake.calls) == before + 1


async def test_a_delete_whose_answer_was_lost_is_a_delete(client: HubClient, fake: FakeCore) -> None:
    gone = HubError(Reason.NOT_FOUND, "The notification does not exist.")
    fake.errors = [HubError(Reason.STORE_UNREACHABLE, "Away.", retry_after=timedelta(0)), gone]
    await client.delete("i")
    # Certainly not accepted the first time: it was never there.
    fake.errors = [BUSY, gone]
    assert (await failing(client.delete("i"))).code == "NOT_FOUND"
    fake.errors = [gone]
    assert (await failing(client.delete("i"))).code == "NOT_FOUND"


async def test_a_call_survives_a_broken_connection(client: HubClient, wire: Wire) -> None:
    await client.get("i")
    await wire.cut()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(client.get("i"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await wire.connect()
    assert waiting.result().id == str(ID)


async def test_a_hub_that_is_not_there() -> None:
    async with client_of(1, timeout=timedelta(seconds=0.5)) as client:
        error = await failing(client.get("i"))
        assert (error.code, error.reason, len(error.correlation_id)) == ("UNAVAILABLE", "UNAVAILABLE", 32)
        assert error.violations == ()


async def test_a_page_larger_than_grpc_takes(fake: FakeCore) -> None:
    long = replace(BARE, html="x" * 250_000)
    hub = fake.core()
    hub.notifications.list = fake.noting("list", Page((long,) * 100, ("n",), has_next=False, has_previous=False))  # type: ignore[method-assign]
    async with serving(hub) as server, client_of(server.port) as other:
        assert len((await other.list(pb.ListNotificationsRequest(page_size=100))).notifications) == 100


async def test_a_key_goes_with_every_call(fake: FakeCore) -> None:
    keys = Door(KeyFile({hash_key("secret"): Principal("acme", frozenset(Scope))}))
    async with serving(fake.core(keys)) as server:
        async with client_of(server.port, key="secret") as client:
            await client.create(request("a"))
            assert [answer.index async for answer in client.create_many(several("b"))] == [0]
            async with aclosing(client.watch_inbox("ann")) as events:
                await anext(events)
            assert [call[3] for call in fake.calls if call[0] == "create"] == ["acme", "acme"]
        async with client_of(server.port, key="wrong") as client:
            assert (await failing(client.get("i"))).code == "UNAUTHENTICATED"
            assert (await failing(anext(client.watch_inbox("ann")))).code == "UNAUTHENTICATED"
            assert (await failing(anext(client.create_many(several("b"))))).code == "UNAUTHENTICATED"
        assert "secret" not in repr(ClientOptions(key="secret"))


async def test_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hub.test"
    names = ["-addext", "subjectAltName=DNS:hub.test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make.split(), *names], check=True, capture_output=True)

    class Answering(HealthServiceServicer):
        async def GetHealth(self, request: Any, context: Any) -> Any:
            agent = dict(context.invocation_metadata())["user-agent"]
            return health_pb2.GetHealthResponse(health=health_pb2.HealthReport(version=agent))

    server = grpc.aio.server()
    add_HealthServiceServicer_to_server(Answering(), server)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        tls = Tls(root_certificates=certificate.read_bytes(), server_name="hub.test")
        async with client_of(port, tls=tls, user_agent="billing") as client:
            assert (await client.health()).version.startswith("billing ")
        strangers = replace(tls, server_name="other.test")
        async with client_of(port, tls=strangers, timeout=timedelta(seconds=0.5)) as client:
            assert (await failing(client.health())).code == "UNAVAILABLE"
    finally:
        await server.stop(0)


# ----------------------------------------------------------------------------------------------------------- watching


def told(event: events_pb2.Event) -> tuple[int, int]:
    return (event.kind, event.notification.version)


async def take(events: AsyncGenerator[events_pb2.Event], count: int) -> list[tuple[int, int]]:
    """What is told, heartbeats left out."""
    got: list[tuple[int, int]] = []
    async with asyncio.timeout(10):
        while len(got) < count:
            event = await anext(events)
            if event.kind != events_pb2.EVENT_KIND_HEARTBEAT:
                got.append(told(event))
    return got


async def test_a_watch_goes_on_after_a_broken_connection(client: HubClient, wire: Wire, fake: FakeCore) -> None:
    async with aclosing(client.watch_inbox("ann")) as events:
        first = await anext(events)
        assert (first.kind, first.unread_count) == (events_pb2.EVENT_KIND_HEARTBEAT, 1)
        await fake.tell(1)
        await fake.tell(2)
        assert await take(events, 2) == [(1, 1), (1, 2)]
        await wire.cut()
        await fake.tell(3)
        async with asyncio.TaskGroup() as group:
            more = group.create_task(take(events, 2))
            await asyncio.sleep(0.3)
            await wire.connect()
            await fake.tell(4)
        # The journal tells version 2 again, and it is left out.
        assert more.result() == [(1, 3), (1, 4)]
    assert fake.watches == [None, "2"]
    await until(lambda: fake.open_watches == 0)


async def test_a_watch_goes_on_after_restarts_of_the_server(fake: FakeCore) -> None:
    async with serving(fake.core()) as server:
        port = server.port
        async with client_of(port) as client, aclosing(client.watch_inbox("ann", after="0")) as events:
            await fake.tell(1)
            assert await take(events, 1) == [(1, 1)]
            # In order: the stream is ended by the drain.
            await server.drain()
            await server.stop(timedelta(seconds=1))
            await fake.tell(2)
            async with serving(fake.core(), port) as second:
                assert await take(events, 1) == [(1, 2)]
                # At once: calls are cancelled under its hands.
                await second._server.stop(0)
                await fake.tell(3)
            async with serving(fake.core(), port):
                assert await take(events, 1) == [(1, 3)]
    assert fake.watches[0] == "0"
    assert fake.watches[-1] == "2"


async def test_a_watch_of_one_ends_when_it_is_removed(client: HubClient, wire: Wire, fake: FakeCore) -> None:
    await fake.tell(1)
    async with aclosing(client.watch(str(ID))) as events:
        assert await take(events, 1) == [(1, 1)]
        wire.reset()
        async with asyncio.TaskGroup() as group:
            more = group.create_task(take(events, 2))
            await until(lambda: (fake.begun_watches, fake.open_watches) == (2, 1))
            await fake.tell(2)
            await fake.tell(2, EventKind.REMOVED)
        assert more.result() == [(1, 2), (2, 2)]
        with pytest.raises(StopAsyncIteration):
            await anext(events)
    assert fake.calls == [("watch_one", str(ID))] * 2


async def test_a_watch_that_falls_silent_is_opened_again(wire: Wire, fake: FakeCore) -> None:
    async with (
        client_of(wire.port, silence=timedelta(seconds=0.3)) as client,
        aclosing(client.watch_inbox("ann", "5")) as events,
    ):
        for _ in range(3):
            assert (await anext(events)).kind == events_pb2.EVENT_KIND_HEARTBEAT
    assert fake.watches == ["5", "5", "5"]


async def test_a_watch_ends_with_what_does_not_pass(client: HubClient, fake: FakeCore) -> None:
    fake.errors = [BUSY, invalid_field("after", "is spoiled", Reason.INVALID_CURSOR)]
    error = await failing(anext(client.watch_inbox("ann", after="x")))
    assert (error.reason, error.violations) == ("INVALID_CURSOR", (Violation("after", "is spoiled"),))
    assert fake.watches == ["x", "x"]


def event(version: int, kind: int = events_pb2.EVENT_KIND_CHANGED, id_: str = "a") -> events_pb2.Event:
    return events_pb2.Event(kind=cast("Any", kind), notification=entities_pb2.Notification(id=id_, version=version))


def test_repeats_are_known_by_id_and_version() -> None:
    seen = Told()
    removed = events_pb2.EVENT_KIND_REMOVED
    assert seen.is_news(event(2))
    assert not seen.is_news(event(2))
    assert not seen.is_news(event(1))
    assert seen.is_news(event(1, id_="b"))
    assert seen.is_news(event(2, removed))
    assert not seen.is_news(event(2, removed))
    assert not seen.is_news(event(2))
    assert seen.is_news(event(3))
    bare = events_pb2.Event(kind=events_pb2.EVENT_KIND_ALL_READ)
    assert seen.is_news(bare)
    assert seen.is_news(bare)
    assert seen.is_news(events_pb2.Event(kind=events_pb2.EVENT_KIND_RESYNC))
    assert seen.is_news(event(3))
    for number in range(MOST_REMEMBERED + 1):
        seen.is_news(event(1, id_=str(number)))
    assert len(seen._seen) == MOST_REMEMBERED


# ----------------------------------------------------------------------------------------------------------- creating


async def several(*titles: str) -> AsyncIterator[pb.CreateNotificationRequest]:
    for title in titles:
        yield request(title)


async def test_many_are_answered_by_their_position(client: HubClient, fake: FakeCore) -> None:
    got = {answer.index: answer async for answer in client.create_many(several("a", "refused", "c"))}
    assert {index: answer.notification.title for index, answer in got.items()} == {0: "a", 1: "", 2: "c"}
    assert (got[1].error.reason, got[1].error.violations[0].field) == ("INVALID_VALUE", "title")
    assert [answer async for answer in client.create_many(several())] == []
    assert all(len(key) == 32 for _, key in creates(fake))


async def test_keys_of_the_caller_are_kept(client: HubClient, fake: FakeCore) -> None:
    async def source() -> AsyncIterator[pb.CreateNotificationRequest]:
        yield request("a", idempotency_key="mine")
        yield request("a", idempotency_key="mine")

    answers = [answer async for answer in client.create_many(source())]
    assert {key for _, key in creates(fake)} == {"mine"}
    assert len({answer.notification.id for answer in answers}) == 1


async def test_an_item_that_fails_for_a_passing_reason_is_sent_again(client: HubClient, fake: FakeCore) -> None:
    fake.errors = [HubError(reason, "Later.") for reason in (Reason.OVERLOADED, Reason.STORE_UNREACHABLE)]
    fake.errors += [HubError(reason, "Later.") for reason in (Reason.RATE_LIMITED, Reason.DEADLINE_EXCEEDED)]
    answers = [answer async for answer in client.create_many(several("a", "b"))]
    assert sorted((answer.index, answer.notification.title) for answer in answers) == [(0, "a"), (1, "b")]
    assert len(creates(fake)) == 6
    assert len(set(creates(fake))) == 2


async def test_patience_with_an_item_ends(wire: Wire, fake: FakeCore) -> None:
    fake.errors = [HubError(Reason.STORE_UNREACHABLE, "Away.") for _ in range(10_000)]
    async with client_of(wire.port, timeout=timedelta(seconds=0.5)) as client:
        (answer,) = [answer async for answer in client.create_many(several("a"))]
    assert answer.error.reason == "STORE_UNREACHABLE"
    assert len(creates(fake)) > 2


async def check_many(fake: FakeCore, client: HubClient, total: int, disturb: Callable[[], Any]) -> None:
    """Creates many while they are disturbed: each is answered once, and made once."""
    fake.delay = 0.01
    answered: Counter[int] = Counter()

    async def source() -> AsyncIterator[pb.CreateNotificationRequest]:
        for number in range(total):
            yield request(str(number))

    async def run() -> None:
        async for answer in client.create_many(source()):
            assert answer.notification.title == str(answer.index), answer
            answered[answer.index] += 1

    async with asyncio.TaskGroup() as group:
        running = group.create_task(run())
        await disturb()
        await running
    assert answered == Counter(range(total))
    assert len({title for title, _ in creates(fake)}) == total
    # A key per item, whatever number of times it was sent.
    assert len(set(creates(fake))) == len(fake.made) == total


async def test_many_survive_broken_connections(client: HubClient, wire: Wire, fake: FakeCore) -> None:
    async def disturb() -> None:
        for step in (1, 2, 3):
            await until(lambda step=step: len(fake.made) > step * 400)  # type: ignore[misc]
            if step == 2:
                wire.reset()
            else:
                await wire.cut()
                await asyncio.sleep(0.1)
                await wire.connect()

    await check_many(fake, client, 2000, disturb)


async def test_many_survive_restarts_of_the_server(fake: FakeCore) -> None:
    async with serving(fake.core()) as server:
        port = server.port

        async def disturb() -> None:
            await until(lambda: len(fake.made) > 300)
            await server.drain()
            await server.stop(timedelta(seconds=1))
            async with serving(fake.core(), port) as second:
                await until(lambda: len(fake.made) > 900)
                await second._server.stop(0)
            third = serving(fake.core(), port)
            await third.__aenter__()
            ended.append(third)

        ended: list[Any] = []
        async with client_of(port) as client:
            await check_many(fake, client, 2000, disturb)
        for context in ended:
            await context.__aexit__(None, None, None)


async def test_the_source_is_held_up_by_the_hub(client: HubClient, fake: FakeCore) -> None:
    fake.delay = 3
    taken = 0

    async def source() -> AsyncIterator[pb.CreateNotificationRequest]:
        nonlocal taken
        while True:
            taken += 1
            yield request(str(taken))

    async with aclosing(client.create_many(source())) as answers:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(answers)
        assert taken == 256


async def test_leaving_early_leaves_nothing_behind(client: HubClient, fake: FakeCore) -> None:
    closed = asyncio.Event()

    async def source() -> AsyncIterator[pb.CreateNotificationRequest]:
        try:
            yield request("a")
            await asyncio.Event().wait()
        finally:
            closed.set()

    await client.get("i")
    tasks = len(asyncio.all_tasks())
    async with aclosing(client.create_many(source())) as answers:
        assert (await anext(answers)).index == 0
    async with asyncio.timeout(2):
        await closed.wait()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_an_error_of_the_source_comes_after_the_last_answer(client: HubClient) -> None:
    async def source() -> AsyncIterator[pb.CreateNotificationRequest]:
        yield request("a")
        raise LookupError("mine")

    answers = client.create_many(source())
    assert (await anext(answers)).index == 0
    with pytest.raises(LookupError, match="mine"):
        await anext(answers)


async def test_many_for_a_hub_that_stays_away() -> None:
    async with client_of(1, timeout=timedelta(seconds=0.5)) as client:
        error = await failing(anext(client.create_many(several("a"))))
    assert error.code == "UNAVAILABLE"
