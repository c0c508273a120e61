"""Rate limits that processes share: each leases slices of a subject's allowance, by the store's clock."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from pymongo import ReturnDocument, WriteConcern

from hub.domain.rates import Rate, Slice, Wish
from hub.store.access_documents import RateDocument
from hub.store.client import Row, Rows, translated
from hub.store.updates import NOW, literal

_FIELDS = {"window": 1, "at": 1, "taken": 1, "leased": 1}


class RateStore:
    """One document for each limit and subject, gone when its window has ended."""

    def __init__(self) -> None:
        # Not with majority: what a lost primary takes along is a slice or two, and no answer rests on it.
        self._rows: Rows = RateDocument.get_pymongo_collection().with_options(write_concern=WriteConcern(w=1, j=False))

    async def lease(self, rate: Rate, tenant: str, subject: str, wish: Wish) -> Slice:
        """Puts down as leased what was used, whatever is left, and leases `most` on top: less where less is left, but none
        below `least`. One round trip. Raises STORE_UNREACHABLE; the next one puts right what came of it.
        """
        with translated():
            row = await self._rows.find_one_and_update(
                {"_id": key_of(rate, tenant, subject)},
                _lease(rate, tenant, wish),
                projection=_FIELDS,
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        assert row is not None  # noqa: S101 - tells the type checker: what is upserted is there
        window: datetime = row["window"]
        at: datetime = row["at"]
        return Slice(int(window.timestamp()), at.timestamp(), row["leased"], max(0, rate.amount - row["taken"]))


def key_of(rate: Rate, tenant: str, subject: str) -> bytes:
    """The document's `_id`. A hash: it is of one length, and names nobody. A limit that is changed begins anew."""
    parts = (rate.name, str(rate.amount), str(rate.seconds), tenant, subject)
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _lease(rate: Rate, tenant: str, wish: Wish) -> list[Row]:
    length = rate.seconds * 1000
    window: Row = {"$subtract": [NOW, {"$mod": [{"$toLong": NOW}, length]}]}
    goes_on: Row = {"$eq": ["$window", window]}
    before: Row = {"$ifNull": [f"$accounts.{wish.account}", 0]}
    return [
        {
            "$set": {
                "tenant": literal(tenant),
                "window": window,
                "at": NOW,
                "taken": {"$cond": [goes_on, "$taken", 0]},
                "accounts": {"$cond": [goes_on, "$accounts", literal({})]},
                "purge_at": {"$add": [window, length]},
            }
        },
        {"$set": {"leased": _leased(rate, before, wish)}},
        {
            "$set": {
                "taken": {"$add": ["$taken", {"$subtract": ["$leased", before]}]},
                f"accounts.{wish.account}": "$leased",
            }
        },
    ]


def _leased(rate: Rate, before: Row, wish: Wish) -> Row:
    """What the account has from now on: never less than before, or than what was used."""
    at_window = datetime.fromtimestamp(wish.window, UTC)
    used: Row = {"$cond": [{"$eq": ["$window", at_window]}, wish.used, 0]}
    others: Row = {"$subtract": ["$taken", before]}
    settled: Row = {"$max": [before, used]}
    most: Row = {"$max": [settled, {"$subtract": [rate.amount, others]}]}
    enough: Row = {"$gte": [most, {"$add": [used, wish.least]}]}
    return {"$cond": [enough, {"$min": [most, {"$max": [settled, {"$add": [used, wish.most]}]}]}, settled]}
