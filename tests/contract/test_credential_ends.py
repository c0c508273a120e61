"""A credential that ends takes its open streams with it, in all three protocols: revoked keys, expired tokens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import grpc
import httpx2
import jwt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hub.core.audit import AuditTrail
from hub.core.keys import Keys
from hub.domain.keys import IssuedKey, NewKey
from hub.domain.principals import Principal, Scope
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from hub.store.api_keys import ApiKeyStore
from hub.store.audit import AuditStore
from hub.store.client import open_store
from tests.hub_process import RunningHub, running_hub

SECRET = "a secret of thirty-two characters"
ADMIN = Principal("acme", frozenset({Scope.ADMIN}), None, "test")
WITHIN_SECONDS = 5.0
"""Of a revocation or an expiry, for open streams; requests: two."""


@pytest.fixture(scope="module")
async def locked(mongo_url: str, mongo_database: str) -> AsyncIterator[RunningHub]:
    more = {"HUB_AUTH__REQUIRED": "true", "HUB_AUTH__TOKEN_SECRET": SECRET}
    async with running_hub(mongo_url, f"{mongo_database}_ends", None, roles=("all",), more=more) as hub:
        yield hub


@pytest.fixture
async def keys(locked: RunningHub, mongo_url: str, mongo_database: str) -> AsyncIterator[Keys]:
    async with open_store(mongo_url, f"{mongo_database}_ends", timedelta(seconds=10)):
        yield Keys(ApiKeyStore(), AuditTrail(AuditStore(timedelta(days=1))))


@pytest.fixture
async def key(keys: Keys) -> IssuedKey:
    return await keys.create(ADMIN, NewKey("bell", frozenset({Scope.INBOX, Scope.NOTIFICATIONS_WRITE})))


def token(seconds: float, user_id: str = "ann") -> str:
    now = time.time()
    claims = {"iss": "notification-hub", "aud": "notification-hub", "tenant": "acme", "sub": user_id}
    return jwt.encode({**claims, "iat": int(now), "exp": int(now + seconds)}, SECRET, "HS256")


Ended = Callable[[], Awaitable[str]]
"""Waits for the end of what was opened, and says how it ended."""


async def sse(hub: RunningHub, credential: str, path: str, query: dict[str, Any] | None = None) -> Ended:
    client = httpx2.AsyncClient(base_url=hub.base_url, headers={"Authorization": f"Bearer {credential}"}, timeout=30)
    headers = {"Accept": "text/event-stream"}
    request = client.build_request("GET" if query is None else "POST", path, headers=headers, json=query)
    response = await client.send(request, stream=True)
    assert response.status_code == 200, await response.aread()

    async def ended() -> str:
        text = "".join([chunk async for chunk in response.aiter_text()])
        await client.aclose()
        return "UNAUTHENTICATED" if "UNAUTHENTICATED" in text else "ended"

    return ended


async def rest(hub: RunningHub, credential: str) -> Ended:
    return await sse(hub, credential, "/api/v1/users/ann/inbox/stream")


async def graphql_sse(hub: RunningHub, credential: str) -> Ended:
    return await sse(hub, credential, "/graphql", {"query": 'subscription { inboxEvents(userId: "ann") { kind } }'})


async def socket(hub: RunningHub, credential: str, *, subscribed: bool = True) -> Ended:
    url = f"ws://127.0.0.1:{hub.http_port}/graphql"
    opened: ClientConnection = await connect(url, subprotocols=[Subprotocol("graphql-transport-ws")])
    await opened.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {credential}"}}))
    assert json.loads(await opened.recv())["type"] == "connection_ack"
    if subscribed:
        query = 'subscription { inboxEvents(userId: "ann") { kind } }'
        await opened.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}}))
        assert json.loads(await opened.recv())["type"] == "next"

    async def ended() -> str:
        try:
            while True:
                await opened.recv()
        except ConnectionClosed as closed:
            return str(closed.rcvd and closed.rcvd.code)

    return ended


async def idle_socket(hub: RunningHub, credential: str) -> Ended:
    return await socket(hub, credential, subscribed=False)


async def rpc(hub: RunningHub, credential: str) -> Ended:
    channel = grpc.aio.insecure_channel(hub.grpc_target)
    stub: Any = NotificationServiceStub(channel)
    call = stub.WatchInbox(pb.WatchInboxRequest(user_id="ann"), metadata=(("authorization", f"Bearer {credential}"),))
    assert (await call.read()).HasField("event")

    async def ended() -> str:
        while await call.read() is not grpc.aio.EOF:
            pass
        await channel.close()
        return str((await call.code()).name)

    return _told(ended)


async def create_stream(hub: RunningHub, credential: str) -> Ended:
    channel = grpc.aio.insecure_channel(hub.grpc_target)
    stub: Any = NotificationServiceStub(channel)
    call = stub.CreateNotifications(metadata=(("authorization", f"Bearer {credential}"),))
    new = pb.CreateNotificationRequest(user_id="ann", title="t", message="m", type="in_app")
    await call.write(pb.CreateNotificationsRequest(notification=new))
    assert not (await call.read()).HasField("error")

    async def ended() -> str:
        while await call.read() is not grpc.aio.EOF:
            pass
        await channel.close()
        return str((await call.code()).name)

    return _told(ended)


def _told(ended: Ended) -> Ended:
    async def told() -> str:
        try:
            return await ended()
        except grpc.aio.AioRpcError as error:
            return error.code().name

    return told


STREAMS: dict[str, tuple[Any, str]] = {
    "rest": (rest, "ended"),
    "graphql over sse": (graphql_sse, "UNAUTHENTICATED"),
    "graphql over a socket": (socket, "4403"),
    "a socket without an operation": (idle_socket, "4403"),
    "grpc": (rpc, "UNAUTHENTICATED"),
}


@pytest.mark.parametrize("name", [*STREAMS, "grpc's create stream"])
async def test_a_revoked_keys_streams_end(name: str, locked: RunningHub, keys: Keys, key: IssuedKey) -> None:
    opened, expected = STREAMS.get(name, (create_stream, "UNAUTHENTICATED"))
    ended = await opened(locked, key.secret)
    await keys.revoke(ADMIN, key.key.id)
    async with asyncio.timeout(WITHIN_SECONDS):
        assert await ended() == expected


@pytest.mark.parametrize("name", STREAMS)
async def test_an_expired_tokens_streams_end(name: str, locked: RunningHub) -> None:
    opened, expected = STREAMS[name]
    ended = await opened(locked, token(2))
    async with asyncio.timeout(2 + WITHIN_SECONDS):
        assert await ended() == expected


async def test_a_revoked_key_is_refused_within_two_seconds(locked: RunningHub, keys: Keys, key: IssuedKey) -> None:
    headers = {"Authorization": f"Bearer {key.secret}"}
    async with httpx2.AsyncClient(base_url=locked.base_url, headers=headers) as client:
        path = "/api/v1/users/ann/inbox/unread-count"
        assert (await client.get(path)).status_code == 200
        await keys.revoke(ADMIN, key.key.id)
        async with asyncio.timeout(2):
            while (answer := await client.get(path)).status_code != 401:
                await asyncio.sleep(0.02)
    assert answer.json()["reason"] == "UNAUTHENTICATED"


async def test_what_the_credentials_were_stands_in_no_log(locked: RunningHub, key: IssuedKey) -> None:
    spent = token(60)
    for credential in (key.secret, spent, spent[:-3], key.secret[:-3]):
        async with httpx2.AsyncClient(base_url=locked.base_url) as client:
            await client.get("/api/v1/notifications", headers={"Authorization": f"Bearer {credential}"})
        assert credential not in locked.processes["all"].log_text()
