"""What goes out of REST: bodies built straight from the core's entities, and the models that describe them.

The models only describe: nothing that goes out is validated again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, WithJsonSchema

from hub.domain import events, notifications, users
from hub.domain.events import EventKind
from hub.domain.notifications import OutcomeKind, Priority
from hub.domain.paging import Page
from hub.domain.status import Status
from hub.domain.times import format_time

_JSON: TypeAdapter[Any] = TypeAdapter(Any)
_EXAMPLE_ID = "0198d0c2-7c1e-7b3a-9f0e-3a5b6c7d8e9f"
_EXAMPLE_CURSOR = "AaZmgCgAAAGYV1Iy0AGYV1Iy0HswmS7Kq0M0lGYlAaZmgCg"
_TIME = {"type": "string", "format": "date-time", "examples": ["2030-01-31T08:00:00.000Z"]}

Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid", "examples": [_EXAMPLE_ID]})]
Time = Annotated[str, WithJsonSchema(_TIME)]
TimeOrNull = Annotated[str | None, WithJsonSchema(_TIME | {"type": ["string", "null"]})]
Cursor = Annotated[str, WithJsonSchema({"type": "string", "examples": [_EXAMPLE_CURSOR]})]


class Answer(BaseModel):
    """What all answers have in common."""

    model_config = ConfigDict(frozen=True)


class Fault(Answer):
    """Why something went wrong."""

    code: str = Field(description="Stable, machine-readable.", examples=["RETRIES_EXHAUSTED"])
    message: str = Field(description="A sentence for people, without addresses or content.")


class Attempt(Answer):
    """One try to hand the notification to a provider."""

    number: int = Field(description="From 1.")
    provider: str = Field(description="Who was asked.")
    provider_id: str | None = Field(description="The provider's own id for it.")
    started_at: Time = Field(description="When the send began.")
    finished_at: Time = Field(description="When its outcome was known.")
    outcome: OutcomeKind = Field(description="How it ended.")
    error: Fault | None = Field(description="Why, if it did not go well.")


class Notification(Answer):
    """One message to one user through one channel."""

    id: Id = Field(description="Made by the hub; the same in all protocols.")
    user_id: str = Field(description="The person notified.", examples=["user123"])
    title: str = Field(description="As sent.")
    message: str = Field(description="As sent.")
    type: str = Field(description="The channel.", examples=["email"])
    html: str | None = Field(description="As sent; e-mail only.")
    to: str | None = Field(description="The address that overrides the contact point.")
    metadata: dict[str, Any] = Field(description="As sent; integral doubles come back as integers.")
    priority: Priority = Field(description="From `metadata.priority`; `normal` by default.")
    category: str | None = Field(description="From `metadata.category`.")
    status: Status = Field(description="`read` while `read_at` is set and it was sent or delivered.")
    status_reason: Fault | None = Field(description="Why it has this status, where there is something to say.")
    attempts: list[Attempt] = Field(description="Every try so far, oldest first.")
    scheduled_at: TimeOrNull = Field(description="Not handed out before.")
    expires_at: TimeOrNull = Field(description="Not handed out after.")
    next_attempt_at: TimeOrNull = Field(description="When a worker may take it up next.")
    created_at: Time = Field(description="When the hub accepted it.")
    updated_at: Time = Field(description="When it last changed.")
    sent_at: TimeOrNull = Field(description="When the provider took it over.")
    delivered_at: TimeOrNull = Field(description="When it reached the inbox or its arrival was confirmed.")
    read_at: TimeOrNull = Field(description="When it was marked read.")
    seen_at: TimeOrNull = Field(description="When it was first seen; what was read was seen.")
    archived_at: TimeOrNull = Field(description="When it was archived: it is not in the inbox then.")
    version: int = Field(description="Grows by one with every visible change; apply an event only if it is newer.")


class NotificationPage(Answer):
    """A page of a list, newest first."""

    items: list[Notification] = Field(description="At most `limit`.")
    next_cursor: Cursor | None = Field(description="`after` of the next page; null at the end.")


class UnreadCount(Answer):
    """How many items of an inbox are unread."""

    unread_count: int = Field(description="Exact up to 1,000.", examples=[3])
    unread_count_capped: bool = Field(description="Whether there are more than 1,000.")


class CategoryCounts(Answer):
    """How many items of one category of an inbox are unread and unseen."""

    category: str = Field(description="As asked for.", examples=["welcome"])
    unread: int = Field(description="Exact up to 1,000.", examples=[2])
    unread_capped: bool = Field(description="Whether there are more than 1,000.")
    unseen: int = Field(description="Exact up to 1,000; what is unseen is unread too.", examples=[1])
    unseen_capped: bool = Field(description="Whether there are more than 1,000.")


class InboxCounts(Answer):
    """How many items of an inbox are unread and unseen; archived ones count as neither."""

    unread: int = Field(description="Exact up to 1,000.", examples=[3])
    unread_capped: bool = Field(description="Whether there are more than 1,000.")
    unseen: int = Field(description="Exact up to 1,000; what is unseen is unread too.", examples=[1])
    unseen_capped: bool = Field(description="Whether there are more than 1,000.")
    categories: list[CategoryCounts] = Field(description="Those asked for, in that order.")


class MarkedAll(Answer):
    """What marking a whole inbox did."""

    count: int = Field(description="How many items changed.", examples=[3])
    operation_id: Id | None = Field(
        description="Undoes it within ten minutes; null where nothing changed.",
    )


class Count(Answer):
    """How many were changed, or would be in a dry run."""

    count: int = Field(description="Number of notifications.", examples=[3])


class User(Answer):
    """What the hub knows of a person: their record."""

    user_id: str = Field(description="The caller's own name for the person.", examples=["user123"])
    contact_points: dict[str, str] = Field(
        description="Addresses in canonical form, each by the name its channel looks it up with.",
        examples=[{"email": "user123@example.com", "phone": "+15555550123"}],
    )
    locale: str | None = Field(description="A language tag (BCP 47).", examples=["pt-BR"])
    timezone: str | None = Field(description="A name of the IANA time zone database.", examples=["Europe/Paris"])
    created_at: Time = Field(description="When there was first a record.")
    updated_at: Time = Field(description="When it was last replaced.")


class DeletedUser(Answer):
    """How much of a user is gone; all zero when nothing was left."""

    notifications: int = Field(description="Notifications removed, whatever their status.", examples=[12])
    cancelled: int = Field(description="Those of them that were waiting.", examples=[1])
    keys: int = Field(description="Idempotency keys that were used for the user.", examples=[3])
    contact_points: int = Field(description="Contact points of the record.", examples=[2])


class Place(Answer):
    """A place in the order of an inbox."""

    delivered_at: Time = Field(description="Newest first by this,")
    id: Id = Field(description="then by this.")


class Event(Answer):
    """The `data` of one event of a stream; the same `id` and `version` may come again."""

    kind: EventKind = Field(
        description="`changed`, `removed`, `all_read`, `all_seen`, `resync` or `heartbeat`; also the SSE `event`."
    )
    notification: Notification | None = Field(description="The latest version, for `changed` and `removed`.")
    unread_count: int = Field(description="Unread items of the user's inbox, exact up to 1,000.")
    unread_count_capped: bool = Field(description="Whether there are more than 1,000.")
    unseen_count: int = Field(description="Unseen items of the user's inbox, exact up to 1,000.")
    unseen_count_capped: bool = Field(description="Whether there are more than 1,000.")
    cursor: Cursor = Field(description="Resumes after this event; also the SSE `id`.")
    up_to: Place | None = Field(
        description="For `all_read` and `all_seen`: everything up to here, inclusive, was marked."
    )
    category: str | None = Field(
        description="For `all_read` and `all_seen`: only items of this category were marked; null: of any."
    )
    marked_at: TimeOrNull = Field(
        description="For `all_read` and `all_seen`: when; an item whose `updated_at` is later has changed since."
    )


class Probe(Answer):
    """The answer to a probe."""

    status: str = Field(description="Always `ok`.", examples=["ok"])


class Violation(Answer):
    """One wrong field of the input."""

    field: str = Field(description="Its dotted path.", examples=["metadata.priority"])
    message: str = Field(description="A sentence about it.", examples=["must be low, normal or high"])


class Problem(Answer):
    """Every error (RFC 9457); programs decide by `reason`."""

    type: str = Field(description="Always `about:blank`: `reason` says more.", examples=["about:blank"])
    title: str = Field(description="The phrase of the HTTP status.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="A sentence for people.")
    code: str = Field(description="Canonical code, named as gRPC names it.", examples=["INVALID_ARGUMENT"])
    reason: str = Field(description="What exactly; the same in all protocols.", examples=["INVALID_VALUE"])
    violations: list[Violation] = Field(description="The wrong fields, where it is about input.")
    metadata: dict[str, str] = Field(description="Particulars of the reason.")
    correlation_id: str = Field(description="Quote it when you report the problem.")


def notification_body(notification: notifications.Notification) -> dict[str, Any]:
    """A notification as callers see it."""
    return {
        "id": str(notification.id),
        "user_id": notification.user_id,
        "title": notification.title,
        "message": notification.message,
        "type": notification.type,
        "html": notification.html,
        "to": notification.to,
        "metadata": notification.metadata,
        "priority": notification.priority,
        "category": notification.category,
        "status": notification.shown_status,
        "status_reason": _fault_body(notification.status_reason),
        "attempts": [_attempt_body(attempt) for attempt in notification.attempts],
        "scheduled_at": time_or_null(notification.scheduled_at),
        "expires_at": time_or_null(notification.expires_at),
        "next_attempt_at": time_or_null(notification.next_attempt_at),
        "created_at": format_time(notification.created_at),
        "updated_at": format_time(notification.updated_at),
        "sent_at": time_or_null(notification.sent_at),
        "delivered_at": time_or_null(notification.delivered_at),
        "read_at": time_or_null(notification.read_at),
        "seen_at": time_or_null(notification.seen_at),
        "archived_at": time_or_null(notification.archived_at),
        "version": notification.version,
    }


def _attempt_body(attempt: notifications.Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "provider": attempt.provider,
        "provider_id": attempt.provider_id,
        "started_at": format_time(attempt.started_at),
        "finished_at": format_time(attempt.finished_at),
        "outcome": attempt.outcome,
        "error": _fault_body(attempt.error),
    }


def _fault_body(fault: notifications.Fault | None) -> dict[str, str] | None:
    return None if fault is None else {"code": fault.code, "message": fault.message}


def time_or_null(moment: datetime | None) -> str | None:
    """A time as callers see it, where there is one."""
    return None if moment is None else format_time(moment)


def user_body(user: notifications.User) -> dict[str, Any]:
    """A user's record as callers see it."""
    return {
        "user_id": user.user_id,
        "contact_points": user.contact_points,
        "locale": user.locale,
        "timezone": user.timezone,
        "created_at": format_time(user.created_at),
        "updated_at": format_time(user.updated_at),
    }


