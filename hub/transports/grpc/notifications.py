"""The rpcs on notifications: create, read, list, change status, mark, delete, watch one."""

# ruff: noqa: D102 - methods are named after their rpcs; the protos say what each one does

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from hub.domain.principals import Principal
from hub.log import correlation_id
from hub.rpc.v1 import notifications_pb2 as pb
from hub.transports.grpc import commands, schemas
from hub.transports.grpc.auth import Context
from hub.transports.grpc.servicer import NotificationServicer


class NotificationRpcs(NotificationServicer):
    """Each parses, makes one call, and maps the answer."""

    async def CreateNotification(
        self, request: pb.CreateNotificationRequest, context: Context
    ) -> pb.CreateNotificationResponse:
        created = await self.core.notifications.create(
            await self.principal_of(context),
            commands.new_notification(request),
            idempotency_key=commands.given(request, "idempotency_key"),
            correlation_id=correlation_id(),
        )
        return pb.CreateNotificationResponse(
            notification=schemas.notification(created.notification), idempotency_replayed=created.replayed
        )

    def check_stream(self, principal: Principal) -> None:
        self.core.notifications.may_create(principal)

    # One item: `calls` reads the stream, fills in what they have in common, and answers each.
    async def CreateNotifications(  # type: ignore[override]
        self, request: pb.CreateNotificationsRequest, context: Context
    ) -> pb.CreateNotificationsResponse:
        created = await self.CreateNotification(request.notification, context)
        return pb.CreateNotificationsResponse(
            notification=created.notification, idempotency_replayed=created.idempotency_replayed
        )

    async def GetNotification(self, request: pb.GetNotificationRequest, context: Context) -> pb.GetNotificationResponse:
        found = await self.core.notifications.get(await self.principal_of(context), request.notification_id)
        return pb.GetNotificationResponse(notification=schemas.notification(found))

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: Context
    ) -> pb.ListNotificationsResponse:
        page = await self.core.notifications.list(
            await self.principal_of(context), commands.filters(request), commands.page(request)
        )
        return pb.ListNotificationsResponse(
            notifications=schemas.notifications(page.items), next_page_token=page.next_cursor or ""
        )

    async def ListUserNotifications(
        self, request: pb.ListUserNotificationsRequest, context: Context
    ) -> pb.ListUserNotificationsResponse:
        page = await self.core.notifications.list_of_user(
            await self.principal_of(context), request.user_id, commands.filters(request), commands.page(request)
        )
        return pb.ListUserNotificationsResponse(
            notifications=schemas.notifications(page.items), next_page_token=page.next_cursor or ""
        )

    async def UpdateNotificationStatus(
        self, request: pb.UpdateNotificationStatusRequest, context: Context
    ) -> pb.UpdateNotificationStatusResponse:
        changed = await self.core.notifications.update_status(
            await self.principal_of(context), request.notification_id, commands.status(request.status)
        )
        return pb.UpdateNotificationStatusResponse(notification=schemas.notification(changed))

    async def MarkRead(self, request: pb.MarkReadRequest, context: Context) -> pb.MarkReadResponse:
        changed = await self.core.notifications.mark_read(await self.principal_of(context), request.notification_id)
        return pb.MarkReadResponse(notification=schemas.notification(changed))

    async def MarkUnread(self, request: pb.MarkUnreadRequest, context: Context) -> pb.MarkUnreadResponse:
        changed = await self.core.notifications.mark_unread(await self.principal_of(context), request.notification_id)
        return pb.MarkUnreadResponse(notification=schemas.notification(changed))

    async def MarkSeen(self, request: pb.MarkSeenRequest, context: Context) -> pb.MarkSeenResponse:
        changed = await self.core.notifications.mark_seen(await self.principal_of(context), request.notification_id)
        return pb.MarkSeenResponse(notification=schemas.notification(changed))

    async def MarkUnseen(self, request: pb.MarkUnseenRequest, context: Context) -> pb.MarkUnseenResponse:
        changed = await self.core.notifications.mark_unseen(await self.principal_of(context), request.notification_id)
        return pb.MarkUnseenResponse(notification=schemas.notification(changed))

    async def ArchiveNotification(
        self, request: pb.ArchiveNotificationRequest, context: Context
    ) -> pb.ArchiveNotificationResponse:
        changed = await self.core.notifications.archive(await self.principal_of(context), request.notification_id)
        return pb.ArchiveNotificationResponse(notification=schemas.notification(changed))

    async def UnarchiveNotification(
        self, request: pb.UnarchiveNotificationRequest, context: Context
    ) -> pb.UnarchiveNotificationResponse:
        changed = await self.core.notifications.unarchive(await self.principal_of(context), request.notification_id)
        return pb.UnarchiveNotificationResponse(notification=schemas.notification(changed))

    async def DeleteNotification(
        self, request: pb.DeleteNotificationRequest, context: Context
    ) -> pb.DeleteNotificationResponse:
        await self.core.notifications.delete(await self.principal_of(context), request.notification_id)
        return pb.DeleteNotificationResponse()

    async def WatchNotification(
        self, request: pb.WatchNotificationRequest, context: Context
    ) -> AsyncGenerator[pb.WatchNotificationResponse]:
        events = await self.core.notifications.watch(await self.principal_of(context), request.notification_id)
        async with aclosing(events):
            async for event in events:
                yield pb.WatchNotificationResponse(event=schemas.event(event))
