"""Statistics: how many notifications of which kind, and how their channels did."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Self, cast

import strawberry

from hub.domain import statistics
from hub.domain.statistics import Bucket
from hub.transports.graphql.connections import CategoryIs, TypeIs, status_of
from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import field
from hub.transports.graphql.schemas import NotificationStatus


@strawberry.enum(description="How wide a row of the statistics is.")
class StatisticsBucket(Enum):
    """Upper-case names for what the domain calls `Bucket`."""

    HOUR = strawberry.enum_value(Bucket.HOUR, description="Whole hours of UTC.")
    DAY = strawberry.enum_value(Bucket.DAY, description="Whole days of UTC.")


def domain_bucket(shown: StatisticsBucket | None) -> Bucket:
    """The domain's bucket; the default where null was given."""
    value: object = Bucket.HOUR if shown is None else shown.value
    return Bucket(str(value))


@strawberry.type(description="How many notifications of a kind were created within a bucket.")
class StatisticsRow:
    """A count, and of what: `statistics.Row` as it is shown. There may be too many to make an object more for each."""

    start: datetime = strawberry.field(description="When the bucket begins.")
    type: str = strawberry.field(description="Their channel.")
    category: str | None = strawberry.field(description="Their category; null for those without one.")
    status: NotificationStatus = strawberry.field(
        description="Where their delivery stands now; never `READ`, which is shown but not counted."
    )
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="How one channel did with what was created in that time.")
class ChannelStatistics:
    """Times to delivery are within 10 %."""

    type: str = strawberry.field(description="The channel.")
    settled: int = strawberry.field(description="How many are sent, delivered, failed, cancelled or expired.")
    failed: int = strawberry.field(description="How many of these failed.")
    failure_rate: float = strawberry.field(description="Failed of settled, 0 to 1; 0 where nothing is settled.")
    attempts: int = strawberry.field(description="How many attempts were made.")
    p50_ms: float | None = strawberry.field(
        description="Half were delivered within this time after they were due, in milliseconds; null where none was."
    )
    p95_ms: float | None = strawberry.field(description="The same for 95 of 100.")
    p99_ms: float | None = strawberry.field(description="The same for 99 of 100.")

    @classmethod
    def of(cls, channel: statistics.ChannelStatistics) -> Self:
        """From the domain's."""
        return cls(
            type=channel.type,
            settled=channel.settled,
            failed=channel.failed,
            failure_rate=channel.failure_rate,
            attempts=channel.attempts,
            p50_ms=channel.p50_ms,
            p95_ms=channel.p95_ms,
            p99_ms=channel.p99_ms,
        )


@strawberry.type(description="Counts per bucket, and one line per channel.")
class Statistics:
    """What was counted stands with the answer: whole buckets, defaults filled in."""

    from_: datetime = strawberry.field(name="from", description="From when, inclusive: the beginning of a bucket.")
    to: datetime = strawberry.field(description="Until when, exclusive: the end of a bucket.")
    bucket: StatisticsBucket = strawberry.field(description="How wide a row is.")
    rows: list[StatisticsRow] = strawberry.field(
        description="Only what there was any of, in the order of time, type, category, status."
    )
    channels: list[ChannelStatistics] = strawberry.field(description="One line per channel, by its name.")

    @classmethod
    def of(cls, answer: statistics.Statistics) -> Self:
        """From the domain's."""
        return cls(
            from_=answer.query.start,
            to=answer.query.end,
            bucket=StatisticsBucket(answer.query.bucket),
            rows=cast("list[StatisticsRow]", list(answer.rows)),
            channels=[ChannelStatistics.of(channel) for channel in answer.channels],
        )


@strawberry.type
class StatisticsQueries:
    """Part of the query type."""

    @field(
        "Counts of what the caller created, per bucket of `createdAt`, and how each channel did; fresh within 60 seconds."
    )
    async def statistics(
        self,
        info: Info,
        from_: Annotated[
            datetime | None,
            strawberry.argument(
                name="from", description="From when; 24 hours before `to` if left out. At most 90 days."
            ),
        ] = None,
        to: Annotated[datetime | None, strawberry.argument(description="Until when; now if left out.")] = None,
        bucket: Annotated[
            StatisticsBucket | None, strawberry.argument(description="How wide a row is; at most 1,000 buckets.")
        ] = StatisticsBucket.HOUR,
        type_: TypeIs = None,
        category: CategoryIs = None,
        status: Annotated[
            NotificationStatus | None,
            strawberry.argument(description="Only those that stand there now; any but `READ`."),
        ] = None,
    ) -> Statistics:
        """The core's statistics."""
        answer = await info.context.core.statistics.get(
            info.context.principal,
            start=from_,
            end=to,
            bucket=domain_bucket(bucket),
            type_=type_,
            category=category,
            status=status_of(status),
        )
        return Statistics.of(answer)