def deleted_user_body(deleted: users.DeletedUser) -> dict[str, Any]:
    """What deleting a user removed, as callers see it."""
    return asdict(deleted)


def unread_body(unread: events.CappedCount) -> dict[str, Any]:
    """An unread count as callers see it."""
    return {"unread_count": unread.count, "unread_count_capped": unread.capped}


def counts_body(counts: events.InboxCounts, categories: Sequence[events.CategoryCounts]) -> dict[str, Any]:
    """The counts of an inbox as callers see them."""
    by_category = [{"category": one.category, **_pair_body(one.counts)} for one in categories]
    return {**_pair_body(counts), "categories": by_category}


def _pair_body(counts: events.InboxCounts) -> dict[str, Any]:
    return {
        "unread": counts.unread.count,
        "unread_capped": counts.unread.capped,
        "unseen": counts.unseen.count,
        "unseen_capped": counts.unseen.capped,
    }


def marked_all_body(marked: events.MarkedAll) -> dict[str, Any]:
    """What marking a whole inbox did, as callers see it."""
    operation = marked.operation_id
    return {"count": marked.count, "operation_id": None if operation is None else str(operation)}


def event_body(event: events.Event) -> dict[str, Any]:
    """An event as callers see it."""
    place = event.up_to
    return {
        "kind": event.kind,
        "notification": None if event.notification is None else notification_body(event.notification),
        **unread_body(event.counts.unread),
        "unseen_count": event.counts.unseen.count,
        "unseen_count_capped": event.counts.unseen.capped,
        "cursor": event.cursor,
        "up_to": None if place is None else {"delivered_at": format_time(place.delivered_at), "id": str(place.id)},
        "category": event.category,
        "marked_at": time_or_null(event.marked_at),
    }


def encode(body: Mapping[str, Any]) -> bytes:
    """Compact JSON; what the core gives out holds no lone surrogates."""
    return _JSON.dump_json(body)


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(encode(body), status, headers, "application/json")


def page_answer(request: Request, page: Page) -> Response:
    """A page, with a link to the next one that repeats the filter."""
    return linked_answer(request, [notification_body(item) for item in page.items], page.next_cursor)


def linked_answer(request: Request, items: Sequence[Mapping[str, Any]], cursor: str | None) -> Response:
    """The items of a page, with a link to the next one, if there is one."""
    body = {"items": items, "next_cursor": cursor}
    if cursor is None:
        return answer(body)
    query = urlencode([*((k, v) for k, v in request.query_params.items() if k != "after"), ("after", cursor)])
    return answer(body, headers={"Link": f'<{request.url.path}?{query}>; rel="next"'})
