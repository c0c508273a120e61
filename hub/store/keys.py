"""Idempotency keys: reserved first, so that whoever repeats finds what the first call was about to write."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pymongo.errors import BulkWriteError

from hub.store.client import Rows, translated, unreachable, with_majority
from hub.store.documents import KeyDocument
from hub.store.mapping import Row
from hub.store.notifications import bulk_results


@dataclass(frozen=True, slots=True)
class Reservation:
    """Which notification a key stands for, and the fingerprint of the command it was first used with."""

    tenant: str
    key: str
    user_id: str
    fingerprint: bytes
    notification_id: UUID

    @property
    def hash(self) -> bytes:
        """The document's `_id`: tenant-wide, one space for all protocols."""
        return hashlib.sha256(f"{self.tenant}\0{self.key}".encode()).digest()


class KeyStore:
    """Reserves keys, many in one command."""

    def __init__(self, retention: timedelta) -> None:
        self._retention = retention
        self._rows: Rows = KeyDocument.get_pymongo_collection()

    async def reserve_many(self, wanted: Sequence[Reservation]) -> list[Reservation | Exception]:
        """For each, the reservation that holds: the wanted one, or the earlier one as a majority has it."""
        expires_at = datetime.now(UTC) + self._retention
        results: Sequence[bool | Exception] = [True] * len(wanted)
        try:
            with translated():
                await self._rows.insert_many([_row(item, expires_at) for item in wanted], ordered=False)
        except BulkWriteError as error:
            results = bulk_results(error, len(wanted))
        taken = [item.hash for item, fresh in zip(wanted, results, strict=True) if fresh is False]
        earlier = await self._earlier(taken) if taken else {}
        return [_answer(item, fresh, earlier) for item, fresh in zip(wanted, results, strict=True)]

    async def find(self, tenant: str, key: str) -> Reservation | None:
        """What the key stands for, as a majority has it."""
        sought = Reservation(tenant, key, "", b"", UUID(int=0))
        row = (await self._earlier([sought.hash])).get(sought.hash)
        return None if row is None else _reserved(sought, row)

    async def _earlier(self, hashes: list[bytes]) -> dict[bytes, Row]:
        with translated():
            found = with_majority(self._rows).find({"_id": {"$in": hashes}})
            return {row["_id"]: row async for row in found}


def _answer(item: Reservation, fresh: object, earlier: dict[bytes, Row]) -> Reservation | Exception:
    if isinstance(fresh, Exception):
        return fresh
    if fresh:
        return item
    row = earlier.get(item.hash)
    if row is None:
        # Seen by the insert, but by no majority yet: it may be rolled back, so nothing can be said.
        return unreachable(LookupError("reservation not yet seen by a majority"))
    return _reserved(item, row)


def _reserved(item: Reservation, row: Row) -> Reservation:
    return replace(item, user_id=row["user_id"], fingerprint=row["fingerprint"], notification_id=row["notification_id"])


def _row(item: Reservation, expires_at: datetime) -> Row:
    return {
        "_id": item.hash,
        "tenant": item.tenant,
        "user_id": item.user_id,
        "fingerprint": item.fingerprint,
        "notification_id": item.notification_id,
        "expires_at": expires_at,
    }
