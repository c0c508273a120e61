"""Operations on notifications: create, read, list, change status, delete, watch one; marks have a file of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated

import strawberry

from hub.domain.notifications import NewNotification
from hub.domain.paging import Filter
from hub.log import correlation_id
from hub.transports.graphql.connections import (
    After,
    ArchivedIs,
    Before,
    CategoryIs,
    CreatedAfter,
    CreatedBefore,
    First,
    Last,
    NotificationConnection,
    ReasonIs,
    StatusIs,
    TypeIs,
    UnreadIs,
    UserIdIs,
    requested,
    status_of,
)
from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import field, mutation, subscription
from hub.transports.graphql.scalars import JSON
from hub.transports.graphql.schemas import Event, Node, Notification, NotificationStatus, domain_status
from hub.transports.graphql.streams import events_of
from hub.transports.graphql.users import NODE_PREFIX, user_of

NotificationId = Annotated[strawberry.ID, strawberry.argument(description="The notification's id.")]


@strawberry.input(description="A notification to send.")
class CreateNotificationInput:
    """The command, and the key that makes a repeat harmless."""

    user_id: str = strawberry.field(description="Whom it is for: 1 to 128 of `A-Za-z0-9._:@+=~|-`.")
    title: str = strawberry.field(description="Subject or headline, one line, 1 to 255 characters.")
    message: str = strawberry.field(description="The text, 1 to 20,000 characters; an SMS is at most 10 segments.")
    type: str = strawberry.field(
        description="The channel: `email`, `sms`, `in_app`, `webhook` or any other that is registered."
    )
    html: str | None = strawberry.field(
        default=None, description="An HTML alternative to the message, at most 256 KiB; e-mail only."
    )
    to: str | None = strawberry.field(
        default=None, description="An address in place of the user's contact point; not for `in_app`."
    )
    metadata: JSON | None = strawberry.field(
        default=None,
        description="A JSON object, at most 16 KiB and 8 levels. `priority` (`low`, `normal`, `high`) and `category` "
        "(at most 64 characters) mean something to the hub.",
    )
    scheduled_at: datetime | None = strawberry.field(
        default=None, description="Not handed out before; a moment that is past means now."
    )
    expires_at: datetime | None = strawberry.field(default=None, description="Not handed out after.")
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="1 to 255 visible ASCII characters. A repeat with the same key gives the first result; one key "
        "space for all protocols, kept at least 24 hours.",
    )

    def to_domain(self) -> NewNotification:
        """As the core takes it."""
        return NewNotification(
            user_id=self.user_id,
            title=self.title,
            message=self.message,
            type=self.type,
            html=self.html,
            to=self.to,
            metadata={} if self.metadata is None else self.metadata,
            scheduled_at=self.scheduled_at,
            expires_at=self.expires_at,
        )


@strawberry.type(description="What `createNotification` did.")
class CreateNotificationPayload:
    """The notification is on disk with majority."""

    notification: Notification = strawberry.field(description="The notification, accepted and on disk.")
    idempotency_replayed: bool = strawberry.field(
        description="Whether an earlier call with the same idempotency key had made it."
    )


@strawberry.input(description="A status that the caller claims for a notification.")
class UpdateNotificationStatusInput:
    """Which statuses may be claimed is the core's to say."""

    id: strawberry.ID = strawberry.field(description="The notification's id.")
    status: NotificationStatus = strawberry.field(
        description="`READ`, `CANCELLED`, `DELIVERED`, `FAILED`, or `PENDING` (from `FAILED` only)."
    )


@strawberry.type(description="What `updateNotificationStatus` did.")
class UpdateNotificationStatusPayload:
    """The notification as it stands now."""

    notification: Notification = strawberry.field(description="The notification as it stands now.")


@strawberry.input(description="The notification to delete.")
class DeleteNotificationInput:
    """One id."""

    id: strawberry.ID = strawberry.field(description="The notification's id.")


