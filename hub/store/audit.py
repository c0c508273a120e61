"""The audit trail in the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hub.domain.audit import Action, AuditEntry
from hub.store.access_documents import AuditDocument
from hub.store.client import Rows, translated
from hub.store.mapping import Row


class AuditStore:
    """Appends entries, completes them, reads them; they go when their retention is over."""

    def __init__(self, retention: timedelta) -> None:
        self._retention = retention
        self._rows: Rows = AuditDocument.get_pymongo_collection()

    async def append(self, entry: AuditEntry) -> None:
        """Writes an entry."""
        row = {
            "_id": entry.id,
            "tenant": entry.tenant,
            "at": entry.at,
            "actor": entry.actor,
            "action": entry.action.value,
            "subject": entry.subject,
            "correlation_id": entry.correlation_id,
            "result": entry.result,
            "purge_at": datetime.now(UTC) + self._retention,
        }
        with translated():
            await self._rows.insert_one(row)

    async def complete(self, entry_id: UUID, result: Mapping[str, int]) -> None:
        """Notes that the deed is done, and its counts."""
        with translated():
            await self._rows.update_one({"_id": entry_id}, {"$set": {"result": dict(result)}})

    async def blank(self, tenant: str, subject: str, pseudonym: str) -> None:
        """Takes a subject's name out of every entry."""
        with translated():
            await self._rows.update_many({"tenant": tenant, "subject": subject}, {"$set": {"subject": pseudonym}})

    async def find(self, tenant: str, before: UUID | None, limit: int) -> list[AuditEntry]:
        """Up to `limit` entries older than `before`, newest first."""
        selection: Row = {"tenant": tenant}
        if before is not None:
            selection["_id"] = {"$lt": before}
        with translated():
            return [_entry(row) async for row in self._rows.find(selection).sort([("_id", -1)]).limit(limit)]


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(
        id=row["_id"],
        tenant=row["tenant"],
        at=row["at"],
        actor=row["actor"],
        action=Action(row["action"]),
        subject=row["subject"],
        correlation_id=row["correlation_id"],
        result=row["result"],
    )
