"""Operations on a user's inbox that are not fields of the user: mark all read, watch."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import mutation, subscription
from hub.transports.graphql.schemas import Event
from hub.transports.graphql.streams import events_of


@strawberry.input(description="What to mark read in a user's inbox.")
class MarkAllReadInput:
    """Everything up to now, unless it is narrowed."""

    user_id: str = strawberry.field(description="Whose inbox.")
    up_to: str | None = strawberry.field(
        default=None, description="A cursor of the inbox or of an event, inclusive; everything up to now without it."
    )
    category: str | None = strawberry.field(default=None, description="Only items of this category.")


@strawberry.type(description="What `markAllRead` did.")
class MarkAllReadPayload:
    """A count."""

    count: int = strawberry.field(description="How many items were unread before and are read now.")


@strawberry.type
class InboxMutations:
    """Part of the mutation type."""

    @mutation("Marks a user's inbox read at once.")
    async def mark_all_read(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            MarkAllReadInput, strawberry.argument(description="Whose inbox, and how much of it.")
        ],
    ) -> MarkAllReadPayload | None:
        """The core's mark-all."""
        count = await info.context.core.inbox.mark_all_read(
            info.context.principal, input.user_id, up_to=input.up_to, category=input.category
        )
        return MarkAllReadPayload(count=count)


@strawberry.type
class InboxSubscriptions:
    """Part of the subscription type."""

    @subscription(
        "Follows a user's inbox: a heartbeat, what has changed since the cursor, then every change as it happens."
    )
    async def inbox_events(
        self,
        info: Info,
        user_id: Annotated[str, strawberry.argument(description="Whose inbox.")],
        after: Annotated[
            str | None,
            strawberry.argument(description="The cursor of the last event seen: what has changed since is sent first."),
        ] = None,
    ) -> AsyncGenerator[Event, None]:
        """No generator itself: what is wrong is said before the stream begins."""
        return events_of(await info.context.core.inbox.watch(info.context.principal, user_id, after))
