"""Servers for the tests that ask for them: real ones, started on first use, gone at the end.

A server that can't be started is an error, never a skip.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient

from tests.servers import Broker, ExternalBroker, MongoServer, RabbitServer


@pytest.fixture(scope="session")
def run_id() -> str:
    """Told apart from other runs on the same servers."""
    return secrets.token_hex(4)


@pytest.fixture(scope="session")
async def mongo() -> AsyncIterator[MongoServer]:
    """A mongod of our own, for tests that stop or kill it; whoever does starts it again."""
    async with MongoServer() as server:
        yield server


@pytest.fixture(scope="session")
def mongo_url(request: pytest.FixtureRequest) -> str:
    """A MongoDB replica set: the one of HUB_TEST_MONGO_URL, or our own."""
    given = os.environ.get("HUB_TEST_MONGO_URL")
    return given or request.getfixturevalue("mongo").url


@pytest.fixture(scope="session")
async def mongo_database(mongo_url: str, run_id: str) -> AsyncIterator[str]:
    """The name of a database of this run alone."""
    name = f"hub_test_{run_id}"
    yield name
    async with AsyncMongoClient[dict[str, object]](mongo_url, serverSelectionTimeoutMS=10_000) as client:
        await client.drop_database(name)


@pytest.fixture(scope="session")
async def rabbit() -> AsyncIterator[RabbitServer]:
    """A RabbitMQ node of our own, for tests that stop, kill or wipe it; whoever does starts it again."""
    async with RabbitServer() as server:
        yield server


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Broker:
    """A RabbitMQ: the one of HUB_TEST_AMQP_URL, or our own."""
    given = os.environ.get("HUB_TEST_AMQP_URL")
    if given:
        return ExternalBroker(given, os.environ.get("HUB_TEST_AMQP_MANAGEMENT_URL"))
    own: RabbitServer = request.getfixturevalue("rabbit")
    return own


@pytest.fixture(scope="session")
async def amqp_url(broker: Broker, run_id: str) -> AsyncIterator[str]:
    """A vhost of this run alone."""
    vhost = f"hub-test-{run_id}"
    await broker.create_vhost(vhost)
    yield broker.url_of(vhost)
    await broker.delete_vhost(vhost)


@pytest.fixture(scope="module")
async def own_amqp_url(broker: Broker, run_id: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A vhost of one module alone: no hub that another test left running can take what lies in its queues."""
    vhost = f"hub-test-{run_id}-{request.path.stem}"
    await broker.create_vhost(vhost)
    yield broker.url_of(vhost)
    await broker.delete_vhost(vhost)
