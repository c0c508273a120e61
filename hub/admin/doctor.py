"""Examines the store of a running or stopped installation: `python -m hub doctor`. Read-only unless told to repair."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TextIO
from uuid import UUID

from hub.admin.progress import Progress
from hub.admin.report import Report, first
from hub.core.health import ALIVE_WITHIN
from hub.core.notifications import REPORTED
from hub.domain.findings import Code, Found
from hub.domain.notifications import Fault
from hub.domain.status import Status
from hub.settings import Settings
from hub.store.embedded import embedded_mongod
from hub.store.examination.indexes import examined_indexes
from hub.store.examination.opening import ExaminationError, Opened, opened
from hub.store.examination.processes import AtWork, at_work
from hub.store.examination.reservations import Reservations
from hub.store.examination.statistics import RollupExamination, found, judged
from hub.store.examination.walk import Kind, Terms, Walk
from hub.store.outbox import EXPIRED

OVERDUE_AFTER = timedelta(minutes=5)
"""`due` lies in the past for a few sweep intervals at any time, and longer while a process restarts."""
SWEEPS_BEFORE_OVERDUE = 20
RESERVED_AFTER = timedelta(hours=1)
"""No create takes as long, whatever its caller's deadline."""
_SAMPLE = 100
"""How many overdue ones of each type are watched, to see whether they move."""
_REASONS: dict[Status, Fault] = {
    Status.FAILED: Fault("UNKNOWN", "The reason is not on record."),
    Status.EXPIRED: EXPIRED,
    Status.CANCELLED: REPORTED[Status.CANCELLED],
}


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for, and for how long to watch what may be moving."""

    repair: bool = False
    examples: int = 5
    watch: timedelta = timedelta(seconds=10)
    patience: timedelta = timedelta(seconds=30)
    """Before statistics are looked at again: longer than a process keeps in mind what has to be counted."""


async def examine(settings: Settings, options: Options, report: Report, progress_to: TextIO) -> None:
    """The whole examination, into `report`. ExaminationError if it can't be made, or not to the end."""
    progress = Progress(progress_to)
    async with _url(settings) as url, opened(url, settings.mongo.database, settings.mongo.timeout) as store:
        try:
            await _Doctor(settings, options, store, report, progress).examine()
            report.complete = True
        finally:
            progress.end()


@asynccontextmanager
async def _url(settings: Settings) -> AsyncIterator[str]:
    if settings.mongo.url is not None:
        yield settings.mongo.url.get_secret_value()
        return
    if not (settings.data_dir / "mongod").is_dir():
        msg = f"there is no store in {settings.data_dir}: set HUB_DATA_DIR or HUB_MONGO__URL"
        raise ExaminationError(msg)
    async with embedded_mongod(settings.data_dir) as url:
        yield url


class _Doctor:
    """One examination, step by step."""

    def __init__(self, settings: Settings, options: Options, store: Opened, report: Report, progress: Progress) -> None:
        self._settings = settings
        self._options = options
        self._store = store
        self._progress = progress
        self._report = report
        self._walk = Walk(self._terms())
        self._rollups = RollupExamination(store.now, settings.retention.countable, settings.retention.rollups)
        self._late: defaultdict[Kind, list[UUID]] = defaultdict(list)
        self._late_count: defaultdict[Kind, int] = defaultdict(int)

    async def examine(self) -> None:
        """Looks at everything there is to look at."""
        self._report.add(*await examined_indexes(self._settings.retention.rollups))
        await self._notifications()
        await self._keys()
        await self._overdue()
        await self._statistics()

    def _terms(self) -> Terms:
        pipeline = self._settings.pipeline
        return Terms(
            now=self._store.now,
            lease=pipeline.lease,
            settled_retention=self._settings.retention.settled,
            overdue_after=max(OVERDUE_AFTER, SWEEPS_BEFORE_OVERDUE * pipeline.sweep_interval),
            reasons=_REASONS,
            examples=self._options.examples,
            repair=self._options.repair,
        )

    async def _notifications(self) -> None:
        self._progress.begin("notifications", self._store.notifications)
        self._report.count("notifications", 0)
        async for step in self._walk.steps():
            self._report.count("notifications", step.scanned)
            self._report.add(*step.found)
            for late in step.overdue:
                self._late_count[late.kind] += len(late.ids)
                self._late[late.kind] += late.ids[: _SAMPLE - len(self._late[late.kind])]
            await self._rollups.add(step.first, step.last)
            self._progress.advance(step.scanned)
        self._report.add(await self._walk.strangers())

    async def _keys(self) -> None:
        self._progress.begin("idempotency keys", self._store.keys)
        self._report.count("idempotency keys", 0)
        now = self._store.now
        async for step in Reservations(now, now - RESERVED_AFTER, self._options.examples).steps():
            self._report.count("idempotency keys", step.scanned)
            self._report.add(*step.found)
            self._progress.advance(step.scanned)

    async def _overdue(self) -> None:
        """Tells apart why: nobody there, more than can be done, or nothing moving."""
        if not self._late:
            return
        working = await at_work(ALIVE_WITHIN)
        moving = await self._moving() if working.relays else set()
        for kind, ids in self._late.items():
            code = _cause(kind, working, moves=kind in moving)
            self._report.add(Found(code, self._late_count[kind], first(ids, self._options.examples)))

    async def _moving(self) -> set[Kind]:
        """The kinds of which at least one went on since it was found, or while it was watched."""
        before = {kind: await self._walk.still_late(ids) for kind, ids in self._late.items()}
        self._progress.say(f"watching for {self._options.watch.total_seconds():.0f} s whether what is overdue moves")
        await asyncio.sleep(self._options.watch.total_seconds())
        after = {kind: await self._walk.still_late(ids) for kind, ids in self._late.items()}
        return {kind for kind, ids in self._late.items() if len(before[kind]) < len(ids) or after[kind] != before[kind]}

    async def _statistics(self) -> None:
        """Looks twice at what does not agree: where the hub works, much is about to be counted again."""
        rollups = self._rollups
        await rollups.compare()
        self._progress.begin("days of statistics")
        async for count in rollups.days():
            self._progress.advance(count)
        hours, days = await rollups.closer(), await rollups.closer_days()
        if not hours and not days:
            return
        self._progress.say(f"looking at the statistics again in {self._options.patience.total_seconds():.0f} s")
        await asyncio.sleep(self._options.patience.total_seconds())
        findings = judged(hours, await rollups.closer(), Code.ROLLUP_DISAGREES)
        findings |= judged(days, await rollups.closer_days(), Code.DAY_ROLLUP_DISAGREES)
        repairs = {Code.ROLLUP_DISAGREES: rollups.count_again, Code.DAY_ROLLUP_DISAGREES: rollups.add_up_again}
        for code, spans in findings.items():
            repaired = await repairs[code](spans) if self._options.repair and code in repairs else 0
            self._report.add(found(code, spans, self._options.examples, repaired))


def _cause(kind: Kind, working: AtWork, *, moves: bool) -> Code:
    if not working.relays:
        return Code.OVERDUE_NO_RELAY
    if kind.waits and kind.type not in working.channels:
        return Code.OVERDUE_NO_WORKER
    if moves:
        return Code.OVERDUE_BACKLOG
    return Code.OVERDUE_NO_BROKER if kind.waits and working.broker_away else Code.OVERDUE_NOT_MOVING
