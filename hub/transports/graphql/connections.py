"""Relay connections over keyset pages: the arguments every list takes, and the page as a connection.

Relay's Cursor Connections Specification; unlike `strawberry.relay.ListConnection` nothing here counts offsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Self

import strawberry
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionNode

from hub.domain.paging import Filter, Page, PageRequest, connection_request
from hub.domain.status import Status
from hub.transports.graphql.schemas import Notification, NotificationStatus, domain_status

First = Annotated[
    int | None, strawberry.argument(description="That many items from the front, 1 to 100. Give this or `last`.")
]
Last = Annotated[
    int | None, strawberry.argument(description="That many items from the back, 1 to 100. Give this or `first`.")
]
After = Annotated[str | None, strawberry.argument(description="Only what comes after this cursor (older items).")]
Before = Annotated[str | None, strawberry.argument(description="Only what comes before this cursor (newer items).")]
StatusIs = Annotated[
    NotificationStatus | None, strawberry.argument(name="status", description="Only with this status, as it is shown.")
]
TypeIs = Annotated[str | None, strawberry.argument(name="type", description="Only through this channel.")]
CategoryIs = Annotated[str | None, strawberry.argument(name="category", description="Only of this category.")]
UnreadIs = Annotated[
    bool | None, strawberry.argument(name="unread", description="Only unread ones, or only those marked read.")
]
ArchivedIs = Annotated[
    bool | None,
    strawberry.argument(
        name="archived",
        description="Only archived ones, or only others; without it, an inbox leaves out what is, other lists nothing.",
    ),
]
UserIdIs = Annotated[str | None, strawberry.argument(name="userId", description="Only this user's.")]
CreatedAfter = Annotated[
    datetime | None, strawberry.argument(description="Only those created after this moment, exclusive.")
]
CreatedBefore = Annotated[
    datetime | None, strawberry.argument(description="Only those created before this moment, exclusive.")
]

ReasonIs = Annotated[
    str | None,
    strawberry.argument(
        name="reason", description="Only with this code of `statusReason`, exactly, such as `RETRIES_EXHAUSTED`."
    ),
]


def status_of(shown: NotificationStatus | None) -> Status | None:
    """The domain's status for a status argument."""
    return None if shown is None else domain_status(shown)


@strawberry.input(description="Narrows a selection; what is left out narrows nothing.")
class NotificationFilter:
    """The arguments of the lists, as one input."""

    status: NotificationStatus | None = strawberry.field(
        default=None, description="Only with this status, as it is shown."
    )
    type: str | None = strawberry.field(default=None, description="Only through this channel.")
    category: str | None = strawberry.field(default=None, description="Only of this category.")
    unread: bool | None = strawberry.field(default=None, description="Only unread ones, or only those marked read.")
    archived: bool | None = strawberry.field(default=None, description="Only archived ones, or only others.")
    user_id: str | None = strawberry.field(default=None, description="Only this user's.")
    created_after: datetime | None = strawberry.field(
        default=None, description="Only those created after this moment, exclusive."
    )
    created_before: datetime | None = strawberry.field(
        default=None, description="Only those created before this moment, exclusive."
    )
    reason: str | None = strawberry.field(
        default=None, description="Only with this code of `statusReason`, exactly, such as `RETRIES_EXHAUSTED`."
    )

    def to_domain(self) -> Filter:
        """As the core takes it."""
        return Filter(
            status=status_of(self.status),
            type=self.type,
            category=self.category,
            unread=self.unread,
            archived=self.archived,
            user_id=self.user_id,
            created_after=self.created_after,
            created_before=self.created_before,
            reason=self.reason,
        )


def requested(
    info: strawberry.Info[Any, Any], first: int | None, last: int | None, after: str | None, before: str | None
) -> PageRequest:
    """The page that a field's arguments ask for. What lies beyond its cursor is looked up only if that is selected."""
    behind = "hasPreviousPage" if last is None else "hasNextPage"
    raw = info._raw_info  # noqa: SLF001 - Strawberry's own selections are an object for each field of the document
    return connection_request(first, last, after, before, exact_ends=_selects(raw.field_nodes, raw.fragments, behind))


def _selects(nodes: Iterable[SelectionNode], fragments: Mapping[str, FragmentDefinitionNode], name: str) -> bool:
    """Whether a field of that name is anywhere beneath, be it under `@skip`; documents are bounded before they run."""
    for node in nodes:
        if isinstance(node, FieldNode) and node.name.value == name:
            return True
        within = fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
        below = getattr(within, "selection_set", None)
        if below is not None and _selects(below.selections, fragments, name):
            return True
    return False


@strawberry.type(description="What lies on either side of a page.")
class PageInfo:
    """Relay's; both flags are exact, whichever way the page was asked for."""

    has_next_page: bool = strawberry.field(description="Whether more items follow (older ones).")
    has_previous_page: bool = strawberry.field(description="Whether more items come before (newer ones).")
    start_cursor: str | None = strawberry.field(description="The first edge's cursor; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The last edge's cursor; null on an empty page.")


@strawberry.type(description="A notification and its place in a list.")
class NotificationEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(
        description="The place in this list: opaque, the same token in all protocols, bound to list and filter."
    )
    node: Notification = strawberry.field(description="The notification.")


@strawberry.type(description="A page of notifications, newest first whichever end it was asked from.")
class NotificationConnection:
    """Relay's connection."""

    edges: list[NotificationEdge] = strawberry.field(description="The items of the page with their cursors.")
    page_info: PageInfo = strawberry.field(description="What lies on either side.")

    @classmethod
    def of(cls, page: Page) -> Self:
        """From the core's page."""
        pairs = zip(page.cursors, page.items, strict=True)
        return cls(
            edges=[NotificationEdge(cursor=cursor, node=Notification.of(item)) for cursor, item in pairs],
            page_info=PageInfo(
                has_next_page=page.has_next,
                has_previous_page=page.has_previous,
                start_cursor=page.cursors[0] if page.cursors else None,
                end_cursor=page.cursors[-1] if page.cursors else None,
            ),
        )
