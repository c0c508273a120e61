"""Entities to messages: what the answers of every rpc are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from hub.domain.audit import AuditEntry
from hub.domain.errors import HubError
from hub.domain.events import CategoryCounts, Event, EventKind, InboxCounts, InboxPosition
from hub.domain.health import ChannelHealth, ComponentHealth, Health, HealthReport, ProcessHealth
from hub.domain.keys import ApiKey
from hub.domain.notifications import Attempt, Fault, Notification, OutcomeKind, Priority, User
from hub.domain.statistics import Bucket, ChannelStatistics, Statistics
from hub.domain.status import Status
from hub.rpc.v1 import access_pb2, entities_pb2, errors_pb2, events_pb2, health_pb2, statistics_pb2, users_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Made from the names: a value without a counterpart stops the import, and with it every test.
STATUSES = {status: entities_pb2.NotificationStatus.Value(f"NOTIFICATION_STATUS_{status.name}") for status in Status}
PRIORITIES = {priority: entities_pb2.Priority.Value(f"PRIORITY_{priority.name}") for priority in Priority}
OUTCOMES = {kind: entities_pb2.AttemptOutcome.Value(f"ATTEMPT_OUTCOME_{kind.name}") for kind in OutcomeKind}
EVENT_KINDS = {kind: events_pb2.EventKind.Value(f"EVENT_KIND_{kind.name}") for kind in EventKind}
BUCKETS = {bucket: statistics_pb2.StatisticsBucket.Value(f"STATISTICS_BUCKET_{bucket.name}") for bucket in Bucket}
HEALTHS = {health: health_pb2.HealthStatus.Value(f"HEALTH_STATUS_{health.name}") for health in Health}


def timestamp(moment: datetime | None) -> Timestamp | None:
    """A moment to the millisecond; None leaves the field absent."""
    if moment is None:
        return None
    message = Timestamp()
    _put(moment, message)
    return message


def _put(moment: datetime, message: Timestamp) -> None:
    # In integers: a float of seconds loses milliseconds.
    since = moment - _EPOCH
    message.seconds = since.days * 86_400 + since.seconds
    message.nanos = since.microseconds // 1000 * 1_000_000


def struct(metadata: Mapping[str, Any]) -> Struct:
    """Metadata as protobuf has it: every number a double (integers here are at most 2^53 - 1, so none is lost)."""
    message = Struct()
    message.update(metadata)
    return message


def fault(reason: Fault | None) -> entities_pb2.Fault | None:
    """A reason or error; None leaves the field absent."""
    return None if reason is None else entities_pb2.Fault(code=reason.code, message=reason.message)


# A page has hundreds of times: filled in where they belong they cost half of what making each and copying it in does.
_TIMES = (
    "scheduled_at",
    "expires_at",
    "next_attempt_at",
    "created_at",
    "updated_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "seen_at",
    "archived_at",
)


def notification(entity: Notification) -> entities_pb2.Notification:
    """A notification with the status callers see."""
    message = entities_pb2.Notification(
        id=str(entity.id),
        user_id=entity.user_id,
        title=entity.title,
        message=entity.message,
        type=entity.type,
        html=entity.html,
        to=entity.to,
        metadata=struct(entity.metadata),
        priority=PRIORITIES[entity.priority],
        category=entity.category,
        status=STATUSES[entity.shown_status],
        status_reason=fault(entity.status_reason),
        version=entity.version,
    )
    for tried in entity.attempts:
        _add_attempt(tried, message)
    for name in _TIMES:
        moment = getattr(entity, name)
        if moment is not None:
            _put(moment, getattr(message, name))
    return message


def _add_attempt(tried: Attempt, message: entities_pb2.Notification) -> None:
    added = message.attempts.add(
        number=tried.number,
        provider=tried.provider,
        provider_id=tried.provider_id,
        outcome=OUTCOMES[tried.outcome],
        error=fault(tried.error),
    )
    _put(tried.started_at, added.started_at)
    _put(tried.finished_at, added.finished_at)


def notifications(entities: Iterable[Notification]) -> list[entities_pb2.Notification]:
    """The items of a page, in its order."""
    return [notification(entity) for entity in entities]


def position(place: InboxPosition | None) -> events_pb2.InboxPosition | None:
    """A place in an inbox; None leaves the field absent."""
    if place is None:
        return None
    return events_pb2.InboxPosition(delivered_at=timestamp(place.delivered_at), id=str(place.id))


def event(happened: Event) -> events_pb2.Event:
    """One event of a stream."""
    return events_pb2.Event(
        kind=EVENT_KINDS[happened.kind],
        notification=None if happened.notification is None else notification(happened.notification),
        unread_count=happened.counts.unread.count,
        unread_count_capped=happened.counts.unread.capped,
        unseen_count=happened.counts.unseen.count,
        unseen_count_capped=happened.counts.unseen.capped,
        cursor=happened.cursor,
        up_to=position(happened.up_to),
        category=happened.category,
        marked_at=timestamp(happened.marked_at),
    )


def id_or_none(identifier: UUID | None) -> str | None:
    """An id as text; None leaves the field absent."""
    return None if identifier is None else str(identifier)


def inbox_counts(counts: InboxCounts, categories: Iterable[CategoryCounts]) -> entities_pb2.InboxCounts:
    """What is unread and unseen in an inbox."""
    by_category = [entities_pb2.CategoryCounts(category=one.category, **_numbers(one.counts)) for one in categories]
    return entities_pb2.InboxCounts(categories=by_category, **_numbers(counts))


def _numbers(counts: InboxCounts) -> dict[str, Any]:
    return {
        "unread": counts.unread.count,
        "unread_capped": counts.unread.capped,
        "unseen": counts.unseen.count,
        "unseen_capped": counts.unseen.capped,
    }


def clean(text: str) -> str:
    """Only what UTF-8 can say: protobuf refuses lone surrogates, which a refusal may quote."""
    return text.encode(errors="replace").decode()


def operation_error(error: HubError) -> errors_pb2.OperationError:
    """Why one item of many failed."""
    return errors_pb2.OperationError(
        code=error.code,
        reason=error.reason,
        message=clean(error.message),
        violations=[
            errors_pb2.Violation(field=clean(violation.field), message=clean(violation.message))
            for violation in error.violations
        ],
        metadata=error.metadata,
    )


def user(record: User) -> users_pb2.User:
    """A user record."""
    return users_pb2.User(
        user_id=record.user_id,
        contact_points=record.contact_points,
        locale=record.locale,
        timezone=record.timezone,
        created_at=timestamp(record.created_at),
        updated_at=timestamp(record.updated_at),
    )


def statistics(counted: Statistics) -> statistics_pb2.Statistics:
    """Statistics with the range that was counted."""
    # `from` is a word of Python's own.
    limits: dict[str, Any] = {"from": timestamp(counted.query.start), "to": timestamp(counted.query.end)}
    message = statistics_pb2.Statistics(
        **limits,
        bucket=BUCKETS[counted.query.bucket],
        channels=[channel_statistics(channel) for channel in counted.channels],
    )
    # There may be tens of thousands of rows, of a thousand different times at most: added in place, not copied in.
    starts = {start: timestamp(start) for start in {row.start for row in counted.rows}}
    add = message.rows.add
    for row in counted.rows:
        add(
            start=starts[row.start],
            type=row.type,
            category=row.category,
            status=STATUSES[row.status],
            count=row.count,
        )
    return message


def channel_statistics(channel: ChannelStatistics) -> statistics_pb2.ChannelStatistics:
    """How one channel did."""
    return statistics_pb2.ChannelStatistics(
        type=channel.type,
        settled=channel.settled,
        failed=channel.failed,
        failure_rate=channel.failure_rate,
        attempts=channel.attempts,
        p50_ms=channel.p50_ms,
        p95_ms=channel.p95_ms,
        p99_ms=channel.p99_ms,
    )


def health(report: HealthReport) -> health_pb2.HealthReport:
    """The report, as full as the caller may have it."""
    return health_pb2.HealthReport(
        status=HEALTHS[report.status],
        version=report.version,
        processes=[process_health(process) for process in report.processes],
        components=[component_health(component) for component in report.components],
        channels=[channel_health(channel) for channel in report.channels],
        oldest_due_seconds=report.oldest_due_seconds,
    )


def process_health(process: ProcessHealth) -> health_pb2.ProcessHealth:
    """One process."""
    return health_pb2.ProcessHealth(
        id=process.id,
        role=process.role,
        version=process.version,
        started_at=timestamp(process.started_at),
        beat_at=timestamp(process.beat_at),
        lag_ms=process.lag_ms,
    )


def component_health(component: ComponentHealth) -> health_pb2.ComponentHealth:
    """The store or the broker."""
    return health_pb2.ComponentHealth(name=component.name, status=HEALTHS[component.status], detail=component.detail)


def channel_health(channel: ChannelHealth) -> health_pb2.ChannelHealth:
    """One channel."""
    last = channel.last_outcome
    return health_pb2.ChannelHealth(
        type=channel.type,
        status=HEALTHS[channel.status],
        workers=channel.workers,
        last_outcome=None if last is None else OUTCOMES[OutcomeKind(last)],
        last_attempt_at=timestamp(channel.last_attempt_at),
    )


def api_key(key: ApiKey) -> access_pb2.ApiKey:
    """A key without its secret."""
    return access_pb2.ApiKey(
        id=key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        environment=key.environment,
        created_at=timestamp(key.created_at),
        created_by=key.created_by,
        expires_at=timestamp(key.expires_at),
        revoked_at=timestamp(key.revoked_at),
        last_used_at=timestamp(key.last_used_at),
    )


def audit_entry(entry: AuditEntry) -> access_pb2.AuditEntry:
    """An entry of the audit trail."""
    return access_pb2.AuditEntry(
        id=str(entry.id),
        at=timestamp(entry.at),
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        correlation_id=entry.correlation_id,
        result=None if entry.result is None else struct(entry.result),
    )
