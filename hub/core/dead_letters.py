"""Use cases on dead letters: list, replay with a new budget, purge."""

from __future__ import annotations

from dataclasses import dataclass

from hub.core import access
from hub.core.access import Operation
from hub.core.audit import AuditTrail
from hub.core.lists import Lists, checked_filter
from hub.core.ports import Announcer, Change, Waker
from hub.domain.audit import Action
from hub.domain.errors import Violation, invalid
from hub.domain.ids import parse_id
from hub.domain.paging import Filter, ListKind, Page, PageRequest
from hub.domain.principals import Principal
from hub.store.dead_letters import DeadLetterStore

MOST_IDS = 1000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters: by id, or by filter (an empty filter means all). Exactly one is given."""

    ids: tuple[str, ...] | None = None
    filters: Filter | None = None


class DeadLetters:
    """One method, one public operation."""

    def __init__(
        self, store: DeadLetterStore, lists: Lists, announcer: Announcer, waker: Waker, audit: AuditTrail
    ) -> None:
        self._store = store
        self._lists = lists
        self._announcer = announcer
        self._waker = waker
        self._audit = audit

    async def list(self, principal: Principal, filters: Filter, page: PageRequest) -> Page:
        """Failed notifications of the tenant, newest first."""
        access.allow(principal, Operation.LIST_DEAD_LETTERS, filters.user_id)
        return await self._lists.page(ListKind.DEAD_LETTERS, (principal.tenant, None), filters, page)

    async def replay(self, principal: Principal, selection: Selection, *, dry_run: bool) -> int:
        """Makes them pending again with a new retry budget; returns how many (would) change."""
        access.allow(principal, Operation.REPLAY_DEAD_LETTERS)
        query = self._query(principal, selection)
        if dry_run:
            return await self._store.count(query)
        async with self._audit.deed(principal, Action.DEAD_LETTERS_REPLAYED, _only(selection)) as result:
            result["count"] = 0
            async for batch in self._store.replay(query):
                result["count"] += len(batch)
                self._announcer.announce([Change(n.tenant, n.user_id, n.id) for n in batch])
                for notification in batch:
                    self._waker.wake(notification.lane, notification.id)
        return result["count"]

    async def purge(self, principal: Principal, selection: Selection, *, dry_run: bool) -> int:
        """Deletes them for good; returns how many are (or would be) gone."""
        access.allow(principal, Operation.PURGE_DEAD_LETTERS)
        query = self._query(principal, selection)
        if dry_run:
            return await self._store.count(query)
        async with self._audit.deed(principal, Action.DEAD_LETTERS_PURGED, _only(selection)) as result:
            result["count"] = 0
            async for batch in self._store.purge(query):
                result["count"] += len(batch)
                self._announcer.announce([Change(n.tenant, n.user_id, n.id) for n in batch])
        return result["count"]

    def _query(self, principal: Principal, selection: Selection) -> dict[str, object]:
        # No ids are no selection: protobuf can't tell an empty list from none, and neither shall the others.
        if bool(selection.ids) == (selection.filters is not None):
            raise invalid(Violation("ids", "or filter must be given, and not both"))
        if len(selection.ids or ()) > MOST_IDS:
            raise invalid(Violation("ids", f"must be at most {MOST_IDS:,}"))
        if selection.ids:
            ids = [parsed for text in selection.ids if (parsed := parse_id(text)) is not None]
            return self._store.by_ids(principal.tenant, ids)
        return self._store.by_filter(principal.tenant, checked_filter(selection.filters or Filter()))


def _only(selection: Selection) -> str | None:
    """The one that was selected, or the one user whose they are; None for several."""
    if selection.filters is not None:
        return selection.filters.user_id
    if selection.ids is None or len(selection.ids) != 1:
        return None
    # As an id alone: callers may send any text in its place, an address or half a surrogate pair.
    identifier = parse_id(selection.ids[0])
    return None if identifier is None else str(identifier)
