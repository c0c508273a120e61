"""Operations on users: whom notifications are for, with their records, lists and counts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry

from hub.core import access
from hub.domain.checks import is_user_id
from hub.domain.errors import HubError, Violation, invalid
from hub.domain.notifications import User as Record
from hub.domain.paging import Filter
from hub.domain.principals import Principal
from hub.domain.users import UserRecord
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
    requested,
    status_of,
)
from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import field, mutation
from hub.transports.graphql.scalars import JSON
from hub.transports.graphql.schemas import InboxCounts, Node

NODE_PREFIX = "user:"
"""What tells a user's node id from a notification's."""


@strawberry.type(description="A person who is notified; exists as soon as somebody can be called by that name.")
class User(Node):
    """Its record, lists and counts are read only if they are asked for."""

    id: strawberry.ID = strawberry.field(description="The node id: `user:` and the user id.")
    user_id: str = strawberry.field(description="The caller's own name for the person.")
    written: strawberry.Private[Record | None] = None
    """The record as a mutation has just written it: it need not be read again."""

    @field("Where the user can be reached, such as `{email, phone, webhook}`; null without a record.")
    async def contact_points(self, info: Info) -> JSON | None:
        """Of the core's record."""
        record = await self._record(info)
        return None if record is None else JSON(dict(record.contact_points))

    @field("The user's language tag (BCP 47); null if unknown, and without a record.")
    async def locale(self, info: Info) -> str | None:
        """Of the core's record."""
        record = await self._record(info)
        return None if record is None else record.locale

    @field("The user's time zone by its IANA name; null if unknown, and without a record.")
    async def timezone(self, info: Info) -> str | None:
        """Of the core's record."""
        record = await self._record(info)
        return None if record is None else record.timezone

    @field("When the record was first written; null without one.")
    async def created_at(self, info: Info) -> datetime | None:
        """Of the core's record."""
        record = await self._record(info)
        return None if record is None else record.created_at

    @field("When the record was last written; null without one.")
    async def updated_at(self, info: Info) -> datetime | None:
        """Of the core's record."""
        record = await self._record(info)
        return None if record is None else record.updated_at

    @field("The user's history: every channel, every status, newest first.")
    async def notifications(
        self,
        info: Info,
        status: StatusIs = None,
        type_: TypeIs = None,
        category: CategoryIs = None,
        unread: UnreadIs = None,
        archived: ArchivedIs = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
        reason: ReasonIs = None,
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
            archived=archived,
            created_after=created_after,
            created_before=created_before,
            reason=reason,
        )
        page = requested(info, first, last, after, before)
        context = info.context
        return NotificationConnection.of(
            await context.core.notifications.list_of_user(context.principal, self.user_id, filters, page)
        )

    @field(
        "The user's in-app notifications that were delivered and have not expired, newest first; archived ones on request."
    )
    async def inbox(
        self,
        info: Info,
        status: StatusIs = None,
        type_: TypeIs = None,
        category: CategoryIs = None,
        unread: UnreadIs = None,
        archived: ArchivedIs = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
        reason: ReasonIs = None,
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
            archived=archived,
            created_after=created_after,
            created_before=created_before,
            reason=reason,
        )
        page = requested(info, first, last, after, before)
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

    @field(
        "Unread and unseen items of the inbox, of all and of each category asked for; archived ones count as neither."
    )
    async def inbox_counts(
        self,
        info: Info,
        categories: Annotated[
            list[str] | None, strawberry.argument(description="At most 20 categories to be counted by themselves.")
        ] = None,
    ) -> InboxCounts:
        """The core's counts."""
        context = info.context
        return InboxCounts.of(*await context.core.inbox.counts(context.principal, self.user_id, categories or ()))

    async def _record(self, info: Info) -> Record | None:
        return self.written or await info.context.loaders.users.load(self.user_id)


def user_of(principal: Principal, user_id: str) -> User | None:
    """The user of that name, or None where there can be none or the caller may not know."""
    if not is_user_id(user_id):
        return None
    try:
        access.own(principal, user_id, "The user")
    except HubError:
        return None
    return User(id=strawberry.ID(NODE_PREFIX + user_id), user_id=user_id)


@strawberry.input(description="A user's record; it replaces the one before as a whole.")
class UpdateUserInput:
    """What is left out is gone."""

    user_id: str = strawberry.field(description="Whose record: 1 to 128 of `A-Za-z0-9._:@+=~|-`.")
    contact_points: JSON | None = strawberry.field(
        default=None,
        description="A JSON object of addresses, such as `{email, phone, webhook}`; each channel checks its own.",
    )
    locale: str | None = strawberry.field(default=None, description="A language tag (BCP 47), such as `pt-BR`.")
    timezone: str | None = strawberry.field(default=None, description="An IANA name, such as `Europe/Paris`.")

    def to_domain(self) -> UserRecord:
        """As the core takes it."""
        return UserRecord(_addresses(self.contact_points), self.locale, self.timezone)


@strawberry.type(description="What `updateUser` did.")
class UpdateUserPayload:
    """The user, with the record as it was written."""

    user: User = strawberry.field(description="The user with the new record.")


@strawberry.input(description="The user to delete.")
class DeleteUserInput:
    """One user id."""

    user_id: str = strawberry.field(description="Of whom everything goes.")


@strawberry.type(description="What `deleteUser` removed; all zero when there was nothing (any more).")
class DeleteUserPayload:
    """Counts."""

    notifications: int = strawberry.field(description="Notifications of every channel and status.")
    cancelled: int = strawberry.field(description="How many of these were still waiting, and are never sent.")
    keys: int = strawberry.field(description="Idempotency keys that were used for the user.")
    contact_points: int = strawberry.field(description="Addresses of the record.")


def _addresses(given: Any) -> dict[str, str]:
    """The scalar takes any JSON, and the core takes texts."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise invalid(Violation("contact_points", "must be a JSON object"))
    wrong = [name for name, address in given.items() if not isinstance(address, str)]
    if wrong:
        raise invalid(*(Violation(f"contact_points.{name}", "must be a text") for name in wrong))
    return given


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


# Payloads may be null for the reason that notifications.py gives.
@strawberry.type
class UserMutations:
    """Part of the mutation type."""

    @mutation("Replaces a user's record: where they can be reached, in which language, in which time zone.")
    async def update_user(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            UpdateUserInput, strawberry.argument(description="The record, whole.")
        ],
    ) -> UpdateUserPayload | None:
        """The core's update."""
        written = await info.context.core.users.update(info.context.principal, input.user_id, input.to_domain())
        node_id = strawberry.ID(NODE_PREFIX + written.user_id)
        return UpdateUserPayload(user=User(id=node_id, user_id=written.user_id, written=written))

    @mutation(
        "Cancels what waits for a user and removes inbox, history, idempotency keys and contact points, for good; may "
        "be repeated."
    )
    async def delete_user(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            DeleteUserInput, strawberry.argument(description="The user to delete.")
        ],
    ) -> DeleteUserPayload | None:
        """The core's delete."""
        deleted = await info.context.core.users.delete(info.context.principal, input.user_id)
        return DeleteUserPayload(
            notifications=deleted.notifications,
            cancelled=deleted.cancelled,
            keys=deleted.keys,
            contact_points=deleted.contact_points,
        )
