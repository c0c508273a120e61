"""A hub whose callers need keys, as operators run it: what it shows of GraphQL, and what a socket may send."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from dirty_equals import IsPartialDict
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from hub.admin.keys import new_key
from hub.domain.principals import Scope
from tests.hub_process import RunningHub, running_hub

KEY, ENTRY = new_key("acme", list(Scope), "test")
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
APP = "https://app.example"
SOCKET_MESSAGE_BYTES = 256 * 1024


@pytest.fixture(scope="module")
async def locked(
    mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    keys_file = tmp_path_factory.mktemp("keys") / "keys.json"
    keys_file.write_text(json.dumps([json.loads(ENTRY)]))
    more = {"HUB_AUTH__KEYS_FILE": str(keys_file), "HUB_HTTP__ALLOWED_ORIGINS": json.dumps([APP])}
    async with running_hub(mongo_url, f"{mongo_database}_locked", None, roles=("all",), more=more) as hub:
        yield hub


async def test_neither_the_schema_nor_graphiql_is_shown(locked: RunningHub) -> None:
    async with httpx2.AsyncClient(base_url=locked.base_url, headers=AUTHORIZATION) as client:
        about = (await client.get("/about.json")).json()
        page = await client.get("/graphql", headers=BROWSER)
        schema = await client.post("/graphql", json={"query": "{ __schema { queryType { name } } }"})
        nearly = await client.post("/graphql", json={"query": "{ notificatons { edges { cursor } } }"})
        plain = await client.post("/graphql", json={"query": '{ user(id: "u") { __typename unreadCount } }'})
    assert about["graphql"] == {"graphiql": False}
    assert page.status_code == 404
    assert schema.json() == {"errors": [IsPartialDict(extensions=IsPartialDict(reason="MALFORMED"))]}
    assert "Did you mean" not in nearly.text
    assert plain.json() == {"data": {"user": {"__typename": "User", "unreadCount": 0}}}


def socket(hub: RunningHub, origin: str | None = None) -> connect:
    url = f"ws://127.0.0.1:{hub.http_port}/graphql"
    headers = {} if origin is None else {"Origin": origin}
    return connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], additional_headers=headers)


async def test_a_message_on_a_socket_is_bounded(locked: RunningHub) -> None:
    init = {"type": "connection_init", "payload": AUTHORIZATION}
    async with socket(locked) as opened:
        await opened.send(json.dumps({**init, "more": "x" * (SOCKET_MESSAGE_BYTES - 200)}))
        assert json.loads(await opened.recv()) == {"type": "connection_ack"}
        await opened.send(json.dumps({"type": "ping", "more": "x" * SOCKET_MESSAGE_BYTES}))
        with pytest.raises(ConnectionClosed):
            await opened.recv()
        # Message too big (RFC 6455, section 7.4.1).
        assert opened.close_code == 1009


@pytest.mark.parametrize("origin", [APP, "http://127.0.0.1:{port}", None])
async def test_pages_that_may_open_sockets_do(locked: RunningHub, origin: str | None) -> None:
    async with socket(locked, origin and origin.format(port=locked.http_port)) as opened:
        await opened.send(json.dumps({"type": "connection_init", "payload": AUTHORIZATION}))
        assert json.loads(await opened.recv()) == {"type": "connection_ack"}


async def test_pages_of_others_do_not(locked: RunningHub) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket(locked, "https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
