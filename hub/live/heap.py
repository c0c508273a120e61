"""Keeps the garbage collector from stopping the process for the sake of streams that only wait.

A full collection looks at every object there is: with ten thousand streams that is some 350 ms in which nobody is told of
anything, and it comes again each time that the heap has grown by a quarter. So what streams are made of is set aside
(`gc.freeze`) as they are opened. What closed ones have left behind is cleared away once there are enough of them.
"""

from __future__ import annotations

import asyncio
import gc

from hub.core.tasks import checkpoint

OPENED = 500
"""So many new streams are set aside together."""
CLOSED = 1000
"""So many, and as many as are open, may have gone before a full collection clears away what they left: some 25 KiB each.

Where all go at once, as in a stop, that makes a few collections and not one a second.
"""
_YOUNG = 1
_PAUSE_SECONDS = 1.0


class Heap:
    """Counts streams that come and go."""

    def __init__(self) -> None:
        self._opened = 0
        self._closed = 0
        self._open = 0

    def opened(self) -> None:
        """One more stream."""
        self._opened += 1
        self._open += 1

    def closed(self) -> None:
        """One less."""
        self._closed += 1
        self._open -= 1

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            checkpoint()
            await asyncio.sleep(_PAUSE_SECONDS)
            self.settle()

    def settle(self) -> None:
        """Sets aside or clears away, if there is enough of it."""
        if self._closed >= max(CLOSED, self._open):
            gc.unfreeze()
            gc.collect()
            self._closed = 0
        elif self._opened < OPENED:
            return
        else:
            # What is garbage already is not to be kept.
            gc.collect(_YOUNG)
        gc.freeze()
        self._opened = 0
