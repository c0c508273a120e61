"""Operations on users: whom notifications are for, with their lists and counts."""

from __future__ import annotations

from typing import Annotated

import strawberry

from hub.core import access
from hub.domain.checks import is_user_id
from hub.domain.errors import HubError
from hub.domain.paging import Filter, connection_request
from hub.domain.principals import Principal
from hub.transports.graphql.connections import (
    After,
    Before,
    CategoryIs,
    CreatedAfter,
    CreatedBefore,
    First,
    Last,
    NotificationConnection,
    StatusIs,
    TypeIs,
    UnreadIs,
    status_of,
)
from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import field
from hub.transports.graphql.schemas import Node

NODE_PREFIX = "user:"
"""What tells a user's node id from a notification's."""


@strawberry.type(description="A person who is notified; exists as soon as somebody can be called by that name.")
class User(Node):
    """Its lists and counts are read only if they are asked for."""

    id: strawberry.ID = strawberry.field(description="The node id: `user:` and the user id.")
    user_id: str = strawberry.field(description="The caller's own name for the person.")

    @field("The user's history: every channel, every status, newest first.")
    async def notifications(
        self,
        info: Info,
        status: StatusIs = None,
        type_: TypeIs = None,
        category: CategoryIs = None,
        unread: UnreadIs = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> NotificationConnection:
        """The core's `list_of_user`."""
        filters = Filter(
            status=status_of(status),
            type=type_,
            category=category,
            unread=unread,
            created_after=created_after,
            created_before=created_before,
        )
        page = connection_request(first, last, after, before)
        context = info.context
        return NotificationConnection.of(
            await context.core.notifications.list_of_user(context.principal, self.user_id, filters, page)
        )

    @field("The user's in-app notifications that were delivered and have not expired, newest first.")
    async def inbox(
        self,
        info: Info,
        status: StatusIs = None,
        type_: TypeIs = None,
        category: CategoryIs = None,
        unread: UnreadIs = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> NotificationConnection:
        """The core's inbox list."""
        filters = Filter(
            status=status_of(status),
            type=type_,
            category=category,
            unread=unread,
            created_after=created_after,
            created_before=created_before,
        )
        page = connection_request(first, last, after, before)
        context = info.context
        return NotificationConnection.of(await context.core.inbox.list(context.principal, self.user_id, filters, page))

    @field("Unread items of the inbox: exact up to 1,000, never more than that.")
    async def unread_count(self, info: Info) -> int:
        """The core's unread count."""
        return (await info.context.loaders.unread_counts.load(self.user_id)).count

    @field("Whether there are more unread items than `unreadCount` says.")
    async def unread_count_capped(self, info: Info) -> bool:
        """The core's unread count."""
        return (await info.context.loaders.unread_counts.load(self.user_id)).capped


def user_of(principal: Principal, user_id: str) -> User | None:
    """The user of that name, or None where there can be none or the caller may not know."""
    if not is_user_id(user_id):
        return None
    try:
        access.own(principal, user_id, "The user")
    except HubError:
        return None
    return User(id=strawberry.ID(NODE_PREFIX + user_id), user_id=user_id)


@strawberry.type
class UserQueries:
    """Part of the query type."""

    @field("A user by the caller's own name for them; null for what can't be such a name.")
    def user(
        self,
        info: Info,
        id: Annotated[  # noqa: A002 - the contract's name
            strawberry.ID, strawberry.argument(description="The plain user id, without the node id's prefix.")
        ],
    ) -> User | None:
        """No read: a user need not have a record."""
        return user_of(info.context.principal, id)
