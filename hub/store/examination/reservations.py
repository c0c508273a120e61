"""The idempotency keys, walked in batches: whether what each was reserved for is there, and is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from hub.domain.findings import Code, Found
from hub.domain.ids import first_id_at
from hub.store.client import Rows, store_deadline, translated, with_majority
from hub.store.documents import KeyDocument, NotificationDocument
from hub.store.examination.walk import STEP_SECONDS
from hub.store.mapping import Row

_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class KeyStep:
    """What one batch of keys held."""

    scanned: int
    found: tuple[Found, ...]


class Reservations:
    """Looks, and repairs nothing.

    A key can't be freed safely: whoever repeats its command may have read the reservation already and be about to insert
    under the reserved id, and the next one to repeat would then find the key free and make a second notification.
    """

    def __init__(self, now: datetime, reserved_before: datetime, examples: int) -> None:
        self._now = now
        self._before = first_id_at(reserved_before)
        self._examples = examples
        self._keys: Rows = with_majority(KeyDocument.get_pymongo_collection())
        self._notifications: Rows = with_majority(NotificationDocument.get_pymongo_collection())

    async def steps(self) -> AsyncIterator[KeyStep]:
        """Looks at batch after batch."""
        last = b""
        while True:
            with store_deadline(STEP_SECONDS), translated():
                keys = await self._keys.find({"_id": {"$gt": last}}).sort("_id", 1).limit(_BATCH).to_list()
                if not keys:
                    return
                # Read after the keys: what has been inserted in between is seen.
                found = await self._judged([key for key in keys if self._is_old(key)])
            last = keys[-1]["_id"]
            yield KeyStep(len(keys), tuple(found))

    def _is_old(self, key: Row) -> bool:
        """Whether no create can be at it any more, and it is not about to go by itself."""
        return bool(key["notification_id"] < self._before and key["expires_at"] > self._now)

    async def _judged(self, keys: list[Row]) -> list[Found]:
        query = {"_id": {"$in": [key["notification_id"] for key in keys]}}
        owners = {
            row["_id"]: (row["tenant"], row["user_id"])
            async for row in self._notifications.find(query, {"tenant": 1, "user_id": 1})
        }
        ids = {Code.HALF_RESERVED_KEY: list[str](), Code.KEY_OF_ANOTHER: list[str]()}
        for key in keys:
            owner = owners.get(key["notification_id"])
            if owner is None:
                ids[Code.HALF_RESERVED_KEY].append(str(key["notification_id"]))
            elif owner != (key["tenant"], key["user_id"]):
                ids[Code.KEY_OF_ANOTHER].append(str(key["notification_id"]))
        return [Found(code, len(some), tuple(some[: self._examples])) for code, some in ids.items() if some]
