"""Erasing a person: nothing in the store or on the broker names them any more, whatever was under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import grpc
import httpx2
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from pymongo import AsyncMongoClient

from hub.pipeline.topology import DEAD_LETTERS
from tests.contract.comparing import status_becomes
from tests.contract.drivers import Driver
from tests.contract.graphql_driver import GraphqlDriver
from tests.contract.rest_driver import RestDriver
from tests.contract.rpc_driver import RpcDriver
from tests.hub_process import RunningHub, running_hub
from tests.integration.smtp_servers import Script, scripted_smtp
from tests.searching import Search, every_document, mark
from tests.servers import MongoServer
from tests.waiting import until

DATABASE = "erased"
SLOW, REFUSED = "slow", "refused"
CURSORS = timedelta(hours=25)


@dataclass
class Provider(Script):
    """Refuses one address for good, and keeps another one waiting for as long as it is told to."""

    answering: asyncio.Event = field(default_factory=asyncio.Event)
    kept: int = 0

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address.startswith(REFUSED):
            return f"550 5.1.1 <{address}>: there is nobody here"
        return await super().handle_RCPT(_server, _session, envelope, address, _options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if envelope.rcpt_tos[0].startswith(SLOW):
            self.kept += 1
            await self.answering.wait()
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture(scope="module")
async def mongo_url() -> AsyncIterator[str]:
    """A server that looks for what is too old every second."""
    async with MongoServer(options=("--setParameter", "ttlMonitorSleepSecs=1")) as server:
        yield server.url


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[tuple[Provider, int]]:
    script = Provider()
    async with scripted_smtp(script) as port:
        yield script, port


@pytest.fixture(scope="module")
async def hub(mongo_url: str, own_amqp_url: str, provider: tuple[Provider, int]) -> AsyncIterator[RunningHub]:
    more = {
        "HUB_DEV__CAPTURE": "false",
        "HUB_LIMITS__PER_CREDENTIAL": "100000/hour",
        "HUB_LIMITS__PER_RECIPIENT": "10/hour",
        "HUB_CHANNELS__EMAIL__HOST": "127.0.0.1",
        "HUB_CHANNELS__EMAIL__PORT": str(provider[1]),
        "HUB_CHANNELS__EMAIL__SECURITY": "none",
        "HUB_CHANNELS__EMAIL__SENDER_ADDRESS": "hub@example.test",
    }
    async with running_hub(mongo_url, DATABASE, own_amqp_url, more=more) as running:
        yield running


@pytest.fixture(params=["rest", "graphql", "grpc"])
async def driver(request: pytest.FixtureRequest, hub: RunningHub) -> AsyncIterator[Driver]:
    """Each protocol erases somebody."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=hub.base_url, timeout=20))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(hub.grpc_target))
        drivers: list[Driver] = [
            RestDriver(client),
            GraphqlDriver(client, f"ws://127.0.0.1:{hub.http_port}/graphql"),
            RpcDriver(channel),
        ]
        yield next(one for one in drivers if one.name == request.param)


@dataclass(frozen=True)
class Person:
    """Somebody of whom the hub knows all it can."""

    marks: dict[str, str]

    @property
    def id(self) -> str:
        return self.marks["user_id"]

    def told(self, kind: str = "email", **fields: Any) -> dict[str, Any]:
        marks = self.marks
        command = {
            "user_id": self.id,
            "title": f"Dear {marks['title']}",
            "message": f"You are {marks['message']}.",
            "type": kind,
            "metadata": {"category": "news", "about": {marks["metadata key"]: [marks["metadata"]]}},
        }
        html = {"html": f"<p>{marks['html']}"} if kind == "email" else {}
        return command | html | fields


def somebody() -> Person:
    names = ("user_id", "title", "message", "html", "metadata", "metadata key", "email", "key", "request")
    return Person({name: mark() for name in names})


