"""Pages of every list: decode the cursor, ask the store for one more than wanted, encode the cursors."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from hub.domain.checks import REASON_LENGTH, is_in_utc
from hub.domain.errors import invalid_field
from hub.domain.notifications import Notification
from hub.domain.paging import (
    Filter,
    ListKind,
    Page,
    PageRequest,
    Position,
    checked_limit,
    decode_cursor,
    encode_cursors,
)
from hub.domain.text import text_fault
from hub.domain.times import to_milliseconds
from hub.store.lists import ListQuery, ListStore

Owner = tuple[str, str | None]


class Lists:
    """Keyset pages; nothing repeats or is skipped because others arrive."""

    def __init__(self, store: ListStore) -> None:
        self._store = store

    async def page(self, kind: ListKind, owner: Owner, filters: Filter, request: PageRequest) -> Page:
        """One page of a list, newest first whichever end it is asked from."""
        filters = checked_filter(filters)
        limit = checked_limit("limit", request.limit)
        after, before = (self._place(kind, owner, filters, token, name) for token, name in _tokens(request))
        query = ListQuery(kind, owner[0], owner[1], filters, after, before)
        found = await self._store.find(query, limit + 1, backwards=request.backwards)
        more = len(found) > limit
        items = found[:limit][::-1] if request.backwards else found[:limit]
        has_next = (more and not request.backwards) or await self._goes_on(query, items, request, newer=False)
        has_previous = (more and request.backwards) or await self._goes_on(query, items, request, newer=True)
        named = items if request.each_cursor else items[-1:]
        cursors = encode_cursors(kind, owner, filters, (position_of(kind, item) for item in named))
        return Page(tuple(items), cursors, has_next=has_next, has_previous=has_previous)

    async def _goes_on(self, query: ListQuery, items: list[Notification], request: PageRequest, *, newer: bool) -> bool:
        """Whether the list goes on at a side of the page where a cursor bounds it; without one it does not."""
        cursor = query.after if newer else query.before
        if cursor is None or not request.exact_ends:
            return False
        # Beyond an empty page lies what the cursor itself stands for, unless it is gone.
        outermost = items[0 if newer else -1] if items else None
        edge = position_of(query.kind, outermost) if outermost else _inclusive(cursor, newer=newer)
        probe = replace(query, after=None if newer else edge, before=edge if newer else None)
        return bool(await self._store.find(probe, 1, backwards=newer))

    @staticmethod
    def _place(kind: ListKind, owner: Owner, filters: Filter, token: str | None, field: str) -> Position | None:
        return None if token is None else decode_cursor(token, (kind,), owner, filters, field)


def position_of(kind: ListKind, item: Notification) -> Position:
    """Where an item stands in a list."""
    if kind is ListKind.INBOX:
        return Position(item.inbox_at or item.delivered_at or item.created_at, item.id)
    return Position(item.created_at, item.id)


def _tokens(request: PageRequest) -> tuple[tuple[str | None, str], tuple[str | None, str]]:
    return (request.after, "after"), (request.before, "before")


def _inclusive(place: Position, *, newer: bool) -> Position:
    """The place beside it, so that what stands there counts as beyond."""
    number = place.id.int - 1 if newer else place.id.int + 1
    return Position(place.at, UUID(int=min(max(number, 0), 2**128 - 1)))


def checked_filter(filters: Filter) -> Filter:
    """The filter with its times in canonical form, or INVALID_VALUE naming what can't be."""
    for name in ("type", "category", "user_id", "reason"):
        text = getattr(filters, name)
        if text is not None and (fault := text_fault(text)):
            raise invalid_field(name, fault)
    if filters.reason is not None and len(filters.reason) > REASON_LENGTH:
        raise invalid_field("reason", f"must be at most {REASON_LENGTH} characters long")
    return replace(
        filters,
        created_after=_checked_time("created_after", filters.created_after),
        created_before=_checked_time("created_before", filters.created_before),
    )


def _checked_time(name: str, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.utcoffset() is None:
        raise invalid_field(name, "must have an offset")
    if not is_in_utc(moment):
        raise invalid_field(name, "is not a real moment in time")
    return to_milliseconds(moment)
