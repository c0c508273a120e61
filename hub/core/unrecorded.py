"""Outcomes that wait for the store. While one has waited long, nothing more is sent.

What is sent while the store is away can't be put on record, and is sent again should this process die before it is. Only
what was under way when the store went away is then at stake, not all that had been claimed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 0.25
"""A write takes milliseconds; under load, tens of them."""
_LOOK_SECONDS = 0.05


class Unrecorded:
    """`limit` seconds: an outcome that has waited longer holds nothing up any more.

    Nothing that was claimed before the store went away may be sent by then, and while a part of a sharded store stays
    away, the others go on.
    """

    def __init__(self, monotonic: Callable[[], float], limit: float) -> None:
        self._monotonic = monotonic
        self._limit = limit
        self._since: dict[object, float] = {}

    @contextmanager
    def one(self) -> Iterator[None]:
        """An outcome is being written."""
        token = object()
        self._since[token] = self._monotonic()
        try:
            yield
        finally:
            self._since.pop(token, None)

    async def settled(self) -> None:
        """Returns once the store keeps up."""
        # One that has waited long enough is let go by time alone, which no event tells.
        while self._late():  # noqa: ASYNC110 -- as above
            await asyncio.sleep(_LOOK_SECONDS)

    def _late(self) -> bool:
        now = self._monotonic()
        while self._since:
            token, since = next(iter(self._since.items()))
            if now - since <= self._limit:
                return now - since > PATIENCE_SECONDS
            del self._since[token]
        return False
