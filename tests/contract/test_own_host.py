"""A hub on loopback without credentials, and pages of others in a browser on the same machine."""

from __future__ import annotations

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.hub_process import RunningHub

READ_ALL = "/api/v1/users/ann/inbox/read"


async def answer(hub: RunningHub, method: str, path: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=hub.base_url) as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.7", "[::2]:80"]
)
@pytest.mark.parametrize("path", ["/api/v1/notifications", "/dev/outbox.json", "/graphql", "/metrics", "/"])
async def test_a_name_that_was_rebound_is_not_answered_to(hub: RunningHub, host: str, path: str) -> None:
    refused = await answer(hub, "GET", path, Host=host)
    assert (refused.status_code, refused.json()["reason"]) == (403, "PERMISSION_DENIED")
    assert "HUB_HTTP__ALLOWED_HOSTS" in refused.json()["detail"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "hub.localhost:8000", "127.0.0.2", "[::1]:8000", "[::1]"])
async def test_names_of_this_machine_are(hub: RunningHub, host: str) -> None:
    assert (await answer(hub, "GET", "/api/v1/notifications", Host=host)).status_code == 200


async def test_a_page_of_others_changes_nothing(hub: RunningHub) -> None:
    for origin in ("http://evil.example", "null", "https://localhost"):
        refused = await answer(hub, "POST", READ_ALL, Origin=origin)
        assert (refused.status_code, refused.json()["reason"]) == (403, "PERMISSION_DENIED")
    assert (await answer(hub, "POST", READ_ALL, Origin=hub.base_url)).status_code == 200
    assert (await answer(hub, "POST", READ_ALL)).status_code == 200


async def test_nor_does_it_open_a_socket(hub: RunningHub) -> None:
    url = f"ws://127.0.0.1:{hub.http_port}/graphql"
    protocols = [Subprotocol("graphql-transport-ws")]
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, subprotocols=protocols, origin=Origin("http://evil.example"))
    assert refused.value.response.status_code == 403
    async with connect(url, subprotocols=protocols, origin=Origin(hub.base_url)):
        pass
