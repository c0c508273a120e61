"""The types of the schema that more than one operation speaks of, and how entities become them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Self

import strawberry

from hub.domain import events, notifications
from hub.domain.notifications import OutcomeKind, Priority
from hub.domain.status import Status
from hub.transports.graphql.scalars import JSON


# Each member's value is the domain's own, so `.value` and calling the class are the mapping, both ways.
@strawberry.enum(description="Where a notification stands on its way.")
class NotificationStatus(Enum):
    """Upper-case names for what the domain calls `Status`."""

    SCHEDULED = strawberry.enum_value(Status.SCHEDULED, description="Waits for its `scheduledAt`.")
    PENDING = strawberry.enum_value(Status.PENDING, description="Accepted and on disk; waits for a worker.")
    SENDING = strawberry.enum_value(Status.SENDING, description="A worker is talking to the provider.")
    RETRYING = strawberry.enum_value(
        Status.RETRYING, description="The last attempt failed for a passing reason; the next is at `nextAttemptAt`."
    )
    SENT = strawberry.enum_value(Status.SENT, description="The provider has taken it over.")
    DELIVERED = strawberry.enum_value(Status.DELIVERED, description="In the inbox, or confirmed by the provider.")
    FAILED = strawberry.enum_value(Status.FAILED, description="Given up, with a reason: a dead letter.")
    CANCELLED = strawberry.enum_value(Status.CANCELLED, description="Called off before an attempt began.")
    EXPIRED = strawberry.enum_value(Status.EXPIRED, description="Its `expiresAt` passed before an attempt began.")
    READ = strawberry.enum_value(Status.READ, description="Sent or delivered, and marked read.")


def domain_status(shown: NotificationStatus) -> Status:
    """The domain's status; Strawberry has put it in the place of the definition."""
    value: object = shown.value
    return Status(str(value))


@strawberry.enum(description="How urgent a notification is; from `metadata.priority`.")
class NotificationPriority(Enum):
    """Upper-case names for what the domain calls `Priority`."""

    HIGH = strawberry.enum_value(Priority.HIGH, description="Goes before all others.")
    NORMAL = strawberry.enum_value(Priority.NORMAL, description="What it is when nothing is said.")
    LOW = strawberry.enum_value(Priority.LOW, description="Bulk: others may go before it.")


@strawberry.enum(description="How one attempt ended.")
class AttemptOutcome(Enum):
    """Upper-case names for what the domain calls `OutcomeKind`."""

    ACCEPTED = strawberry.enum_value(OutcomeKind.ACCEPTED, description="The provider has taken it over.")
    DELIVERED = strawberry.enum_value(OutcomeKind.DELIVERED, description="It has reached the user.")
    TEMPORARY = strawberry.enum_value(
        OutcomeKind.TEMPORARY, description="Certainly not taken, for a passing reason; it is tried again."
    )
    THROTTLED = strawberry.enum_value(
        OutcomeKind.THROTTLED, description="Certainly not taken: the provider asked to slow down; it is tried again."
    )
    PERMANENT = strawberry.enum_value(
        OutcomeKind.PERMANENT, description="Certainly not taken, and another try would end the same."
    )
    AMBIGUOUS = strawberry.enum_value(
        OutcomeKind.AMBIGUOUS, description="It may have been taken: the answer never came."
    )


# A page has fifty of each: looked up they cost a fifth of what calling the class does.
_STATUSES = {status: NotificationStatus(status) for status in Status}
_PRIORITIES = {priority: NotificationPriority(priority) for priority in Priority}
_OUTCOMES = {outcome: AttemptOutcome(outcome) for outcome in OutcomeKind}


@strawberry.enum(description="What an event tells.")
class EventKind(Enum):
    """Upper-case names for what the domain calls `EventKind`."""

    CHANGED = strawberry.enum_value(events.EventKind.CHANGED, description="The latest version of a notification.")
    REMOVED = strawberry.enum_value(
        events.EventKind.REMOVED,
        description="It has left the inbox (archived, deleted, bounced, expired); carries its last version.",
    )
    ALL_READ = strawberry.enum_value(
        events.EventKind.ALL_READ,
        description="Everything up to `upTo`, of `category` if one is given, was marked read at once.",
    )
    ALL_SEEN = strawberry.enum_value(
        events.EventKind.ALL_SEEN,
        description="Everything up to `upTo`, of `category` if one is given, was marked seen at once.",
    )
    RESYNC = strawberry.enum_value(
        events.EventKind.RESYNC,
        description="Not everything can be told, of what was missed or what was undone at once: read the list afresh.",
    )
    HEARTBEAT = strawberry.enum_value(
        events.EventKind.HEARTBEAT,
        description="The stream lives; the first event of every stream, then one every 15 seconds.",
    )