@strawberry.type(description="What `deleteNotification` did.")
class DeleteNotificationPayload:
    """There is nothing left to show but the id."""

    # Not `id`: to Relay a field of that name is the identity of the object that has it.
    notification_id: strawberry.ID = strawberry.field(description="The id of what is gone.")


@strawberry.type
class NotificationQueries:
    """Part of the query type."""

    @field("One notification; null if there is none.")
    async def notification(
        self,
        info: Info,
        id: NotificationId,  # noqa: A002 - the contract's name
    ) -> Notification | None:
        """The core's `get_many`, gathered over the operation."""
        found = await info.context.loaders.notifications.load(id)
        return None if found is None else Notification.of(found)

    @field("Whatever has this id: a notification, or a user by `user:<user_id>`; null if none.")
    async def node(
        self,
        info: Info,
        id: Annotated[  # noqa: A002 - Relay's name
            strawberry.ID, strawberry.argument(description="The `id` of a `Node`.")
        ],
    ) -> Node | None:
        """Relay's object identification."""
        if id.startswith(NODE_PREFIX):
            return user_of(info.context.principal, id.removeprefix(NODE_PREFIX))
        found = await info.context.loaders.notifications.load(id)
        return None if found is None else Notification.of(found)

    @field("Everything the caller has sent, newest first.")
    async def notifications(
        self,
        info: Info,
        status: StatusIs = None,
        type_: TypeIs = None,
        category: CategoryIs = None,
        unread: UnreadIs = None,
        archived: ArchivedIs = None,
        user_id: UserIdIs = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
        reason: ReasonIs = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> NotificationConnection:
        """The core's list of the whole tenant."""
        filters = Filter(
            status=status_of(status),
            type=type_,
            category=category,
            unread=unread,
            archived=archived,
            user_id=user_id,
            created_after=created_after,
            created_before=created_before,
            reason=reason,
        )
        page = requested(info, first, last, after, before)
        context = info.context
        return NotificationConnection.of(await context.core.notifications.list(context.principal, filters, page))


# Each payload may be null, and is where the mutation failed: what other mutations of the same document have done
# stays in the answer.
@strawberry.type
class NotificationMutations:
    """Part of the mutation type."""

    @mutation("Accepts a notification: it is on disk with majority when this answers.")
    async def create_notification(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            CreateNotificationInput, strawberry.argument(description="The notification to send.")
        ],
    ) -> CreateNotificationPayload | None:
        """The core's create."""
        created = await info.context.core.notifications.create(
            info.context.principal,
            input.to_domain(),
            idempotency_key=input.idempotency_key,
            correlation_id=correlation_id(),
        )
        return CreateNotificationPayload(
            notification=Notification.of(created.notification), idempotency_replayed=created.replayed
        )

    @mutation("Claims a status, each by its own scope; repeating it changes nothing.")
    async def update_notification_status(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            UpdateNotificationStatusInput, strawberry.argument(description="The notification and its new status.")
        ],
    ) -> UpdateNotificationStatusPayload | None:
        """The core's change of status."""
        changed = await info.context.core.notifications.update_status(
            info.context.principal, input.id, domain_status(input.status)
        )
        return UpdateNotificationStatusPayload(notification=Notification.of(changed))

    @mutation("Deletes a notification for good; what waits is never sent. NOT_FOUND the second time.")
    async def delete_notification(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            DeleteNotificationInput, strawberry.argument(description="The notification to delete.")
        ],
    ) -> DeleteNotificationPayload | None:
        """The core's delete."""
        await info.context.core.notifications.delete(info.context.principal, input.id)
        return DeleteNotificationPayload(notification_id=input.id)


@strawberry.type
class NotificationSubscriptions:
    """Part of the subscription type."""

    @subscription(
        "Follows one notification: a heartbeat, its present version, then every change; ends when it is "
        "removed. NOT_FOUND if there is none."
    )
    async def notification_events(
        self,
        info: Info,
        id: NotificationId,  # noqa: A002 - the contract's name
    ) -> AsyncGenerator[Event, None]:
        """No generator itself: what is wrong is said before the stream begins."""
        return events_of(await info.context.core.notifications.watch(info.context.principal, id))
