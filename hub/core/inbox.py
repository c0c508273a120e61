"""Use cases on a user's inbox: list, count, mark all of it and undo that, watch."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from hub.core import access
from hub.core.access import Operation
from hub.core.lists import Lists, checked_filter
from hub.core.ports import AllRead, AllSeen, Announcer, Feed, Undone
from hub.core.standings import Standings
from hub.core.stream_caps import StreamCaps
from hub.domain.checks import check_user_id
from hub.domain.errors import invalid_field, not_found
from hub.domain.events import CappedCount, CategoryCounts, Event, InboxCounts, InboxPosition, MarkedAll
from hub.domain.ids import parse_id
from hub.domain.paging import Filter, ListKind, Page, PageRequest, decode_cursor
from hub.domain.principals import Principal
from hub.domain.text import text_fault
from hub.domain.times import now
from hub.store.inbox import InboxStore
from hub.store.marks import MarkStore

LAST_ID = UUID(int=2**128 - 1)
MOST_CATEGORIES = 20
"""Counted in one call."""


class Inbox:
    """One method, one public operation."""

    def __init__(
        self,
        store: InboxStore,
        marks: MarkStore,
        lists: Lists,
        announcer: Announcer,
        feed: Feed,
        standings: Standings,
        caps: StreamCaps,
    ) -> None:
        self._store = store
        self._marks = marks
        self._lists = lists
        self._announcer = announcer
        self._feed = feed
        self._standings = standings
        self._caps = caps

    async def list(self, principal: Principal, user_id: str, filters: Filter, page: PageRequest) -> Page:
        """The user's delivered, unexpired in-app notifications, newest first by (`delivered_at`, `id`).

        Those that are archived are left out, or with `archived` in the filter are the only ones.
        """
        access.allow(principal, Operation.INBOX, check_user_id(user_id))
        return await self._lists.page(ListKind.INBOX, (principal.tenant, user_id), filters, page)

    async def unread_count(self, principal: Principal, user_id: str) -> CappedCount:
        """Unread items: exact up to 1,000, beyond that 1,000 and capped."""
        access.allow(principal, Operation.UNREAD_COUNT, check_user_id(user_id))
        return await self._store.unread_count(principal.tenant, user_id)

    async def counts(
        self, principal: Principal, user_id: str, categories: Sequence[str] = ()
    ) -> tuple[InboxCounts, Sequence[CategoryCounts]]:
        """Unread and unseen items, and those of each category asked for (at most 20), in the order of asking.

        Every number is exact up to 1,000, beyond that 1,000 and capped.
        """
        access.allow(principal, Operation.INBOX_COUNTS, check_user_id(user_id))
        if len(categories) > MOST_CATEGORIES:
            raise invalid_field("categories", f"must be at most {MOST_CATEGORIES}")
        for index, category in enumerate(categories):
            if fault := text_fault(category):
                raise invalid_field(f"categories.{index}", fault)
        return await self._store.counts_by_category(principal.tenant, user_id, list(dict.fromkeys(categories)))

    async def mark_all_read(
        self, principal: Principal, user_id: str, *, up_to: str | None = None, category: str | None = None
    ) -> MarkedAll:
        """Marks everything unread up to a cursor (of the inbox or of an event, inclusive; default: now)."""
        place = self._checked_place(principal, user_id, up_to, category)
        marked = await self._marks.mark_all_read(principal.tenant, user_id, place, category)
        if marked.count:
            self._announcer.announce([AllRead(principal.tenant, user_id, place, category, marked.marked_at)])
        return marked

    async def mark_all_seen(
        self, principal: Principal, user_id: str, *, up_to: str | None = None, category: str | None = None
    ) -> MarkedAll:
        """Marks everything unseen up to a cursor (of the inbox or of an event, inclusive; default: now)."""
        place = self._checked_place(principal, user_id, up_to, category)
        marked = await self._marks.mark_all_seen(principal.tenant, user_id, place, category)
        if marked.count:
            self._announcer.announce([AllSeen(principal.tenant, user_id, place, category, marked.marked_at)])
        return marked

    async def undo_mark_all(self, principal: Principal, user_id: str, operation_id: str) -> int:
        """Takes a mark-all of the last ten minutes back, from those items that nobody has changed since.

        Returns how many items changed: none where it was undone before. NOT_FOUND after ten minutes, and for an
        operation on somebody else's inbox.
        """
        access.allow(principal, Operation.UNDO_MARK_ALL, check_user_id(user_id))
        operation = parse_id(operation_id)
        count = None if operation is None else await self._marks.undo(principal.tenant, user_id, operation)
        if count is None:
            raise not_found("The operation, or the time to undo it,")
        if count:
            self._announcer.announce([Undone(principal.tenant, user_id)])
        return count

    async def watch(self, principal: Principal, user_id: str, after: str | None) -> AsyncGenerator[Event]:
        """Opens the user's stream: a heartbeat, everything that changed since the cursor, then live."""
        access.allow(principal, Operation.WATCH, check_user_id(user_id))
        owner = (principal.tenant, user_id)
        position = None if after is None else decode_cursor(after, (ListKind.EVENTS,), owner, None)
        standing = self._caps.standing(principal, self._standings)
        return self._feed.watch_inbox(principal.tenant, user_id, position, standing)

    def _checked_place(
        self, principal: Principal, user_id: str, up_to: str | None, category: str | None
    ) -> InboxPosition:
        access.allow(principal, Operation.MARK_ALL, check_user_id(user_id))
        checked_filter(Filter(category=category))
        return self._place(principal.tenant, user_id, up_to)

    @staticmethod
    def _place(tenant: str, user_id: str, up_to: str | None) -> InboxPosition:
        if up_to is None:
            return InboxPosition(now(), LAST_ID)
        kinds = (ListKind.INBOX, ListKind.EVENTS)
        position = decode_cursor(up_to, kinds, (tenant, user_id), None, "up_to")
        return InboxPosition(position.at, position.id)
