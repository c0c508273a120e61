"""Deadlines: every operation has one, and a client's shortens it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from hub.domain.errors import HubError, Reason
from hub.store.client import store_deadline


@asynccontextmanager
async def deadline(limit: timedelta) -> AsyncIterator[None]:
    """Bounds everything inside, down to the store's own commands; raises DEADLINE_EXCEEDED.

    A create that runs out of time may have been stored: repeat it with the same idempotency key.
    """
    seconds = max(limit.total_seconds(), 0.0)
    try:
        async with asyncio.timeout(seconds):
            with store_deadline(seconds):
                yield
    except TimeoutError:
        raise HubError(
            Reason.DEADLINE_EXCEEDED, "The deadline passed; the outcome may be unknown: repeat with the same key."
        ) from None
