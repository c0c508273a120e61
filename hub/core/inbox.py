"""Use cases on a user's inbox: list, count, mark all read, watch."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

from hub.core import access
from hub.core.access import Operation
from hub.core.lists import Lists, checked_filter
from hub.core.ports import AllRead, Announcer, Feed
from hub.core.standings import Standings
from hub.core.stream_caps import StreamCaps
from hub.domain.checks import check_user_id
from hub.domain.events import Event, InboxPosition, UnreadCount
from hub.domain.paging import Filter, ListKind, Page, PageRequest, decode_cursor
from hub.domain.principals import Principal
from hub.domain.times import now
from hub.store.inbox import InboxStore

LAST_ID = UUID(int=2**128 - 1)


class Inbox:
    """One method, one public operation."""

    def __init__(
        self,
        store: InboxStore,
        lists: Lists,
        announcer: Announcer,
        feed: Feed,
        standings: Standings,
        caps: StreamCaps,
    ) -> None:
        self._store = store
        self._lists = lists
        self._announcer = announcer
        self._feed = feed
        self._standings = standings
        self._caps = caps

    async def list(self, principal: Principal, user_id: str, filters: Filter, page: PageRequest) -> Page:
        """The user's delivered, unexpired in-app notifications, newest first by (`delivered_at`, `id`)."""
        access.allow(principal, Operation.INBOX, check_user_id(user_id))
        return await self._lists.page(ListKind.INBOX, (principal.tenant, user_id), filters, page)

    async def unread_count(self, principal: Principal, user_id: str) -> UnreadCount:
        """Unread items: exact up to 1,000, beyond that 1,000 and capped."""
        access.allow(principal, Operation.UNREAD_COUNT, check_user_id(user_id))
        return await self._store.unread_count(principal.tenant, user_id)

    async def mark_all_read(
        self, principal: Principal, user_id: str, *, up_to: str | None = None, category: str | None = None
    ) -> int:
        """Marks everything unread up to a cursor (of the inbox or of an event, inclusive; default: now).

        Returns how many items changed.
        """
        access.allow(principal, Operation.MARK_ALL, check_user_id(user_id))
        checked_filter(Filter(category=category))
        place = self._place(principal.tenant, user_id, up_to)
        count = await self._store.mark_all_read(principal.tenant, user_id, place, category)
        if count:
            self._announcer.announce([AllRead(principal.tenant, user_id, place, category)])
        return count

    async def watch(self, principal: Principal, user_id: str, after: str | None) -> AsyncGenerator[Event]:
        """Opens the user's stream: a heartbeat, everything that changed since the cursor, then live."""
        access.allow(principal, Operation.WATCH, check_user_id(user_id))
        owner = (principal.tenant, user_id)
        position = None if after is None else decode_cursor(after, (ListKind.EVENTS,), owner, None)
        standing = self._caps.standing(principal, self._standings)
        return self._feed.watch_inbox(principal.tenant, user_id, position, standing)

    @staticmethod
    def _place(tenant: str, user_id: str, up_to: str | None) -> InboxPosition:
        if up_to is None:
            return InboxPosition(now(), LAST_ID)
        kinds = (ListKind.INBOX, ListKind.EVENTS)
        position = decode_cursor(up_to, kinds, (tenant, user_id), None, "up_to")
        return InboxPosition(position.at, position.id)
