"""What comes into REST: bodies and query parameters, strictly typed, and the commands they become."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from hub.core.dead_letters import Selection
from hub.core.inbox import MOST_CATEGORIES
from hub.domain import notifications, paging, users
from hub.domain.checks import MESSAGE_LENGTH, REASON_LENGTH, TITLE_LENGTH
from hub.domain.notifications import Priority
from hub.domain.paging import DEFAULT_LIMIT, LARGEST_LIMIT, PageRequest
from hub.domain.statistics import Bucket
from hub.domain.status import STORED, Status
from hub.domain.times import parse_time

_EXAMPLE_TIME = "2030-01-31T08:00:00.000Z"
_USER_ID: dict[str, Any] = {"pattern": "^[A-Za-z0-9._:@+=~|-]{1,128}$", "examples": ["user123"]}
_LIMIT_SENTENCE = f"must be 1 to {LARGEST_LIMIT}"
_DIGITS = 9


def _time(value: object) -> datetime:
    """Only texts are times: a number's unit would have to be guessed."""
    if not isinstance(value, str):
        raise ValueError("must be a string holding an RFC 3339 time")  # noqa: TRY004 - pydantic's way to refuse
    return parse_time(value)


def _time_or_none(value: object) -> datetime | None:
    return None if value is None else _time(value)


def _limit(value: object) -> int:
    """Digits alone; whether the number is in range is the core's to say."""
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise ValueError(_LIMIT_SENTENCE)
    return int(text)


def _flag(value: object) -> bool | None:
    if value in {"true", "false"}:
        return value == "true"
    raise ValueError("must be true or false")


_TIME_SCHEMA = {"type": "string", "format": "date-time", "examples": [_EXAMPLE_TIME]}
Time = Annotated[
    datetime | None,
    PlainValidator(_time_or_none),
    WithJsonSchema(_TIME_SCHEMA | {"type": ["string", "null"]}),
]
"""A time in a body: RFC 3339 with an offset, finer digits than milliseconds are cut."""
QueryTime = Annotated[datetime | None, PlainValidator(_time), WithJsonSchema(_TIME_SCHEMA)]
QueryFlag = Annotated[bool | None, PlainValidator(_flag), WithJsonSchema({"type": "boolean"})]
QueryText = Annotated[str | None, WithJsonSchema({"type": "string"})]
QueryReason = Annotated[str | None, WithJsonSchema({"type": "string", "maxLength": REASON_LENGTH})]
QueryStatus = Annotated[Status | None, WithJsonSchema({"type": "string", "enum": [status.value for status in Status]})]
CountedStatus = Annotated[
    Status | None, WithJsonSchema({"type": "string", "enum": [status.value for status in Status if status in STORED]})
]
Limit = Annotated[
    int,
    PlainValidator(_limit),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT}),
]


def key_schema() -> dict[str, Any]:
    """What an idempotency key looks like."""
    return {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}


class Input(BaseModel):
    """What callers send: nothing is guessed, nothing unknown is passed over."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class NewNotification(Input):
    """A notification to create."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "user123",
                    "title": "Welcome!",
                    "message": "Welcome to our platform",
                    "type": "email",
                    "metadata": {"priority": "high", "category": "welcome"},
                }
            ]
        }
    )

    user_id: str = Field(
        description="The caller's own name for the person; not `.` or `..`.", json_schema_extra=_USER_ID
    )
    title: str = Field(
        description="One line; the subject of an e-mail.",
        json_schema_extra={"minLength": 1, "maxLength": TITLE_LENGTH, "examples": ["Welcome!"]},
    )
    message: str = Field(
        description="The text.",
        json_schema_extra={"minLength": 1, "maxLength": MESSAGE_LENGTH, "examples": ["Welcome to our platform"]},
    )
    type: str = Field(
        description="Names the channel: `email`, `sms`, `in_app`, or any other that is registered.",
        json_schema_extra={"minLength": 1, "examples": ["email", "sms", "in_app"]},
    )
    html: str | None = Field(
        None, description="For e-mail only, at most 256 KiB.", json_schema_extra={"minLength": 1, "maxLength": 262_144}
    )
    to: str | None = Field(
        None,
        description="An address that overrides the user's contact point; refused for `in_app`.",
        json_schema_extra={"minLength": 1, "maxLength": 512},
    )
    metadata: dict[str, Any] | None = Field(
        None,
        description="At most 16 KiB of JSON and 8 levels. `priority` and `category` mean something to the hub.",
        json_schema_extra={
            "properties": {
                "priority": {"type": "string", "enum": [priority.value for priority in Priority]},
                "category": {"type": "string", "minLength": 1, "maxLength": 64},
            },
            "propertyNames": {"pattern": "^[^$.\\u0000][^.\\u0000]{0,127}$"},
        },
    )
    scheduled_at: Time = Field(None, description="Not handed out before; a past time means now.")
    expires_at: Time = Field(
        None,
        description="Not handed out after; lies in the future and after `scheduled_at`.",
        examples=["2030-02-28T08:00:00.000Z"],
    )

    def command(self) -> notifications.NewNotification:
        """The command as the core takes it."""
        fields = {name: getattr(self, name) for name in NewNotification.model_fields}
        return notifications.NewNotification(**fields | {"metadata": self.metadata or {}})


class StatusChange(Input):
    """A status to claim."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "cancelled"}]})

    status: Annotated[Status, Field(strict=False)] = Field(
        description="`read`, `cancelled`, `delivered`, `failed` or `pending`; any other is refused as a transition."
    )


class MarkAll(Input):
    """What to mark: everything up to now unless narrowed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"category": "welcome"}]})

    up_to: str | None = Field(None, description="A cursor of this inbox or of one of its events, inclusive.")
    category: str | None = Field(None, description="Only items of this category.")


