"""What goes out of statistics and health, as `answers` has it of all else."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import Field

from hub.domain import health, statistics
from hub.domain.health import Health
from hub.domain.notifications import OutcomeKind
from hub.domain.statistics import Bucket
from hub.domain.status import Status
from hub.domain.times import format_time
from hub.transports.rest.answers import Answer, Time, TimeOrNull, time_or_null


class StatisticsRow(Answer):
    """How many notifications of a kind were created within a bucket."""

    start: Time = Field(description="When the bucket begins.")
    type: str = Field(description="The channel.", examples=["email"])
    category: str | None = Field(description="`metadata.category`.")
    status: Status = Field(description="The status of delivery, never `read`.")
    count: int = Field(description="Number of notifications.", examples=[3])


class ChannelStatistics(Answer):
    """How one channel did with what was created in the range."""

    type: str = Field(description="The channel.", examples=["email"])
    settled: int = Field(description="Notifications that are sent, delivered, failed, cancelled or expired.")
    failed: int = Field(description="Those of them that failed.")
    failure_rate: float = Field(description="`failed` of `settled`, 0 to 1.", examples=[0.025])
    attempts: int = Field(description="Attempts made.")
    p50_ms: float | None = Field(description="Half were delivered within so many milliseconds; within 10 %.")
    p95_ms: float | None = Field(description="95 % were.")
    p99_ms: float | None = Field(description="99 % were.")


class Statistics(Answer):
    """Counts of what was created in a range of whole buckets."""

    start: Time = Field(alias="from", description="Where the range begins, inclusive: a whole bucket.")
    end: Time = Field(alias="to", description="Where it ends, exclusive: a whole bucket.")
    bucket: Bucket = Field(description="How wide a row is.")
    rows: list[StatisticsRow] = Field(description="In the order of time, type, category, status; no row counts zero.")
    channels: list[ChannelStatistics] = Field(description="A line for each channel that has any.")


class ProcessHealth(Answer):
    """One process by its last heartbeat."""

    id: str = Field(description="Made at its start.")
    role: str = Field(description="`all`, `api`, `relay` or `worker`.", examples=["worker"])
    version: str = Field(description="The version it runs.")
    started_at: Time = Field(description="When it started.")
    beat_at: Time = Field(description="When it was last heard of.")
    lag_ms: float = Field(description="How late its event loop is, in milliseconds.", examples=[1.2])


class ComponentHealth(Answer):
    """The store or the broker."""

    name: str = Field(description="`store` or `broker`.", examples=["store"])
    status: Health = Field(description="How well it does.")
    detail: str = Field(description="A sentence for people.")


class ChannelHealth(Answer):
    """One channel, by its workers and the outcomes of their last attempts."""

    type: str = Field(description="The channel.", examples=["email"])
    status: Health = Field(description="`degraded` without a worker, or when attempts keep failing.")
    workers: int = Field(description="How many processes serve it.")
    last_outcome: OutcomeKind | None = Field(description="How the last attempt ended.")
    last_attempt_at: TimeOrNull = Field(description="When it did.")


class HealthReport(Answer):
    """The overall word, and for callers with a credential what it is made of."""

    status: Health = Field(description="`degraded`: creates are accepted, something is late. `down`: they are not.")
    version: str | None = Field(description="The version that answers; null without a credential.")
    processes: list[ProcessHealth] = Field(description="All that were heard of lately.")
    components: list[ComponentHealth] = Field(description="The store and the broker.")
    channels: list[ChannelHealth] = Field(description="Every registered channel.")
    oldest_due_seconds: float | None = Field(
        description="How long the oldest unsettled notification has been due; null if none is."
    )


def statistics_body(found: statistics.Statistics) -> dict[str, Any]:
    """Statistics as callers see them."""
    # There may be tens of thousands of rows, of a thousand different times at most.
    starts = {start: format_time(start) for start in {row.start for row in found.rows}}
    return {
        "from": format_time(found.query.start),
        "to": format_time(found.query.end),
        "bucket": found.query.bucket,
        "rows": [
            {
                "start": starts[row.start],
                "type": row.type,
                "category": row.category,
                # Plain text: the encoder takes five times as long over members of an enumeration.
                "status": str(row.status),
                "count": row.count,
            }
            for row in found.rows
        ],
        "channels": [asdict(channel) for channel in found.channels],
    }


def health_body(report: health.HealthReport) -> dict[str, Any]:
    """A health report as callers see it."""
    return {
        "status": report.status,
        "version": report.version,
        "processes": [_process_body(process) for process in report.processes],
        "components": [asdict(component) for component in report.components],
        "channels": [
            asdict(channel) | {"last_attempt_at": time_or_null(channel.last_attempt_at)} for channel in report.channels
        ],
        "oldest_due_seconds": report.oldest_due_seconds,
    }


def _process_body(process: health.ProcessHealth) -> dict[str, Any]:
    times = {"started_at": format_time(process.started_at), "beat_at": format_time(process.beat_at)}
    return asdict(process) | times
