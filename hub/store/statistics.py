"""Roll-ups: counted from the documents for hours that changed, folded by days that are over, and read.

An hour is always counted from its notifications, a day always folded from all its hours: doing either again is harmless.
Each roll-up of an hour says whether its day holds it as it is. A day of which any does not is read by its hours: one that
has not been folded yet, was counted again since, or was counted by a version that knows nothing of days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pymongo import ReplaceOne, UpdateMany, UpdateOne

from hub.domain.ids import first_id_at, new_id
from hub.domain.statistics import Bucket, StatisticsQuery, floor
from hub.store.client import Row, Rows, translated
from hub.store.documents import NotificationDocument
from hub.store.rollup_documents import DayRollupDocument, DirtyHourDocument, RollupDocument
from hub.store.rollups import DAY, HOUR, Cell, Cells, counting, day_rows, hour_rows
from hub.store.updates import NOW

_READ = ("type", "category", "status", "attempts", "latencies")
_OF_HOURS = dict.fromkeys((*_READ, "hour", "total"), 1) | {"_id": 0}
_OF_DAYS = dict.fromkeys((*_READ, "day", "hours"), 1) | {"_id": 0}


@dataclass(frozen=True, slots=True)
class DirtyHour:
    """An hour to be counted again, and when that was asked for."""

    tenant: str
    hour: datetime
    marked_at: datetime


@dataclass(frozen=True, slots=True)
class UnfoldedDay:
    """A day, by its beginning, that does not hold all its hours as they are."""

    tenant: str
    day: datetime


class StatisticsStore:
    """Marks, counts, folds and reads."""

    def __init__(self) -> None:
        self._notifications: Rows = NotificationDocument.get_pymongo_collection()
        self._dirty: Rows = DirtyHourDocument.get_pymongo_collection()
        self._hours: Rows = RollupDocument.get_pymongo_collection()
        self._days: Rows = DayRollupDocument.get_pymongo_collection()

    async def mark(self, hours: Iterable[tuple[str, datetime]]) -> None:
        """Asks for these hours to be counted again."""
        writes = [
            UpdateOne(
                {"_id": _hour_id(tenant, hour)},
                [{"$set": {"tenant": tenant, "hour": hour, "marked_at": NOW}}],
                upsert=True,
            )
            for tenant, hour in hours
        ]
        if writes:
            with translated():
                await self._dirty.bulk_write(writes, ordered=False)

    async def dirty(self, limit: int) -> list[DirtyHour]:
        """Hours that wait to be counted."""
        with translated():
            return [
                DirtyHour(row["tenant"], row["hour"], row["marked_at"]) async for row in self._dirty.find().limit(limit)
            ]

    async def tenants(self) -> list[str]:
        """Every tenant that has notifications."""
        with translated():
            return list(await self._notifications.distinct("tenant"))

    async def forget(self, dirty: DirtyHour) -> None:
        """Lets an hour be as it is: its notifications may be gone already, its count must stay."""
        with translated():
            hour_id = _hour_id(dirty.tenant, dirty.hour)
            await self._dirty.delete_one({"_id": hour_id, "marked_at": dirty.marked_at})

    async def count(self, dirty: DirtyHour) -> None:
        """Counts an hour anew; what was marked again meanwhile stays marked."""
        stamp = new_id()
        query: Row = {
            "tenant": dirty.tenant,
            "_id": {"$gte": first_id_at(dirty.hour), "$lt": first_id_at(dirty.hour + HOUR)},
            "deleted_at": None,
        }
        with translated():
            counted = await (await self._notifications.aggregate(counting(query), hint="tenant_list")).to_list()
            rows = hour_rows(dirty.tenant, dirty.hour, counted, stamp)
            await _replace(self._hours, {"tenant": dirty.tenant, "hour": dirty.hour}, rows, stamp)
            if not rows:
                await self._emptied(dirty.tenant, dirty.hour)
        await self.forget(dirty)

    async def _emptied(self, tenant: str, hour: datetime) -> None:
        """Where nothing is left in an hour, no row can say that its day counts something there."""
        day = floor(hour, Bucket.DAY)
        if await self._days.find_one({"tenant": tenant, "day": day, f"hours.{hour.hour}": {"$gt": 0}}, hint="days"):
            await self.unfold(UnfoldedDay(tenant, day))

    async def unfold(self, unfolded: UnfoldedDay) -> None:
        """Gives up what a day holds: it is read by its hours until it is folded anew."""
        tenant, day = unfolded.tenant, unfolded.day
        with translated():
            # In this order: a day without any hours is read by what is deleted last.
            await self._hours.update_many(_hours_of(tenant, day), {"$unset": {"folded": ""}})
            await self._days.delete_many({"tenant": tenant, "day": day})

    async def unfolded(self, before: datetime) -> UnfoldedDay | None:
        """The latest day before this one that waits to be folded."""
        query = {"folded": None, "hour": {"$lt": before}}
        with translated():
            row = await self._hours.find_one(query, {"tenant": 1, "hour": 1}, sort=[("hour", -1)], hint="unfolded")
        return None if row is None else UnfoldedDay(row["tenant"], floor(row["hour"], Bucket.DAY))

    async def fold(self, unfolded: UnfoldedDay) -> None:
        """Folds a day anew from all its hours; one that is counted again meanwhile stays unfolded."""
        tenant, day, stamp = unfolded.tenant, unfolded.day, new_id()
        with translated():
            hours = await self._hours.find(_hours_of(tenant, day), hint="hours").to_list()
            await _replace(self._days, {"tenant": tenant, "day": day}, day_rows(tenant, day, hours, stamp), stamp)
            # As they were read: whatever has another stamp by now is not in the day.
            read: defaultdict[UUID, list[bytes]] = defaultdict(list)
            for row in hours:
                read[row["stamp"]].append(row["_id"])
            held = {"$set": {"folded": True}}
            await self._hours.bulk_write(
                [UpdateMany({"_id": {"$in": ids}, "stamp": seen}, held) for seen, ids in read.items()], ordered=False
            )

    async def read(self, tenant: str, query: StatisticsQuery) -> list[Cell]:
        """What a range holds, cell by cell: from roll-ups of days where it has whole ones, else from those of hours."""
        selection: Row = {"tenant": tenant}
        for name in ("type", "category", "status"):
            if getattr(query, name) is not None:
                selection[name] = str(getattr(query, name))
        cells = Cells(query.bucket)
        with translated():
            days = await self._folded(tenant, query)
            hours = [hour for hour in _steps(query.start, query.end, HOUR) if floor(hour, Bucket.DAY) not in days]
            for row in await self._days.find({**selection, "day": {"$in": [*days]}}, _OF_DAYS, hint="days").to_list():
                cells.add_day(row)
            for row in await self._hours.find({**selection, "hour": {"$in": hours}}, _OF_HOURS, hint="hours").to_list():
                cells.add_hour(row)
        return cells.all()

    async def _folded(self, tenant: str, query: StatisticsQuery) -> set[datetime]:
        """The whole days of a range that hold all their hours as they are, or have none."""
        first = floor(query.start + DAY - HOUR, Bucket.DAY)
        whole = set(_steps(first, floor(query.end, Bucket.DAY), DAY))
        if not whole:
            return whole
        stages: list[Row] = [
            {"$match": {"folded": None, "hour": {"$gte": first, "$lt": query.end}, "tenant": tenant}},
            {"$group": {"_id": {"$dateTrunc": {"date": "$hour", "unit": "day"}}}},
        ]
        unfolded = await (await self._hours.aggregate(stages, hint="unfolded")).to_list()
        return whole - {row["_id"].astimezone(UTC) for row in unfolded}


def _hour_id(tenant: str, hour: datetime) -> str:
    return f"{tenant}/{hour:%Y%m%d%H}"


async def _replace(into: Rows, about: Row, rows: list[Row], stamp: UUID) -> None:
    """Makes these rows all there are about an hour or a day."""
    if rows:
        await into.bulk_write([ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows])
    await into.delete_many({**about, "stamp": {"$ne": stamp}})


def _hours_of(tenant: str, day: datetime) -> Row:
    return {"tenant": tenant, "hour": {"$gte": day, "$lt": day + DAY}}


def _steps(start: datetime, end: datetime, width: timedelta) -> list[datetime]:
    """The beginnings of the hours or days of a range."""
    return [start + number * width for number in range(max(0, (end - start) // width))]
