"""Duties that one process has at a time, such as the sweep; a dead owner's lease runs out."""

from __future__ import annotations

from datetime import timedelta

from pymongo import ReturnDocument

from hub.store.client import Rows, translated
from hub.store.documents import LeaseDocument
from hub.store.updates import NOW, after


class LeaseStore:
    """Takes and gives back leases by the server's clock."""

    def __init__(self) -> None:
        self._rows: Rows = LeaseDocument.get_pymongo_collection()

    async def take(self, duty: str, owner: str, term: timedelta) -> bool:
        """Takes or renews a lease; False while somebody else holds it."""
        free = {"$or": [{"$eq": ["$owner", owner]}, {"$lte": [{"$ifNull": ["$until", NOW]}, NOW]}]}
        fields = {
            "owner": {"$cond": [free, owner, "$owner"]},
            "until": {"$cond": [free, after(term), "$until"]},
        }
        with translated():
            row = await self._rows.find_one_and_update(
                {"_id": duty}, [{"$set": fields}], upsert=True, return_document=ReturnDocument.AFTER
            )
        return row is not None and bool(row["owner"] == owner)

    async def give_back(self, duty: str, owner: str) -> None:
        """Lets the next one have it at once."""
        with translated():
            await self._rows.delete_one({"_id": duty, "owner": owner})
