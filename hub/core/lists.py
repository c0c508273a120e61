"""Pages of every list: decode the cursor, ask the store for one more than wanted, encode the cursors."""

from __future__ import annotations

from dataclasses import replace

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
    encode_cursor,
)
from hub.domain.times import to_milliseconds
from hub.store.lists import ListQuery, ListStore

Owner = tuple[str, str | None]


class Lists:
    """Keyset pages; nothing repeats or is skipped because others arrive."""

    def __init__(self, store: ListStore) -> None:
        self._store = store

    async def page(self, kind: ListKind, owner: Owner, filters: Filter, request: PageRequest) -> Page:
        """One page of a list, newest first whichever end it is asked from."""
        filters = _checked(filters)
        limit = checked_limit("limit", request.limit)
        after, before = (self._place(kind, owner, filters, token, name) for token, name in _tokens(request))
        query = ListQuery(kind, owner[0], owner[1], filters, after, before)
        found = await self._store.find(query, limit + 1, backwards=request.backwards)
        more = len(found) > limit
        items = found[:limit][::-1] if request.backwards else found[:limit]
        other = await self._beyond(query, items, request)
        cursors = tuple(encode_cursor(kind, owner, filters, position_of(kind, item)) for item in items)
        has_next, has_previous = (other, more) if request.backwards else (more, other)
        return Page(tuple(items), cursors, has_next=has_next, has_previous=has_previous)

    async def _beyond(self, query: ListQuery, items: list[Notification], request: PageRequest) -> bool:
        """Whether there is something on the side the page did not come from."""
        if not request.exact_ends:
            return False
        if not items:
            # An empty page lies where its own cursor says; beyond that cursor is what it was made from.
            return (request.before if request.backwards else request.after) is not None
        if request.backwards:
            probe = replace(query, after=position_of(query.kind, items[-1]), before=None)
        else:
            probe = replace(query, after=None, before=position_of(query.kind, items[0]))
        return bool(await self._store.find(probe, 1, backwards=not request.backwards))

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


def _checked(filters: Filter) -> Filter:
    for name in ("created_after", "created_before"):
        moment = getattr(filters, name)
        if moment is not None and moment.utcoffset() is None:
            raise invalid_field(name, "must have an offset")
    return replace(
        filters,
        created_after=None if filters.created_after is None else to_milliseconds(filters.created_after),
        created_before=None if filters.created_before is None else to_milliseconds(filters.created_before),
    )
