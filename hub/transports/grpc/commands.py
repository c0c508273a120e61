"""Requests to commands: what protobuf lets through and the hub does not is refused here, by field."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from hub.core.dead_letters import Selection
from hub.domain.errors import Violation, invalid, invalid_field
from hub.domain.keys import DEFAULT_ENVIRONMENT, NewKey, checked_scopes
from hub.domain.notifications import NewNotification
from hub.domain.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Filter, PageRequest
from hub.domain.statistics import Bucket
from hub.domain.status import Status
from hub.domain.users import UserRecord
from hub.rpc.v1 import access_pb2, notifications_pb2, statistics_pb2, users_pb2
from hub.transports.grpc.schemas import BUCKETS, STATUSES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
"""Years 1 to 9999: the range of google.protobuf.Timestamp, and of datetime."""
_BILLION = 1_000_000_000
_STATUS_OF_NUMBER: dict[int, Status] = {number: status for status, number in STATUSES.items()}
_BUCKET_OF_NUMBER: dict[int, Bucket] = {
    statistics_pb2.STATISTICS_BUCKET_UNSPECIFIED: Bucket.HOUR,
    **{number: width for width, number in BUCKETS.items()},
}

Filtered = (
    notifications_pb2.ListNotificationsRequest
    | notifications_pb2.ListUserNotificationsRequest
    | notifications_pb2.ListInboxRequest
    | notifications_pb2.ListDeadLettersRequest
    | notifications_pb2.DeadLetterFilter
)
OfAnyUser = (
    notifications_pb2.ListNotificationsRequest
    | notifications_pb2.ListDeadLettersRequest
    | notifications_pb2.DeadLetterFilter
)
Paged = (
    notifications_pb2.ListNotificationsRequest
    | notifications_pb2.ListUserNotificationsRequest
    | notifications_pb2.ListInboxRequest
    | notifications_pb2.ListDeadLettersRequest
    | access_pb2.ListAuditEntriesRequest
)
Selecting = notifications_pb2.ReplayDeadLettersRequest | notifications_pb2.PurgeDeadLettersRequest


def given(request: Message, field: str) -> Any:
    """The value of a field with presence, or None where it was not sent."""
    return getattr(request, field) if request.HasField(field) else None


def new_notification(request: notifications_pb2.CreateNotificationRequest) -> NewNotification:
    """The command; what is missing arrives as an empty text, which the core refuses."""
    if not request.type:
        # Empty is how proto3 says "not sent", and that is a missing value, not an unknown channel.
        raise invalid_field("type", "must be given")
    return NewNotification(
        user_id=request.user_id,
        title=request.title,
        message=request.message,
        type=request.type,
        html=given(request, "html"),
        to=given(request, "to"),
        metadata=metadata(request.metadata),
        **times(request, "scheduled_at", "expires_at"),
    )


def status(number: int) -> Status:
    """The target of a status change."""
    target = _STATUS_OF_NUMBER.get(number)
    if target is None:
        raise invalid_field("status", "must be one of the NOTIFICATION_STATUS_… values")
    return target


def wanted_status(number: int, prefix: str = "") -> Status | None:
    """The status in a filter; None means any."""
    if number and number not in _STATUS_OF_NUMBER:
        raise invalid_field(f"{prefix}status", "must be one of the NOTIFICATION_STATUS_… values")
    return _STATUS_OF_NUMBER.get(number)


def bucket(number: int) -> Bucket:
    """How wide the rows of statistics are."""
    wanted = _BUCKET_OF_NUMBER.get(number)
    if wanted is None:
        raise invalid_field("bucket", "must be one of the STATISTICS_BUCKET_… values")
    return wanted


def user_record(request: users_pb2.UpdateUserRequest) -> UserRecord:
    """The record to keep."""
    return UserRecord(dict(request.contact_points), given(request, "locale"), given(request, "timezone"))


def new_key(request: access_pb2.CreateKeyRequest) -> NewKey:
    """The key to make; what is missing arrives empty, which the core refuses."""
    environment = request.environment if request.HasField("environment") else DEFAULT_ENVIRONMENT
    moments = times(request, "expires_at")
    return NewKey(request.name, checked_scopes(request.scopes), moments["expires_at"], environment)


def span(request: Message, field: str) -> timedelta | None:
    """An optional number of seconds."""
    seconds = given(request, field)
    return None if seconds is None else timedelta(seconds=seconds)


def filters(request: Filtered, prefix: str = "") -> Filter:
    """What a list is narrowed by; `prefix` goes before the fields' names in a refusal."""
    return Filter(
        status=wanted_status(request.status, prefix),
        type=given(request, "type"),
        category=given(request, "category"),
        unread=given(request, "unread"),
        archived=given(request, "archived"),
        # In the lists of one user the field of that name says whose list it is.
        user_id=given(request, "user_id") if isinstance(request, OfAnyUser) else None,
        **times(request, "created_after", "created_before", prefix=prefix),
        reason=given(request, "reason"),
    )


def page(request: Paged) -> PageRequest:
    """The page asked for: 0 means the default size, too big a size the largest."""
    if request.page_size < 0:
        raise invalid_field("page_size", "must not be negative")
    size = min(request.page_size or DEFAULT_LIMIT, LARGEST_LIMIT)
    return PageRequest(size, request.page_token or None, each_cursor=False)


def selection(request: Selecting) -> Selection:
    """Which dead letters; no ids and no filter stay that, for the core to refuse."""
    return Selection(
        ids=tuple(request.ids) or None,
        filters=filters(request.filter, "filter.") if request.HasField("filter") else None,
    )


def times(request: Message, *fields: str, prefix: str = "") -> dict[str, Any]:
    """Optional moments by the names of their fields; INVALID_VALUE names every one that is none."""
    moments = {field: given(request, field) for field in fields}
    wrong = [field for field, moment in moments.items() if moment is not None and not _is_moment(moment)]
    if wrong:
        text = "must be of the years 1 to 9999, with nanos from 0 to 999,999,999"
        raise invalid(*(Violation(f"{prefix}{field}", text) for field in wrong))
    return {field: None if moment is None else _moment(moment) for field, moment in moments.items()}


def metadata(message: Struct) -> dict[str, Any]:
    """A struct's contents, its numbers doubles: the core makes integers of those that are."""
    return dict(_members(message, "metadata"))


def _is_moment(message: Timestamp) -> bool:
    return _FIRST_SECOND <= message.seconds <= _LAST_SECOND and 0 <= message.nanos < _BILLION


def _moment(message: Timestamp) -> datetime:
    """To the millisecond: finer digits are cut."""
    return _EPOCH + timedelta(seconds=message.seconds, milliseconds=message.nanos // 1_000_000)


def _members(message: Struct, path: str) -> Iterator[tuple[str, Any]]:
    # A protobuf map has no order, not even the same one twice: by name, the same struct is always the same command.
    for key, value in sorted(message.fields.items(), key=lambda member: member[0]):
        yield key, _plain(value, f"{path}.{key}")


def _plain(value: Value, path: str) -> Any:
    """Protobuf's own parser bounds the depth (100 messages), so this can't recurse for ever."""
    match value.WhichOneof("kind"):
        case "null_value":
            return None
        case "struct_value":
            return dict(_members(value.struct_value, path))
        case "list_value":
            return [_plain(item, f"{path}.{index}") for index, item in enumerate(value.list_value.values)]
        case None:
            raise invalid_field(path, "must have a value")
        case kind:
            return getattr(value, kind)
