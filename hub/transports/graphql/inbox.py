"""Operations on a user's inbox that are not fields of the user: mark all of it, undo that, watch."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Self
from uuid import UUID

import strawberry

from hub.domain import events
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
    """A count, and how to undo it."""

    count: int = strawberry.field(description="How many items were unread before and are read now.")
    operation_id: strawberry.ID | None = strawberry.field(
        description="Undoes it within ten minutes; null where nothing changed."
    )

    @classmethod
    def of(cls, marked: events.MarkedAll) -> Self:
        """From the domain's."""
        return cls(count=marked.count, operation_id=_id_or_none(marked.operation_id))


@strawberry.input(description="What to mark seen in a user's inbox.")
class MarkAllSeenInput:
    """Everything up to now, unless it is narrowed."""

    user_id: str = strawberry.field(description="Whose inbox.")
    up_to: str | None = strawberry.field(
        default=None, description="A cursor of the inbox or of an event, inclusive; everything up to now without it."
    )
    category: str | None = strawberry.field(default=None, description="Only items of this category.")


@strawberry.type(description="What `markAllSeen` did.")
class MarkAllSeenPayload:
    """A count, and how to undo it."""

    count: int = strawberry.field(description="How many items were unseen before and are seen now.")
    operation_id: strawberry.ID | None = strawberry.field(
        description="Undoes it within ten minutes; null where nothing changed."
    )

    @classmethod
    def of(cls, marked: events.MarkedAll) -> Self:
        """From the domain's."""
        return cls(count=marked.count, operation_id=_id_or_none(marked.operation_id))


@strawberry.input(description="What to undo in a user's inbox.")
class UndoMarkAllInput:
    """One operation."""

    user_id: str = strawberry.field(description="Whose inbox.")
    operation_id: strawberry.ID = strawberry.field(
        description="As `markAllRead` or `markAllSeen` answered, within the last ten minutes."
    )


@strawberry.type(description="What `undoMarkAll` did.")
class UndoMarkAllPayload:
    """A count."""

    count: int = strawberry.field(
        description="How many items are what they were before; those that somebody has changed since stay as they are."
    )


def _id_or_none(identifier: UUID | None) -> strawberry.ID | None:
    return None if identifier is None else strawberry.ID(str(identifier))


@strawberry.type
class InboxMutations:
    """Part of the mutation type."""

    @mutation("Marks a user's inbox read at once. What is read was seen.")
    async def mark_all_read(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            MarkAllReadInput, strawberry.argument(description="Whose inbox, and how much of it.")
        ],
    ) -> MarkAllReadPayload | None:
        """The core's mark-all."""
        marked = await info.context.core.inbox.mark_all_read(
            info.context.principal, input.user_id, up_to=input.up_to, category=input.category
        )
        return MarkAllReadPayload.of(marked)

    @mutation("Marks a user's inbox seen at once.")
    async def mark_all_seen(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            MarkAllSeenInput, strawberry.argument(description="Whose inbox, and how much of it.")
        ],
    ) -> MarkAllSeenPayload | None:
        """The core's mark-all."""
        marked = await info.context.core.inbox.mark_all_seen(
            info.context.principal, input.user_id, up_to=input.up_to, category=input.category
        )
        return MarkAllSeenPayload.of(marked)

    @mutation("Takes marking all back, from those items that nobody has changed since; streams tell of it by `RESYNC`.")
    async def undo_mark_all(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            UndoMarkAllInput, strawberry.argument(description="Whose inbox, and which operation on it.")
        ],
    ) -> UndoMarkAllPayload | None:
        """The core's undo."""
        count = await info.context.core.inbox.undo_mark_all(info.context.principal, input.user_id, input.operation_id)
        return UndoMarkAllPayload(count=count)


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
