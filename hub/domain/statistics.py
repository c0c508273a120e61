"""Statistics: what may be asked, and how times are folded into a logarithmic scale and back into percentiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from hub.domain.errors import Violation, invalid, invalid_field
from hub.domain.status import STORED, Status
from hub.domain.text import text_fault

LONGEST_RANGE = timedelta(days=90)
MOST_BUCKETS = 1000
DEFAULT_RANGE = timedelta(hours=24)
STEP = 1.15
"""Each step of the scale is so much longer than the one before: the middle of a step is within 7.3 % of all in it."""
_EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Bucket(StrEnum):
    """How wide a row of the statistics is."""

    HOUR = "hour"
    DAY = "day"

    @property
    def width(self) -> timedelta:
        """Its length; buckets begin at whole hours and days of UTC."""
        return _HOUR if self is Bucket.HOUR else _DAY


@dataclass(frozen=True, slots=True)
class StatisticsQuery:
    """What is counted: notifications created from `start` on and before `end`, whole buckets."""

    start: datetime
    end: datetime
    bucket: Bucket
    type: str | None = None
    category: str | None = None
    status: Status | None = None


@dataclass(slots=True)
class Row:
    """How many notifications of a kind were created within a bucket; `status` is the delivery status, never `read`.

    Not frozen: an answer may have tens of thousands, and each would take twice as long to make.
    """

    start: datetime
    type: str
    category: str | None
    status: Status
    count: int


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """How one channel did. Times to delivery in milliseconds, within 10 %; null where nothing was delivered."""

    type: str
    settled: int
    failed: int
    failure_rate: float
    """Failed of settled, 0 to 1."""
    attempts: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """The answer: rows in the order of time, type, category, status, and one line per channel."""

    query: StatisticsQuery
    rows: tuple[Row, ...]
    channels: tuple[ChannelStatistics, ...]


def checked_query(
    *,
    start: datetime | None,
    end: datetime | None,
    bucket: Bucket,
    type_: str | None,
    category: str | None,
    status: Status | None,
    now: datetime,
) -> StatisticsQuery:
    """The query with its defaults (the last 24 hours), widened to whole buckets; INVALID_VALUE names `from` or `to`."""
    for name, moment in (("from", start), ("to", end)):
        if moment is not None and moment.utcoffset() is None:
            raise invalid_field(name, "must have an offset")
    if status is not None and status not in STORED:
        raise invalid_field("status", "is shown, not counted: count sent or delivered")
    for name, text in (("type", type_), ("category", category)):
        if text is not None and (fault := text_fault(text)):
            raise invalid_field(name, fault)
    end = _in_range("to", end or now)
    start = _in_range("from", start or end - DEFAULT_RANGE)
    if start >= end:
        raise invalid_field("from", "must lie before to")
    if end - start > LONGEST_RANGE:
        raise invalid_field("from", f"must lie within {LONGEST_RANGE.days} days of to")
    first, last = floor(start, bucket), floor(end - timedelta(microseconds=1), bucket) + bucket.width
    if (last - first) / bucket.width > MOST_BUCKETS:
        raise invalid(Violation("bucket", f"must be wider: at most {MOST_BUCKETS:,} are counted"))
    return StatisticsQuery(first, last, bucket, type_, category, status)


def _in_range(name: str, moment: datetime) -> datetime:
    """The moment in UTC; what lies so far away that calendars end is refused before it is reckoned with."""
    if not _EARLIEST < moment < _LATEST:
        raise invalid_field(name, "must be a year between 1971 and 9998")
    return moment.astimezone(UTC)


def floor(moment: datetime, bucket: Bucket) -> datetime:
    """The beginning of the bucket a moment lies in."""
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if bucket is Bucket.HOUR else hour.replace(hour=0)


def step_middle(step: int) -> float:
    """The milliseconds that stand for a step of the scale."""
    middle: float = STEP ** (step + 0.5)
    return middle


def percentile(latencies: Mapping[int, int], share: float) -> float | None:
    """The time within which a share of all arrived, in milliseconds; None of nothing."""
    total = sum(latencies.values())
    if not total:
        return None
    rank = max(1, math.ceil(share * total))
    for step in sorted(latencies):
        rank -= latencies[step]
        if rank <= 0:
            return round(step_middle(step), 3)
    return None
