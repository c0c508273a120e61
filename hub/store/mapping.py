"""Rows to entities and back: the one place that knows both shapes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.domain.notifications import Attempt, Fault, Notification, OutcomeKind, Priority
from hub.domain.status import Status

Row = dict[str, Any]

END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)

_PLAIN = (
    "tenant",
    "user_id",
    "title",
    "message",
    "type",
    "html",
    "to",
    "metadata",
    "category",
    "scheduled_at",
    "expires_at",
    "next_attempt_at",
    "created_at",
    "updated_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "version",
    "correlation_id",
)
"""Fields that a new row has from the entity, under the same name and in the same form."""
# A page has fifty of them: enums are looked up instead of called, times take two additions instead of `replace`.
_PRIORITIES = {priority.value: priority for priority in Priority}
_STATUSES = {status.value: status for status in Status}
_OUTCOMES = {outcome.value: outcome for outcome in OutcomeKind}
_EPOCH, _EPOCH_AS_STORED = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)  # noqa: DTZ001 - as the driver reads it


def to_entity(row: Row) -> Notification:
    """The notification of a row, whether its times were read with a time zone or without: BSON has UTC only."""
    read_at = _utc(row["read_at"])
    return Notification(
        id=row["_id"],
        tenant=row["tenant"],
        user_id=row["user_id"],
        title=row["title"],
        message=row["message"],
        type=row["type"],
        html=row["html"],
        to=row["to"],
        metadata=row["metadata"],
        priority=_PRIORITIES[row["priority"]],
        category=row["category"],
        status=_STATUSES[row["status"]],
        status_reason=_fault(row["status_reason"]),
        attempts=tuple(map(_attempt, row["attempts"])),
        scheduled_at=_utc(row["scheduled_at"]),
        expires_at=_utc(row["expires_at"]),
        next_attempt_at=_utc(row["next_attempt_at"]),
        created_at=_moment(row["created_at"]),
        updated_at=_moment(row["updated_at"]),
        sent_at=_utc(row["sent_at"]),
        delivered_at=_utc(row["delivered_at"]),
        read_at=read_at,
        # Processes of before there was `seen_at` set `read_at` alone.
        seen_at=_utc(row.get("seen_at")) or read_at,
        archived_at=_utc(row.get("archived_at")),
        inbox_at=_utc(row.get("inbox_at")),
        version=row["version"],
        correlation_id=row["correlation_id"],
    )


def to_new_row(notification: Notification, grace: timedelta) -> Row:
    """The row of a new notification: it is the sweep's from `due` on, should the hand-over fail."""
    due = notification.scheduled_at if notification.status is Status.SCHEDULED else notification.created_at + grace
    if due is not None and notification.expires_at is not None:
        due = min(due, notification.expires_at)
    row: Row = {name: getattr(notification, name) for name in _PLAIN}
    return row | {
        "_id": notification.id,
        "priority": notification.priority.value,
        "lane": str(notification.lane),
        "status": notification.status.value,
        "status_reason": None,
        "attempts": [],
        "attempt_count": 0,
        "budget": {"started_at": None, "counted": 0},
        "due": due,
    }


def attempt_row(attempt: Attempt) -> Row:
    """The row of an attempt."""
    return {
        "number": attempt.number,
        "provider": attempt.provider,
        "provider_id": attempt.provider_id,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "outcome": attempt.outcome.value,
        "error": fault_row(attempt.error),
    }


def fault_row(fault: Fault | None) -> Row | None:
    """The row of a fault."""
    return None if fault is None else {"code": fault.code, "message": fault.message}


def _utc(stored: datetime | None) -> datetime | None:
    return None if stored is None else _moment(stored)


def _moment(stored: datetime) -> datetime:
    return stored if stored.tzinfo is not None else _EPOCH + (stored - _EPOCH_AS_STORED)


def _fault(row: Row | None) -> Fault | None:
    return None if row is None else Fault(row["code"], row["message"])


def _attempt(row: Row) -> Attempt:
    return Attempt(
        number=row["number"],
        provider=row["provider"],
        provider_id=row["provider_id"],
        started_at=_moment(row["started_at"]),
        finished_at=_moment(row["finished_at"]),
        outcome=_OUTCOMES[row["outcome"]],
        error=_fault(row["error"]),
    )
