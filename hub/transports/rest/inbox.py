"""Operations on a user's inbox, in REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from hub.core.app import Core
from hub.transports.rest.answers import (
    Count,
    InboxCounts,
    MarkedAll,
    NotificationPage,
    UnreadCount,
    answer,
    counts_body,
    marked_all_body,
    page_answer,
    unread_body,
)
from hub.transports.rest.auth import Caller
from hub.transports.rest.notifications import PAGE_RESPONSE
from hub.transports.rest.openapi import BODY_PROBLEMS, PREFIX, operation
from hub.transports.rest.schemas import AfterEvent, CountsQuery, LastEventId, ListQuery, MarkAll, UndoMarkAll, UserId
from hub.transports.rest.streams import STREAM_RESPONSE, EventStream, Streams

_TAG = "inbox"


class InboxRoutes:
    """Each handler parses, makes one call and maps the answer."""

    def __init__(self, core: Core, streams: Streams) -> None:
        self._core = core.inbox
        self._streams = streams

    def add_to(self, router: APIRouter) -> None:
        """The routes, in the order of the contract."""
        inbox = f"{PREFIX}/users/{{user_id}}/inbox"
        router.add_api_route(
            inbox,
            self.list_inbox,
            methods=["GET"],
            response_model=NotificationPage,
            responses={200: PAGE_RESPONSE},
            **operation("listInbox", "List a user's inbox", _TAG, "A page.", problems=(404,)),
        )
        router.add_api_route(
            f"{inbox}/unread-count",
            self.unread_count,
            methods=["GET"],
            response_model=UnreadCount,
            **operation("getUnreadCount", "Count a user's unread items", _TAG, "The count.", problems=(404,)),
        )
        router.add_api_route(
            f"{inbox}/counts",
            self.counts,
            methods=["GET"],
            response_model=InboxCounts,
            **operation("getInboxCounts", "Count a user's unread and unseen items", _TAG, "Counts.", problems=(404,)),
        )
        for path, handler, identifier, model in (
            ("read", self.mark_all_read, "markAllRead", MarkedAll),
            ("seen", self.mark_all_seen, "markAllSeen", MarkedAll),
            ("undo", self.undo_mark_all, "undoMarkAll", Count),
        ):
            summary = "Undo marking a user's items" if path == "undo" else f"Mark a user's items {path}"
            problems = (404, *BODY_PROBLEMS)
            router.add_api_route(
                f"{inbox}/{path}",
                handler,
                methods=["POST"],
                response_model=model,
                **operation(identifier, summary, _TAG, "How many items changed.", problems=problems),
            )
        router.add_api_route(
            f"{inbox}/stream",
            self.watch,
            methods=["GET"],
            status_code=200,
            response_class=EventStream,
            responses={200: STREAM_RESPONSE},
            **operation("watchInbox", "Follow a user's inbox", _TAG, "Events until the stream ends.", problems=(404,)),
        )

    async def list_inbox(
        self, request: Request, user_id: UserId, query: Annotated[ListQuery, Query()], principal: Caller
    ) -> Response:
        """Delivered, unexpired in-app notifications, newest first by (`delivered_at`, `id`); archived ones on request."""
        return page_answer(request, await self._core.list(principal, user_id, query.filters(), query.page()))

    async def unread_count(self, user_id: UserId, principal: Caller) -> Response:
        """Exact up to 1,000; beyond that 1,000, and `unread_count_capped`."""
        return answer(unread_body(await self._core.unread_count(principal, user_id)))

    async def counts(self, user_id: UserId, query: Annotated[CountsQuery, Query()], principal: Caller) -> Response:
        """Unread and unseen items, of all and of each of at most 20 `categories`; what is archived counts as neither."""
        return answer(counts_body(*await self._core.counts(principal, user_id, query.categories)))

    async def mark_all_read(self, user_id: UserId, principal: Caller, body: MarkAll | None = None) -> Response:
        """Everything unread up to a cursor (default: now), of one category if given. What is read was seen."""
        wish = body or MarkAll()
        marked = await self._core.mark_all_read(principal, user_id, up_to=wish.up_to, category=wish.category)
        return answer(marked_all_body(marked))

    async def mark_all_seen(self, user_id: UserId, principal: Caller, body: MarkAll | None = None) -> Response:
        """Everything unseen up to a cursor (default: now), of one category if given."""
        wish = body or MarkAll()
        marked = await self._core.mark_all_seen(principal, user_id, up_to=wish.up_to, category=wish.category)
        return answer(marked_all_body(marked))

    async def undo_mark_all(self, user_id: UserId, principal: Caller, body: UndoMarkAll) -> Response:
        """Takes marking all back, within ten minutes, from those items that nobody has changed since.

        Streams tell of it by `resync`. A repeat changes nothing.
        """
        return answer({"count": await self._core.undo_mark_all(principal, user_id, body.operation_id)})

    async def watch(
        self, user_id: UserId, principal: Caller, after: AfterEvent = None, last_event_id: LastEventId = None
    ) -> Response:
        """Server-sent events: a heartbeat, the latest version of what changed since the cursor, then live.

        An event may come again (`id` and `version` tell). `resync` asks to read the list afresh.
        """
        return await self._streams.open(await self._core.watch(principal, user_id, last_event_id or after))