@strawberry.interface(description="Something that `node` finds by its id.")
class Node:
    """Relay's object identification; ids are our own, not base64 of a type name."""

    id: strawberry.ID = strawberry.field(description="An identifier that no other object has.")


@strawberry.type(description="Why something went wrong.")
class Fault:
    """A code and a sentence."""

    code: str = strawberry.field(description="A stable UPPER_SNAKE code.")
    message: str = strawberry.field(description="A sentence for people.")

    @classmethod
    def of(cls, fault: notifications.Fault | None) -> Self | None:
        """From the domain's."""
        return None if fault is None else cls(code=fault.code, message=fault.message)


@strawberry.type(description="One try to hand a notification to a provider.")
class Attempt:
    """Part of a notification."""

    number: int = strawberry.field(description="Counts from 1.")
    provider: str = strawberry.field(description="Who was asked to take it.")
    provider_id: str | None = strawberry.field(description="The provider's own id for it, if it gave one.")
    started_at: datetime = strawberry.field(description="When the attempt began.")
    finished_at: datetime = strawberry.field(description="When its outcome was known.")
    outcome: AttemptOutcome = strawberry.field(description="How it ended.")
    error: Fault | None = strawberry.field(description="What went wrong, if anything.")

    @classmethod
    def of(cls, attempt: notifications.Attempt) -> Self:
        """From the domain's."""
        return cls(
            number=attempt.number,
            provider=attempt.provider,
            provider_id=attempt.provider_id,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            outcome=_OUTCOMES[attempt.outcome],
            error=Fault.of(attempt.error),
        )


