"""Stores with so much in them: documents as deliveries leave them, written directly."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pymongo.asynchronous.collection import AsyncCollection

from hub.domain.ids import first_id_at
from hub.domain.times import to_milliseconds
from hub.store.mapping import END_OF_TIME

Row = dict[str, Any]
_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)
_BATCH = 5000
_DAY = timedelta(days=1)
_SPAN = 80 * _DAY
"""Over what they are spread: an hour of statistics, counted anew when it changes, holds few of them."""


def delivered(tenant: str, user_id: str, at: datetime, category: str | None = None) -> Row:
    """A delivered, unread in-app notification."""
    attempt = {"number": 1, "provider": "inbox", "provider_id": None, "started_at": at, "finished_at": at}
    return {
        "_id": UUID(int=first_id_at(at).int | _VERSION_AND_VARIANT | secrets.randbits(62)),
        "tenant": tenant,
        "user_id": user_id,
        "title": "Your order has been shipped",
        "message": "Order 4711 is on its way and will be with you on Thursday between nine and noon.",
        "type": "in_app",
        "html": None,
        "to": None,
        "metadata": {"order": 4711, "link": "https://shop.example/orders/4711"},
        "priority": "normal",
        "category": category,
        "lane": "in_app.normal",
        "status": "delivered",
        "status_reason": None,
        "attempts": [attempt | {"outcome": "delivered", "error": None}],
        "attempt_count": 1,
        "budget": {"started_at": at, "counted": 1},
        **dict.fromkeys(("scheduled_at", "expires_at", "next_attempt_at", "sent_at", "read_at")),
        **dict.fromkeys(("created_at", "updated_at", "delivered_at", "inbox_at"), at),
        "unread_until": END_OF_TIME,
        "purge_at": at + 90 * _DAY,
        "version": 3,
        "correlation_id": "bench",
    }


async def fill(rows: AsyncCollection[Row], tenant: str, user_ids: Sequence[str], count: int) -> list[UUID]:
    """So many more, the users taking turns; their ids, oldest first."""
    start = datetime.now(UTC).replace(microsecond=0) - _SPAN - _DAY
    made: list[UUID] = []
    for first in range(0, count, _BATCH):
        numbers = range(first, min(first + _BATCH, count))
        batch = [
            delivered(tenant, user_ids[number % len(user_ids)], to_milliseconds(start + _SPAN / count * number))
            for number in numbers
        ]
        await rows.insert_many(batch, ordered=False)
        made += [row["_id"] for row in batch]
    return made
