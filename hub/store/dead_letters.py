"""Dead letters in bulk: count, replay, purge, a bounded batch at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from hub.domain.ids import new_id
from hub.domain.notifications import Notification
from hub.domain.paging import Filter
from hub.domain.status import Status
from hub.store.client import Rows, translated
from hub.store.documents import NotificationDocument
from hub.store.lists import filter_clauses
from hub.store.mapping import Row, to_entity
from hub.store.notifications import VISIBLE, Periods
from hub.store.updates import changed, replayed, tombstone

_BATCH = 500
FAILED: Row = {"status": Status.FAILED.value}


class DeadLetterStore:
    """Every write is compare-and-set on `failed`."""

    def __init__(self, periods: Periods) -> None:
        self._periods = periods
        self._rows: Rows = NotificationDocument.get_pymongo_collection()

    def by_ids(self, tenant: str, ids: list[UUID]) -> Row:
        """The selection of some by id."""
        return {"$and": [{"tenant": tenant, "_id": {"$in": ids}}, FAILED, VISIBLE]}

    def by_filter(self, tenant: str, filters: Filter) -> Row:
        """The selection by filter."""
        return {"$and": [{"tenant": tenant}, FAILED, VISIBLE, *filter_clauses(filters)]}

    async def count(self, selection: Row) -> int:
        """How many a replay or purge would concern."""
        with translated():
            return await self._rows.count_documents(selection)

    async def replay(self, selection: Row) -> AsyncIterator[list[Notification]]:
        """Makes them pending with a new budget; yields what changed, a batch at a time."""
        async for batch in self._each(selection, replayed(self._periods.handover_grace)):
            yield batch

    async def purge(self, selection: Row) -> AsyncIterator[list[Notification]]:
        """Leaves tombstones without content; yields what is gone, a batch at a time."""
        async for batch in self._each(selection, tombstone(self._periods.tombstone_retention)):
            yield batch

    async def _each(self, selection: Row, fields: Row) -> AsyncIterator[list[Notification]]:
        place: UUID | None = None
        while True:
            step: Row = selection if place is None else {"$and": [selection, {"_id": {"$lt": place}}]}
            with translated():
                found = await self._rows.find(step, {"_id": 1}).sort("_id", -1).limit(_BATCH).to_list()
                if not found:
                    return
                ids = [row["_id"] for row in found]
                place = ids[-1]
                stamp = new_id()
                query: Row = {"_id": {"$in": ids}, **FAILED, **VISIBLE}
                await self._rows.update_many(query, changed(fields | {"recorded_by": stamp}))
                mine = self._rows.find({"_id": {"$in": ids}, "recorded_by": stamp})
                batch = [to_entity(row) async for row in mine]
            if batch:
                yield batch
