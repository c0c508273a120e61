"""Caps of open streams: one count for all three protocols, and one refusal."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
import httpx2
import jwt
import pytest

from hub.admin.keys import new_key
from hub.domain.principals import Scope
from tests.contract.comparing import refused_everywhere
from tests.contract.conftest import Drivers
from tests.contract.drivers import Driver, Refused
from tests.contract.graphql_driver import GraphqlDriver
from tests.contract.rest_driver import RestDriver
from tests.contract.rpc_driver import RpcDriver
from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

SECRET = "a secret of thirty-two characters"
KEY, ENTRY = new_key("acme", list(Scope), "test")
PER_USER = 3
IN_TOTAL = 5


@pytest.fixture(scope="module")
async def capped(
    mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    keys_file = tmp_path_factory.mktemp("keys") / "keys.json"
    keys_file.write_text(json.dumps([json.loads(ENTRY)]))
    more = {
        "HUB_AUTH__KEYS_FILE": str(keys_file),
        "HUB_AUTH__TOKEN_SECRET": SECRET,
        "HUB_STREAMS__PER_USER": str(PER_USER),
        "HUB_STREAMS__IN_TOTAL": str(IN_TOTAL),
    }
    async with running_hub(mongo_url, f"{mongo_database}_caps", None, roles=("all",), more=more) as hub:
        yield hub


def token(user_id: str) -> str:
    now = int(time.time())
    claims = {"iss": "notification-hub", "aud": "notification-hub", "tenant": "acme", "sub": user_id}
    return jwt.encode({**claims, "iat": now, "exp": now + 600}, SECRET, "HS256")


@asynccontextmanager
async def drivers_with(hub: RunningHub, credential: str) -> AsyncIterator[Drivers]:
    headers = {"Authorization": f"Bearer {credential}"}
    async with (
        httpx2.AsyncClient(base_url=hub.base_url, timeout=20, headers=headers) as client,
        grpc.aio.insecure_channel(hub.grpc_target) as channel,
    ):
        socket_url = f"ws://127.0.0.1:{hub.http_port}/graphql"
        yield Drivers(RestDriver(client), GraphqlDriver(client, socket_url, credential), RpcDriver(channel, credential))


async def watched(driver: Driver, user: str, stack: AsyncExitStack) -> Any:
    """The first event of a stream that stays open."""
    return await anext(await stack.enter_async_context(driver.watch(user)))


async def tried(driver: Driver, user: str) -> Any:
    async with AsyncExitStack() as stack:
        return await watched(driver, user, stack)


async def test_a_user_has_so_many_streams_open_whatever_the_protocol(capped: RunningHub) -> None:
    ann, bob = f"ann-{uuid4().hex}", f"bob-{uuid4().hex}"
    async with drivers_with(capped, token(ann)) as drivers, drivers_with(capped, token(bob)) as others:
        async with AsyncExitStack() as stack:
            for driver in drivers.all():
                assert (await watched(driver, ann, stack))["kind"] == "heartbeat"
            refusal = await refused_everywhere(drivers, lambda driver: tried(driver, ann))
            assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")
            # Another one of the same tenant has places of their own.
            assert (await tried(others.rest, bob))["kind"] == "heartbeat"
        # What was closed, in each of them, has made room.
        for driver in drivers.all():
            async with AsyncExitStack() as stack:
                for _ in range(PER_USER):
                    await until(partial(opens, driver, ann, stack, "TOO_MANY_STREAMS"))


async def opens(driver: Driver, user: str, stack: AsyncExitStack, reason: str) -> bool:
    """Whether there is room; streams of an earlier moment may just be ending."""
    try:
        await watched(driver, user, stack)
    except Refused as refusal:
        if refusal.reason != reason:
            raise
        return False
    return True


async def test_a_process_has_so_many_streams_open(capped: RunningHub) -> None:
    async with drivers_with(capped, KEY) as drivers, AsyncExitStack() as stack:
        for number in range(IN_TOTAL):
            driver = drivers.all()[number % 3]
            await until(partial(opens, driver, f"user-{number}", stack, "OVERLOADED"))
        refusal = await refused_everywhere(drivers, lambda driver: tried(driver, "anyone"))
        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "OVERLOADED")
        # All else goes on.
        assert await drivers.rest.unread_count("anyone") == {"unread_count": 0, "unread_count_capped": False}
    async with drivers_with(capped, KEY) as drivers, AsyncExitStack() as stack:
        await until(partial(opens, drivers.grpc, "anyone", stack, "OVERLOADED"))
