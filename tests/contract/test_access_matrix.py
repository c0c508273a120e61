"""Every operation of every contract, asked with every kind of credential in every protocol: one table decides.

The operations are read from the contracts, the expectations from `hub.core.access`; see `places`, `asking`, `callers`.
"""

from __future__ import annotations

import asyncio
import copy
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import grpc
import httpx2
import pytest
from google.protobuf.descriptor_pb2 import ServiceDescriptorProto
from google.protobuf.message import Message
from graphql import extend_schema, parse
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from hub import processes
from hub.core.access import CLAIMS, RULES, About, Operation, Rule
from hub.core.app import Core
from hub.dev.captured import Outbox
from hub.domain.principals import Principal, Scope
from hub.domain.status import Status
from hub.settings import Settings
from hub.store.api_keys import ApiKeyStore
from hub.store.client import open_store
from hub.transports.grpc.app import SERVICES
from hub.transports.rest import app as rest_app
from tests.contract import access_document, asking, places
from tests.contract.asking import OK, Answer, Asker
from tests.contract.callers import (
    LET_IN,
    OURS,
    REFUSED,
    SECRET,
    USER,
    Caller,
    IdentityProvider,
    callers,
    key,
)
from tests.contract.places import Case
from tests.contract.test_notifications import in_future
from tests.contract.test_surface import openapi, schema
from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

SCHEMA = schema()
DOCUMENT = openapi()
PROTOCOLS = ("rest", "graphql", "socket", "grpc")
AT_ONCE = 12
"""Few enough that even those who wait together for a look at unknown keys are let wait."""


def services() -> list[ServiceDescriptorProto]:
    found = []
    for service in SERVICES:
        copied = ServiceDescriptorProto()
        service.CopyToProto(copied)
        found.append(copied)
    return found


def cases(protocol: str) -> list[Case]:
    if protocol == "rest":
        return list(places.cases_of(places.rest_names(DOCUMENT), places.NAMES))
    if protocol == "grpc":
        return list(places.cases_of(places.grpc_names(services()), places.NAMES))
    return list(places.cases_of(places.graphql_places(SCHEMA), places.FIELDS))


def expected(case: Case, principal: Principal | None, *, guest: bool = False) -> str:
    """What the table says of a caller who asks for what is the user's."""
    for rule in case.rules:
        word = _expected(rule, principal, guest=guest)
        if word != OK:
            return word
    # What nobody may claim is refused to those who may know the notification.
    return OK if case.status is None or Status(case.status) in CLAIMS else "FAILED_PRECONDITION"


def _expected(rule: Rule, principal: Principal | None, *, guest: bool) -> str:
    if rule.signed:
        return "PERMISSION_DENIED"  # nobody here can sign
    if principal is None:
        return OK if (guest and rule.guests) or rule == RULES[Operation.PROBE] else "UNAUTHENTICATED"
    by_scope = rule.scope is None or rule.scope in principal.scopes
    passes = by_scope if principal.user_id is None else rule.end_users
    if not passes:
        return OK if rule.guests else "PERMISSION_DENIED"
    foreign = principal.tenant != OURS and rule.about is About.ITEM
    else_s = principal.user_id not in (None, USER) and rule.about is not About.TENANT
    return "NOT_FOUND" if foreign or else_s else OK


