"""A user's inbox: unread and unseen counts derived on an index, and what a watcher missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from hub.domain.events import CappedCount, CategoryCounts, EventKind, InboxCounts
from hub.domain.notifications import Notification
from hub.store import counts
from hub.store.client import Rows, translated, unreachable, with_majority
from hub.store.documents import NotificationDocument
from hub.store.mapping import Row, to_entity


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
    told_as: EventKind | None
    """The event that tells of it, together with others: it was marked with the whole inbox, or that was undone.

    None where something has happened to it since.
    """
    inbox_at: datetime | None
    category: str | None


class InboxStore:
    """Reads inboxes."""

    def __init__(self) -> None:
        self._rows: Rows = NotificationDocument.get_pymongo_collection()
        self._lasting = with_majority(self._rows)
        """What watchers are told is never rolled back, whatever a lone primary has taken."""

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

    async def unread_count(self, tenant: str, user_id: str) -> CappedCount:
        """Unread, unexpired items: at most 1,001 index keys are looked at."""
        with translated():
            return await counts.unread_count(self._lasting, tenant, user_id)

    async def counts(self, tenant: str, user_id: str) -> InboxCounts:
        """Unread and unseen items.

        Finding what is unseen looks at one key more for each category that there is.
        """
        with translated():
            return await counts.inbox_counts(self._lasting, tenant, user_id)

    async def counts_by_category(
        self, tenant: str, user_id: str, categories: Sequence[str]
    ) -> tuple[InboxCounts, list[CategoryCounts]]:
        """Unread and unseen items, and those of each of these categories.

        As of one moment where at most 1,000 are unread; otherwise numbers are counted one after another.
        """
        if not categories:
            return await self.counts(tenant, user_id), []
        with translated():
            return await counts.counts_by_category(self._lasting, tenant, user_id, categories)

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


_SHOWN = ("user_id", "version", "updated_at", "read_at", "seen_at", "inbox_at", "category")
_TRACE: Row = dict.fromkeys((*_SHOWN, "read_operation", "operation_version"), 1)


def _trace(row: Row) -> Trace:
    return Trace(
        id=row["_id"],
        user_id=row["user_id"],
        version=row["version"],
        updated_at=row["updated_at"],
        told_as=_told_as(row),
        inbox_at=row.get("inbox_at"),
        category=row.get("category"),
    )


def _told_as(row: Row) -> EventKind | None:
    # Whatever happens to it after a mark-all sets `updated_at` anew, and raises the version.
    if row.get("read_operation") is not None and row["read_at"] == row["updated_at"]:
        return EventKind.ALL_READ
    if row.get("operation_version") != row["version"]:
        return None
    return EventKind.ALL_SEEN if row.get("seen_at") == row["updated_at"] else EventKind.RESYNC
