"""No secret, address or content gets to where it does not belong: marked values are sent on every way, and searched for.

Real processes with keys, a store and a broker with passwords, and providers that quote what they get. What was said by
logs, metrics, refusals, the broker and the store's other collections is looked through in the end.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import aio_pika
import grpc
import httpx2
import jwt
import psutil
import pytest
from aio_pika.abc import AbstractQueue
from bson.binary import Binary
from pymongo import AsyncMongoClient
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hub.__main__ import EXIT_REFUSED, main
from hub.admin.keys import new_key
from hub.domain.notifications import Lane, Priority
from hub.domain.principals import Scope
from hub.pipeline.topology import work_queue
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1 import users_pb2
from tests.chaos.proxy import Proxy
from tests.echoing_providers import BEHAVIOURS, Ports, echoing_providers
from tests.hub_process import HubProcess, RunningHub, free_ports, running_hub
from tests.searching import Search, every_document, mark
from tests.servers import MongoServer, RabbitServer
from tests.waiting import until

ROOT = Path(__file__).parents[2]
DATABASE = "no_leaks"
VHOST = "no-leaks"
USER = "ada"
CONTENT = ("title", "message", "html", "metadata", "email", "phone", "webhook")
"""What a notification itself may hold."""
CONTACT = ("contact email", "contact phone", "contact webhook")
SERVICE = "/hub.v1.NotificationService"
_TRACED = """
rabbit_vhost:add(<<"{vhost}">>, <<"test">>),
rabbit_auth_backend_internal:add_user(<<"hub">>, <<"{password}">>, <<"test">>),
[rabbit_auth_backend_internal:set_permissions(User, <<"{vhost}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)
 || User <- [<<"hub">>, <<"guest">>]],
rabbit_trace:start(<<"{vhost}">>).
"""


def phone() -> str:
    """A German mobile number that nobody has by chance."""
    return f"49151{secrets.randbelow(90_000_000) + 10_000_000}"


@dataclass(frozen=True)
class Secrets:
    """Everything that is marked."""

    key: str
    key_entry: str
    marks: dict[str, str]
    search: Search

    def __getitem__(self, name: str) -> str:
        return self.marks[name]


@pytest.fixture(scope="module")
def known() -> Secrets:
    key, entry = new_key("default", list(Scope), "test")
    names = (
        *("wrong key", "garbage token", "title", "message", "html", "metadata", "email", "webhook", "contact email"),
        *("contact webhook", "idempotency key", "mail password", "sms token", "mongo password", "amqp password"),
        *("poison", "cursor", "bad value"),
    )
    marks = {name: mark() for name in names} | {"phone": phone(), "contact phone": phone(), "key": key}
    marks["token secret"] = mark() + mark()
    marks |= {name: f"whsec_{secrets.token_hex(20)}" for name in ("webhook secret", "receipt secret")}
    now = datetime.now(UTC)
    claims = {"iss": "notification-hub", "aud": "notification-hub", "sub": USER, "tenant": "default", "iat": now}
    for name, expires_at in (("token", now + timedelta(minutes=5)), ("old token", now - timedelta(minutes=5))):
        claims |= {"iat": expires_at - timedelta(minutes=6), "exp": expires_at}
        marks[name] = jwt.encode(claims, marks["token secret"], algorithm="HS256")
    return Secrets(key, entry, marks, Search(marks))


@dataclass
class World:
    """A hub, and all that is around it."""

    hub: RunningHub
    known: Secrets
    proxy: Proxy
    ports: Ports
    env: dict[str, str]
    traced: AbstractQueue
    http: httpx2.AsyncClient
    grpc: grpc.aio.Channel
    store_url: str
    refusals: int = 0
    accepted: list[str] = field(default_factory=list)

    @property
    def search(self) -> Search:
        return self.known.search

    def refused(self, where: str, said: str) -> None:
        """Counts it, and looks for everything."""
        self.refusals += 1
        self.search.look(where, said)


@pytest.fixture(scope="module")
async def world(
    known: Secrets, mongo: MongoServer, rabbit: RabbitServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    keys_file = tmp_path_factory.mktemp("leaks") / "keys.json"
    keys_file.write_text(f"[{known.key_entry}]")
    async with AsyncExitStack() as stack:
        store_port, broker_port = free_ports(2)
        behind = [("store", store_port, _port(mongo.url)), ("broker", broker_port, _port(rabbit.url))]
        proxy = await stack.enter_async_context(Proxy(behind))
        ports = await stack.enter_async_context(echoing_providers())
        async with AsyncMongoClient[dict[str, Any]](mongo.url) as client:
            roles = [{"role": "root", "db": "admin"}]
            await client.admin.command("createUser", "hub", pwd=known["mongo password"], roles=roles)
            stack.push_async_callback(_forget_user, mongo.url)
        await rabbit.ctl("eval", _TRACED.format(vhost=VHOST, password=known["amqp password"]))
        traced = await stack.enter_async_context(_tracing(rabbit.url_of(VHOST)))
        store_url = (
            f"mongodb://hub:{known['mongo password']}@127.0.0.1:{store_port}/?directConnection=true&authSource=admin"
        )
        amqp_url = f"amqp://hub:{known['amqp password']}@127.0.0.1:{broker_port}/{VHOST}"
        env = _settings(known, ports, keys_file)
        hub = await stack.enter_async_context(running_hub(store_url, DATABASE, amqp_url, more=env))
        headers = {"Authorization": f"Bearer {known.key}"}
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=hub.base_url, headers=headers, timeout=20))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(hub.grpc_target))
        urls = {"HUB_MONGO__URL": store_url, "HUB_MONGO__DATABASE": DATABASE, "HUB_AMQP__URL": amqp_url}
        yield World(hub, known, proxy, ports, env | urls, traced, http, channel, mongo.url)


def _settings(known: Secrets, ports: Ports, keys_file: Path) -> dict[str, str]:
    sending = {"SEND_TIMEOUT": "1", "GIVE_UP_AFTER": "2"}
    channels = {
        "EMAIL": sending
        | {"HOST": "127.0.0.1", "PORT": str(ports.smtp), "SECURITY": "none", "SENDER_ADDRESS": "hub@example.test"}
        | {"USERNAME": "hub", "PASSWORD": known["mail password"], "RECEIPT_SECRET": known["receipt secret"]},
        "SMS": sending
        | {"BASE_URL": f"http://127.0.0.1:{ports.sms}", "ACCOUNT_SID": "AC1", "AUTH_TOKEN": known["sms token"]}
        | {"SENDER": "+12025550100"},
        "WEBHOOK": sending | {"SECRETS": json.dumps({"default": [known["webhook secret"]]}), "ALLOW_PRIVATE": "true"},
    }
    return {
        "HUB_LOG__LEVEL": "debug",
        "HUB_AUTH__KEYS_FILE": str(keys_file),
        "HUB_AUTH__TOKEN_SECRET": known["token secret"],
        "HUB_DEV__CAPTURE": "false",
        "HUB_METRICS__PORT": "0",
        "HUB_LIMITS__PER_CREDENTIAL": "100000/hour",
        "HUB_LIMITS__PER_RECIPIENT": "10000/hour",
        "HUB_MONGO__TIMEOUT": "2",
        "HUB_REQUEST_TIMEOUT": "3",
        "HUB_PIPELINE__LEASE": "4",
        "HUB_PIPELINE__LONGEST_RETRY_DELAY": "1",
        "HUB_RETENTION__ROLLUPS": "P400D",
        **{f"HUB_CHANNELS__{name}__{key}": value for name, values in channels.items() for key, value in values.items()},
    }


def _port(url: str) -> int:
    return int(url.rpartition("@")[2].rpartition("//")[2].partition("/")[0].rpartition(":")[2])


async def _forget_user(url: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        await client.admin.command("dropUser", "hub")
        await client.drop_database(DATABASE)


@asynccontextmanager
async def _tracing(url: str) -> AsyncIterator[AbstractQueue]:
    """A queue that gets a copy of every message that passes the broker."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("amq.rabbitmq.trace", "#")
        yield queue


def _command(known: Secrets, kind: str, behaviour: str, ports: Ports, **fields: Any) -> dict[str, Any]:
    """A notification full of marks, to a provider that behaves so."""
    to = {
        "email": f"{behaviour}.{known['email']}@example.test",
        "sms": f"+{known['phone']}",
        "webhook": f"http://127.0.0.1:{ports.webhook}/{behaviour}?token={known['webhook']}",
    }
    return {
        "user_id": USER,
        "title": f"Dear {known['title']}",
        "message": f"{behaviour} {known['message']}",
        "type": kind,
        "metadata": {"about": [known["metadata"]]},
        **({"to": to[kind]} if kind in to else {}),
        **({"html": f"<p>{known['html']}"} if kind == "email" else {}),
        **fields,
    }


async def _everything_is_accepted(world: World) -> None:
    """Contact points, and one notification for each channel and behaviour, in turns by all three protocols."""
    known = world.known
    webhook = f"http://127.0.0.1:{world.ports.webhook}/?token={known['contact webhook']}"
    points = {
        "email": f"{known['contact email']}@example.test",
        "phone": f"+{known['contact phone']}",
        "webhook": webhook,
    }
    answer = await world.http.put(f"/api/v1/users/{USER}", json={"contact_points": points})
    assert answer.status_code == 200, answer.text
    commands = [
        _command(known, kind, behaviour, world.ports)
        for kind in ("email", "sms", "webhook")
        for behaviour in (*BEHAVIOURS, "well")
    ]
    commands += [{**_command(known, kind, "well", world.ports), "to": None} for kind in ("email", "sms", "webhook")]
    commands.append(_command(known, "in_app", "well", world.ports))
    ways = (_by_rest, _by_graphql, _by_grpc)
    for number, command in enumerate(commands):
        given = {name: value for name, value in command.items() if value is not None}
        world.accepted.append(await ways[number % 3](world, given, f"{known['idempotency key']}{number}"))


async def _by_rest(world: World, command: dict[str, Any], key: str) -> str:
    answer = await world.http.post("/api/v1/notifications", json=command, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


CREATE = "mutation ($i: CreateNotificationInput!) { createNotification(input: $i) { notification { id } } }"


def _camel(command: dict[str, Any]) -> dict[str, Any]:
    return {("userId" if name == "user_id" else name): value for name, value in command.items()}


async def _by_graphql(world: World, command: dict[str, Any], key: str) -> str:
    variables = {"i": _camel(command) | {"idempotencyKey": key}}
    answer = await world.http.post("/graphql", json={"query": CREATE, "variables": variables})
    return str(answer.json()["data"]["createNotification"]["notification"]["id"])


def _message(command: dict[str, Any], key: str | None = None) -> bytes:
    given = {name: value for name, value in command.items() if name != "metadata"}
    request = pb.CreateNotificationRequest(**given, idempotency_key=key)
    request.metadata.update(command.get("metadata", {}))
    return request.SerializeToString()


async def _call(world: World, method: str, request: bytes, credential: str | None) -> bytes:
    metadata = None if credential is None else (("authorization", f"Bearer {credential}"),)
    raw: Any = world.grpc.unary_unary(method)
    answer: bytes = await raw(request, metadata=metadata, timeout=10)
    return answer


async def _by_grpc(world: World, command: dict[str, Any], key: str) -> str:
    raw = await _call(world, f"{SERVICE}/CreateNotification", _message(command, key), world.known.key)
    return pb.CreateNotificationResponse.FromString(raw).notification.id


def _wrong(known: Secrets) -> Iterable[dict[str, Any]]:
    """Commands with something wrong in every field, marks in all the others."""
    bad = known["bad value"]
    good = {
        "user_id": USER,
        "title": known["title"],
        "message": known["message"],
        "type": "email",
        "to": f"{known['email']}@example.test",
        "html": known["html"],
        "metadata": {"a": known["metadata"]},
    }
    yield good | {"user_id": f"{bad} {bad}"}
    yield good | {"title": f"{bad}\n{bad}"}
    yield good | {"title": bad * 30}
    yield good | {"message": ""}
    yield good | {"type": bad}
    yield good | {"type": "sms"}
    yield good | {"to": bad}
    yield good | {"to": f"{bad}@{bad}@example.test"}
    yield good | {"type": "sms", "html": None, "to": f"+{known['phone']}0000"}
    yield good | {"type": "webhook", "html": None, "to": f"ftp://u:{bad}@127.0.0.1/{known['webhook']}"}
    yield good | {"type": "in_app", "html": None}
    yield good | {"metadata": {"priority": bad}}
    yield good | {"metadata": {"category": [bad]}}
    yield good | {"metadata": {"a": bad * 1000}}


async def _everything_is_refused(world: World) -> None:
    await _by_http(world)
    await _by_graphql_wrongly(world)
    await _by_sockets(world)
    await _by_grpc_wrongly(world)


async def _by_http(world: World) -> None:
    known, bad, path = world.known, world.known["bad value"], "/api/v1/notifications"
    cursor, unknown = known["cursor"], "/api/v1/notifications/01890a5d-ac96-774b-bcce-b302099a8057"
    asks: list[tuple[str, str, dict[str, Any]]] = [
        *(("POST", path, {"json": {k: v for k, v in command.items() if v is not None}}) for command in _wrong(known)),
        *(("POST", path, {"json": {"user_id": USER, "title": wrong, "message": bad}}) for wrong in ([bad], {bad: bad}, 1)),
        ("POST", path, {"json": {"scheduled_at": bad, "expires_at": bad, "metadata": bad}}),
        *(("POST", path, {"content": raw, "headers": {"Content-Type": "application/json"}}) for raw in _malformed(bad)),
        ("POST", path, {"content": bad, "headers": {"Content-Type": f"text/{bad}"}}),
        ("POST", path, {"json": _command(known, "email", "well", world.ports), "headers": {"Idempotency-Key": f"{bad} ä".encode()}}),
        ("POST", path, {"json": _command(known, "sms", "other", world.ports), "headers": {"Idempotency-Key": f"{known['idempotency key']}0"}}),
        ("GET", f"{path}?after={cursor}", {}),
        ("GET", f"{path}?limit={bad}&status={bad}&created_after={bad}&type={bad * 20}", {}),
        ("GET", f"{path}/{bad}", {}),
        ("GET", f"/api/v1/users/{quote(bad + ' ' + bad)}", {}),
        ("GET", f"/api/v1/{bad}", {}),
        ("GET", unknown, {"headers": {"Accept": f"text/{bad}"}}),
        ("PATCH", f"{unknown}/status", {"json": {"status": bad}}),
        ("POST", "/api/v1/dead-letters/replay", {"json": {"ids": [bad], "filter": {"reason": bad * 20}}}),
        ("GET", f"/api/v1/statistics?from={bad}&bucket={bad}", {}),
        *(("PUT", f"/api/v1/users/{USER}", {"json": {"contact_points": point}}) for point in _points(bad)),
        ("PUT", f"/api/v1/users/{USER}", {"json": {"locale": bad * 3, "timezone": bad}}),
        *(("GET", where, {"headers": {"Authorization": given}}) for given in _credentials(known) for where in (path, "/metrics", "/api/v1/users/bob/inbox")),
        ("DELETE", f"{path}", {}),
        *(("POST", f"/receipts/{who}", {"content": f'{{"message_id": "{bad}"}}', "headers": {"webhook-id": bad, "webhook-signature": bad}}) for who in ("email", "sms", bad)),
    ]  # fmt: skip
    for method, url, options in asks:
        answer = await world.http.request(method, url, **options)
        assert 400 <= answer.status_code < 500, (method, url, options, answer.text)
        world.refused(f"REST {method} {url}", f"{answer.headers} {answer.text}")
    answer = await world.http.post(f"{path}/batch", json={"notifications": [_pruned(one) for one in _wrong(known)]})
    world.refused("REST batch", json.dumps([item["error"] for item in answer.json()["results"] if item["error"]]))


def _pruned(command: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in command.items() if value is not None}


def _malformed(bad: str) -> list[bytes]:
    return [
        f'{{"title": "{bad}'.encode(),
        f'{{"title": {bad}}}'.encode(),
        f'"{bad}"'.encode(),
        f"\xff{bad}".encode("latin-1"),
    ]


def _points(bad: str) -> list[dict[str, str]]:
    return [
        {"email": bad},
        {"phone": f"+{bad}"},
        {"webhook": f"ftp://u:{bad}@{bad}/{bad}"},
        {"webhook": f"http://u:{bad}@127.0.0.1/"},
        {"email": f"{bad} <{bad}@example.test>"},
    ]


def _credentials(known: Secrets) -> list[str]:
    wrong = f"hub_test_0123456789ab_{known['wrong key'].ljust(43, 'x')}"
    given = (wrong, known["wrong key"], known["garbage token"], f"{known['garbage token']}.a.b", known["old token"])
    return [*(f"Bearer {one}" for one in given), f"Basic {known['garbage token']}", f"Bearer {known['token']}x"]


async def _by_graphql_wrongly(world: World) -> None:
    known, bad = world.known, world.known["bad value"]
    literal = f'mutation {{ createNotification(input: {{userId: "{bad}", title: ["{known["title"]}"], to: "{known["email"]}"}}) {{ notification {{ id }} }} }}'
    queries: list[tuple[str, Any]] = [
        *((CREATE, {"i": _camel(_pruned(command))}) for command in _wrong(known)),
        *((CREATE, {"i": wrong}) for wrong in (bad, [bad], {"title": bad}, {"title": {bad: bad}, "message": known["message"]})),
        (CREATE, {"i": _camel(_command(known, "email", "well", world.ports)) | {"bogus": bad}}),
        (CREATE, {"i": _camel(_command(known, "email", "well", world.ports)) | {"scheduledAt": bad}}),
        (literal, None),
        (literal.replace("title:", "title"), None),
        (f'query {{ notifications(first: "{bad}") {{ edges {{ cursor }} }} }}', None),
        (f"query {{ notifications(first: 1, status: {bad}) {{ edges {{ cursor }} }} }}", None),
        (f'query {{ notifications(first: 1, after: "{known["cursor"]}") {{ edges {{ cursor }} }} }}', None),
        ("query ($s: NotificationStatus) { notifications(first: 1, status: $s) { edges { cursor } } }", {"s": bad}),
        (f'mutation {{ markRead(input: {{id: "{bad}"}}) {{ notification {{ id }} }} }}', None),
        *(("mutation ($i: UpdateUserInput!) { updateUser(input: $i) { user { userId } } }", {"i": {"userId": USER, "contactPoints": point}}) for point in _points(bad)),
    ]  # fmt: skip
    for query, variables in queries:
        answer = await world.http.post("/graphql", json={"query": query, "variables": variables})
        errors = answer.json().get("errors")
        assert errors, (query, variables, answer.text)
        world.refused(f"GraphQL {query[:60]}", f"{answer.headers} {json.dumps(errors)}")
    for raw in _malformed(bad):
        answer = await world.http.post("/graphql", content=raw, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
        world.refused("GraphQL malformed", f"{answer.headers} {answer.text}")
    for given in _credentials(known):
        answer = await world.http.post("/graphql", json={"query": literal}, headers={"Authorization": given})
        world.refused("GraphQL credentials", f"{answer.headers} {answer.text}")


async def _by_sockets(world: World) -> None:
    known, url = world.known, f"ws://127.0.0.1:{world.hub.http_port}/graphql"
    protocols = [Subprotocol("graphql-transport-ws")]
    good = {"type": "connection_init", "payload": {"Authorization": f"Bearer {known.key}"}}
    subscribe = {"id": "1", "type": "subscribe"}
    talks: list[list[Any]] = [
        *([{"type": "connection_init", "payload": {"Authorization": given}}] for given in _credentials(known)),
        [good, subscribe | {"payload": {"query": CREATE, "variables": {"i": known["bad value"]}}}],
        [good, subscribe | {"payload": {"query": f'subscription {{ inboxEvents(userId: "{USER}", after: "{known["cursor"]}") {{ kind }} }}'}}],
        [good, {"type": known["bad value"]}],
        [{"type": "subscribe", "id": 1, "payload": known["bad value"]}],
    ]  # fmt: skip
    for talk in talks:
        async with connect(url, subprotocols=protocols) as socket:
            said = ""
            with suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(2):
                    for message in talk:
                        await socket.send(json.dumps(message))
                    while '"error"' not in said:
                        said += str(await socket.recv())
            await socket.close()
            world.refused("a socket", f"{socket.close_reason} {said}")


async def _by_grpc_wrongly(world: World) -> None:
    known, bad = world.known, world.known["bad value"]
    calls: list[tuple[str, bytes, str | None]] = [
        *((f"{SERVICE}/CreateNotification", _message(_pruned(command)), known.key) for command in _wrong(known)),
        (f"{SERVICE}/CreateNotification", b"\xff\xff" + bad.encode(), known.key),
        (f"{SERVICE}/GetNotification", pb.GetNotificationRequest(notification_id=bad).SerializeToString(), known.key),
        (f"{SERVICE}/ListNotifications", pb.ListNotificationsRequest(page_token=known["cursor"]).SerializeToString(), known.key),
        (f"{SERVICE}/{bad}", b"", known.key),
        *(("/hub.v1.UserService/UpdateUser", users_pb2.UpdateUserRequest(user_id=USER, contact_points=point).SerializeToString(), known.key) for point in _points(bad)),
        *((f"{SERVICE}/GetNotification", b"", given.removeprefix("Bearer ")) for given in _credentials(known)),
    ]  # fmt: skip
    for method, request, credential in calls:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await _call(world, method, request, credential)
        error = refusal.value
        world.refused(f"gRPC {method}", f"{error.details()} {list(error.trailing_metadata() or ())!r}")


async def _all_is_settled(world: World) -> bool:
    found = [(await world.http.get(f"/api/v1/notifications/{one}")).json() for one in world.accepted]
    settled = [one for one in found if one.get("status") in {"sent", "delivered", "failed"}]
    return len(settled) == len(world.accepted)


async def _what_became_of_it_names_nobody(world: World) -> None:
    """Reasons and attempts quote no provider."""
    failed = ambiguous = 0
    for one in world.accepted:
        found = (await world.http.get(f"/api/v1/notifications/{one}")).json()
        failed += found["status"] == "failed"
        ambiguous += any(attempt["outcome"] == "ambiguous" for attempt in found["attempts"])
        world.search.look(f"attempts of {found['type']}", json.dumps([found["status_reason"], found["attempts"]]))
    assert failed >= 12
    assert ambiguous >= 3


async def _servers_are_away(world: World) -> None:
    """While the store, then the broker, is cut off."""
    await world.proxy.turn("refuse", "store")
    command = _command(world.known, "in_app", "well", world.ports)
    answers = await asyncio.gather(
        world.http.post("/api/v1/notifications", json=command),
        world.http.post("/graphql", json={"query": CREATE, "variables": {"i": _camel(command)}}),
        _call(world, f"{SERVICE}/CreateNotification", _message(command), world.known.key),
        world.http.get("/readyz"),
        return_exceptions=True,
    )
    for answer in answers:
        if isinstance(answer, httpx2.Response):
            world.refused("an answer without a store", f"{answer.headers} {answer.text}")
        if isinstance(answer, grpc.aio.AioRpcError):
            world.refused("an answer without a store", f"{answer.details()} {list(answer.trailing_metadata() or ())!r}")
    assert [type(answer).__name__ for answer in answers] == ["Response", "Response", "AioRpcError", "Response"]
    await world.proxy.turn("pass", "store")
    await world.proxy.turn("refuse", "broker")
    log = world.hub.processes["worker"].log_text
    await until(lambda: "broker_away" in log(), 15)
    await world.proxy.turn("pass", "broker")


async def _strange_things_happen(world: World) -> None:
    """Poison on the broker, and a document that nobody can read."""
    queue = work_queue(Lane("email", Priority.NORMAL)).name
    poison = aio_pika.Message(json.dumps({"ids": world.known["poison"]}).encode())
    await world.traced.channel.default_exchange.publish(poison, queue)
    worker = world.hub.processes["worker"]
    await until(lambda: "poison_message" in worker.log_text(), 20)
    async with AsyncMongoClient[dict[str, Any]](world.store_url) as client:
        rows = client[DATABASE]["notifications"]
        created = await _by_rest(world, _command(world.known, "in_app", "well", world.ports), mark())
        broken = {"attempts": world.known["message"], "priority": world.known["title"]}
        await rows.update_one({"correlation_id": {"$exists": True}, "_id": _uuid(created)}, {"$set": broken})
        answer = await world.http.get(f"/api/v1/notifications/{created}")
        assert answer.status_code == 500
        world.refused("an answer about what can't be read", answer.text)
        await rows.delete_one({"_id": _uuid(created)})
    assert "request_failed" in world.hub.processes["api"].log_text()


def _uuid(text: str) -> Any:
    return Binary.from_uuid(UUID(text))


async def _metrics_and_health(world: World) -> None:
    for path in ("/metrics", "/api/v1/health", "/livez", "/readyz", "/openapi.json", "/"):
        answer = await world.http.get(path)
        assert answer.status_code == 200, path
        world.search.look(path, f"{answer.headers} {answer.text}")
    for role in ("relay", "worker"):
        found = psutil.Process(world.hub.processes[role].pid).net_connections()
        port = next(one.laddr.port for one in found if one.status == psutil.CONN_LISTEN)
        answer = await world.http.get(f"http://127.0.0.1:{port}/metrics")
        assert answer.status_code == 200, answer.text
        world.search.look(f"/metrics of the {role}", answer.text)


def _processes(world: World) -> None:
    for role, process in world.hub.processes.items():
        seen = psutil.Process(process.pid)
        world.search.look(f"arguments of the {role}", " ".join([seen.name(), *seen.cmdline()]))
        world.search.look(f"log of the {role}", process.log_text())


async def _broker(world: World) -> None:
    """Everything that has passed: work, hints, dead letters."""
    passed = 0
    while (message := await world.traced.get(no_ack=True, fail=False)) is not None:
        passed += 1
        where = f"message {message.routing_key}"
        world.search.look(where, message.body + repr(message.headers).encode(), allowed=["poison"])
    assert passed > len(world.accepted)


async def _store(world: World) -> None:
    """Content and addresses are where they belong, and credentials nowhere."""
    collections = set()
    for collection, _, raw in await every_document(world.store_url, DATABASE):
        collections.add(collection)
        allowed = {"notifications": (*CONTENT, "bad value"), "users": CONTACT}.get(collection, ())
        world.search.look(f"the collection {collection}", raw, allowed)
    assert {"notifications", "users", "idempotency_keys", "heartbeats", "leases", "audit"} <= collections


async def _commands(world: World) -> None:
    """What the command line says, of good settings and of wrong ones."""
    known, env = world.known, world.env
    ports = {"HUB_HTTP__PORT": "0", "HUB_GRPC__PORT": "0"}
    wrong_user = env["HUB_MONGO__URL"].replace("//hub:", "//nobody:", 1)
    runs: dict[str, dict[str, str]] = {
        "check-config": {},
        "migrate": {},
        "doctor": {},
        "run": ports | {"HUB_MONGO__URL": wrong_user},
    }
    said = await asyncio.gather(*(_said([command], env | changes) for command, changes in runs.items()))
    for command, text in zip(runs, said, strict=True):
        assert text.strip()
        world.search.look(f"python -m hub {command}", text)
    assert said[-1].splitlines()[-1].startswith("hub: HUB_MONGO__URL: "), said[-1]
    bad = known["bad value"]
    for name, value in (
        ("HUB_AMQP__URL", f"amqp://hub:1/{known['amqp password']}@127.0.0.1/"),
        ("HUB_MONGO__URL", f"mongodb://hub:1/{known['mongo password']}@127.0.0.1/"),
        ("HUB_AUTH__TOKEN_SECRET", bad),
        ("HUB_CHANNELS__WEBHOOK__SECRETS", f'{{"default": ["whsec_{bad}"]}}'),
        ("HUB_CHANNELS__SMS__BASE_URL", f"https://u:{bad}@example.test"),
        ("HUB_CHANNELS__EMAIL__SENDER_ADDRESS", f"{bad}@{bad}@example.test"),
    ):
        text = _refusal(env | {name: value})
        assert text.startswith(f"hub: {name}"), text
        world.search.look(f"python -m hub run {name}", text)


def _refusal(env: dict[str, str]) -> str:
    """What a start with these settings is refused with, before anything is begun."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    said = io.StringIO()
    with patched_environment(clean | env), redirect_stderr(said), redirect_stdout(said):
        assert main(["run"]) == EXIT_REFUSED
    return said.getvalue()


@contextmanager
def patched_environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _said(arguments: list[str], env: dict[str, str]) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", *arguments, cwd=ROOT, env=clean | env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(90):
            while line := await process.stdout.readline():
                said += line
                if b"looking at the statistics again" in line:
                    # Half a minute later; told to stop it says what it has seen.
                    process.send_signal(signal.SIGINT)
            await process.wait()
    except TimeoutError:
        raise AssertionError(f"{arguments} did not end: {said.decode()}") from None
    finally:
        if process.returncode is None:
            process.kill()
    return said.decode()


@pytest.mark.timeout(240)
async def test_what_is_secret_gets_nowhere(world: World) -> None:
    steps: list[Callable[[World], Awaitable[None]]] = [
        _everything_is_accepted,
        _everything_is_refused,
        _servers_are_away,
        _strange_things_happen,
    ]
    for step in steps:
        await step(world)
    await until(lambda: _all_is_settled(world), 30)
    for step in (_what_became_of_it_names_nobody, _metrics_and_health, _commands, _store, _broker):
        await step(world)
    _processes(world)
    assert world.refusals > 100
    assert not world.search.found, "\n".join(world.search.found)


async def test_nor_does_it_where_everything_is_one_process(known: Secrets, tmp_path: Path) -> None:
    """With a store of its own, whose log counts as well, and sinks that take what is sent."""
    keys_file, data = tmp_path / "keys.json", tmp_path / "data"
    keys_file.write_text(f"[{known.key_entry}]")
    search = Search(known.marks)
    http_port, grpc_port = free_ports(2)
    env = {
        "HUB_DATA_DIR": str(data),
        "HUB_HTTP__PORT": str(http_port),
        "HUB_GRPC__PORT": str(grpc_port),
        "HUB_AUTH__KEYS_FILE": str(keys_file),
        "HUB_AUTH__TOKEN_SECRET": known["token secret"],
        "HUB_LOG__LEVEL": "debug",
        "HUB_LOG__FORMAT": "json",
    }
    process = HubProcess("all", env)
    headers = {"Authorization": f"Bearer {known.key}"}
    try:
        async with asyncio.timeout(60):
            await process.start()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{http_port}", headers=headers, timeout=20) as http:
            ports = Ports(1, 1, 1)
            commands = [_pruned(_command(known, kind, "well", ports)) for kind in ("email", "sms", "in_app")]
            made = [(await http.post("/api/v1/notifications", json=command)).json()["id"] for command in commands]
            for command in _wrong(known):
                answer = await http.post("/api/v1/notifications", json=_pruned(command))
                search.look("a refusal", answer.text)
                answer = await http.post(
                    "/graphql", json={"query": CREATE, "variables": {"i": _camel(_pruned(command))}}
                )
                search.look("a refusal", json.dumps(answer.json()["errors"]))

            async def settled() -> bool:
                found = [(await http.get(f"/api/v1/notifications/{one}")).json()["status"] for one in made]
                return set(found) <= {"sent", "delivered"}

            await until(settled, 15)
            search.look("/metrics", (await http.get("/metrics")).text)
        assert await process.stop() == 0
        search.look("its log", process.log_text())
        logs = list(data.rglob("*.log*"))
        for log in logs:
            search.look("its store's log", log.read_bytes())
    finally:
        process.close()
    assert logs
    assert not search.found, "\n".join(search.found)