@dataclass
class World:
    """A hub with one tenant's data, and whoever may come."""

    hub: RunningHub
    client: httpx2.AsyncClient
    channel: grpc.aio.Channel
    store: ApiKeyStore
    callers: dict[str, Caller]
    target: str = ""
    """In the user's inbox; may be read and marked."""
    bounced: str = ""
    """It was in the inbox, and is failed by the first who may say so."""
    bystander: str = ""
    """Scheduled. Whoever is refused tries it on this one, which stays as it is."""
    mail: str = ""
    """The user's, but no inbox has it."""
    key_id: str = ""
    """Of a key that whoever is refused tries to rotate and to revoke."""

    async def post(self, path: str, body: Any, method: str = "POST") -> Any:
        owner = self.callers["all scopes"].token
        headers = {"Authorization": f"Bearer {owner}"}
        answer = await self.client.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.callers['all scopes'].token}"}
        return (await self.client.get(f"/api/v1{path}", headers=headers)).json()

    async def new(self, **other: Any) -> str:
        command = {"user_id": USER, "title": "Hello", "message": "World", "type": "in_app", **other}
        identifier: str = (await self.post("/notifications", command))["id"]
        return identifier

    async def delivered(self) -> str:
        identifier = await self.new()

        async def there() -> bool:
            status: str = (await self.get(f"/notifications/{identifier}"))["status"]
            # Read as well where somebody marks the whole inbox meanwhile.
            return status in {"delivered", "read"}

        await until(there)
        return identifier

    async def failed(self) -> str:
        identifier = await self.delivered()
        await self.post(f"/notifications/{identifier}/status", {"status": "failed"}, "PATCH")
        return identifier

    async def scheduled(self) -> str:
        return await self.new(scheduled_at=in_future(hours=1))

    async def operation(self) -> str:
        """A mark-all of the user's inbox that can be undone; others may be quicker with what there is to mark."""
        while True:
            await self.delivered()
            marked = await self.post(f"/users/{USER}/inbox/seen", {})
            if marked["operation_id"] is not None:
                identifier: str = marked["operation_id"]
                return identifier

    async def spare_key(self) -> str:
        return (await key(self.store, OURS, {Scope.INBOX}))[1].id

    async def arguments(self, case: Case, word: str) -> dict[str, Any]:
        """As REST's JSON: of something of its own for a change that will be made."""
        if case.name in ARGUMENTS:
            return copy.deepcopy(ARGUMENTS[case.name])
        if case.name == "deleteNotification" or case.status == "cancelled":
            fresh: Callable[[], Any] | None = self.scheduled
        else:
            fresh = self.failed if case.status == "pending" else None
        if fresh is not None:
            given = {"notification_id": await fresh() if word == OK else self.bystander}
        elif case.status == "failed":
            given = {"notification_id": self.bounced if word == OK else self.bystander}
        elif case.name in ON_NOTIFICATIONS:
            given = {"notification_id": self.target}
        elif case.name == "undoMarkAll":
            return {"user_id": USER, "operation_id": await self.operation() if word == OK else str(uuid4())}
        elif case.name in {"rotateKey", "revokeKey"}:
            return {"key_id": await self.spare_key() if word == OK else self.key_id}
        else:
            assert case.place.startswith(("User.", "Query.user")) or case.name in ON_USERS, (
                f"nothing to ask {case} with"
            )
            return {"user_id": USER} | ({"limit": 1} if case.name in LISTS else {})
        return given if case.status is None else {**given, "status": case.status}


ON_NOTIFICATIONS = {
    "getNotification",
    *places.MARKS,
    "watchNotification",
    "Query.node",
    places.STATUS_CHANGE,
}
ON_USERS = {
    "listUserNotifications",
    "listInbox",
    "getUnreadCount",
    "getInboxCounts",
    "markAllRead",
    "markAllSeen",
    "watchInbox",
    "getUser",
    "issueUserToken",
}
LISTS = {"listUserNotifications", "listInbox"}
NEW = {"user_id": "carl", "title": "Hello", "message": "World", "type": "in_app"}
NONE = {"ids": ["01890a5d-ac96-774b-bcce-b302099a8057"], "dry_run": True}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "createNotification": NEW,
    "createNotifications": {"notifications": [NEW]},
    "listNotifications": {"limit": 1},
    "listDeadLetters": {"limit": 1},
    "replayDeadLetters": NONE,
    "purgeDeadLetters": NONE,
    "updateUser": {"user_id": "carl", "locale": "pt-BR"},
    "deleteUser": {"user_id": "leaver"},
    "getStatistics": {},
    "createKey": {"name": "matrix", "scopes": ["inbox"]},
    "listKeys": {},
    "listAuditEntries": {"limit": 1},
    "getHealth": {},
    "Query.health": {},
    "takeReceipt": {"provider": "email", "type": "bounced", "at": "2026-01-01T08:00:00Z"},
    "livez": {},
    "readyz": {},
}


@pytest.fixture(scope="module")
async def world(mongo_url: str, mongo_database: str) -> AsyncIterator[World]:
    database = f"{mongo_database}_matrix"
    provider = IdentityProvider()
    async with AsyncExitStack() as stack:
        jwks_url = await stack.enter_async_context(provider.serving())
        more = {
            "HUB_AUTH__REQUIRED": "true",
            "HUB_AUTH__TOKEN_SECRET": SECRET,
            "HUB_AUTH__JWKS_URL": jwks_url,
            "HUB_GRPC__REFLECTION": "true",
            "HUB_CHANNELS__EMAIL__RECEIPT_SECRET": f"whsec_{b64encode(b'r' * 32).decode()}",
        }
        hub = await stack.enter_async_context(running_hub(mongo_url, database, None, roles=("all",), more=more))
        await stack.enter_async_context(open_store(mongo_url, database, timedelta(seconds=10)))
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=hub.base_url, timeout=20))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(hub.grpc_target))
        store = ApiKeyStore()
        found = World(hub, client, channel, store, await callers(store, provider))
        found.target, found.bounced = await found.delivered(), await found.delivered()
        found.bystander, found.mail = await found.scheduled(), await found.new(type="email", to="ann@example.com")
        found.key_id = await found.spare_key()
        record = {"contact_points": {"email": "ann@example.com"}, "locale": "pt-BR", "timezone": "Europe/Paris"}
        await found.post(f"/users/{USER}", record, "PUT")
        yield found


