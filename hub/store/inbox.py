"""A user's inbox: unread counts derived on an index, one update for mark-all, and what a watcher missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.domain.events import InboxPosition, UnreadCount
from hub.domain.ids import new_id
from hub.domain.notifications import Notification
from hub.store.client import Rows, translated
from hub.store.documents import InboxOperationDocument, NotificationDocument
from hub.store.mapping import Row, to_entity
from hub.store.updates import NOW, REMOVE, changed

COUNTED = 1000
"""Unread counts are exact up to here."""
_OPERATION_RETENTION = timedelta(hours=25)


class InboxStore:
    """Reads and marks inboxes."""

    def __init__(self) -> None:
        self._rows: Rows = NotificationDocument.get_pymongo_collection()
        self._operations: Rows = InboxOperationDocument.get_pymongo_collection()

    async def unread_count(self, tenant: str, user_id: str) -> UnreadCount:
        """Unread, unexpired items: at most 1,001 index keys are looked at."""
        query = _unread(tenant, user_id)
        with translated():
            count = await self._rows.count_documents(query, limit=COUNTED + 1, hint="unread")
        return UnreadCount(min(count, COUNTED), capped=count > COUNTED)

    async def mark_all_read(self, tenant: str, user_id: str, up_to: InboxPosition, category: str | None) -> int:
        """Marks every unread item up to a place, inclusive; returns how many there were."""
        operation = new_id()
        query = _unread(tenant, user_id) | {
            "$or": [
                {"inbox_at": {"$lt": up_to.delivered_at}},
                {"inbox_at": up_to.delivered_at, "_id": {"$lte": up_to.id}},
            ]
        }
        if category is not None:
            query["category"] = category
        fields: Row = {"read_at": NOW, "unread_until": REMOVE, "read_operation": operation}
        with translated():
            result = await self._rows.update_many(query, changed(fields))
            if result.modified_count:
                await self._operations.insert_one(
                    {
                        "_id": operation,
                        "tenant": tenant,
                        "user_id": user_id,
                        "category": category,
                        "up_to_at": up_to.delivered_at,
                        "up_to_id": up_to.id,
                        "expires_at": datetime.now(UTC) + _OPERATION_RETENTION,
                    }
                )
        return result.modified_count

    async def changed_since(self, tenant: str, user_id: str, since: datetime, limit: int) -> list[Notification]:
        """In-app notifications that changed after a moment, oldest change first, tombstones included.

        Those that never reached the inbox are left out: a watcher of the inbox knows nothing of them.
        """
        query: Row = {
            "tenant": tenant,
            "user_id": user_id,
            "type": "in_app",
            "updated_at": {"$gt": since},
            "delivered_at": {"$ne": None},
        }
        with translated():
            found = self._rows.find(query).sort("updated_at", 1).limit(limit).hint("replay")
            return [to_entity(row) async for row in found]


def _unread(tenant: str, user_id: str) -> Row:
    return {"tenant": tenant, "user_id": user_id, "unread_until": {"$gt": datetime.now(UTC)}}
