"""The use case of statistics: roll-ups become rows and one line per channel."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from hub.core import access
from hub.core.access import Operation
from hub.domain.principals import Principal
from hub.domain.statistics import (
    Bucket,
    ChannelStatistics,
    Row,
    Statistics,
    checked_query,
    percentile,
)
from hub.domain.status import SETTLED, Status
from hub.domain.times import now
from hub.store.rollups import Cell
from hub.store.statistics import StatisticsStore


class StatisticsService:
    """Reads roll-ups alone: the cost does not grow with the number of notifications."""

    def __init__(self, store: StatisticsStore) -> None:
        self._store = store

    async def get(
        self,
        principal: Principal,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        bucket: Bucket = Bucket.HOUR,
        type_: str | None = None,
        category: str | None = None,
        status: Status | None = None,
    ) -> Statistics:
        """Counts by type, category and status per bucket of `created_at`; fresh within 60 seconds."""
        access.allow(principal, Operation.STATISTICS)
        query = checked_query(
            start=start, end=end, bucket=bucket, type_=type_, category=category, status=status, now=now()
        )
        cells = await self._store.read(principal.tenant, query)
        return Statistics(query, _rows(cells), _channels(cells))


def _rows(cells: Sequence[Cell]) -> tuple[Row, ...]:
    """A row for each cell and bucket, tens of thousands at most: the few cells are put in order instead of these."""
    buckets: defaultdict[datetime, list[Row]] = defaultdict(list)
    for cell in sorted(cells, key=lambda cell: (cell.type, cell.category is not None, cell.category, cell.status)):
        for start, count in cell.counts.items():
            buckets[start].append(Row(start, cell.type, cell.category, cell.status, count))
    return tuple(row for start in sorted(buckets) for row in buckets[start])


def _channels(cells: Sequence[Cell]) -> tuple[ChannelStatistics, ...]:
    types = sorted({cell.type for cell in cells})
    return tuple(_channel(name, [cell for cell in cells if cell.type == name]) for name in types)


def _channel(name: str, cells: Sequence[Cell]) -> ChannelStatistics:
    settled = sum(_total(cell) for cell in cells if cell.status in SETTLED)
    failed = sum(_total(cell) for cell in cells if cell.status is Status.FAILED)
    latencies: Counter[int] = Counter()
    for cell in cells:
        latencies.update(cell.latencies)
    return ChannelStatistics(
        type=name,
        settled=settled,
        failed=failed,
        failure_rate=round(failed / settled, 6) if settled else 0.0,
        attempts=sum(cell.attempts for cell in cells),
        p50_ms=percentile(latencies, 0.50),
        p95_ms=percentile(latencies, 0.95),
        p99_ms=percentile(latencies, 0.99),
    )


def _total(cell: Cell) -> int:
    return sum(cell.counts.values())
