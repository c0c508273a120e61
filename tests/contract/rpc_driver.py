"""gRPC, spoken by the generated stubs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed

from hub.rpc.v1 import access_pb2, entities_pb2, health_pb2, users_pb2
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.access_pb2_grpc import AccessServiceStub
from hub.rpc.v1.health_pb2_grpc import HealthServiceStub
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from hub.rpc.v1.users_pb2_grpc import UserServiceStub
from tests.contract.drivers import Body, Refused

Answer = TypeVar("Answer", bound=Message)
M = TypeVar("M", bound=Message)

TIMES = {"scheduled_at", "expires_at", "created_after", "created_before"}
PREFIXES = (
    "STATISTICS_BUCKET_",
    "HEALTH_STATUS_",
    "NOTIFICATION_STATUS_",
    "PRIORITY_",
    "ATTEMPT_OUTCOME_",
    "EVENT_KIND_",
)


class RpcDriver:
    """`hub.v1.NotificationService`."""

    name = "grpc"

    def __init__(self, channel: grpc.aio.Channel, key: str | None = None) -> None:
        self._stub: Any = _Keyed(NotificationServiceStub(channel), key)
        self._users: Any = _Keyed(UserServiceStub(channel), key)
        self._access: Any = _Keyed(AccessServiceStub(channel), key)
        self._health: Any = _Keyed(HealthServiceStub(channel), key)

    async def create(self, command: Body, key: str | None = None) -> tuple[Body, bool]:
        request = _request(pb.CreateNotificationRequest, command)
        if key is not None:
            request.idempotency_key = key
        answer = await _call(self._stub.CreateNotification(request))
        return plain(answer.notification), answer.idempotency_replayed

    async def create_many(self, commands: list[Body]) -> list[Body]:
        async def requests() -> AsyncIterator[pb.CreateNotificationsRequest]:
            for command in commands:
                yield pb.CreateNotificationsRequest(notification=_request(pb.CreateNotificationRequest, command))

        while True:
            try:
                results = [plain(answer) async for answer in self._stub.CreateNotifications(requests())]
                return sorted(results, key=lambda result: int(result["index"]))
            except grpc.aio.AioRpcError as error:
                # A write that meets the server's refusal makes grpc.aio lose the status: asked again, it is there.
                if error.code() is not grpc.StatusCode.INTERNAL or error.trailing_metadata():
                    raise _refusal(error) from None

    async def delete(self, notification_id: str) -> None:
        await _call(self._stub.DeleteNotification(pb.DeleteNotificationRequest(notification_id=notification_id)))

    async def get_user(self, user_id: str) -> Body:
        return plain((await _call(self._users.GetUser(users_pb2.GetUserRequest(user_id=user_id)))).user)

    async def update_user(self, user_id: str, record: Body) -> Body:
        given = {name: value for name, value in record.items() if value is not None}
        request = users_pb2.UpdateUserRequest(user_id=user_id, **given)
        return plain((await _call(self._users.UpdateUser(request))).user)

    async def delete_user(self, user_id: str) -> Body:
        return plain(await _call(self._users.DeleteUser(users_pb2.DeleteUserRequest(user_id=user_id))))

    async def statistics(self, **arguments: Any) -> Body:
        given = {name.removesuffix("_"): value for name, value in arguments.items() if value is not None}
        if "bucket" in given:
            given["bucket"] = f"STATISTICS_BUCKET_{given['bucket'].upper()}"
        given |= {name: _timestamp(given[name]) for name in ("from", "to") if name in given}
        request = _request(pb.GetStatisticsRequest, given)
        return plain((await _call(self._stub.GetStatistics(request))).statistics)

    async def create_key(self, command: Body) -> Body:
        return plain(await _call(self._access.CreateKey(_request(access_pb2.CreateKeyRequest, command))))

    async def keys(self) -> list[Body]:
        answer = await _call(self._access.ListKeys(access_pb2.ListKeysRequest()))
        return [plain(key) for key in answer.keys]

    async def rotate_key(self, key_id: str, overlap_seconds: int | None = None) -> Body:
        request = access_pb2.RotateKeyRequest(key_id=key_id, overlap_seconds=overlap_seconds)
        return plain(await _call(self._access.RotateKey(request)))

    async def revoke_key(self, key_id: str) -> Body:
        return plain((await _call(self._access.RevokeKey(access_pb2.RevokeKeyRequest(key_id=key_id)))).key)

    async def issue_user_token(self, user_id: str, lifetime_seconds: int | None = None) -> Body:
        request = access_pb2.IssueUserTokenRequest(user_id=user_id, lifetime_seconds=lifetime_seconds)
        return plain(await _call(self._access.IssueUserToken(request)))

    async def audit(self, **arguments: Any) -> Body:
        request = access_pb2.ListAuditEntriesRequest(
            page_size=arguments.get("limit", 0), page_token=arguments.get("after") or ""
        )
        answer = await _call(self._access.ListAuditEntries(request))
        return {"items": [plain(entry) for entry in answer.entries], "next_cursor": answer.next_page_token or None}

    async def health(self) -> Body:
        return plain((await _call(self._health.GetHealth(health_pb2.GetHealthRequest()))).health)

    async def get(self, notification_id: str) -> Body:
        request = pb.GetNotificationRequest(notification_id=notification_id)
        return plain((await _call(self._stub.GetNotification(request))).notification)

    async def list(self, **arguments: Any) -> Body:
        return await self._list(self._stub.ListNotifications, pb.ListNotificationsRequest, arguments)

    async def list_of_user(self, user_id: str, **arguments: Any) -> Body:
        given = {"user_id": user_id, **arguments}
        return await self._list(self._stub.ListUserNotifications, pb.ListUserNotificationsRequest, given)

    async def inbox(self, user_id: str, **arguments: Any) -> Body:
        return await self._list(self._stub.ListInbox, pb.ListInboxRequest, {"user_id": user_id, **arguments})

    async def unread_count(self, user_id: str) -> Body:
        return plain(await _call(self._stub.GetUnreadCount(pb.GetUnreadCountRequest(user_id=user_id))))

    async def update_status(self, notification_id: str, status: str) -> Body:
        request = pb.UpdateNotificationStatusRequest(notification_id=notification_id, status=_status(status))
        return plain((await _call(self._stub.UpdateNotificationStatus(request))).notification)

    async def mark_read(self, notification_id: str) -> Body:
        request = pb.MarkReadRequest(notification_id=notification_id)
        return plain((await _call(self._stub.MarkRead(request))).notification)

    async def mark_unread(self, notification_id: str) -> Body:
        request = pb.MarkUnreadRequest(notification_id=notification_id)
        return plain((await _call(self._stub.MarkUnread(request))).notification)

    async def mark_seen(self, notification_id: str) -> Body:
        request = pb.MarkSeenRequest(notification_id=notification_id)
        return plain((await _call(self._stub.MarkSeen(request))).notification)

    async def mark_unseen(self, notification_id: str) -> Body:
        request = pb.MarkUnseenRequest(notification_id=notification_id)
        return plain((await _call(self._stub.MarkUnseen(request))).notification)

    async def archive(self, notification_id: str) -> Body:
        request = pb.ArchiveNotificationRequest(notification_id=notification_id)
        return plain((await _call(self._stub.ArchiveNotification(request))).notification)

    async def unarchive(self, notification_id: str) -> Body:
        request = pb.UnarchiveNotificationRequest(notification_id=notification_id)
        return plain((await _call(self._stub.UnarchiveNotification(request))).notification)

    async def mark_all_read(self, user_id: str, **arguments: Any) -> int:
        return int((await self.mark_all("read", user_id, **arguments))["count"])

    async def mark_all(self, mark: str, user_id: str, **arguments: Any) -> Body:
        if mark == "read":
            return plain(await _call(self._stub.MarkAllRead(pb.MarkAllReadRequest(user_id=user_id, **arguments))))
        return plain(await _call(self._stub.MarkAllSeen(pb.MarkAllSeenRequest(user_id=user_id, **arguments))))

    async def undo_mark_all(self, user_id: str, operation_id: str) -> int:
        request = pb.UndoMarkAllRequest(user_id=user_id, operation_id=operation_id)
        return int((await _call(self._stub.UndoMarkAll(request))).count)

    async def inbox_counts(self, user_id: str, *categories: str) -> Body:
        request = pb.GetInboxCountsRequest(user_id=user_id, categories=categories)
        return plain((await _call(self._stub.GetInboxCounts(request))).counts)

    async def dead_letters(self, **arguments: Any) -> Body:
        return await self._list(self._stub.ListDeadLetters, pb.ListDeadLettersRequest, arguments)

    async def replay(self, **selection: Any) -> int:
        request = _selection(pb.ReplayDeadLettersRequest, selection)
        return int((await _call(self._stub.ReplayDeadLetters(request))).count)

    async def purge(self, **selection: Any) -> int:
        request = _selection(pb.PurgeDeadLettersRequest, selection)
        return int((await _call(self._stub.PurgeDeadLetters(request))).count)

    @asynccontextmanager
    async def watch(self, user_id: str, after: str | None = None) -> AsyncIterator[AsyncIterator[Body]]:
        call = self._stub.WatchInbox(pb.WatchInboxRequest(user_id=user_id, after=after))
        async with _opened(call) as events:
            yield events

    @asynccontextmanager
    async def watch_one(self, notification_id: str) -> AsyncIterator[AsyncIterator[Body]]:
        call = self._stub.WatchNotification(pb.WatchNotificationRequest(notification_id=notification_id))
        async with _opened(call) as events:
            yield events

    async def _list(self, method: Any, kind: type[Message], arguments: Body) -> Body:
        names = {"limit": "page_size", "after": "page_token"}
        given = {names.get(name, name): value for name, value in arguments.items() if value is not None}
        answer = await _call(method(_request(kind, given)))
        items = [plain(notification) for notification in answer.notifications]
        return {"items": items, "next_cursor": answer.next_page_token or None}


class _Keyed:
    """A stub whose calls carry a key."""

    def __init__(self, stub: Any, key: str | None) -> None:
        self._stub = stub
        self._metadata = () if key is None else (("authorization", f"Bearer {key}"),)

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self._stub, name), metadata=self._metadata)


async def _call(call: Awaitable[Answer]) -> Answer:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise _refusal(error) from None


@asynccontextmanager
async def _opened(call: Any) -> AsyncIterator[AsyncIterator[Body]]:
    answers = call.__aiter__()
    try:
        first = await anext(answers)
    except grpc.aio.AioRpcError as error:
        raise _refusal(error) from None

    async def events() -> AsyncIterator[Body]:
        yield plain(first.event)
        try:
            async for answer in answers:
                yield plain(answer.event)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from None

    try:
        yield events()
    finally:
        call.cancel()


def _refusal(error: grpc.aio.AioRpcError) -> Refused:
    trailing = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    details = {detail.TypeName(): detail for detail in status.details}
    info = _unpacked(details, error_details_pb2.ErrorInfo)
    request = _unpacked(details, error_details_pb2.RequestInfo)
    assert info.domain == "hub"
    assert request.request_id == trailing["x-correlation-id"]
    names = {"page_size": "limit", "page_token": "after"}
    violations = _unpacked(details, error_details_pb2.BadRequest).field_violations
    fields = tuple(names.get(violation.field, violation.field) for violation in violations)
    sentences = tuple(violation.description for violation in violations)
    return Refused(error.code().name, info.reason, fields, dict(info.metadata), request.request_id, sentences)


def _unpacked(details: dict[str, Any], kind: Any) -> Any:
    message = kind()
    if kind.DESCRIPTOR.full_name in details:
        details[kind.DESCRIPTOR.full_name].Unpack(message)
    return message


def _status(name: str) -> Any:
    return entities_pb2.NotificationStatus.Value(f"NOTIFICATION_STATUS_{name.upper()}")


def _timestamp(text: str) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(datetime.fromisoformat(text))
    return timestamp


def _request(kind: type[M], given: Body) -> M:
    """A request from REST's JSON."""
    fields: Body = {}
    for name, value in given.items():
        if value is None:
            continue
        if name in TIMES:
            fields[name] = _timestamp(value)
        elif name == "metadata":
            fields[name] = Struct()
            fields[name].update(value)
        else:
            fields[name] = _status(value) if name == "status" else value
    return kind(**fields)


def _selection(kind: type[M], selection: Body) -> M:
    given = {name: value for name, value in selection.items() if name != "filter"}
    if selection.get("filter") is not None:
        given["filter"] = _request(pb.DeadLetterFilter, selection["filter"])
    return kind(**given)


def plain(message: Any) -> Body:
    """A message as REST's JSON: what is not set is null, enums lower-case without their prefix."""
    return {field.name: _plain_field(message, field) for field in message.DESCRIPTOR.fields}


def _plain_field(message: Any, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [plain(item) if isinstance(item, Message) else item for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    if isinstance(value, Timestamp):
        return value.ToJsonString() if value.nanos else value.ToJsonString().replace("Z", ".000Z")
    if isinstance(value, Struct):
        return _numbers(MessageToDict(value))
    if isinstance(value, Message):
        return plain(value)
    if field.enum_type is not None:
        name = field.enum_type.values_by_number[value].name
        return next(name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)).lower()
    return value


def _numbers(value: Any) -> Any:
    """On the wire every number is a double; an integral one is an integer, as in JavaScript."""
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