@asynccontextmanager
async def asker(world: World, protocol: str, caller: Caller) -> AsyncIterator[Asker]:
    if protocol == "rest":
        yield asking.Rest(world.client, DOCUMENT, caller.token)
    elif protocol == "graphql":
        yield asking.Graphql(world.client, SCHEMA, caller.token)
    elif protocol == "grpc":
        yield asking.Rpc(world.channel, SERVICES, caller.token)
    else:
        url = f"ws://127.0.0.1:{world.hub.http_port}/graphql"
        async with asking.Socket(url, SCHEMA, caller.token) as socket:
            yield socket


async def everything(world: World, protocol: str, caller: Caller) -> dict[str, tuple[str, Answer]]:
    """What was expected and what came, by case."""
    room = asyncio.Semaphore(AT_ONCE)
    # A socket is opened with a credential, whatever is asked then.
    guest = caller.token is None and protocol != "socket"

    async def one(case: Case) -> tuple[str, Answer]:
        async with room:
            word = expected(case, caller.principal, guest=guest)
            return word, await opened.ask(case, await world.arguments(case, word))

    async with asker(world, protocol, caller) as opened:
        asked = cases(protocol)
        return dict(zip(map(str, asked), await asyncio.gather(*map(one, asked)), strict=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", [*REFUSED, *LET_IN])
async def test_the_table_decides(world: World, protocol: str, name: str) -> None:
    before = [await world.get(f"/notifications/{world.bystander}"), await world.get(f"/users/{USER}")]
    found = await everything(world, protocol, world.callers[name])
    assert {case: answer for case, (word, answer) in found.items() if answer.word != word} == {}
    assert len(found) > 25
    after = [await world.get(f"/notifications/{world.bystander}"), await world.get(f"/users/{USER}")]
    assert after == before
    spare = await world.store.get(OURS, world.key_id)
    assert spare is not None
    assert (spare.revoked_at, spare.expires_at) == (None, None)


def test_all_kinds_of_answers_are_expected() -> None:
    """The matrix would prove little if the table refused or allowed everything."""
    somebody = [
        Principal(OURS, frozenset(Scope)),
        Principal(OURS, frozenset({Scope.INBOX}), USER),
        Principal(OURS, frozenset({Scope.INBOX}), "bob"),
        Principal("other", frozenset(Scope)),
        None,
    ]
    for protocol in PROTOCOLS:
        words = {(who, expected(case, who)) for who in somebody for case in cases(protocol)}
        beside = {"PERMISSION_DENIED"} if protocol == "rest" else set()  # what only a provider can sign
        assert {word for who, word in words if who == somebody[0]} == {OK, "FAILED_PRECONDITION"} | beside
        assert {word for who, word in words if who == somebody[1]} >= {OK, "PERMISSION_DENIED"}
        assert {word for who, word in words if who == somebody[2]} >= {"NOT_FOUND", "PERMISSION_DENIED"}
        assert {word for who, word in words if who == somebody[3]} >= {OK, "NOT_FOUND"}
        assert {word for who, word in words if who is None} >= {"UNAUTHENTICATED"}


def test_an_end_user_has_an_inbox_and_nothing_else() -> None:
    """Read here once in so many words, so that nobody opens more by a slip in the table."""
    opened = {operation for operation, rule in RULES.items() if rule.end_users and not rule.guests}
    inbox = {Operation.INBOX, Operation.UNREAD_COUNT, Operation.INBOX_COUNTS, Operation.WATCH}
    marks = {Operation.MARK, Operation.MARK_ALL, Operation.UNDO_MARK_ALL}
    assert opened == inbox | marks | {Operation.GET}
    assert [status for status, rule in CLAIMS.items() if rule.end_users] == [Status.READ]


def test_what_needs_no_credential_is_this() -> None:
    assert {operation for operation, rule in RULES.items() if rule.guests} == {
        Operation.HEALTH,
        Operation.PROBE,
        Operation.READ_ABOUT,
    }
    assert {operation for operation, rule in RULES.items() if rule.scope is None} == {
        Operation.PROBE,
        Operation.READ_ABOUT,
        Operation.TAKE_RECEIPT,
    }


# Nothing is served that the table does not know.


def test_every_operation_of_every_contract_has_a_rule() -> None:
    assert set(RULES) == set(Operation)
    assert places.unlisted(places.rest_names(DOCUMENT), places.NAMES) == []
    assert places.unlisted(places.graphql_places(SCHEMA), places.FIELDS) == []
    assert places.unlisted(places.grpc_names(services()), places.NAMES) == []


def test_a_planted_operation_without_a_rule_is_found() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["paths"]["/api/v1/secrets"] = {"get": {"operationId": "listSecrets"}}
    assert places.unlisted(places.rest_names(document), places.NAMES) == ["listSecrets"]
    planted = parse(
        "extend type Query { secrets: String } extend type Mutation { tell: String } extend type Subscription "
        "{ whispers: String } extend type User { diary: String } extend type Notification { notes(first: Int): String }"
    )
    assert set(places.unlisted(places.graphql_places(extend_schema(SCHEMA, planted)), places.FIELDS)) == {
        "Query.secrets",
        "Mutation.tell",
        "Subscription.whispers",
        "User.diary",
        "Notification.notes",
    }
    more = services()
    more[0].method.add(name="ListSecrets")
    assert places.unlisted(places.grpc_names(more), places.NAMES) == ["listSecrets"]


def test_an_operation_that_has_lost_its_rule_is_found() -> None:
    fewer = {name: rule for name, rule in places.NAMES.items() if name != "getStatistics"}
    assert places.unlisted(places.rest_names(DOCUMENT), fewer) == ["getStatistics"]
    odd = {**places.NAMES, "getStatistics": Rule(None, About.ITEM)}
    assert places.unlisted(places.rest_names(DOCUMENT), odd) == ["getStatistics"]


def test_rest_serves_what_its_document_shows_and_nothing_else() -> None:
    """A route that is left out of the document would be left out here too."""
    nothing: Any = SimpleNamespace(**dict.fromkeys(Core.__dataclass_fields__))
    routes = rest_app.build(nothing, Settings.model_construct()).routes
    shown = {(method.upper(), path) for path, found in DOCUMENT["paths"].items() for method in found}
    served = {(method, route.path) for route in routes for method in route.methods}  # type: ignore[attr-defined]  # of HTTP all
    assert served - shown == {("GET", "/openapi.json"), ("HEAD", "/openapi.json")}


def test_everything_that_is_mounted_stands_in_the_table() -> None:
    capture: Any = SimpleNamespace(outbox=Outbox())
    hub: Any = SimpleNamespace(channels={}, capture=capture, metrics=SimpleNamespace(exposition=None), core=None)
    mounted = processes._pages(hub, Settings.model_construct(), 0)
    assert set(mounted) | {"/openapi.json"} == set(places.PATHS)


def test_the_page_on_access_is_what_the_table_says() -> None:
    """Otherwise: `.venv/bin/python -m tests.contract.access_document`."""
    assert access_document.FILE.read_text(encoding="utf-8") == access_document.document()


async def test_grpc_serves_the_services_of_the_table_alone(world: World) -> None:
    channel: Any = world.channel  # the stubs know no asynchronous one
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(timeout=10)
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = {service.name for service in (await call.read()).list_services_response.service}
    call.cancel()
    assert listed == {service.full_name for service in SERVICES} | set(places.SERVICES)


@pytest.mark.parametrize("name", ["nobody", "garbage", "an expired token", "the user", "the scope inbox alone"])
async def test_probes_and_pages_are_for_everybody(world: World, name: str) -> None:
    token = world.callers[name].token
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    public = [path for path, rule in places.PATHS.items() if rule.guests]
    beneath = {"/assets": "/assets/nothing.js", "/protos": "/protos/hub/v1/health.proto", "/dev": "/dev/outbox"}
    for path in [beneath.get(path, path) for path in public]:
        answer = await world.client.get(path, headers=headers)
        assert answer.status_code == (404 if path.endswith("nothing.js") else 200), path
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    metadata = [(header.lower(), value) for header, value in headers.items()]
    checked: Message = await stub.Check(health_pb2.HealthCheckRequest(), metadata=metadata, timeout=10)
    assert checked == health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


@pytest.mark.parametrize("name", [*REFUSED, *LET_IN])
async def test_metrics_are_for_admins(world: World, name: str) -> None:
    caller = world.callers[name]
    headers = {} if caller.token is None else {"Authorization": f"Bearer {caller.token}"}
    answer = await world.client.get("/metrics", headers=headers)
    word = expected(Case("/metrics", "/metrics", (places.PATHS["/metrics"],)), caller.principal)
    assert answer.status_code == asking.STATUSES.get(word, 200)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_health_shows_the_overall_word_only_to_those_who_may_not_read(world: World, protocol: str) -> None:
    told = {}
    for name in ["nobody", *LET_IN] if protocol != "socket" else LET_IN:
        async with asker(world, protocol, world.callers[name]) as opened:
            case = next(case for case in cases(protocol) if case.name in {"getHealth", "Query.health"})
            body = (await opened.ask(case, {})).body
            told[name] = bool(body.get("health", body).get("version"))
    reads = {name for name, caller in world.callers.items() if caller.principal and _reads(caller.principal)}
    assert {name for name, full in told.items() if full} == reads


def _reads(principal: Principal) -> bool:
    return principal.user_id is None and Scope.NOTIFICATIONS_READ in principal.scopes


# What a credential is, and where it may stand.


@pytest.mark.parametrize("parameter", ["access_token", "token", "authorization", "api_key"])
async def test_a_credential_in_a_url_is_none(world: World, parameter: str) -> None:
    token = world.callers["all scopes"].token
    for path in (
        "/api/v1/notifications",
        "/graphql?query={health{version}notifications(first:1){__typename}}",
        "/metrics",
    ):
        joined = "&" if "?" in path else "?"
        answer = await world.client.get(f"{path}{joined}{parameter}={token}")
        assert answer.status_code == 401, path


@pytest.mark.parametrize(
    "header", ["Basic {0}", "{0}", "Bearer", "Bearer {0} {0}", "Bearer {0}, Bearer {0}", "Token {0}"]
)
async def test_a_header_of_another_form_is_no_credential(world: World, header: str) -> None:
    value = header.format(world.callers["all scopes"].token)
    case = next(case for case in cases("grpc") if case.name == "listNotifications")
    rpc = asking.Rpc(world.channel, SERVICES, None)
    rpc._metadata = (("authorization", value),)
    assert (await rpc.ask(case, {"limit": 1})).word == "UNAUTHENTICATED"
    for path in ("/api/v1/notifications", "/graphql?query={notifications(first:1){__typename}}", "/metrics"):
        assert (await world.client.get(path, headers={"Authorization": value})).status_code == 401, path


async def test_head_is_asked_as_get_is(world: World) -> None:
    paths = [path for path, found in DOCUMENT["paths"].items() if "get" in found and path.startswith("/api")]
    for path in paths:
        asked = path.format(user_id=USER, notification_id=world.target, key_id=world.key_id)
        statuses = [
            (await world.client.head(asked, headers=headers)).status_code
            for headers in ({}, {"Authorization": f"Bearer {world.callers['the scope receipts alone'].token}"})
        ]
        assert statuses == ([200, 200] if path.endswith("/health") else [401, 403]), path


# An end user's inbox, and what is not in it.


def of_notifications(protocol: str) -> Iterable[Case]:
    """What an end user may do with one notification."""
    return [
        case
        for case in cases(protocol)
        if case.rules[-1] in (RULES[Operation.GET], RULES[Operation.MARK]) and case.status in (None, "read")
        # Of an inbox, though the same rule fits it.
        if case.name != "undoMarkAll"
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_end_user_reads_and_marks_what_their_inbox_shows_and_nothing_else(world: World, protocol: str) -> None:
    shown = await world.delivered()
    theirs = {"no inbox": world.mail, "not delivered": world.bystander, "nothing": str(uuid4())}
    async with asker(world, protocol, world.callers["the user"]) as opened:
        for case in of_notifications(protocol):
            more = {} if case.status is None else {"status": case.status}
            assert (await opened.ask(case, {"notification_id": shown, **more})).word == OK, case
            for why, hidden in theirs.items():
                answer = await opened.ask(case, {"notification_id": hidden, **more})
                assert answer.word == "NOT_FOUND", (case, why)


async def test_what_has_left_the_inbox_is_gone_for_its_user(world: World) -> None:
    item = await world.delivered()
    async with asker(world, "rest", world.callers["the user"]) as opened:
        (case,) = [case for case in cases("rest") if case.name == "getNotification"]
        # The archive is theirs too.
        await world.post(f"/notifications/{item}/archived", {}, "PUT")
        assert (await opened.ask(case, {"notification_id": item})).word == OK
        await world.post(f"/notifications/{item}/status", {"status": "failed"}, "PATCH")
        assert (await opened.ask(case, {"notification_id": item})).word == "NOT_FOUND"