@strawberry.type(description="One message to one user through one channel.")
class Notification(Node):
    """The notification as callers see it."""

    id: strawberry.ID = strawberry.field(description="A UUIDv7, the same string in all protocols; also the node id.")
    user_id: str = strawberry.field(description="The caller's own name for the person notified.")
    title: str = strawberry.field(description="Subject or headline, 1 to 255 characters.")
    message: str = strawberry.field(description="The text, 1 to 20,000 characters.")
    type: str = strawberry.field(
        description="The channel: `email`, `sms`, `in_app`, `webhook` or any other that is registered."
    )
    html: str | None = strawberry.field(description="An HTML alternative to the message; e-mail only.")
    to: str | None = strawberry.field(description="An address that overrides the user's contact point.")
    metadata: JSON = strawberry.field(description="Whatever the caller attached to it.")
    priority: NotificationPriority = strawberry.field(description="How urgent it is; from `metadata.priority`.")
    category: str | None = strawberry.field(description="From `metadata.category`.")
    status: NotificationStatus = strawberry.field(description="Where it stands on its way.")
    status_reason: Fault | None = strawberry.field(description="Why it stands there, where that needs a reason.")
    attempts: list[Attempt] = strawberry.field(description="Every try to hand it to a provider, oldest first.")
    scheduled_at: datetime | None = strawberry.field(description="It is not handed out before.")
    expires_at: datetime | None = strawberry.field(description="It is not handed out after.")
    next_attempt_at: datetime | None = strawberry.field(description="When the next attempt is due, if one is.")
    created_at: datetime = strawberry.field(description="When it was accepted.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    sent_at: datetime | None = strawberry.field(description="When the provider took it over.")
    delivered_at: datetime | None = strawberry.field(description="When it reached the user.")
    read_at: datetime | None = strawberry.field(description="When it was marked read; null while it is unread.")
    seen_at: datetime | None = strawberry.field(
        description="When it was first seen; null while it is unseen. What was read was seen."
    )
    archived_at: datetime | None = strawberry.field(
        description="When it was archived: it is not in the inbox then; null while it is not archived."
    )
    version: int = strawberry.field(
        description="Grows by one with every change; apply an event only if its notification is newer."
    )

    @classmethod
    def of(cls, entity: notifications.Notification) -> Self:
        """From the domain's."""
        return cls(
            id=strawberry.ID(str(entity.id)),
            user_id=entity.user_id,
            title=entity.title,
            message=entity.message,
            type=entity.type,
            html=entity.html,
            to=entity.to,
            metadata=JSON(entity.metadata),
            priority=_PRIORITIES[entity.priority],
            category=entity.category,
            status=_STATUSES[entity.shown_status],
            status_reason=Fault.of(entity.status_reason),
            attempts=[Attempt.of(attempt) for attempt in entity.attempts],
            scheduled_at=entity.scheduled_at,
            expires_at=entity.expires_at,
            next_attempt_at=entity.next_attempt_at,
            created_at=entity.created_at,
            updated_at=entity.updated_at,
            sent_at=entity.sent_at,
            delivered_at=entity.delivered_at,
            read_at=entity.read_at,
            seen_at=entity.seen_at,
            archived_at=entity.archived_at,
            version=entity.version,
        )


@strawberry.type(description="A place in the order of an inbox, to compare items with.")
class InboxPosition:
    """What `ALL_READ` and `ALL_SEEN` reach up to."""

    delivered_at: datetime = strawberry.field(description="When the last item that was marked was delivered.")
    id: strawberry.ID = strawberry.field(description="Its id; items of the same moment are ordered by it.")

    @classmethod
    def of(cls, position: events.InboxPosition | None) -> Self | None:
        """From the domain's."""
        if position is None:
            return None
        return cls(delivered_at=position.delivered_at, id=strawberry.ID(str(position.id)))


@strawberry.type(description="Unread and unseen items of one category of an inbox; each number exact up to 1,000.")
class CategoryCounts:
    """Part of an inbox's counts."""

    category: str = strawberry.field(description="As asked for.")
    unread: int = strawberry.field(description="Unread items, at most 1,000.")
    unread_capped: bool = strawberry.field(description="Whether there are more than that.")
    unseen: int = strawberry.field(description="Unseen items, at most 1,000; what is unseen is unread too.")
    unseen_capped: bool = strawberry.field(description="Whether there are more than that.")

    @classmethod
    def of(cls, one: events.CategoryCounts) -> Self:
        """From the domain's."""
        return cls(category=one.category, **_numbers(one.counts))


@strawberry.type(description="Unread and unseen items of an inbox; each number exact up to 1,000.")
class InboxCounts:
    """What is archived counts as neither."""

    unread: int = strawberry.field(description="Unread items, at most 1,000.")
    unread_capped: bool = strawberry.field(description="Whether there are more than that.")
    unseen: int = strawberry.field(description="Unseen items, at most 1,000; what is unseen is unread too.")
    unseen_capped: bool = strawberry.field(description="Whether there are more than that.")
    categories: list[CategoryCounts] = strawberry.field(description="Those asked for, in that order.")

    @classmethod
    def of(cls, counts: events.InboxCounts, categories: Sequence[events.CategoryCounts]) -> Self:
        """From the domain's."""
        return cls(categories=[CategoryCounts.of(one) for one in categories], **_numbers(counts))


def _numbers(counts: events.InboxCounts) -> dict[str, Any]:
    return {
        "unread": counts.unread.count,
        "unread_capped": counts.unread.capped,
        "unseen": counts.unseen.count,
        "unseen_capped": counts.unseen.capped,
    }


@strawberry.type(description="One event of a stream.")
class Event:
    """What both subscriptions carry."""

    kind: EventKind = strawberry.field(description="What it tells.")
    notification: Notification | None = strawberry.field(
        description="The notification it is about; null where it is about none or about many."
    )
    unread_count: int = strawberry.field(description="Unread items of the user's inbox, at most 1,000.")
    unread_count_capped: bool = strawberry.field(description="Whether there are more unread items than that.")
    unseen_count: int = strawberry.field(description="Unseen items of the user's inbox, at most 1,000.")
    unseen_count_capped: bool = strawberry.field(description="Whether there are more unseen items than that.")
    cursor: str = strawberry.field(description="Resumes the user's stream after this event.")
    up_to: InboxPosition | None = strawberry.field(description="For `ALL_READ` and `ALL_SEEN`: how far, inclusive.")
    category: str | None = strawberry.field(
        description="For `ALL_READ` and `ALL_SEEN`: only items of this category were marked; null: of any."
    )
    marked_at: datetime | None = strawberry.field(
        description="For `ALL_READ` and `ALL_SEEN`: when; an item whose `updatedAt` is later has changed since."
    )

    @classmethod
    def of(cls, event: events.Event) -> Self:
        """From the domain's."""
        return cls(
            kind=EventKind(event.kind),
            notification=None if event.notification is None else Notification.of(event.notification),
            unread_count=event.counts.unread.count,
            unread_count_capped=event.counts.unread.capped,
            unseen_count=event.counts.unseen.count,
            unseen_count_capped=event.counts.unseen.capped,
            cursor=event.cursor,
            up_to=InboxPosition.of(event.up_to),
            category=event.category,
            marked_at=event.marked_at,
        )
