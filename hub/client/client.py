"""The client: one method for each operation of the hub."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Self

from hub.client.calls import Caller
from hub.client.creating import create_many, keyed
from hub.client.errors import HubClientError
from hub.client.options import ClientOptions
from hub.client.watching import watch_inbox, watch_notification
from hub.rpc.v1 import access_pb2, health_pb2, users_pb2
from hub.rpc.v1 import notifications_pb2 as pb
from hub.rpc.v1.access_pb2_grpc import AccessServiceStub
from hub.rpc.v1.entities_pb2 import InboxCounts, Notification, NotificationStatus
from hub.rpc.v1.events_pb2 import Event
from hub.rpc.v1.health_pb2_grpc import HealthServiceStub
from hub.rpc.v1.notifications_pb2_grpc import NotificationServiceStub
from hub.rpc.v1.statistics_pb2 import Statistics
from hub.rpc.v1.users_pb2_grpc import UserServiceStub


class HubClient:
    """A client of the hub at `target` (`host:port`, or any name that grpc resolves).

    Made inside a running event loop, used by any number of tasks, and closed at the end::

        async with HubClient("hub:50051", ClientOptions(key="…")) as hub:
            created = await hub.create(CreateNotificationRequest(user_id="ann", …))

    Every method but the streams tries again what passes by itself (UNAVAILABLE, DEADLINE_EXCEEDED, and
    RESOURCE_EXHAUSTED where the hub says when) `within` a time for all tries together, and raises HubClientError.
    Every operation may be repeated; counts are those of the try that was answered. Only what makes a secret is not tried
    again where an earlier try may have made one: nobody would know it.
    """

    def __init__(self, target: str, options: ClientOptions | None = None) -> None:
        self._caller = Caller(options or ClientOptions())
        self._channel = self._caller.options.open(target)
        self._hub = NotificationServiceStub(self._channel)
        self._users = UserServiceStub(self._channel)
        self._access = AccessServiceStub(self._channel)
        self._health = HealthServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends every call and stream and closes the connections."""
        await self._channel.close()

    async def create(
        self, request: pb.CreateNotificationRequest, *, within: timedelta | None = None
    ) -> pb.CreateNotificationResponse:
        """Creates a notification: it is on disk when this returns.

        All tries use one idempotency key: the request's, or one that is made here and goes with this call. Whoever
        wants to repeat the call after an error gives a key.
        """
        return await self._caller.call(self._hub.CreateNotification, keyed(request), within)

    def create_many(
        self, requests: Iterable[pb.CreateNotificationRequest] | AsyncIterable[pb.CreateNotificationRequest]
    ) -> AsyncGenerator[pb.CreateNotificationsResponse]:
        """Creates all that come, each by itself; an answer for each, by its position in `requests`, in any order.

        An item that the hub refuses is answered with `error`, and the others go on. What was not acknowledged when the
        connection broke, and what failed for a reason that passes, is sent again with the same idempotency keys (made
        here for those that have none) while `ClientOptions.timeout` lasts. At most 256 are under way; `requests` is
        asked for no more meanwhile. An error of `requests` is raised after the last acknowledgement. Raises
        HubClientError if the hub refuses the stream, or stays away longer than that.

        Whoever leaves before the end closes it (`contextlib.aclosing`).
        """
        source = requests if isinstance(requests, AsyncIterable) else _one_by_one(requests)
        return create_many(self._caller, self._channel, source)

    def watch_inbox(self, user_id: str, after: str | None = None) -> AsyncGenerator[Event]:
        """Events of a user's inbox, without end, heartbeats among them; `after` is the cursor of the last one known.

        When the connection breaks, it is opened again from the last cursor, after a wait with jitter, for as long as
        that takes; what is told of twice is left out. After `EVENT_KIND_RESYNC` the list is to be read afresh: not all
        that was missed can be told. Raises HubClientError for what does not pass by itself.

        Whoever leaves closes it (`contextlib.aclosing`).
        """
        return watch_inbox(self._caller, self._channel, user_id, after)

    def watch(self, notification_id: str) -> AsyncGenerator[Event]:
        """Events of one notification, its present version first, until it is removed; otherwise as `watch_inbox`."""
        return watch_notification(self._caller, self._channel, notification_id)

    async def delete(self, notification_id: str, *, within: timedelta | None = None) -> None:
        """Deletes a notification for good; NOT_FOUND if there is none.

        Where an earlier try of this very call may have deleted it, NOT_FOUND means that it did.
        """
        request = pb.DeleteNotificationRequest(notification_id=notification_id)
        try:
            await self._caller.call(self._hub.DeleteNotification, request, within)
        except HubClientError as error:
            if error.code != "NOT_FOUND" or not error.after_unknown:
                raise

    async def get(self, notification_id: str, *, within: timedelta | None = None) -> Notification:
        """The notification; NOT_FOUND if there is none."""
        request = pb.GetNotificationRequest(notification_id=notification_id)
        return (await self._caller.call(self._hub.GetNotification, request, within)).notification

    async def list(
        self, request: pb.ListNotificationsRequest, *, within: timedelta | None = None
    ) -> pb.ListNotificationsResponse:
        """One page of all notifications."""
        return await self._caller.call(self._hub.ListNotifications, request, within)

    async def list_of_user(
        self, request: pb.ListUserNotificationsRequest, *, within: timedelta | None = None
    ) -> pb.ListUserNotificationsResponse:
        """One page of a user's notifications, every channel and status."""
        return await self._caller.call(self._hub.ListUserNotifications, request, within)

    async def inbox(self, request: pb.ListInboxRequest, *, within: timedelta | None = None) -> pb.ListInboxResponse:
        """One page of a user's inbox."""
        return await self._caller.call(self._hub.ListInbox, request, within)

    async def unread_count(self, user_id: str, *, within: timedelta | None = None) -> pb.GetUnreadCountResponse:
        """The unread items of a user's inbox: exact up to 1,000."""
        request = pb.GetUnreadCountRequest(user_id=user_id)
        return await self._caller.call(self._hub.GetUnreadCount, request, within)

    async def inbox_counts(
        self, user_id: str, categories: Iterable[str] = (), *, within: timedelta | None = None
    ) -> InboxCounts:
        """The unread and the unseen items of a user's inbox, of all and of each of at most 20 categories."""
        request = pb.GetInboxCountsRequest(user_id=user_id, categories=categories)
        return (await self._caller.call(self._hub.GetInboxCounts, request, within)).counts

    async def update_status(
        self, notification_id: str, status: NotificationStatus.ValueType, *, within: timedelta | None = None
    ) -> Notification:
        """Claims a status: read, cancelled, delivered, failed or pending."""
        request = pb.UpdateNotificationStatusRequest(notification_id=notification_id, status=status)
        return (await self._caller.call(self._hub.UpdateNotificationStatus, request, within)).notification

    async def mark_read(self, notification_id: str, *, within: timedelta | None = None) -> Notification:
        """Marks a notification read; the first time counts. What is read was seen."""
        request = pb.MarkReadRequest(notification_id=notification_id)
        return (await self._caller.call(self._hub.MarkRead, request, within)).notification

    async def mark_unread(self, notification_id: str, *, within: timedelta | None = None) -> Notification:
        """Takes the mark away."""
        request = pb.MarkUnreadRequest(notification_id=notification_id)
        return (await self._caller.call(self._hub.MarkUnread, request, within)).notification

    async def mark_seen(self, notification_id: str, *, within: timedelta | None = None) -> Notification:
        """Marks a notification seen; the first time counts."""
        request = pb.MarkSeenRequest(notification_id=notification_id)
        return (await self._caller.call(self._hub.MarkSeen, request, within)).notification

    async def mark_unseen(self, notification_id: str, *, within: timedelta | None = None) -> Notification:
        """Takes the mark away, and `read` with it."""
        request = pb.MarkUnseenRequest(notification_id=notification_id)
        return (await self._caller.call(self._hub.MarkUnseen, request, within)).notification

    async def archive(self, notification_id: str, *, within: timedelta | None = None) -> Notification:
        """Takes a notification out of the inbox; it keeps its other marks."""
        request = pb.ArchiveNotificationRequest(notification_id=notification_id)
        return (await self._caller.call(self._hub.ArchiveNotification, request, within)).notification

    async def unarchive(self, notification_id: str, *, within: timedelta | None = None) -> Notification:
        """Puts a notification back in its place in the inbox, unless it has expired."""
        request = pb.UnarchiveNotificationRequest(notification_id=notification_id)
        return (await self._caller.call(self._hub.UnarchiveNotification, request, within)).notification

    async def mark_all_read(
        self, request: pb.MarkAllReadRequest, *, within: timedelta | None = None
    ) -> pb.MarkAllReadResponse:
        """Marks everything unread in an inbox read, up to a place if one is given; how many items, and how to undo it."""
        return await self._caller.call(self._hub.MarkAllRead, request, within)

    async def mark_all_seen(
        self, request: pb.MarkAllSeenRequest, *, within: timedelta | None = None
    ) -> pb.MarkAllSeenResponse:
        """Marks everything unseen in an inbox seen, up to a place if one is given; how many items, and how to undo it."""
        return await self._caller.call(self._hub.MarkAllSeen, request, within)

    async def undo_mark_all(self, user_id: str, operation_id: str, *, within: timedelta | None = None) -> int:
        """Takes marking all back from those items that nobody has changed since; how many. NOT_FOUND after ten minutes."""
        request = pb.UndoMarkAllRequest(user_id=user_id, operation_id=operation_id)
        return (await self._caller.call(self._hub.UndoMarkAll, request, within)).count

    async def dead_letters(
        self, request: pb.ListDeadLettersRequest, *, within: timedelta | None = None
    ) -> pb.ListDeadLettersResponse:
        """One page of the failed notifications."""
        return await self._caller.call(self._hub.ListDeadLetters, request, within)

    async def replay_dead_letters(
        self, request: pb.ReplayDeadLettersRequest, *, within: timedelta | None = None
    ) -> int:
        """Makes dead letters pending again; how many."""
        return (await self._caller.call(self._hub.ReplayDeadLetters, request, within)).count

    async def purge_dead_letters(self, request: pb.PurgeDeadLettersRequest, *, within: timedelta | None = None) -> int:
        """Deletes dead letters for good; how many."""
        return (await self._caller.call(self._hub.PurgeDeadLetters, request, within)).count

    async def statistics(self, request: pb.GetStatisticsRequest, *, within: timedelta | None = None) -> Statistics:
        """Counts by time, channel, category and status, and how each channel did."""
        return (await self._caller.call(self._hub.GetStatistics, request, within)).statistics

    async def get_user(self, user_id: str, *, within: timedelta | None = None) -> users_pb2.User:
        """A user's record; NOT_FOUND if there is none."""
        request = users_pb2.GetUserRequest(user_id=user_id)
        return (await self._caller.call(self._users.GetUser, request, within)).user

    async def update_user(
        self, request: users_pb2.UpdateUserRequest, *, within: timedelta | None = None
    ) -> users_pb2.User:
        """Makes a user's record or replaces it as a whole."""
        return (await self._caller.call(self._users.UpdateUser, request, within)).user

    async def delete_user(self, user_id: str, *, within: timedelta | None = None) -> users_pb2.DeleteUserResponse:
        """Deletes all that the hub knows of a user, and says how much that was."""
        request = users_pb2.DeleteUserRequest(user_id=user_id)
        return await self._caller.call(self._users.DeleteUser, request, within)

    async def create_key(
        self, request: access_pb2.CreateKeyRequest, *, within: timedelta | None = None
    ) -> access_pb2.CreateKeyResponse:
        """Makes a key; its secret is in this answer and nowhere else."""
        return await self._caller.call(self._access.CreateKey, request, within, repeatable=False)

    async def keys(self, *, within: timedelta | None = None) -> tuple[access_pb2.ApiKey, ...]:
        """Every key of the tenant, newest first: 1,000 at most."""
        return tuple((await self._caller.call(self._access.ListKeys, access_pb2.ListKeysRequest(), within)).keys)

    async def rotate_key(
        self, key_id: str, overlap: timedelta | None = None, *, within: timedelta | None = None
    ) -> access_pb2.RotateKeyResponse:
        """Makes a key like another one, which goes on for `overlap` (whole seconds; one day if left out)."""
        request = access_pb2.RotateKeyRequest(key_id=key_id, overlap_seconds=_seconds(overlap))
        return await self._caller.call(self._access.RotateKey, request, within, repeatable=False)

    async def revoke_key(self, key_id: str, *, within: timedelta | None = None) -> access_pb2.ApiKey:
        """Ends a key; the first time counts."""
        request = access_pb2.RevokeKeyRequest(key_id=key_id)
        return (await self._caller.call(self._access.RevokeKey, request, within)).key

    async def issue_user_token(
        self, user_id: str, lifetime: timedelta | None = None, *, within: timedelta | None = None
    ) -> access_pb2.IssueUserTokenResponse:
        """A token that opens this user's inbox for `lifetime` (whole seconds; as the hub is set up if left out)."""
        request = access_pb2.IssueUserTokenRequest(user_id=user_id, lifetime_seconds=_seconds(lifetime))
        return await self._caller.call(self._access.IssueUserToken, request, within)

    async def audit(
        self, request: access_pb2.ListAuditEntriesRequest, *, within: timedelta | None = None
    ) -> access_pb2.ListAuditEntriesResponse:
        """One page of the audit trail."""
        return await self._caller.call(self._access.ListAuditEntries, request, within)

    async def health(self, *, within: timedelta | None = None) -> health_pb2.HealthReport:
        """How the hub does; without a key, where it has keys, the overall word alone."""
        request = health_pb2.GetHealthRequest()
        return (await self._caller.call(self._health.GetHealth, request, within)).health


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())


async def _one_by_one(
    requests: Iterable[pb.CreateNotificationRequest],
) -> AsyncGenerator[pb.CreateNotificationRequest]:
    for request in requests:
        yield request