class UndoMarkAll(Input):
    """What to undo."""

    operation_id: str = Field(
        description="As marking answered, within the last ten minutes.", json_schema_extra={"format": "uuid"}
    )


class UserRecord(Input):
    """A user's record; it replaces the one before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "contact_points": {"email": "user123@example.com", "phone": "+15555550123"},
                    "locale": "pt-BR",
                    "timezone": "Europe/Paris",
                }
            ]
        }
    )

    contact_points: dict[str, str] | None = Field(
        None,
        description="Addresses by name: `email`, `phone` (E.164), `webhook`, …; each channel checks its own.",
    )
    locale: str | None = Field(None, description="A language tag (BCP 47).", examples=["pt-BR"])
    timezone: str | None = Field(None, description="A name of the IANA database.", examples=["Europe/Paris"])

    def record(self) -> users.UserRecord:
        """The record as the core takes it."""
        return users.UserRecord(self.contact_points or {}, self.locale, self.timezone)


class ListFilter(Input):
    """What every list can be narrowed by."""

    status: Annotated[Status | None, Field(strict=False)] = Field(None, description="The status as shown.")
    type: str | None = Field(None, description="The channel.")
    category: str | None = Field(None, description="`metadata.category`.")
    unread: bool | None = Field(None, description="Whether it has not been read.")
    archived: bool | None = Field(None, description="Whether it has been archived.")
    user_id: str | None = Field(None, description="The person notified.")
    created_after: Time = Field(None, description="Exclusive.")
    created_before: Time = Field(None, description="Exclusive.")
    reason: str | None = Field(
        None,
        description="The code of `status_reason`, exactly, such as `RETRIES_EXHAUSTED`.",
        json_schema_extra={"maxLength": REASON_LENGTH},
    )

    def filters(self) -> paging.Filter:
        """The filter as the core takes it."""
        return paging.Filter(**{name: getattr(self, name) for name in ListFilter.model_fields})


class DeadLetterSelection(Input):
    """Which dead letters: `ids`, or `filter` (an empty one means all), exactly one of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"filter": {"type": "sms"}, "dry_run": True}]})

    ids: list[str] | None = Field(
        None,
        description="Notification ids; those that are no dead letters are passed over. An empty list is none.",
        json_schema_extra={"minItems": 1},
    )
    filter: ListFilter | None = Field(None, description="As for the list of dead letters.")
    dry_run: bool = Field(default=False, description="Count only, change nothing.")

    def selection(self) -> Selection:
        """The selection as the core takes it."""
        ids = None if self.ids is None else tuple(self.ids)
        return Selection(ids, None if self.filter is None else self.filter.filters())


class ListQuery(BaseModel):
    """The query parameters of a user's lists."""

    limit: Limit = Field(DEFAULT_LIMIT, description="Items on a page.")
    after: QueryText = Field(None, description="`next_cursor` of the page before; bound to this list and filter.")
    status: QueryStatus = Field(None, description="The status as shown.")
    type: QueryText = Field(None, description="The channel.")
    category: QueryText = Field(None, description="`metadata.category`.")
    unread: QueryFlag = Field(None, description="Whether it has not been read.")
    archived: QueryFlag = Field(
        None, description="Whether it has been archived; without it, an inbox leaves out what is, other lists nothing."
    )
    created_after: QueryTime = Field(None, description="Exclusive.")
    created_before: QueryTime = Field(None, description="Exclusive.")
    reason: QueryReason = Field(None, description="The code of `status_reason`, exactly, such as `RETRIES_EXHAUSTED`.")

    def filters(self) -> paging.Filter:
        """The filter as the core takes it."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return paging.Filter(**{name: given[name] for name in given if name not in {"limit", "after"}})

    def page(self) -> PageRequest:
        """The page as the core takes it."""
        return PageRequest(self.limit, self.after, each_cursor=False)


class TenantListQuery(ListQuery):
    """The query parameters of the tenant's lists."""

    user_id: QueryText = Field(None, description="The person notified.")


class CountsQuery(BaseModel):
    """The query parameters of an inbox's counts."""

    categories: list[str] = Field(
        default_factory=list,
        description="Categories to be counted by themselves, as often as there are some.",
        json_schema_extra={"maxItems": MOST_CATEGORIES},
    )


class StatisticsQuery(BaseModel):
    """The query parameters of statistics."""

    start: QueryTime = Field(
        None, alias="from", description="Of `created_at`, inclusive; default: 24 hours before `to`. Widened to buckets."
    )
    end: QueryTime = Field(None, alias="to", description="Exclusive; default: now. Widened to buckets.")
    bucket: Bucket = Field(Bucket.HOUR, description="How wide a row is, in UTC.")
    type: QueryText = Field(None, description="The channel.")
    category: QueryText = Field(None, description="`metadata.category`.")
    status: CountedStatus = Field(None, description="The status of delivery; `read` is none.")


UserId = Annotated[str, Path(description="The caller's own name for the person.", json_schema_extra=_USER_ID)]
NotificationId = Annotated[
    str,
    Path(description="As given by the hub; what can't be an id is not found.", json_schema_extra={"format": "uuid"}),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Makes a repeat return the first result; bare or quoted, the same in all protocols, kept 24 hours.",
        json_schema_extra={"examples": ["order-4711-shipped"]},
    ),
    WithJsonSchema({"type": "string"} | key_schema()),
]
AfterEvent = Annotated[
    str | None,
    Query(description="The cursor of the last event seen; `Last-Event-ID` goes before it."),
    WithJsonSchema({"type": "string"}),
]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="What a browser sends when it reconnects: the last event's cursor."),
    WithJsonSchema({"type": "string"}),
]
