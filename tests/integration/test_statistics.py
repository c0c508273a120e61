"""Statistics on a real mongod: counted by the hour, folded by the day, and read the same from either."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient, monitoring

from hub.core.statistics import StatisticsService
from hub.domain.ids import first_id_at, new_id
from hub.domain.principals import Principal
from hub.domain.statistics import Bucket, ChannelStatistics, Row, Statistics, floor, step_middle
from hub.domain.status import SETTLED, STORED, Status
from hub.pipeline.rollups import Rollups
from hub.store.rollup_documents import DayRollupDocument, RollupDocument
from hub.store.statistics import StatisticsStore, UnfoldedDay
from tests.assembly import ME, Assembly, assembled
from tests.integration.test_store import explained, settle

Cell = dict[str, Any]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SUNDAY = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 6
NOW = SUNDAY + DAYS * DAY - timedelta(minutes=90)
"""The last of the days is not over yet."""
OTHER = Principal("other", ME.scopes)


@dataclass(slots=True)
class World:
    """A store, what counts in it, and who is asked."""

    hub: Assembly
    store: StatisticsStore
    rollups: Rollups
    service: StatisticsService

    async def mark(self, *moments: datetime) -> None:
        await self.store.mark((ME.tenant, floor(moment, Bucket.HOUR)) for moment in moments)

    async def count(self) -> None:
        for dirty in await self.store.dirty(100):
            await self.store.count(dirty)

    async def counts(self, day: datetime) -> dict[tuple[int, str], int]:
        """By hour and status."""
        found = await self.service.get(ME, start=day, end=day + DAY)
        return {(row.start.hour, row.status.value): row.count for row in found.rows}

    async def days(self) -> list[Cell]:
        return await DayRollupDocument.get_pymongo_collection().find().to_list()


@pytest.fixture(scope="module")
async def database(mongo_url: str, run_id: str) -> AsyncIterator[str]:
    name = f"hub_test_{run_id}_statistics"
    yield name
    async with AsyncMongoClient[Cell](mongo_url) as client:
        await client.drop_database(name)


@pytest.fixture
async def world(mongo_url: str, database: str) -> AsyncIterator[World]:
    async with assembled(mongo_url, database, running="") as hub:
        store = StatisticsStore()
        yield World(hub, store, Rollups(store, hub.leases, timedelta(days=90)), StatisticsService(store))


# -------------------------------------------------------------------------------------------- days against brute force
def cell(hour: datetime, type_: str, category: str | None, status: Status, random: Random, tenant: str) -> Cell:
    """The roll-up of an hour as the version before days wrote it."""
    latencies = {str(random.randint(0, 60)): random.randint(1, 9) for _ in range(random.randint(0, 5))}
    total = sum(latencies.values()) + random.randint(0, 3) or 1
    return {
        "_id": random.randbytes(32), "tenant": tenant, "hour": hour, "type": type_, "category": category,
        "status": status.value, "total": total, "attempts": total * 2, "latencies": latencies, "stamp": new_id(),
    }  # fmt: skip


def cells_of(random: Random, tenant: str = ME.tenant) -> list[Cell]:
    """Some days, one with nothing in it and none with something in every hour."""
    hours = [SUNDAY + number * HOUR for number in range(DAYS * 24) if number // 24 != 3]
    kinds = [(t, c, s) for t in ("email", "sms") for c in (None, "", "a") for s in sorted(STORED)]
    return [
        cell(hour, *kind, random, tenant) for hour in hours if random.random() < 0.8 for kind in random.sample(kinds, 5)
    ]


def brute_force(cells: list[Cell], asked: Statistics, **wanted: object) -> Statistics:
    """What should be answered: every cell of an hour looked at, one by one."""
    query = asked.query
    seen = [
        one
        for one in cells
        if query.start <= one["hour"] < query.end and all(one[name] == value for name, value in wanted.items())
    ]
    counts: Counter[tuple[datetime, str, bool, str, str]] = Counter()
    for one in seen:
        start = one["hour"].replace(hour=0) if query.bucket is Bucket.DAY else one["hour"]
        counts[start, one["type"], one["category"] is not None, one["category"] or "", one["status"]] += one["total"]
    rows = tuple(
        Row(start, type_, category if some else None, Status(status), count)
        for (start, type_, some, category, status), count in sorted(counts.items())
    )
    return Statistics(query, rows, tuple(channel(name, seen) for name in sorted({one["type"] for one in seen})))


def channel(name: str, seen: list[Cell]) -> ChannelStatistics:
    cells = [one for one in seen if one["type"] == name]
    settled = sum(one["total"] for one in cells if one["status"] in SETTLED)
    failed = sum(one["total"] for one in cells if one["status"] == "failed")
    took = sorted(int(step) for one in cells for step, count in one["latencies"].items() for _ in range(count))
    shares = [
        round(step_middle(took[max(1, math.ceil(share * len(took))) - 1]), 3) if took else None
        for share in (0.5, 0.95, 0.99)
    ]
    attempts = sum(one["attempts"] for one in cells)
    return ChannelStatistics(name, settled, failed, round(failed / settled, 6) if settled else 0.0, attempts, *shares)


async def compare(world: World, cells: list[Cell], random: Random) -> None:
    """Over ranges that begin and end anywhere, with and without filters."""
    for number in range(40):
        start = SUNDAY + random.random() * DAYS * DAY - 6 * HOUR
        end = start + (random.random() * (DAYS - 1) * DAY + HOUR if number % 4 else random.randint(1, 4) * DAY)
        bucket = Bucket.HOUR if number % 3 else Bucket.DAY
        wanted: Cell = random.choice(
            [{}, {}, {"type": "sms"}, {"category": "a"}, {"category": ""}, {"status": "failed"}]
        )
        arguments = {"type_": wanted.get("type"), "category": wanted.get("category")}
        if "status" in wanted:
            arguments["status"] = Status(wanted["status"])
        found = await world.service.get(ME, start=start, end=end, bucket=bucket, **arguments)
        assert found == brute_force(cells, found, **wanted), (start, end, bucket, wanted)


@pytest.mark.parametrize("seed", range(3))
async def test_days_answer_as_their_hours_would_one_by_one(world: World, seed: int) -> None:
    random = Random(seed)
    cells = cells_of(random)
    written = RollupDocument.get_pymongo_collection()
    await written.insert_many([*cells, *cells_of(random, OTHER.tenant)])
    # A store that the version before days has left behind: read by its hours.
    await compare(world, cells, random)
    assert await world.days() == []
    await world.rollups.turn(NOW)
    assert {row["day"] for row in await world.days()} == {SUNDAY + number * DAY for number in (0, 1, 2, 4)}
    assert len({row["tenant"] for row in await world.days()}) == 2
    await compare(world, cells, random)
    # That version runs again for a while, beside this one: what it counts it writes as it always did.
    for one in random.sample(cells, 30):
        one |= {"total": one["total"] + 100, "stamp": new_id()}
        await written.replace_one({"_id": one["_id"]}, one)
    await compare(world, cells, random)
    await world.rollups.turn(NOW)
    assert await world.store.unfolded(floor(NOW, Bucket.DAY)) is None
    await compare(world, cells, random)


async def test_an_answer_with_nothing_in_it(world: World) -> None:
    found = await world.service.get(ME, start=SUNDAY, end=SUNDAY + 90 * DAY, bucket=Bucket.DAY)
    assert (found.rows, found.channels) == ((), ())


# -------------------------------------------------------------------------------------------------- counted and folded
async def made_at(world: World, *moments: datetime) -> None:
    """Notifications that were created then."""
    template = await world.hub.row(await world.hub.created())
    await world.hub.rows.delete_one({"_id": template["_id"]})
    await world.hub.rows.insert_many([template | {"_id": first_id_at(moment)} for moment in moments])


async def test_what_changes_on_a_day_that_was_folded_shows_as_soon_as_it_is_counted(world: World) -> None:
    first, second = await world.hub.created(), await world.hub.created()
    today, tomorrow = floor(first.created_at, Bucket.DAY), second.created_at + DAY
    await world.mark(first.created_at, second.created_at)
    await world.rollups.turn(tomorrow)
    assert sum((await world.counts(today)).values()) == sum(sum(row["hours"]) for row in await world.days()) == 2
    await settle(world.hub, first)
    await world.mark(first.created_at)
    await world.count()
    after = await world.counts(today)
    assert {status: count for (_, status), count in after.items()} == {"pending": 1, "delivered": 1}
    await world.rollups.turn(tomorrow)
    assert await world.store.unfolded(tomorrow) is None
    assert await world.counts(today) == after


async def test_today_is_not_folded(world: World) -> None:
    made = await world.hub.created()
    await world.mark(made.created_at)
    await world.rollups.turn(made.created_at)
    assert sum((await world.counts(floor(made.created_at, Bucket.DAY))).values()) == 1
    assert await world.days() == []


async def test_an_hour_that_was_emptied_counts_no_more(world: World) -> None:
    early, late = SUNDAY + HOUR, SUNDAY + 2 * HOUR
    await made_at(world, early, late)
    await world.mark(early, late)
    await world.rollups.turn(NOW)
    assert await world.counts(SUNDAY) == {(1, "pending"): 1, (2, "pending"): 1}
    for gone, left in ((early, {(2, "pending"): 1}), (late, {})):
        await world.hub.rows.delete_one({"_id": first_id_at(gone)})
        await world.mark(gone)
        await world.count()
        assert await world.counts(SUNDAY) == left
        await world.rollups.turn(NOW)
        assert await world.counts(SUNDAY) == left
    assert await world.days() == []


async def test_folding_again_changes_nothing(world: World) -> None:
    await made_at(world, SUNDAY + HOUR)
    await world.mark(SUNDAY + HOUR)
    await world.rollups.turn(NOW)
    counted = await world.counts(SUNDAY)
    ids = {row["_id"] for row in await world.days()}
    for _ in range(2):
        await world.store.fold(UnfoldedDay(ME.tenant, SUNDAY))
        assert await world.counts(SUNDAY) == counted
    assert {row["_id"] for row in await world.days()} == ids


class _Meanwhile(monitoring.CommandListener):
    """Counts an hour again, as another process would, right before its roll-ups are told that their day holds them."""

    def __init__(self, url: str, database: str) -> None:
        self._url = url
        self._database = database
        self.hours: list[datetime] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name == "update" and event.command["update"] == "rollups" and self.hours:
            counted = {"$set": {"total": 5, "stamp": new_id()}}
            with MongoClient[Cell](self._url, uuidRepresentation="standard") as client:
                client[self._database].rollups.update_one({"hour": self.hours.pop()}, counted)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@pytest.fixture
def meanwhile(mongo_url: str, database: str) -> Iterator[_Meanwhile]:
    listener = _Meanwhile(mongo_url, database)
    monitoring.register(listener)
    yield listener
    monitoring._LISTENERS.command_listeners.remove(listener)


async def test_an_hour_that_is_counted_while_its_day_is_folded_is_not_taken_for_part_of_it(
    meanwhile: _Meanwhile, world: World
) -> None:
    early, late = SUNDAY + HOUR, SUNDAY + 2 * HOUR
    await made_at(world, early, late)
    await world.mark(early, late)
    await world.count()
    meanwhile.hours = [late]
    await world.store.fold(UnfoldedDay(ME.tenant, SUNDAY))
    assert meanwhile.hours == []
    assert await world.store.unfolded(NOW) == UnfoldedDay(ME.tenant, SUNDAY)
    assert await world.counts(SUNDAY) == {(1, "pending"): 1, (2, "pending"): 5}


# ------------------------------------------------------------------------------------------------- what an answer costs
class _Asked(monitoring.CommandListener):
    """Notes the commands that read roll-ups."""

    def __init__(self) -> None:
        self.commands: list[Cell] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("find", "aggregate", "getMore", "distinct"):
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@pytest.fixture
def asked() -> Iterator[_Asked]:
    listener = _Asked()
    monitoring.register(listener)
    yield listener
    monitoring._LISTENERS.command_listeners.remove(listener)


KINDS = [("email", None, Status.SENT), ("email", "a", Status.FAILED), ("sms", None, Status.SENT)]


async def test_an_answer_reads_a_document_a_day_not_an_hour(asked: _Asked, mongo_url: str, database: str) -> None:
    async with assembled(mongo_url, database, running="") as hub:
        store = StatisticsStore()
        await write_quarter(Rollups(store, hub.leases, timedelta(days=90)), store)
        for bucket, start, end, documents in (
            # Whole days have one for each kind; of the day that is not over each hour has, and is looked for first.
            (Bucket.DAY, NOW - 90 * DAY, NOW, 90 + 2 * 23),
            (Bucket.HOUR, NOW - 999 * HOUR, NOW, 40 + 17 + 2 * 23),
            # Ragged at both ends, with no day that is not over.
            (Bucket.HOUR, SUNDAY - 41 * DAY + HOUR, SUNDAY - HOUR, 39 + 23 + 23),
            (Bucket.HOUR, NOW - 24 * HOUR, NOW, 25),
        ):
            asked.commands.clear()
            assert (await StatisticsService(store).get(ME, start=start, end=end, bucket=bucket)).rows
            examined = 0
            for command in [one for one in asked.commands if "getMore" not in one]:
                summary, *stages = await explained(hub.rows, command)
                assert not {stage["stage"] for stage in stages} & {"COLLSCAN", "SORT"}
                examined += summary["totalDocsExamined"]
            assert examined == documents * len(KINDS)


async def write_quarter(rollups: Rollups, store: StatisticsStore) -> None:
    """Three months and today, of two tenants."""
    random, today = Random(1), floor(NOW, Bucket.DAY)
    hours = [today + number * HOUR for number in range(-91 * 24, 23)]
    for tenant in (ME.tenant, OTHER.tenant):
        cells = [cell(hour, *kind, random, tenant) for hour in hours for kind in KINDS]
        await RollupDocument.get_pymongo_collection().insert_many(cells)
    while await store.unfolded(today):
        await rollups.turn(NOW)