async def known(driver: Driver, client: httpx2.AsyncClient, person: Person, provider: Provider) -> dict[str, int]:
    """Everything that the hub may come to hold of somebody; what erasing it all has to report."""
    marks, user, before = person.marks, person.id, provider.kept
    await driver.update_user(user, {"contact_points": {"email": f"{marks['email']}@example.test"}, "locale": "de"})
    sent, _ = await driver.create(person.told(), marks["key"])
    away, _ = await driver.create(person.told(to=f"{REFUSED}{marks['email']}@example.test"))
    for number in range(2):
        seen, _ = await driver.create(person.told("in_app"), f"{marks['key']}-{number}")
        await status_becomes(driver, seen["id"], "delivered")
    assert await driver.mark_all_read(user, category="news") == 2
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await driver.create(person.told(scheduled_at=later))
    gone, _ = await driver.create(person.told(scheduled_at=later))
    await driver.delete(gone["id"])
    # A correlation id is the caller's own word: it is kept with the notification.
    body = person.told(to=f"{SLOW}{marks['email']}@example.test")
    answer = await client.post("/api/v1/notifications", json=body, headers={"X-Correlation-Id": marks["request"]})
    assert answer.status_code == 201
    await status_becomes(driver, sent["id"], "sent")
    await status_becomes(driver, away["id"], "failed")
    await until(lambda: provider.kept > before)
    return {"notifications": 6, "cancelled": 1, "keys": 3, "contact_points": 1}


async def names(mongo_url: str, person: Person) -> tuple[list[dict[str, Any]], list[str]]:
    """The tombstones that still bear the user's id, and everything else that names the person, or says anything of them."""
    search, tombstones = Search(person.marks), []
    for collection, fields, raw in await every_document(mongo_url, DATABASE):
        is_theirs = collection == "notifications" and fields["user_id"] == person.id
        if is_theirs:
            tombstones.append(fields)
        search.look(f"{collection} {fields['_id']}", raw, allowed=["user_id"] if is_theirs else [])
    assert {"heartbeats", "rates", "audit"} <= {where.partition(" ")[0] for where in search.looked_at}
    return tombstones, search.found


async def on_the_broker(amqp_url: str, person: Person) -> list[str]:
    """What of the person is in the dead-letter queue, where copies stay for days."""
    search = Search(person.marks)
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(DEAD_LETTERS.name)
        while (message := await queue.get(fail=False)) is not None:
            search.look("the dead letters", message.body + repr(message.headers).encode())
    assert search.looked_at
    return search.found


async def test_nothing_names_an_erased_person(
    driver: Driver, hub: RunningHub, provider: tuple[Provider, int], mongo_url: str, own_amqp_url: str
) -> None:
    person, script = somebody(), provider[0]
    script.answering.clear()
    async with httpx2.AsyncClient(base_url=hub.base_url, timeout=20) as client:
        expected = await known(driver, client, person, script)
    assert (await names(mongo_url, person))[1] != []
    worker = hub.processes["worker"]
    lost = worker.log_text().count("lease_lost")

    assert await driver.delete_user(person.id) == expected
    tombstones, found = await names(mongo_url, person)
    assert found == []

    # What was being sent all the while ends: its worker comes back with an outcome.
    script.answering.set()
    await until(lambda: worker.log_text().count("lease_lost") > lost)
    assert await driver.delete_user(person.id) == dict.fromkeys(expected, 0)
    tombstones, found = await names(mongo_url, person)
    assert found == []
    assert await on_the_broker(own_amqp_url, person) == []

    # All that is left is what tells watchers what is gone, for as long as their cursors live.
    assert len(tombstones) == expected["notifications"] + 1
    soon = datetime.now(UTC) + CURSORS
    assert all(row["deleted_at"] is not None and row["purge_at"] < soon for row in tombstones)
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as mongo:
        await mongo[DATABASE]["notifications"].update_many(
            {"user_id": person.id}, {"$set": {"purge_at": datetime.now(UTC)}}
        )

    async def gone() -> bool:
        tombstones, found = await names(mongo_url, person)
        return not tombstones and not found

    await until(gone, 15)
