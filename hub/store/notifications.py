"""Single notifications: the accepting write, look-ups, and compare-and-set of status and marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError

from hub.domain.notifications import Fault, Mark, Notification
from hub.domain.status import READABLE, Status
from hub.store.client import Rows, translated, unreachable, with_majority
from hub.store.documents import NotificationDocument
from hub.store.mapping import Row, to_entity, to_new_row
from hub.store.updates import (
    archived,
    changed,
    claimed,
    read,
    replayed,
    seen,
    tombstone,
    unarchived,
    unread,
    unseen,
)

VISIBLE: Row = {"deleted_at": None}
# Before there was `seen_at`, reading set `read_at` alone; what was read was seen.
_MARKS: dict[tuple[Mark, bool], tuple[Row, Row]] = {
    (Mark.READ, True): ({"read_at": None}, read()),
    (Mark.READ, False): ({"read_at": {"$ne": None}}, unread()),
    (Mark.SEEN, True): ({"seen_at": None, "read_at": None}, seen()),
    (Mark.SEEN, False): ({"$or": [{"seen_at": {"$ne": None}}, {"read_at": {"$ne": None}}]}, unseen()),
    (Mark.ARCHIVED, True): ({"archived_at": None}, archived()),
    (Mark.ARCHIVED, False): ({"archived_at": {"$ne": None}}, unarchived()),
}
"""For each mark, set or taken away: where that changes something, and what it writes."""
_DUPLICATE_KEY = 11000


@dataclass(frozen=True, slots=True)
class Periods:
    """Spans that writes carry into the documents."""

    handover_grace: timedelta
    requeue_after: timedelta
    lease: timedelta
    settled_retention: timedelta
    tombstone_retention: timedelta
    """Longer than cursors and idempotency keys live, so that neither brings a deleted notification back."""
    erased_retention: timedelta
    """The same where the keys are gone as well: longer than cursors live."""


class NotificationStore:
    """One atomic write holds the notification and the intention to send it."""

    def __init__(self, periods: Periods) -> None:
        self._periods = periods
        self._rows: Rows = NotificationDocument.get_pymongo_collection()

    async def insert_many(self, notifications: Sequence[Notification]) -> list[bool | Exception]:
        """Writes them in one command, durable with majority; for each whether it was new (False: the id exists)."""
        rows = [to_new_row(notification, self._periods.handover_grace) for notification in notifications]
        try:
            with translated():
                await self._rows.insert_many(rows, ordered=False)
        except BulkWriteError as error:
            return bulk_results(error, len(rows))
        return [True] * len(rows)

    async def get(
        self, tenant: str, notification_id: UUID, *, majority: bool = False, deleted: bool = False
    ) -> Notification | None:
        """The notification; with `majority`, only if a majority has it; with `deleted`, its tombstone too."""
        rows = with_majority(self._rows) if majority else self._rows
        query: Row = {"_id": notification_id, "tenant": tenant} | ({} if deleted else VISIBLE)
        with translated():
            row = await rows.find_one(query)
        return None if row is None else to_entity(row)

    async def find(self, notification_id: UUID) -> Notification | None:
        """The notification of whichever tenant, as a majority has it; for those who know no tenants: providers."""
        with translated():
            row = await with_majority(self._rows).find_one({"_id": notification_id} | VISIBLE)
        return None if row is None else to_entity(row)

    async def get_many(self, tenant: str, notification_ids: Sequence[UUID]) -> list[Notification]:
        """Those that exist, in no particular order."""
        query: Row = {"_id": {"$in": list(notification_ids)}, "tenant": tenant} | VISIBLE
        with translated():
            return [to_entity(row) async for row in self._rows.find(query)]

    async def change_status(
        self,
        current: Notification,
        target: Status,
        allowed: Sequence[Status],
        reason: Fault | None,
        *,
        only_this_version: bool = False,
    ) -> Notification | None:
        """Compare-and-set by a caller's claim; None if the present status is none of `allowed`, or the version another."""
        retention = self._periods.settled_retention
        replay = target is Status.PENDING
        fields = replayed(self._periods.handover_grace) if replay else claimed(target, reason, retention)
        guard: Row = {"status": {"$in": [status.value for status in allowed]}}
        return await self._change(current, guard | ({"version": current.version} if only_this_version else {}), fields)

    async def mark(self, current: Notification, mark: Mark, *, on: bool) -> Notification | None:
        """Sets a mark or takes it away; None if that changes nothing or may not be."""
        where, fields = _MARKS[mark, on]
        return await self._change(current, {"status": {"$in": [status.value for status in READABLE]}, **where}, fields)

    async def delete(self, tenant: str, notification_id: UUID) -> Notification | None:
        """Leaves a tombstone; returns it, or None if there is nothing (any more)."""
        query: Row = {"_id": notification_id, "tenant": tenant} | VISIBLE
        with translated():
            row = await self._rows.find_one_and_update(
                query, changed(tombstone(self._periods.tombstone_retention)), return_document=ReturnDocument.AFTER
            )
        return None if row is None else to_entity(row)

    async def _change(self, current: Notification, guard: Row, fields: Row) -> Notification | None:
        query = {"_id": current.id, "tenant": current.tenant} | VISIBLE | guard
        with translated():
            row = await self._rows.find_one_and_update(query, changed(fields), return_document=ReturnDocument.AFTER)
        return None if row is None else to_entity(row)


def bulk_results(error: BulkWriteError, count: int) -> list[bool | Exception]:
    """Each item's own result of an unordered insert: True written, False its id exists, or what went wrong."""
    results: list[bool | Exception] = [True] * count
    for failure in error.details["writeErrors"]:
        duplicate = failure.get("code") == _DUPLICATE_KEY
        results[failure["index"]] = False if duplicate else unreachable(error)
    return results
