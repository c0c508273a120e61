"""The rpcs on a user's inbox: list, count, mark all of it and undo that, watch."""

# ruff: noqa: D102 - methods are named after their rpcs; the protos say what each one does

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from hub.domain.events import Event
from hub.rpc.v1 import notifications_pb2 as pb
from hub.transports.grpc import commands, schemas
from hub.transports.grpc.auth import Context
from hub.transports.grpc.servicer import NotificationServicer


class InboxRpcs(NotificationServicer):
    """Each parses, makes one call, and maps the answer."""

    async def ListInbox(self, request: pb.ListInboxRequest, context: Context) -> pb.ListInboxResponse:
        page = await self.core.inbox.list(
            await self.principal_of(context), request.user_id, commands.filters(request), commands.page(request)
        )
        return pb.ListInboxResponse(
            notifications=schemas.notifications(page.items), next_page_token=page.next_cursor or ""
        )

    async def GetUnreadCount(self, request: pb.GetUnreadCountRequest, context: Context) -> pb.GetUnreadCountResponse:
        unread = await self.core.inbox.unread_count(await self.principal_of(context), request.user_id)
        return pb.GetUnreadCountResponse(unread_count=unread.count, unread_count_capped=unread.capped)

    async def GetInboxCounts(self, request: pb.GetInboxCountsRequest, context: Context) -> pb.GetInboxCountsResponse:
        counts, categories = await self.core.inbox.counts(
            await self.principal_of(context), request.user_id, list(request.categories)
        )
        return pb.GetInboxCountsResponse(counts=schemas.inbox_counts(counts, categories))

    async def MarkAllRead(self, request: pb.MarkAllReadRequest, context: Context) -> pb.MarkAllReadResponse:
        marked = await self.core.inbox.mark_all_read(
            await self.principal_of(context),
            request.user_id,
            up_to=commands.given(request, "up_to"),
            category=commands.given(request, "category"),
        )
        return pb.MarkAllReadResponse(count=marked.count, operation_id=schemas.id_or_none(marked.operation_id))

    async def MarkAllSeen(self, request: pb.MarkAllSeenRequest, context: Context) -> pb.MarkAllSeenResponse:
        marked = await self.core.inbox.mark_all_seen(
            await self.principal_of(context),
            request.user_id,
            up_to=commands.given(request, "up_to"),
            category=commands.given(request, "category"),
        )
        return pb.MarkAllSeenResponse(count=marked.count, operation_id=schemas.id_or_none(marked.operation_id))

    async def UndoMarkAll(self, request: pb.UndoMarkAllRequest, context: Context) -> pb.UndoMarkAllResponse:
        count = await self.core.inbox.undo_mark_all(
            await self.principal_of(context), request.user_id, request.operation_id
        )
        return pb.UndoMarkAllResponse(count=count)

    async def WatchInbox(
        self, request: pb.WatchInboxRequest, context: Context
    ) -> AsyncGenerator[pb.WatchInboxResponse]:
        principal = await self.principal_of(context)
        events = await self.core.inbox.watch(principal, request.user_id, commands.given(request, "after"))
        async with aclosing(events):
            async for event in events:
                yield self.told.made(event, _response)


def _response(event: Event) -> pb.WatchInboxResponse:
    return pb.WatchInboxResponse(event=schemas.event(event))
