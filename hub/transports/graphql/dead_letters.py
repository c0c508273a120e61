"""Operations on dead letters: list, replay, purge."""

from __future__ import annotations

from typing import Annotated

import strawberry

from hub.core.dead_letters import Selection
from hub.domain.paging import Filter
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
    NotificationFilter,
    ReasonIs,
    StatusIs,
    TypeIs,
    UnreadIs,
    UserIdIs,
    requested,
    status_of,
)
from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import field, mutation


def _selection(ids: list[strawberry.ID] | None, filters: NotificationFilter | None) -> Selection:
    return Selection(ids=None if ids is None else tuple(ids), filters=None if filters is None else filters.to_domain())


@strawberry.input(description="Which dead letters to send again. Give `ids` or `filter`, not both.")
class ReplayDeadLettersInput:
    """A selection, and whether to look only."""

    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="By notification id.")
    filter: NotificationFilter | None = strawberry.field(
        default=None, description="All that match; an empty filter matches every dead letter."
    )
    dry_run: bool = strawberry.field(default=False, description="Count only, change nothing.")


@strawberry.type(description="What `replayDeadLetters` did.")
class ReplayDeadLettersPayload:
    """A count."""

    count: int = strawberry.field(description="How many are pending again, or would be.")


@strawberry.input(description="Which dead letters to delete for good. Give `ids` or `filter`, not both.")
class PurgeDeadLettersInput:
    """A selection, and whether to look only."""

    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="By notification id.")
    filter: NotificationFilter | None = strawberry.field(
        default=None, description="All that match; an empty filter matches every dead letter."
    )
    dry_run: bool = strawberry.field(default=False, description="Count only, change nothing.")


@strawberry.type(description="What `purgeDeadLetters` did.")
class PurgeDeadLettersPayload:
    """A count."""

    count: int = strawberry.field(description="How many are gone, or would be.")


@strawberry.type
class DeadLetterQueries:
    """Part of the query type."""

    @field("Failed notifications that were neither replayed nor purged, newest first.")
    async def dead_letters(
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
        """The core's list of dead letters."""
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
        return NotificationConnection.of(await context.core.dead_letters.list(context.principal, filters, page))


# Payloads may be null for the reason that notifications.py gives.
@strawberry.type
class DeadLetterMutations:
    """Part of the mutation type."""

    @mutation("Makes dead letters pending again, with a new retry budget.")
    async def replay_dead_letters(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            ReplayDeadLettersInput, strawberry.argument(description="Which ones.")
        ],
    ) -> ReplayDeadLettersPayload | None:
        """The core's replay."""
        selection = _selection(input.ids, input.filter)
        count = await info.context.core.dead_letters.replay(info.context.principal, selection, dry_run=input.dry_run)
        return ReplayDeadLettersPayload(count=count)

    @mutation("Deletes dead letters for good.")
    async def purge_dead_letters(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            PurgeDeadLettersInput, strawberry.argument(description="Which ones.")
        ],
    ) -> PurgeDeadLettersPayload | None:
        """The core's purge."""
        selection = _selection(input.ids, input.filter)
        count = await info.context.core.dead_letters.purge(info.context.principal, selection, dry_run=input.dry_run)
        return PurgeDeadLettersPayload(count=count)
