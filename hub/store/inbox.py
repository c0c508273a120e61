"""A user's inbox: unread counts derived on an index, one update for mark-all, and what a watcher missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hub.domain.events import InboxPosition, UnreadCount
from hub.domain.ids import new_id
from hub.domain.notifications import Notification
from hub.store.client import Rows, translated, unreachable, with_majority
from hub.store.documents import InboxOperationDocument, NotificationDocument
from hub.store.mapping import Row, to_entity
from hub.store.updates import NOW, REMOVE, changed

COUNTED = 1000
"""Unread counts are exact up to here."""
_OPERATION_RETENTION = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class Latest:
    """A notification as it stands, or the tombstone it left."""

    notification: Notification
    deleted: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """That an item changed: enough to tell whether somebody knows of it already."""

    id: UUID
    user_id: str
    version: int
    updated_at: datetime
    marked_at: datetime | None
    """When a mark-all read it, if nothing has happened to it since."""
    inbox_at: datetime | None


class InboxStore:
    """Reads and marks inboxes."""

    def __init__(self) -> None:
        self._rows: Rows = NotificationDocument.get_pymongo_collection()
        self._lasting = with_majority(self._rows)
        """What watchers are told is never rolled back, whatever a lone primary has taken."""
        self._operations: Rows = InboxOperationDocument.get_pymongo_collection()

    async def known_until(self) -> datetime:
        """Up to when what a majority has is complete: now, or earlier where the others lag behind the primary.

        To be asked before the read that it is about. A mongos does not say; there it is always now.
        """
        asked = datetime.now(UTC)
        with translated():
            written = (await self._rows.database.command("hello")).get("lastWrite")
        if written is None:
            return asked
        if "majorityOpTime" not in written:
            # A primary that has just begun does not know yet.
            raise unreachable(LookupError("no majority is known yet"))
        if written["majorityOpTime"] == written["opTime"]:
            return asked
        # In whole seconds: earlier than it was, if anything. Commands answer without a zone.
        until: datetime = written["majorityWriteDate"].replace(tzinfo=UTC)
        return min(asked, until)

    async def unread_count(self, tenant: str, user_id: str) -> UnreadCount:
        """Unread, unexpired items: at most 1,001 index keys are looked at."""
        query = _unread(tenant, user_id)
        with translated():
            count = await self._lasting.count_documents(query, limit=COUNTED + 1, hint="unread")
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
            found = self._lasting.find(query).sort("updated_at", 1).limit(limit).hint("replay")
            return [to_entity(row) async for row in found]

    async def traces(self, tenant: str, user_ids: Sequence[str], since: datetime, limit: int) -> list[Trace]:
        """What changed after a moment in the inboxes of many users, tombstones included, in no particular order."""
        query: Row = {
            "tenant": tenant,
            "user_id": {"$in": list(user_ids)},
            "type": "in_app",
            "updated_at": {"$gt": since},
            "delivered_at": {"$ne": None},
        }
        with translated():
            found = self._lasting.find(query, _TRACE).limit(limit).hint("replay")
            return [_trace(row) async for row in found]

    async def latest(self, tenant: str, notification_ids: Sequence[UUID]) -> list[Latest]:
        """Those that exist or left a tombstone, whatever their type, in no particular order."""
        query: Row = {"_id": {"$in": list(notification_ids)}, "tenant": tenant}
        with translated():
            return [
                Latest(to_entity(row), row.get("deleted_at") is not None) async for row in self._lasting.find(query)
            ]


_TRACE: Row = dict.fromkeys(("user_id", "version", "updated_at", "read_at", "read_operation", "inbox_at"), 1)


def _trace(row: Row) -> Trace:
    # Whatever happens to it after a mark-all sets `updated_at` anew.
    marked = row.get("read_operation") is not None and row["read_at"] == row["updated_at"]
    return Trace(
        id=row["_id"],
        user_id=row["user_id"],
        version=row["version"],
        updated_at=row["updated_at"],
        marked_at=row["read_at"] if marked else None,
        inbox_at=row.get("inbox_at"),
    )


def _unread(tenant: str, user_id: str) -> Row:
    return {"tenant": tenant, "user_id": user_id, "unread_until": {"$gt": datetime.now(UTC)}}
