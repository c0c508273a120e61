"""API keys in the store: made, listed, ended; and what of them changed lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pymongo import ReturnDocument, UpdateOne

from hub.domain.keys import ApiKey
from hub.domain.principals import Scope
from hub.store.access_documents import ApiKeyDocument
from hub.store.client import Rows, translated
from hub.store.mapping import Row
from hub.store.updates import NOW, after, earlier_of

_KEPT = timedelta(days=90)
"""How long a key that has ended is still listed."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key, the hash it is known by, and when it was changed last (by the server's clock)."""

    key: ApiKey
    hash: str
    updated_at: datetime


class ApiKeyStore:
    """Reads and writes keys. Every change carries the server's time."""

    def __init__(self) -> None:
        self._rows: Rows = ApiKeyDocument.get_pymongo_collection()

    async def insert(self, key: ApiKey, hashed: str) -> None:
        """Writes a new key. Repeated, it changes nothing."""
        fields = {name: {"$literal": value} for name, value in _row(key, hashed).items()}
        update = [{"$set": {name: {"$ifNull": [f"${name}", value]} for name, value in fields.items()}}]
        with translated():
            await self._rows.update_one(
                {"_id": key.id}, [*update, {"$set": {"updated_at": {"$ifNull": ["$updated_at", NOW]}}}], upsert=True
            )

    async def get(self, tenant: str, key_id: str) -> ApiKey | None:
        """A key of the tenant."""
        with translated():
            row = await self._rows.find_one({"_id": key_id, "tenant": tenant})
        return None if row is None else _stored(row).key

    async def of_tenant(self, tenant: str, limit: int) -> list[ApiKey]:
        """The tenant's keys, newest first."""
        with translated():
            found = self._rows.find({"tenant": tenant}).sort([("created_at", -1), ("_id", -1)]).limit(limit)
            return [_stored(row).key async for row in found]

    async def count(self, tenant: str) -> int:
        """How many of the tenant's keys stand."""
        open_ended = {"$or": [{"expires_at": None}, {"expires_at": {"$gt": datetime.now(UTC)}}]}
        with translated():
            return await self._rows.count_documents({"tenant": tenant, "revoked_at": None, **open_ended})

    async def end_by(self, tenant: str, key_id: str, moment: datetime) -> ApiKey | None:
        """Makes the key expire at that time, unless it does so earlier anyway; None if there is none."""
        fields = {"expires_at": earlier_of(moment), "purge_at": earlier_of(moment + _KEPT, "$purge_at")}
        return await self._change(tenant, key_id, fields)

    async def revoke(self, tenant: str, key_id: str) -> ApiKey | None:
        """Ends the key now; the first time counts. None if there is none."""
        fields = {"revoked_at": {"$ifNull": ["$revoked_at", NOW]}, "purge_at": earlier_of(after(_KEPT), "$purge_at")}
        return await self._change(tenant, key_id, fields)

    async def changed_since(self, moment: datetime | None) -> list[StoredKey]:
        """Every key that was changed at that time or later; all of them for None."""
        with translated():
            found = self._rows.find({} if moment is None else {"updated_at": {"$gte": moment}})
            return [_stored(row) async for row in found]

    async def note_used(self, uses: Mapping[str, datetime]) -> None:
        """Writes when keys were used last; never backwards."""
        if uses:
            updates = [UpdateOne({"_id": key_id}, {"$max": {"last_used_at": at}}) for key_id, at in uses.items()]
            with translated():
                await self._rows.bulk_write(updates, ordered=False)

    async def _change(self, tenant: str, key_id: str, fields: Row) -> ApiKey | None:
        with translated():
            row = await self._rows.find_one_and_update(
                {"_id": key_id, "tenant": tenant},
                [{"$set": {**fields, "updated_at": NOW}}],
                return_document=ReturnDocument.AFTER,
            )
        return None if row is None else _stored(row).key


def _row(key: ApiKey, hashed: str) -> Row:
    return {
        "tenant": key.tenant,
        "name": key.name,
        "hash": hashed,
        "scopes": sorted(key.scopes),
        "environment": key.environment,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": None,
        "last_used_at": None,
        "purge_at": None if key.expires_at is None else key.expires_at + _KEPT,
    }


def _stored(row: Row) -> StoredKey:
    key = ApiKey(
        id=row["_id"],
        tenant=row["tenant"],
        name=row["name"],
        scopes=_scopes(row["scopes"]),
        environment=row["environment"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
    return StoredKey(key, row["hash"], row["updated_at"])


def _scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Those that this version knows: a later one may have more."""
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[name] for name in names if name in known)
