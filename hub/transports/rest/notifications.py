"""Operations on notifications, in REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from hub.core.app import Core
from hub.log import correlation_id
from hub.transports.rest import answers
from hub.transports.rest.answers import NotificationPage, answer, notification_body, page_answer
from hub.transports.rest.auth import Caller
from hub.transports.rest.batch import BATCH_BYTES, BatchResults, NewBatch, results_body
from hub.transports.rest.openapi import BODY_PROBLEMS, PREFIX, header, operation
from hub.transports.rest.requests import answered_by, validated, with_body_limit
from hub.transports.rest.schemas import (
    IdempotencyKey,
    ListQuery,
    NewNotification,
    NotificationId,
    StatusChange,
    TenantListQuery,
    UserId,
)
from hub.transports.rest.streams import STREAM_RESPONSE, EventStream, Streams

_TAG = "notifications"
CREATE = "createNotification"
_CREATED = {
    "headers": {
        "Location": header("Where it is.", f"{PREFIX}/notifications/0198d0c2-7c1e-7b3a-9f0e-3a5b6c7d8e9f"),
        "Idempotency-Replayed": header("`true` if an earlier call with the same key made it.", "true"),
    },
}
PAGE_RESPONSE = {
    "headers": {"Link": header("The next page, if there is one.", f'<{PREFIX}/…?limit=20&after=AaZm>; rel="next"')},
}


class NotificationRoutes:
    """Each handler parses, makes one call and maps the answer."""

    def __init__(self, core: Core, streams: Streams) -> None:
        self._core = core.notifications
        self._streams = streams

    def add_to(self, router: APIRouter) -> None:
        """The routes, in the order of the contract."""
        base, one = f"{PREFIX}/notifications", f"{PREFIX}/notifications/{{notification_id}}"
        router.add_api_route(
            base,
            self.create,
            methods=["POST"],
            status_code=201,
            response_model=answers.Notification,
            responses={201: _CREATED},
            route_class_override=answered_by(router.route_class, self._create_directly),
            **operation(
                CREATE,
                "Create a notification",
                _TAG,
                "The notification; on disk, whatever becomes of the broker.",
                problems=BODY_PROBLEMS,
            ),
        )
        router.add_api_route(
            f"{base}/batch",
            self.create_many,
            methods=["POST"],
            response_model=BatchResults,
            route_class_override=with_body_limit(router.route_class, BATCH_BYTES),
            **operation(
                "createNotifications",
                "Create many notifications",
                _TAG,
                "What became of each; those without an error are on disk.",
                problems=BODY_PROBLEMS,
            ),
        )
        router.add_api_route(
            one,
            self.get,
            methods=["GET"],
            response_model=answers.Notification,
            **operation("getNotification", "Get a notification", _TAG, "The notification.", problems=(404,)),
        )
        router.add_api_route(
            base,
            self.list_all,
            methods=["GET"],
            response_model=NotificationPage,
            responses={200: PAGE_RESPONSE},
            **operation("listNotifications", "List the tenant's notifications", _TAG, "A page."),
        )
        router.add_api_route(
            f"{PREFIX}/users/{{user_id}}/notifications",
            self.list_of_user,
            methods=["GET"],
            response_model=NotificationPage,
            responses={200: PAGE_RESPONSE},
            **operation("listUserNotifications", "List a user's notifications", _TAG, "A page.", problems=(404,)),
        )
        self._add_changes_to(router, one)

    def _add_changes_to(self, router: APIRouter, one: str) -> None:
        router.add_api_route(
            f"{one}/status",
            self.update_status,
            methods=["PATCH"],
            response_model=answers.Notification,
            **operation(
                "updateNotificationStatus",
                "Claim a status",
                _TAG,
                "The notification.",
                problems=(404, 409, *BODY_PROBLEMS),
            ),
        )
        for path, method, handler, identifier, summary in (
            ("read", "PUT", self.mark_read, "markRead", "Mark a notification read"),
            ("read", "DELETE", self.mark_unread, "markUnread", "Mark a notification unread"),
            ("seen", "PUT", self.mark_seen, "markSeen", "Mark a notification seen"),
            ("seen", "DELETE", self.mark_unseen, "markUnseen", "Mark a notification unseen"),
            ("archived", "PUT", self.archive, "archiveNotification", "Archive a notification"),
            ("archived", "DELETE", self.unarchive, "unarchiveNotification", "Take a notification out of the archive"),
        ):
            router.add_api_route(
                f"{one}/{path}",
                handler,
                methods=[method],
                response_model=answers.Notification,
                **operation(identifier, summary, _TAG, "The notification.", problems=(404, 409)),
            )
        router.add_api_route(
            f"{one}/stream",
            self.watch,
            methods=["GET"],
            status_code=200,
            response_class=EventStream,
            responses={200: STREAM_RESPONSE},
            **operation(
                "watchNotification", "Follow a notification", _TAG, "Events until the stream ends.", problems=(404,)
            ),
        )
        router.add_api_route(
            one,
            self.delete,
            methods=["DELETE"],
            status_code=204,
            **operation("deleteNotification", "Delete a notification", _TAG, "It is gone.", problems=(404,)),
        )

    async def create(
        self, body: NewNotification, principal: Caller, idempotency_key: IdempotencyKey = None
    ) -> Response:
        """It is on disk with a majority when this answers, and sent soon after.

        A repeat with the same `Idempotency-Key` answers with the first call's notification in its present state.
        """
        created = await self._core.create(
            principal, body.command(), idempotency_key=idempotency_key, correlation_id=correlation_id()
        )
        headers = {"Location": f"{PREFIX}/notifications/{created.notification.id}"}
        if created.replayed:
            headers["Idempotency-Replayed"] = "true"
        return answer(notification_body(created.notification), 201, headers)

    async def _create_directly(self, request: Request) -> Response:
        """The same without FastAPI's way from a request to a function's arguments: half of what a create costs."""
        body = validated(NewNotification, await request.json())
        return await self.create(body, request.state.principal, request.headers.get("idempotency-key"))

    async def create_many(self, body: NewBatch, principal: Caller) -> Response:
        """Up to 1,000, each accepted or refused by itself: 200 whatever became of them.

        Repeat those that failed for a passing reason, with the same idempotency keys.
        """
        results = await self._core.create_many(principal, body.items(), correlation_id=correlation_id())
        return answer(results_body(results))

    async def get(self, notification_id: NotificationId, principal: Caller) -> Response:
        """Its present state, with every attempt so far."""
        return answer(notification_body(await self._core.get(principal, notification_id)))

    async def list_all(
        self, request: Request, query: Annotated[TenantListQuery, Query()], principal: Caller
    ) -> Response:
        """Every user, every channel, every status, newest first."""
        return page_answer(request, await self._core.list(principal, query.filters(), query.page()))

    async def list_of_user(
        self, request: Request, user_id: UserId, query: Annotated[ListQuery, Query()], principal: Caller
    ) -> Response:
        """Every channel, every status, newest first; empty for a user the hub has never heard of."""
        return page_answer(request, await self._core.list_of_user(principal, user_id, query.filters(), query.page()))

    async def update_status(self, notification_id: NotificationId, body: StatusChange, principal: Caller) -> Response:
        """Callers may claim `read`, `cancelled`, `delivered`, `failed` and (from `failed`) `pending`.

        Repeating a change that already holds succeeds and changes nothing.
        """
        return answer(notification_body(await self._core.update_status(principal, notification_id, body.status)))

    async def mark_read(self, notification_id: NotificationId, principal: Caller) -> Response:
        """Sets `read_at` on a notification that was sent or delivered; the first time counts. What is read was seen."""
        return answer(notification_body(await self._core.mark_read(principal, notification_id)))

    async def mark_unread(self, notification_id: NotificationId, principal: Caller) -> Response:
        """Takes `read_at` away and uncovers the status beneath."""
        return answer(notification_body(await self._core.mark_unread(principal, notification_id)))

    async def mark_seen(self, notification_id: NotificationId, principal: Caller) -> Response:
        """Sets `seen_at` on a notification that was sent or delivered; the first time counts."""
        return answer(notification_body(await self._core.mark_seen(principal, notification_id)))

    async def mark_unseen(self, notification_id: NotificationId, principal: Caller) -> Response:
        """Takes `seen_at` away, and `read_at` with it: what nobody has seen nobody has read."""
        return answer(notification_body(await self._core.mark_unseen(principal, notification_id)))

    async def archive(self, notification_id: NotificationId, principal: Caller) -> Response:
        """Sets `archived_at` on a notification that was sent or delivered: it leaves the inbox, and keeps its marks."""
        return answer(notification_body(await self._core.archive(principal, notification_id)))

    async def unarchive(self, notification_id: NotificationId, principal: Caller) -> Response:
        """Takes `archived_at` away: an inbox item that has not expired is back in its place."""
        return answer(notification_body(await self._core.unarchive(principal, notification_id)))

    async def delete(self, notification_id: NotificationId, principal: Caller) -> Response:
        """Whatever its status; what waits is never sent. A second time there is nothing to delete."""
        await self._core.delete(principal, notification_id)
        return Response(status_code=204)

    async def watch(self, notification_id: NotificationId, principal: Caller) -> Response:
        """Server-sent events: a heartbeat, its present version, every later one; ends when it is removed."""
        return await self._streams.open(await self._core.watch(principal, notification_id))
