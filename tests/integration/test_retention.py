"""What goes by age goes as the settings say, on a real mongod, and another value needs no step by hand."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from hub.domain.statistics import Bucket, floor
from hub.store.client import open_store
from hub.store.examination.indexes import examined_indexes
from hub.store.examination.statistics import RollupExamination
from hub.store.retention import FOR_EVER_SECONDS
from tests.servers import MongoServer
from tests.waiting import until

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
PATIENCE = timedelta(seconds=10)
Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture(scope="module")
async def mongo_url() -> AsyncIterator[str]:
    """A server that looks for what is too old every second."""
    async with MongoServer(options=("--setParameter", "ttlMonitorSleepSecs=1")) as server:
        yield server.url


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    """One of this test's own."""
    async with AsyncMongoClient[dict[str, Any]](mongo_url, tz_aware=True, uuidRepresentation="standard") as client:
        yield client[f"kept_{uuid4().hex[:6]}"]


@asynccontextmanager
async def opened(mongo_url: str, database: Database, rollups: timedelta | None = None) -> AsyncIterator[None]:
    async with open_store(mongo_url, database.name, PATIENCE, rollups=rollups):
        yield


async def span(database: Database, collection: str) -> int:
    seconds: int = (await database[collection].index_information())["purge"]["expireAfterSeconds"]
    return seconds


async def test_a_start_with_another_value_changes_how_long_statistics_are_kept(
    mongo_url: str, database: Database
) -> None:
    for kept, hours, days in (
        (None, FOR_EVER_SECONDS, FOR_EVER_SECONDS),
        (30 * DAY, 30 * 86_400, 31 * 86_400),
        (2 * DAY, 2 * 86_400, 3 * 86_400),
        (36_500 * DAY, FOR_EVER_SECONDS, FOR_EVER_SECONDS),
        (None, FOR_EVER_SECONDS, FOR_EVER_SECONDS),
    ):
        async with opened(mongo_url, database, kept):
            assert (await span(database, "rollups"), await span(database, "day_rollups")) == (hours, days)
            assert await examined_indexes(kept) == []


async def test_a_span_that_another_version_gave_an_index_is_changed(mongo_url: str, database: Database) -> None:
    await database["heartbeats"].create_index([("beat_at", 1)], name="purge", expireAfterSeconds=17)
    async with opened(mongo_url, database):
        assert await span(database, "heartbeats") == 300


async def test_what_is_too_old_goes_and_a_day_after_the_last_of_its_hours(mongo_url: str, database: Database) -> None:
    today = floor(datetime.now(UTC), Bucket.DAY)
    at_noon = datetime.now(UTC) - 30 * DAY
    hours = {"old": at_noon - HOUR, "young": at_noon + HOUR, "today": today}
    days = {"gone": today - 32 * DAY, "going": floor(at_noon, Bucket.DAY), "today": today}
    await database["rollups"].insert_many([{"_id": name, "tenant": "t", "hour": at} for name, at in hours.items()])
    await database["day_rollups"].insert_many([{"_id": name, "tenant": "t", "day": at} for name, at in days.items()])

    async def left() -> tuple[set[str], set[str]]:
        return set(await database["rollups"].distinct("_id")), set(await database["day_rollups"].distinct("_id"))

    async with opened(mongo_url, database):
        assert await left() == (set(hours), set(days))
    async with opened(mongo_url, database, 30 * DAY):

        async def purged() -> bool:
            return await left() == ({"young", "today"}, {"going", "today"})

        await until(purged, 15)


async def test_a_day_that_has_begun_to_go_is_no_finding(mongo_url: str, database: Database) -> None:
    """Of its hours some are there no more, which its own roll-up still counts."""
    now = datetime.now(UTC)
    day = floor(now - 10 * DAY, Bucket.DAY)
    cell: dict[str, Any] = {
        "tenant": "t",
        "type": "sms",
        "category": None,
        "status": "sent",
        "attempts": 1,
        "latencies": {},
    }
    hour = cell | {"_id": b"h", "hour": day + 23 * HOUR, "total": 1, "stamp": uuid4(), "folded": True}
    whole = cell | {"_id": b"d", "day": day, "hours": [1] * 24, "stamp": uuid4()}
    await database["rollups"].insert_one(hour)
    await database["day_rollups"].insert_one(whole)
    async with opened(mongo_url, database):
        for kept, doubtful in ((None, 1), (now - day - 5 * HOUR, 0), (now - day + 5 * HOUR, 1)):
            examination = RollupExamination(now, 90 * DAY, kept)
            assert [count async for count in examination.days()] == [1]
            assert len(examination.doubtful_days) == doubtful


async def test_the_command_migrate_keeps_to_the_setting_too(mongo_url: str, database: Database) -> None:
    async with opened(mongo_url, database):
        pass
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    env |= {
        "HUB_MONGO__URL": mongo_url,
        "HUB_MONGO__DATABASE": database.name,
        "HUB_RETENTION__ROLLUPS": "P2D",
        "HUB_DEV__CAPTURE": "true",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", "migrate", cwd=Path(__file__).parents[2], env=env, stdout=asyncio.subprocess.DEVNULL
    )  # fmt: skip
    async with asyncio.timeout(30):
        assert await process.wait() == 0
    assert await span(database, "rollups") == 2 * 86_400
