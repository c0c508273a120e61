"""How the hub does: every process by its heartbeat, store, broker, channels, and the oldest work."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Self

import strawberry

from hub.domain import health
from hub.domain.notifications import OutcomeKind
from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import field
from hub.transports.graphql.schemas import AttemptOutcome


@strawberry.enum(description="How well something does.")
class HealthStatus(Enum):
    """Upper-case names for what the domain calls `Health`."""

    OK = strawberry.enum_value(health.Health.OK, description="As it should be.")
    DEGRADED = strawberry.enum_value(
        health.Health.DEGRADED, description="Creates are accepted; something is late or stands still."
    )
    DOWN = strawberry.enum_value(health.Health.DOWN, description="The store does not answer: nothing is accepted.")


@strawberry.type(description="One process, by the heartbeat it leaves in the store.")
class ProcessHealth:
    """Part of the report."""

    id: str = strawberry.field(description="The process's own name; new with every start.")
    role: str = strawberry.field(description="What it does: `all`, `api`, `relay` or `worker`.")
    version: str = strawberry.field(description="The version it runs.")
    started_at: datetime = strawberry.field(description="When it started.")
    beat_at: datetime = strawberry.field(description="When it was last heard of, by the store's clock.")
    lag_ms: float = strawberry.field(description="How late its event loop is, in milliseconds.")

    @classmethod
    def of(cls, process: health.ProcessHealth) -> Self:
        """From the domain's."""
        return cls(
            id=process.id,
            role=process.role,
            version=process.version,
            started_at=process.started_at,
            beat_at=process.beat_at,
            lag_ms=process.lag_ms,
        )


@strawberry.type(description="The store or the broker.")
class ComponentHealth:
    """Part of the report."""

    name: str = strawberry.field(description="`store` or `broker`.")
    status: HealthStatus = strawberry.field(description="How it does.")
    detail: str = strawberry.field(description="A sentence for people.")

    @classmethod
    def of(cls, component: health.ComponentHealth) -> Self:
        """From the domain's."""
        return cls(name=component.name, status=HealthStatus(component.status), detail=component.detail)


@strawberry.type(description="One channel, by how its last attempts ended; providers are never probed.")
class ChannelHealth:
    """Part of the report."""

    type: str = strawberry.field(description="The channel's name, as notifications give it.")
    status: HealthStatus = strawberry.field(
        description="`DEGRADED` without a worker, or while its provider takes nothing."
    )
    workers: int = strawberry.field(description="How many processes send through it.")
    last_outcome: AttemptOutcome | None = strawberry.field(
        description="How the last attempt ended; null where none has been made since the processes started."
    )
    last_attempt_at: datetime | None = strawberry.field(description="When that was.")

    @classmethod
    def of(cls, channel: health.ChannelHealth) -> Self:
        """From the domain's."""
        outcome = channel.last_outcome
        return cls(
            type=channel.type,
            status=HealthStatus(channel.status),
            workers=channel.workers,
            last_outcome=None if outcome is None else AttemptOutcome(OutcomeKind(outcome)),
            last_attempt_at=channel.last_attempt_at,
        )


@strawberry.type(description="How the hub does. Without a credential that may read it, only `status` is told.")
class Health:
    """The overall word first."""

    status: HealthStatus = strawberry.field(description="The word for all of it.")
    version: str | None = strawberry.field(description="The version of the process that answers.")
    processes: list[ProcessHealth] = strawberry.field(description="Every process that was heard of lately.")
    components: list[ComponentHealth] = strawberry.field(description="The store and the broker.")
    channels: list[ChannelHealth] = strawberry.field(description="Every channel.")
    oldest_due_seconds: float | None = strawberry.field(
        description="How long the oldest unsettled notification has been due; null if none is."
    )

    @classmethod
    def of(cls, report: health.HealthReport) -> Self:
        """From the domain's."""
        return cls(
            status=HealthStatus(report.status),
            version=report.version,
            processes=[ProcessHealth.of(process) for process in report.processes],
            components=[ComponentHealth.of(component) for component in report.components],
            channels=[ChannelHealth.of(channel) for channel in report.channels],
            oldest_due_seconds=report.oldest_due_seconds,
        )


@strawberry.type
class HealthQueries:
    """Part of the query type."""

    @field("How the hub does; the overall word alone for a caller without a credential.")
    async def health(self, info: Info) -> Health:
        """The core's report."""
        return Health.of(await info.context.core.health.report(info.context.principal))
