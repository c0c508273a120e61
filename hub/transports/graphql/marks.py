"""Operations that mark one notification: read, seen, archived."""

from __future__ import annotations

from typing import Annotated

import strawberry

from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import mutation
from hub.transports.graphql.schemas import Notification


# Every mutation has an input and a payload of its own, so that either may grow without the others.
@strawberry.input
class _Which:
    id: strawberry.ID = strawberry.field(description="The notification's id.")


@strawberry.type
class _Marked:
    notification: Notification = strawberry.field(description="The notification as it stands now.")


@strawberry.input(description="The notification to mark read.")
class MarkReadInput(_Which):
    """One id."""


@strawberry.type(description="What `markRead` did.")
class MarkReadPayload(_Marked):
    """The notification as it stands now."""


@strawberry.input(description="The notification to mark unread.")
class MarkUnreadInput(_Which):
    """One id."""


@strawberry.type(description="What `markUnread` did.")
class MarkUnreadPayload(_Marked):
    """The notification as it stands now."""


@strawberry.input(description="The notification to mark seen.")
class MarkSeenInput(_Which):
    """One id."""


@strawberry.type(description="What `markSeen` did.")
class MarkSeenPayload(_Marked):
    """The notification as it stands now."""


@strawberry.input(description="The notification to mark unseen.")
class MarkUnseenInput(_Which):
    """One id."""


@strawberry.type(description="What `markUnseen` did.")
class MarkUnseenPayload(_Marked):
    """The notification as it stands now."""


@strawberry.input(description="The notification to archive.")
class ArchiveNotificationInput(_Which):
    """One id."""


@strawberry.type(description="What `archiveNotification` did.")
class ArchiveNotificationPayload(_Marked):
    """The notification as it stands now."""


@strawberry.input(description="The notification to take out of the archive.")
class UnarchiveNotificationInput(_Which):
    """One id."""


@strawberry.type(description="What `unarchiveNotification` did.")
class UnarchiveNotificationPayload(_Marked):
    """The notification as it stands now."""


# Payloads may be null for the reason that notifications.py gives.
@strawberry.type
class MarkMutations:
    """Part of the mutation type."""

    @mutation("Marks a sent or delivered notification read; the first time counts. What is read was seen.")
    async def mark_read(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            MarkReadInput, strawberry.argument(description="The notification to mark read.")
        ],
    ) -> MarkReadPayload | None:
        """The core's mark."""
        marked = await info.context.core.notifications.mark_read(info.context.principal, input.id)
        return MarkReadPayload(notification=Notification.of(marked))

    @mutation("Marks a notification unread and uncovers the status beneath.")
    async def mark_unread(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            MarkUnreadInput, strawberry.argument(description="The notification to mark unread.")
        ],
    ) -> MarkUnreadPayload | None:
        """The core's mark."""
        marked = await info.context.core.notifications.mark_unread(info.context.principal, input.id)
        return MarkUnreadPayload(notification=Notification.of(marked))

    @mutation("Marks a sent or delivered notification seen; the first time counts.")
    async def mark_seen(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            MarkSeenInput, strawberry.argument(description="The notification to mark seen.")
        ],
    ) -> MarkSeenPayload | None:
        """The core's mark."""
        marked = await info.context.core.notifications.mark_seen(info.context.principal, input.id)
        return MarkSeenPayload(notification=Notification.of(marked))

    @mutation("Marks a notification unseen, and unread with it: what nobody has seen nobody has read.")
    async def mark_unseen(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            MarkUnseenInput, strawberry.argument(description="The notification to mark unseen.")
        ],
    ) -> MarkUnseenPayload | None:
        """The core's mark."""
        marked = await info.context.core.notifications.mark_unseen(info.context.principal, input.id)
        return MarkUnseenPayload(notification=Notification.of(marked))

    @mutation("Archives a sent or delivered notification: it leaves the inbox, and keeps its other marks.")
    async def archive_notification(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            ArchiveNotificationInput, strawberry.argument(description="The notification to archive.")
        ],
    ) -> ArchiveNotificationPayload | None:
        """The core's mark."""
        marked = await info.context.core.notifications.archive(info.context.principal, input.id)
        return ArchiveNotificationPayload(notification=Notification.of(marked))

    @mutation("Takes a notification out of the archive: an inbox item that has not expired is back in its place.")
    async def unarchive_notification(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            UnarchiveNotificationInput, strawberry.argument(description="The notification to take out of the archive.")
        ],
    ) -> UnarchiveNotificationPayload | None:
        """The core's mark."""
        marked = await info.context.core.notifications.unarchive(info.context.principal, input.id)
        return UnarchiveNotificationPayload(notification=Notification.of(marked))
