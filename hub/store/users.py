"""User records: where a person can be reached, and erasing what the hub knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pymongo import ReturnDocument

from hub.domain.ids import new_id
from hub.domain.notifications import Notification, User
from hub.domain.status import Status, sources
from hub.domain.users import UserRecord
from hub.store.client import Row, Rows, translated
from hub.store.documents import (
    InboxMarkDocument,
    InboxOperationDocument,
    KeyDocument,
    NotificationDocument,
    UserDocument,
)
from hub.store.mapping import to_entity
from hub.store.notifications import VISIBLE, Periods
from hub.store.updates import NOW, after, changed, literal, tombstone

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Erased:
    """One step of an erasure: what is gone, and how many of these were still waiting."""

    notifications: list[Notification]
    cancelled: int


class UserStore:
    """Records are replaced as a whole; a user without one is none the worse."""

    def __init__(self, periods: Periods) -> None:
        self._periods = periods
        self._rows: Rows = UserDocument.get_pymongo_collection()
        self._keys: Rows = KeyDocument.get_pymongo_collection()
        self._operations: Rows = InboxOperationDocument.get_pymongo_collection()
        self._marks: Rows = InboxMarkDocument.get_pymongo_collection()
        self._notifications: Rows = NotificationDocument.get_pymongo_collection()

    async def get(self, tenant: str, user_id: str) -> User | None:
        """The record, or None: a user need not have one."""
        with translated():
            row = await self._rows.find_one({"_id": _id(tenant, user_id)})
        return None if row is None else _to_user(row)

    async def replace(self, tenant: str, user_id: str, record: UserRecord) -> User:
        """Writes the record, whatever was there; `created_at` stays."""
        fields: Row = {
            "tenant": tenant,
            "user_id": user_id,
            "contact_points": literal(record.contact_points),
            "locale": literal(record.locale),
            "timezone": literal(record.timezone),
            "created_at": {"$ifNull": ["$created_at", NOW]},
            "updated_at": NOW,
        }
        with translated():
            row = await self._rows.find_one_and_update(
                {"_id": _id(tenant, user_id)},
                [{"$set": fields}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        assert row is not None, "an upsert returns what it wrote"  # noqa: S101 - tells the type checker
        return _to_user(row)

    async def delete(self, tenant: str, user_id: str) -> int:
        """Deletes the record; returns how many contact points it held."""
        with translated():
            row = await self._rows.find_one_and_delete({"_id": _id(tenant, user_id)})
        return 0 if row is None else len(row.get("contact_points", {}))

    async def delete_keys(self, tenant: str, user_id: str) -> int:
        """Deletes the idempotency keys that were used for this user."""
        with translated():
            return (await self._keys.delete_many({"tenant": tenant, "user_id": user_id})).deleted_count

    async def erase_some(self, tenant: str, user_id: str) -> Erased | None:
        """Leaves tombstones of up to 500 notifications; None once there are none left.

        What waited is cancelled in the same write. A worker that is sending one finds its claim gone.
        """
        query: Row = {"tenant": tenant, "user_id": user_id, **VISIBLE}
        waiting = [status.value for status in sources(Status.CANCELLED)]
        with translated():
            found = self._notifications.find(query, {"status": 1}).sort("_id", -1).limit(_BATCH)
            rows = {row["_id"]: row["status"] async for row in found}
            if not rows:
                return None
            gone = await self._erase(list(rows), waiting)
        return Erased(
            gone,
            sum(notification.status is Status.CANCELLED and rows[notification.id] in waiting for notification in gone),
        )

    async def forget_traces(self, tenant: str, user_id: str) -> None:
        """Deletes what mark-alls left, and has the tombstones of notifications deleted earlier go as soon as the others.

        After the keys: nothing refers to a tombstone any more but the cursors of watchers.
        """
        about: Row = {"tenant": tenant, "user_id": user_id}
        sooner: Row = {"purge_at": {"$min": ["$purge_at", after(self._periods.erased_retention)]}}
        with translated():
            await self._operations.delete_many(about)
            await self._marks.delete_many(about)
            await self._notifications.update_many({**about, "deleted_at": {"$ne": None}}, [{"$set": sooner}])

    async def _erase(self, ids: list[UUID], waiting: list[str]) -> list[Notification]:
        stamp = new_id()
        fields = tombstone(self._periods.erased_retention) | {
            "recorded_by": stamp,
            "status": {"$cond": [{"$in": ["$status", waiting]}, Status.CANCELLED.value, "$status"]},
        }
        await self._notifications.update_many({"_id": {"$in": ids}, **VISIBLE}, changed(fields))
        mine = self._notifications.find({"_id": {"$in": ids}, "recorded_by": stamp})
        return [to_entity(row) async for row in mine]


def _id(tenant: str, user_id: str) -> str:
    return f"{tenant}/{user_id}"


def _to_user(row: Row) -> User:
    return User(
        tenant=row["tenant"],
        user_id=row["user_id"],
        contact_points=row.get("contact_points", {}),
        locale=row.get("locale"),
        timezone=row.get("timezone"),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
