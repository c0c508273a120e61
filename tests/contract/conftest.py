"""One hub in split roles for the whole suite, and a driver for each protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import grpc
import httpx2
import pytest

from tests.contract.drivers import Driver
from tests.contract.graphql_driver import GraphqlDriver
from tests.contract.rest_driver import RestDriver
from tests.contract.rpc_driver import RpcDriver
from tests.hub_process import RunningHub, running_hub

NAMES = ("rest", "graphql", "grpc")


@dataclass(frozen=True)
class Drivers:
    """The same hub through each protocol."""

    rest: Driver
    graphql: Driver
    grpc: Driver

    def all(self) -> tuple[Driver, Driver, Driver]:
        return self.rest, self.graphql, self.grpc

    def __getitem__(self, name: str) -> Driver:
        return {driver.name: driver for driver in self.all()}[name]


@pytest.fixture(scope="session")
async def hub(mongo_url: str, mongo_database: str, amqp_url: str) -> AsyncIterator[RunningHub]:
    """Three processes, real sockets, real servers, nothing shared."""
    async with running_hub(mongo_url, f"{mongo_database}_contract", amqp_url) as running:
        yield running


@asynccontextmanager
async def calling(hub: RunningHub, credential: str | None = None) -> AsyncIterator[Drivers]:
    """Drivers that come with a credential, or with none."""
    headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
    async with (
        httpx2.AsyncClient(base_url=hub.base_url, timeout=20, headers=headers) as client,
        grpc.aio.insecure_channel(hub.grpc_target) as channel,
    ):
        socket_url = f"ws://127.0.0.1:{hub.http_port}/graphql"
        yield Drivers(RestDriver(client), GraphqlDriver(client, socket_url, credential), RpcDriver(channel, credential))


@pytest.fixture(scope="session")
async def drivers(hub: RunningHub) -> AsyncIterator[Drivers]:
    async with calling(hub) as found:
        yield found


@pytest.fixture(params=NAMES)
def driver(request: pytest.FixtureRequest, drivers: Drivers) -> Driver:
    """Each scenario that takes this runs once through every protocol."""
    return drivers[request.param]


@pytest.fixture
def user() -> str:
    """A user nobody else has."""
    return f"user-{uuid4().hex[:12]}"
