"""Roll-ups as rows: notifications counted into those of an hour, these folded into those of a day, and both added up."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hub.domain.statistics import STEP, Bucket, floor
from hub.domain.status import Status
from hub.store.client import Row

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_HOURS = 24

_Key = tuple[str, str | None, str]
"""What makes a cell: type, category, status."""


@dataclass(slots=True)
class Cell:
    """What a range holds of one type, category and status."""

    type: str
    category: str | None
    status: Status
    counts: dict[datetime, int] = field(default_factory=dict)
    """How many, by the beginning of their bucket; none is zero."""
    attempts: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    """Times to delivery: how many in each step of the scale."""


class Cells:
    """Roll-ups of hours and days added up, cell by cell. Loops over thousands of rows: no object is made for any."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._cells: dict[_Key, Cell] = {}
        self._latencies: dict[_Key, dict[str, int]] = {}
        self._beginnings: dict[datetime, list[datetime]] = {}

    def add_hour(self, row: Row) -> None:
        """Adds the roll-up of an hour."""
        counts, start = self._add(row), floor(row["hour"], self._bucket)
        counts[start] = counts.get(start, 0) + row["total"]

    def add_day(self, row: Row) -> None:
        """Adds the roll-up of a day."""
        counts, day, hours = self._add(row), row["day"].astimezone(UTC), row["hours"]
        if self._bucket is Bucket.DAY:
            counts[day] = counts.get(day, 0) + sum(hours)
            return
        if day not in self._beginnings:
            self._beginnings[day] = [day + hour * HOUR for hour in range(_HOURS)]
        for start, count in zip(self._beginnings[day], hours, strict=True):
            if count:
                counts[start] = count

    def _add(self, row: Row) -> dict[datetime, int]:
        """Adds all but the counts; returns those of the cell."""
        key = (row["type"], row["category"], row["status"])
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = Cell(key[0], key[1], Status(key[2]))
            self._latencies[key] = {}
        cell.attempts += row["attempts"]
        _add_to(self._latencies[key], row["latencies"])
        return cell.counts

    def all(self) -> list[Cell]:
        """Every cell that anything was added to."""
        for key, cell in self._cells.items():
            cell.latencies = {int(step): count for step, count in self._latencies[key].items()}
        return list(self._cells.values())


def counting(query: Row) -> list[Row]:
    """The aggregation that counts notifications by cell and step of the time to delivery."""
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


def hour_rows(tenant: str, hour: datetime, counted: Iterable[Row], stamp: UUID) -> list[Row]:
    """The roll-ups of an hour from what `counting` found."""
    rows: dict[_Key, Row] = {}
    for group in counted:
        about = group["_id"]
        key = (about["type"], about.get("category"), about["status"])
        if key not in rows:
            what = {"tenant": tenant, "hour": hour, "stamp": stamp}
            rows[key] = _row(what, tenant, hour.isoformat(), key) | {"total": 0, "attempts": 0, "latencies": {}}
        row = rows[key]
        row["total"] += group["count"]
        row["attempts"] += group["attempts"]
        if about.get("step") is not None:
            row["latencies"][str(int(about["step"]))] = group["count"]
    return list(rows.values())


def day_rows(tenant: str, day: datetime, hours: Iterable[Row], stamp: UUID) -> list[Row]:
    """The roll-ups of a day from all those of its hours."""
    rows: dict[_Key, Row] = {}
    for hour in hours:
        key = (hour["type"], hour["category"], hour["status"])
        if key not in rows:
            what = {"tenant": tenant, "day": day, "stamp": stamp}
            empty: Row = {"hours": [0] * _HOURS, "attempts": 0, "latencies": {}}
            rows[key] = _row(what, tenant, day.date().isoformat(), key) | empty
        row = rows[key]
        row["hours"][hour["hour"].hour] += hour["total"]
        row["attempts"] += hour["attempts"]
        _add_to(row["latencies"], hour["latencies"])
    return list(rows.values())


def _row(what: Row, tenant: str, when: str, key: _Key) -> Row:
    """What a roll-up is about, under an id made of it: the same again writes the same row."""
    type_, category, status = key
    about = "\0".join([tenant, when, type_, str(category), status])
    if category is None:
        about += "\0none"
    identifier = hashlib.sha256(about.encode()).digest()
    return {"_id": identifier, **what, "type": type_, "category": category, "status": status}


def _add_to(latencies: dict[str, int], more: Mapping[str, int]) -> None:
    for step, count in more.items():
        latencies[step] = latencies.get(step, 0) + count
