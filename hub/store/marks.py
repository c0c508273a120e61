"""Marks on a whole inbox: one update on one index however many items, one event, and its undoing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hub.domain.events import InboxPosition, MarkedAll
from hub.domain.ids import new_id, time_of
from hub.store.client import Rows, translated
from hub.store.counts import unread_items
from hub.store.documents import InboxMarkDocument, InboxOperationDocument, NotificationDocument
from hub.store.mapping import Row
from hub.store.notifications import VISIBLE
from hub.store.updates import REMOVE, absent, changed, read, seen, unread

UNDONE_WITHIN = timedelta(minutes=10)
_RETENTION = timedelta(hours=25)
_CLOCKS_DIFFER = timedelta(minutes=5)
"""How far the clocks of the hub and of the store may be apart at most."""
SEEN, _UNDONE = "seen", "undone"


class MarkStore:
    """Each item says which operation changed it last and which version that made: whoever changes it later is told apart."""

    def __init__(self) -> None:
        self._rows: Rows = NotificationDocument.get_pymongo_collection()
        self._operations: Rows = InboxOperationDocument.get_pymongo_collection()
        self._marks: Rows = InboxMarkDocument.get_pymongo_collection()

    async def mark_all_read(self, tenant: str, user_id: str, up_to: InboxPosition, category: str | None) -> MarkedAll:
        """Marks every unread item up to a place, inclusive."""
        operation = new_id()
        # Older processes tell by `read_operation` what the operation tells of.
        fields = read() | _stamp(operation) | {"read_operation": operation}
        return await self._mark_all(self._operations, operation, fields, _owned(tenant, user_id), up_to, category)

    async def mark_all_seen(self, tenant: str, user_id: str, up_to: InboxPosition, category: str | None) -> MarkedAll:
        """Marks every unseen item up to a place, inclusive."""
        operation = new_id()
        record = {**_owned(tenant, user_id), "kind": SEEN}
        return await self._mark_all(self._marks, operation, seen() | _stamp(operation), record, up_to, category)

    async def undo(self, tenant: str, user_id: str, operation: UUID) -> int | None:
        """Makes what an operation changed, and nobody has changed since, what it was before; returns how many that were.

        None if this user has no such operation, or not within the last ten minutes.
        """
        record = {"_id": operation, **_owned(tenant, user_id), "undo_until": {"$gt": datetime.now(UTC)}}
        with translated():
            read_all = await self._operations.find_one(record, {"_id": 1}) is not None
            if not read_all and await self._marks.find_one(record, {"_id": 1}) is None:
                return None
            query = self._of_operation(tenant, user_id, operation)
            result = await self._rows.update_many(query, changed(_before(read_all=read_all)), hint="replay")
            if result.modified_count:
                await self._tell(self._marks, {"_id": new_id(), **_owned(tenant, user_id), "kind": _UNDONE})
        return result.modified_count

    async def _mark_all(
        self, records: Rows, operation: UUID, fields: Row, record: Row, up_to: InboxPosition, category: str | None
    ) -> MarkedAll:
        unseen = records is self._marks
        query = unread_items(record["tenant"], record["user_id"], unseen=unseen, category=category) | {
            "$or": [
                {"inbox_at": {"$lt": up_to.delivered_at}},
                {"inbox_at": up_to.delivered_at, "_id": {"$lte": up_to.id}},
            ]
        }
        with translated():
            result = await self._rows.update_many(query, changed(fields), hint="counts")
            if not result.modified_count:
                return MarkedAll(0, None)
            marked_at = await self._marked_at(record["tenant"], record["user_id"], operation)
            place = {"category": category, "up_to_at": up_to.delivered_at, "up_to_id": up_to.id, "marked_at": marked_at}
            undo_until = datetime.now(UTC) + UNDONE_WITHIN
            await self._tell(records, {"_id": operation, **record, **place, "undo_until": undo_until})
        return MarkedAll(result.modified_count, operation, marked_at)

    async def _marked_at(self, tenant: str, user_id: str, operation: UUID) -> datetime:
        """When the store did it, as one of its items says. Where none says so any more, each was changed later."""
        query = self._of_operation(tenant, user_id, operation)
        row = await self._rows.find_one(query, {"updated_at": 1}, hint="replay", sort=[("updated_at", -1)])
        return time_of(operation) if row is None else row["updated_at"]

    @staticmethod
    def _of_operation(tenant: str, user_id: str, operation: UUID) -> Row:
        """What it changed last, found among what was changed since."""
        return {
            **_owned(tenant, user_id),
            "type": "in_app",
            "updated_at": {"$gte": time_of(operation) - _CLOCKS_DIFFER},
            "operation": operation,
            "$expr": {"$eq": ["$operation_version", "$version"]},
            **VISIBLE,
        }

    @staticmethod
    async def _tell(records: Rows, record: Row) -> None:
        """What change streams tell of, once for all items."""
        await records.insert_one({**record, "expires_at": datetime.now(UTC) + _RETENTION})


def _owned(tenant: str, user_id: str) -> Row:
    return {"tenant": tenant, "user_id": user_id}


def _stamp(operation: UUID) -> Row:
    return {
        "operation": operation,
        "operation_version": {"$add": ["$version", 1]},
        "operation_saw": {"$and": [absent("seen_at"), absent("read_at")]},
    }


def _before(*, read_all: bool) -> Row:
    """What takes the operation back; itself an operation, for those who are told of it once."""
    fields = {"seen_at": {"$cond": ["$operation_saw", REMOVE, "$seen_at"]}}
    if read_all:
        fields = unread() | fields
    return fields | _stamp(new_id()) | {"operation_saw": REMOVE, "read_operation": REMOVE}
