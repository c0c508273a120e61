"""Roll-ups: counted from the documents for hours that changed, so that counting again is harmless."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pymongo import ReplaceOne, UpdateOne

from hub.domain.ids import first_id_at, new_id
from hub.domain.statistics import STEP, StatisticsQuery
from hub.domain.status import Status
from hub.store.client import Row, Rows, translated
from hub.store.documents import DirtyHourDocument, NotificationDocument, RollupDocument
from hub.store.updates import NOW

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DirtyHour:
    """An hour to be counted again, and when that was asked for."""

    tenant: str
    hour: datetime
    marked_at: datetime


@dataclass(frozen=True, slots=True)
class Rollup:
    """One hour's count of one type, category and status."""

    hour: datetime
    type: str
    category: str | None
    status: Status
    count: int
    attempts: int
    latencies: dict[int, int] = field(default_factory=dict)


class StatisticsStore:
    """Marks, counts and reads hours."""

    def __init__(self) -> None:
        self._notifications: Rows = NotificationDocument.get_pymongo_collection()
        self._dirty: Rows = DirtyHourDocument.get_pymongo_collection()
        self._rollups: Rows = RollupDocument.get_pymongo_collection()

    async def mark(self, hours: Iterable[tuple[str, datetime]]) -> None:
        """Asks for these hours to be counted again."""
        writes = [
            UpdateOne(
                {"_id": f"{tenant}/{hour:%Y%m%d%H}"},
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
            await self._dirty.delete_one({"tenant": dirty.tenant, "hour": dirty.hour, "marked_at": dirty.marked_at})

    async def count(self, dirty: DirtyHour) -> None:
        """Counts an hour anew; what was marked again meanwhile stays marked."""
        stamp = new_id()
        query: Row = {
            "tenant": dirty.tenant,
            "_id": {"$gte": first_id_at(dirty.hour), "$lt": first_id_at(dirty.hour + _HOUR)},
            "deleted_at": None,
        }
        with translated():
            cells = await (await self._notifications.aggregate(_counting(query), hint="tenant_list")).to_list()
            rows = [_rollup_row(dirty, group, stamp) for group in _folded(cells).values()]
            if rows:
                await self._rollups.bulk_write([ReplaceOne({"_id": r["_id"]}, r, upsert=True) for r in rows])
            stale = {"tenant": dirty.tenant, "hour": dirty.hour, "stamp": {"$ne": stamp}}
            await self._rollups.delete_many(stale)
        await self.forget(dirty)

    async def read(self, tenant: str, query: StatisticsQuery) -> list[Rollup]:
        """The roll-ups of a range."""
        selection: Row = {"tenant": tenant, "hour": {"$gte": query.start, "$lt": query.end}}
        for name in ("type", "category", "status"):
            if getattr(query, name) is not None:
                selection[name] = str(getattr(query, name))
        with translated():
            return [_to_rollup(row) async for row in self._rollups.find(selection).hint("hours")]


def _counting(query: Row) -> list[Row]:
    arrived = {"$ifNull": ["$delivered_at", "$sent_at"]}
    began = {"$max": ["$created_at", "$scheduled_at"]}
    took = {"$max": [{"$subtract": [arrived, began]}, 1]}
    step = {"$floor": {"$divide": [{"$ln": took}, math.log(STEP)]}}
    return [
        {"$match": query},
        {
            "$group": {
                "_id": {
                    "type": "$type",
                    "category": "$category",
                    "status": "$status",
                    "step": {"$cond": [{"$eq": [arrived, None]}, None, step]},
                },
                "count": {"$sum": 1},
                "attempts": {"$sum": "$attempt_count"},
            }
        },
    ]


def _folded(cells: list[Row]) -> dict[tuple[str, str | None, str], Row]:
    groups: dict[tuple[str, str | None, str], Row] = {}
    for cell in cells:
        about = cell["_id"]
        key = (about["type"], about.get("category"), about["status"])
        group = groups.setdefault(
            key, {"type": key[0], "category": key[1], "status": key[2], "total": 0, "attempts": 0, "latencies": {}}
        )
        group["total"] += cell["count"]
        group["attempts"] += cell["attempts"]
        if about.get("step") is not None:
            group["latencies"][str(int(about["step"]))] = cell["count"]
    return groups


def _rollup_row(dirty: DirtyHour, group: Row, stamp: object) -> Row:
    about = "\0".join([dirty.tenant, dirty.hour.isoformat(), group["type"], str(group["category"]), group["status"]])
    if group["category"] is None:
        about += "\0none"
    identifier = hashlib.sha256(about.encode()).digest()
    return {"_id": identifier, "tenant": dirty.tenant, "hour": dirty.hour, "stamp": stamp, **group}


def _to_rollup(row: Row) -> Rollup:
    return Rollup(
        hour=row["hour"].astimezone(UTC),
        type=row["type"],
        category=row["category"],
        status=Status(row["status"]),
        count=row["total"],
        attempts=row["attempts"],
        latencies={int(step): count for step, count in row["latencies"].items()},
    )
