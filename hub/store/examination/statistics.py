"""The statistics' roll-ups: whether those of hours agree with the notifications, and those of days with their hours.

An installation that works changes both all the time, and notes what has to be counted again in memory for a few seconds.
So a first look raises doubts alone. A doubt is a finding if it is the same at two closer looks half a minute apart, with
the hour not marked to be counted again.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pymongo.errors import OperationFailure

from hub.domain.findings import Code, Found
from hub.domain.ids import first_id_at, time_of
from hub.domain.statistics import Bucket, floor
from hub.store.client import Rows, store_deadline, translated, with_majority
from hub.store.documents import NotificationDocument
from hub.store.examination.walk import STEP_SECONDS
from hub.store.mapping import Row
from hub.store.rollup_documents import DayRollupDocument, RollupDocument
from hub.store.rollups import DAY, HOUR, counting, day_rows, hour_rows
from hub.store.statistics import StatisticsStore

MOST_DOUBTS = 10_000
"""Of each kind; a later run finds what is beyond."""
_TENANTS_AT_ONCE = 200
_NEVER_PURGED = timedelta(hours=24)
"""Nothing as young is ever gone: every retention is longer."""
_NO_STAMP = UUID(int=0)

_Cells = dict[tuple[str, ...], tuple[int, int, int]]
"""Type, category, status: how many, their attempts, how many have arrived."""
_Hours = defaultdict[tuple[str, datetime], _Cells]
"""By tenant and hour."""


@dataclass(frozen=True, slots=True)
class Span:
    """An hour or a day of a tenant."""

    tenant: str
    start: datetime

    def __str__(self) -> str:
        return f"{self.tenant}/{self.start:%Y-%m-%dT%H:%MZ}"


@dataclass(frozen=True, slots=True)
class Look:
    """What a closer look at a span saw."""

    agrees: bool
    seen: bytes
    """A digest: the same again if nothing was written meanwhile."""
    beyond: bool = False
    """Whether more was counted than there still is, so that counting again would lose something."""


class RollupExamination:
    """Fed with the ranges of a walk; then asked what to make of its doubts."""

    def __init__(self, now: datetime, countable: timedelta, kept: timedelta | None) -> None:
        """`countable` is how old an hour may be to be counted again, `kept` how long roll-ups stay (None: for ever)."""
        self._now = now
        # Hours at the end of their retention are about to go, and are not counted again.
        self._oldest = floor(now - countable + HOUR, Bucket.HOUR) + HOUR
        # Of a day that has begun to go, some hours are there no more.
        self._whole_since = None if kept is None else now - kept + HOUR
        self._notifications: Rows = with_majority(NotificationDocument.get_pymongo_collection())
        self._hours: Rows = with_majority(RollupDocument.get_pymongo_collection())
        self._days: Rows = with_majority(DayRollupDocument.get_pymongo_collection())
        self._statistics = StatisticsStore()
        self._counted: defaultdict[datetime, _Hours] = defaultdict(lambda: defaultdict(dict))
        self.doubtful_hours: list[Span] = []
        self.doubtful_days: list[Span] = []

    async def add(self, first: UUID, last: UUID) -> None:
        """Counts a range of notifications; days that are over with it are compared."""
        with store_deadline(STEP_SECONDS), translated():
            async for row in await self._notifications.aggregate(_first_look(first, last)):
                about = row["_id"]
                hour = floor(about["hour"] or time_of(first), Bucket.HOUR)
                if hour >= self._oldest:
                    _add(self._counted[floor(hour, Bucket.DAY)][str(about.get("tenant")), hour], row)
        await self.compare(floor(time_of(last), Bucket.DAY))

    async def compare(self, before: datetime | None = None) -> None:
        """Compares the days that were counted, or those before one, with their roll-ups."""
        for day in sorted(day for day in self._counted if before is None or day < before):
            counted = self._counted.pop(day)
            tenants = sorted({tenant for tenant, _ in counted})
            for start in range(0, len(tenants), _TENANTS_AT_ONCE):
                some = tenants[start : start + _TENANTS_AT_ONCE]
                stored = await self._stored(some, day)
                mine = {about: cells for about, cells in counted.items() if about[0] in set(some)}
                doubtful = [
                    about for about in mine.keys() | stored.keys() if mine.get(about, {}) != stored.get(about, {})
                ]
                self.doubtful_hours += [Span(*about) for about in doubtful[: MOST_DOUBTS - len(self.doubtful_hours)]]

    async def _stored(self, tenants: list[str], day: datetime) -> _Hours:
        query: Row = {"tenant": {"$in": tenants}, "hour": {"$gte": max(day, self._oldest), "$lt": day + DAY}}
        stored: _Hours = defaultdict(dict)
        with store_deadline(STEP_SECONDS), translated():
            async for row in self._hours.find(query):
                cell = (row["total"], row["attempts"], sum(row["latencies"].values()))
                stored[row["tenant"], floor(row["hour"], Bucket.HOUR)][_key(row)] = cell
        return stored

    async def days(self) -> AsyncIterator[int]:
        """Compares the days that hold all their hours with these, one after the other; yields 1 for each."""
        place = Span("", self._now - timedelta(days=36_500))
        while True:
            with store_deadline(STEP_SECONDS), translated():
                later: Row = {"tenant": place.tenant, "hour": {"$gte": place.start + DAY}}
                query: Row = {"$or": [later, {"tenant": {"$gt": place.tenant}}]}
                row = await self._hours.find_one(query, {"tenant": 1, "hour": 1}, sort=[("tenant", 1), ("hour", 1)])
                if row is None:
                    return
                place = Span(row["tenant"], floor(row["hour"], Bucket.DAY))
                look = await self._look_at_day(place)
            if not look.agrees and len(self.doubtful_days) < MOST_DOUBTS:
                self.doubtful_days.append(place)
            yield 1

    async def closer(self) -> dict[Span, Look]:
        """A closer look at all doubtful hours; those that agree, or wait to be counted again, are doubtful no more."""
        waiting = await self._waiting()
        looks = {span: await self._look_at_hour(span) for span in self.doubtful_hours if span not in waiting}
        # Once more: its counting may have been under way in between.
        waiting = await self._waiting()
        return {span: look for span, look in looks.items() if not look.agrees and span not in waiting}

    async def closer_days(self) -> dict[Span, Look]:
        """The same for days."""
        with store_deadline(STEP_SECONDS), translated():
            looks = {span: await self._look_at_day(span) for span in self.doubtful_days}
        return {span: look for span, look in looks.items() if not look.agrees}

    async def _waiting(self) -> set[Span]:
        dirty = await self._statistics.dirty(MOST_DOUBTS)
        if len(dirty) >= MOST_DOUBTS:
            # What is not among them may wait all the same.
            return set(self.doubtful_hours)
        return {Span(each.tenant, floor(each.hour, Bucket.HOUR)) for each in dirty}

    async def _look_at_hour(self, span: Span) -> Look:
        ids = {"$gte": first_id_at(span.start), "$lt": first_id_at(span.start + HOUR)}
        everything: Row = {"tenant": span.tenant, "_id": ids}
        with store_deadline(STEP_SECONDS), translated():
            try:
                counted = await (
                    await self._notifications.aggregate(counting({**everything, "deleted_at": None}))
                ).to_list()
            except OperationFailure:
                # One that can't be read can't be counted either; it is a finding of its own.
                return Look(agrees=True, seen=b"")
            present = await self._notifications.count_documents(everything)
            stored = await self._hours.find({"tenant": span.tenant, "hour": span.start}).to_list()
        wanted = hour_rows(span.tenant, span.start, counted, _NO_STAMP)
        total = sum(row["total"] for row in stored)
        young = self._now - span.start < _NEVER_PURGED
        return Look(
            agrees=_essence(wanted) == _essence(stored),
            seen=_digest(wanted, stored),
            beyond=total > present and not young,
        )

    async def _look_at_day(self, span: Span) -> Look:
        of_hours: Row = {"tenant": span.tenant, "hour": {"$gte": span.start, "$lt": span.start + DAY}}
        hours = await self._hours.find(of_hours).sort("_id", 1).to_list()
        going = self._whole_since is not None and span.start < self._whole_since
        if going or not all(row.get("folded") for row in hours):
            return Look(agrees=True, seen=b"")
        stored = await self._days.find({"tenant": span.tenant, "day": span.start}).to_list()
        wanted = day_rows(span.tenant, span.start, hours, _NO_STAMP)
        return Look(agrees=_essence(wanted) == _essence(stored), seen=_digest(hours, stored))

    async def count_again(self, spans: Iterable[Span]) -> int:
        """Marks hours to be counted anew; how many."""
        hours = [(span.tenant, span.start) for span in spans]
        await self._statistics.mark(hours)
        return len(hours)

    async def add_up_again(self, spans: Iterable[Span]) -> int:
        """Has days folded anew: until then they are read by their hours. How many."""
        rows: Rows = RollupDocument.get_pymongo_collection()
        count = 0
        for span in spans:
            hours: Row = {"tenant": span.tenant, "hour": {"$gte": span.start, "$lt": span.start + DAY}}
            with store_deadline(STEP_SECONDS), translated():
                await rows.update_many(hours, {"$unset": {"folded": ""}})
            count += 1
        return count


def judged(before: dict[Span, Look], after: dict[Span, Look], code: Code) -> dict[Code, list[Span]]:
    """What both looks saw in the same way, by its code."""
    findings: defaultdict[Code, list[Span]] = defaultdict(list)
    for span, look in after.items():
        if span in before and before[span].seen == look.seen:
            findings[Code.ROLLUP_BEYOND_DOCUMENTS if look.beyond else code].append(span)
    return findings


def found(code: Code, spans: list[Span], examples: int, repaired: int) -> Found:
    """The finding of some spans."""
    return Found(code, len(spans), tuple(str(span) for span in spans[:examples]), repaired, len(spans) - repaired)


def _add(cells: _Cells, row: Row) -> None:
    if not row["_id"]["gone"]:
        key = _key(row["_id"])
        count, attempts, arrived = cells.get(key, (0, 0, 0))
        cells[key] = (count + row["count"], attempts + row["attempts"], arrived + row["arrived"])


def _first_look(first: UUID, last: UUID) -> list[Row]:
    gone = {"$ne": [{"$ifNull": ["$deleted_at", None]}, None]}
    arrived = {"$ne": [{"$ifNull": ["$delivered_at", "$sent_at", None]}, None]}
    is_date = {"$eq": [{"$type": "$created_at"}, "date"]}
    hour = {"$cond": [is_date, {"$dateTrunc": {"date": "$created_at", "unit": "hour"}}, None]}
    about = {name: f"${name}" for name in ("tenant", "type", "category", "status")} | {"hour": hour, "gone": gone}
    sums = {
        "count": {"$sum": 1},
        "attempts": {"$sum": "$attempt_count"},
        "arrived": {"$sum": {"$cond": [arrived, 1, 0]}},
    }
    return [{"$match": {"_id": {"$gte": first, "$lte": last}}}, {"$group": {"_id": about, **sums}}]


def _key(about: Row) -> tuple[str, ...]:
    # As texts: one that can't be read may hold anything.
    return tuple(repr(about.get(name)) for name in ("type", "category", "status"))


def _essence(rows: Iterable[Row]) -> dict[object, Row]:
    counts = ("total", "hours", "attempts", "latencies")
    return {_key(row): {name: row[name] for name in counts if name in row} for row in rows}


def _digest(*rows: Iterable[Row]) -> bytes:
    # Groups come in any order, and so do the steps of the latencies.
    texts = [sorted(json.dumps(row, sort_keys=True, default=str) for row in each) for each in rows]
    return hashlib.sha256(json.dumps(texts).encode()).digest()
