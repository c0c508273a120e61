"""What a server that fails in the middle says to us, as real servers say it: mongod's own fault injection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from pymongo import AsyncMongoClient

from hub.domain.errors import HubError, Reason
from hub.domain.notifications import Attempt, OutcomeKind
from hub.domain.retry import Decision
from hub.domain.status import Status
from hub.store.client import RefusedWriteError
from hub.store.work import Record
from tests.assembly import PERMANENT, Assembly, Timing, assembled
from tests.servers import MongoServer
from tests.waiting import until

DATABASE = "hub_refusals"
TIMING = Timing(lease=timedelta(seconds=60))


class FaultyMongo(MongoServer):
    """A server that can be told what to answer."""

    def _argv(self, binary: Path) -> list[str]:
        return [*super()._argv(binary), "--setParameter", "enableTestCommands=1"]

    @asynccontextmanager
    async def failing(self, *commands: str, times: int | None = None, **how: Any) -> AsyncIterator[None]:
        """Commands of the hub fail like this, the next so many times or as long as the block lasts."""
        mode: Any = "alwaysOn" if times is None else {"times": times}
        data = {"failCommands": list(commands), "appName": "hub", **how}
        async with AsyncMongoClient[dict[str, Any]](self.url) as client:
            await client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
            try:
                yield
            finally:
                await client.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[FaultyMongo]:
    async with FaultyMongo() as mongo:
        yield mongo


@pytest.fixture
async def hub(server: FaultyMongo) -> AsyncIterator[Assembly]:
    async with assembled(server.url, DATABASE, timing=TIMING) as made:
        yield made


@pytest.fixture
async def impatient(server: FaultyMongo) -> AsyncIterator[Assembly]:
    """What the driver itself tries again, it does not try for long."""
    timing = replace(TIMING, store_timeout=timedelta(seconds=1))
    async with assembled(server.url, DATABASE, timing=timing, running="") as made:
        yield made


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (43, "CursorNotFound"),
        (134, "ReadConcernMajorityNotAvailableYet"),
        (175, "QueryPlanKilled"),
        (237, "CursorKilled"),
        (11601, "Interrupted"),
        (189, "PrimarySteppedDown"),
        (14031, "OutOfDiskSpace"),
    ],
)
async def test_what_a_failover_or_a_full_disk_says_passes(
    server: FaultyMongo, impatient: Assembly, code: int, name: str
) -> None:
    async with server.failing("find", errorCode=code):
        with pytest.raises(HubError) as refused:
            await impatient.list_of()
    assert refused.value.reason is Reason.STORE_UNREACHABLE, name
    assert refused.value.retry_after is not None


async def test_a_claim_whose_answer_was_lost_is_still_ours(server: FaultyMongo, hub: Assembly) -> None:
    """A primary that goes away in the midst of it: the claim is set, and nobody knows. It must not lie until it lapses."""
    async with server.failing("update", times=1, writeConcernError={"code": 91, "errmsg": "shutting down"}):
        seen = await hub.comes_to(await hub.created(), Status.DELIVERED)
    assert len(seen.attempts) == 1
    assert len(hub.channels["in_app"].begun) == 1


async def test_a_record_of_which_nobody_knows_how_many_copies_there_are_is_written_again(
    server: FaultyMongo, hub: Assembly
) -> None:
    """Otherwise nobody would be told of it, and of what failed no dead letter would be made."""
    channel = hub.channels["in_app"]
    channel.script.append(PERMANENT)
    channel.gate.clear()
    notification = await hub.created()
    await until(lambda: bool(channel.begun))
    async with server.failing("update", times=1, writeConcernError={"code": 100, "errmsg": "not enough members"}):
        channel.gate.set()
        seen = await hub.comes_to(notification, Status.FAILED)
        await until(lambda: [letter.notification_id for letter in hub.graves.letters] == [notification.id])
    assert len(seen.attempts) == 1


async def test_an_outcome_that_is_refused_is_no_other_ones_trouble(server: FaultyMongo, hub: Assembly) -> None:
    """One document that the server does not take (here by a rule of its own) in a batch with one that it takes."""
    channel = hub.channels["in_app"]
    channel.gate.clear()
    fit, unfit = await hub.created(), await hub.created(title="unfit")
    for one in (fit, unfit):
        await hub.comes_to(one, Status.SENDING)
    rule = {"$nor": [{"title": "unfit", "status": "delivered"}]}
    await hub.store.database.command("collMod", hub.rows.name, validator=rule)
    try:
        with structlog.testing.capture_logs() as logged:
            channel.gate.set()
            await hub.comes_to(fit, Status.DELIVERED)
            await until(lambda: hub.announcements.of(fit.id) == 2)
            await until(lambda: any(entry["event"] == "delivery_failed" for entry in logged))
    finally:
        await hub.store.database.command("collMod", hub.rows.name, validator={})
    assert [entry["notification_id"] for entry in logged if entry["event"] == "delivery_failed"] == [str(unfit.id)]
    assert (await hub.get(unfit)).status is Status.SENDING


async def test_one_that_is_refused_does_not_stop_those_written_with_it(
    server: FaultyMongo, impatient: Assembly
) -> None:
    """What becomes of all is the same, so that one write could do."""
    hub = impatient
    created = [await hub.created(title="unfit" if number == 1 else "fit") for number in range(3)]
    claims = [claim for claim in await hub.work.claim_many([one.id for one in created]) if claim is not None]
    moment = created[0].created_at
    attempt = Attempt(1, "inbox", None, moment, moment, OutcomeKind.DELIVERED, None)
    records = [Record(claim, Decision(Status.DELIVERED), attempt, stamp=claim.token) for claim in claims]
    rule = {"$nor": [{"title": "unfit", "status": "delivered"}]}
    await hub.store.database.command("collMod", hub.rows.name, validator=rule)
    try:
        results = await hub.work.record_many(records)
    finally:
        await hub.store.database.command("collMod", hub.rows.name, validator={})
    assert [type(result) for result in results] == [bool, RefusedWriteError, bool]
    assert [(await hub.get(one)).status for one in created] == [Status.DELIVERED, Status.SENDING, Status.DELIVERED]
    again = await hub.work.record_many(records)
    assert again == [True, True, True]
    assert [(await hub.get(one)).version for one in created] == [3, 3, 3]
