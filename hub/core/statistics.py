"""The use case of statistics: roll-ups folded into rows and one line per channel."""

from __future__ import annotations

from collections import Counter
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
    StatisticsQuery,
    checked_query,
    floor,
    percentile,
)
from hub.domain.status import SETTLED, Status
from hub.domain.times import now
from hub.store.statistics import Rollup, StatisticsStore


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
        access.tenant_wide(principal)
        query = checked_query(
            start=start, end=end, bucket=bucket, type_=type_, category=category, status=status, now=now()
        )
        rollups = await self._store.read(principal.tenant, query)
        return Statistics(query, _rows(query, rollups), _channels(rollups))


def _rows(query: StatisticsQuery, rollups: Sequence[Rollup]) -> tuple[Row, ...]:
    counts: Counter[tuple[datetime, str, str | None, Status]] = Counter()
    for rollup in rollups:
        counts[floor(rollup.hour, query.bucket), rollup.type, rollup.category, rollup.status] += rollup.count
    ordered = sorted(counts.items(), key=lambda item: (item[0][0], item[0][1], item[0][2] or "", item[0][3]))
    return tuple(Row(*about, count) for about, count in ordered)


def _channels(rollups: Sequence[Rollup]) -> tuple[ChannelStatistics, ...]:
    types = sorted({rollup.type for rollup in rollups})
    return tuple(_channel(name, [rollup for rollup in rollups if rollup.type == name]) for name in types)


def _channel(name: str, rollups: Sequence[Rollup]) -> ChannelStatistics:
    settled = sum(rollup.count for rollup in rollups if rollup.status in SETTLED)
    failed = sum(rollup.count for rollup in rollups if rollup.status is Status.FAILED)
    latencies: Counter[int] = Counter()
    for rollup in rollups:
        latencies.update(rollup.latencies)
    return ChannelStatistics(
        type=name,
        settled=settled,
        failed=failed,
        failure_rate=round(failed / settled, 6) if settled else 0.0,
        attempts=sum(rollup.attempts for rollup in rollups),
        p50_ms=percentile(latencies, 0.50),
        p95_ms=percentile(latencies, 0.95),
        p99_ms=percentile(latencies, 0.99),
    )
