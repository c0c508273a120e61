"""One reader's stream: a bounded queue, and what was sent already."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from hub.domain.events import Event
from hub.domain.notifications import Notification
from hub.live import cursors
from hub.live.cursors import Progress

QUEUED = 256
"""Events that wait for a slow reader at most."""
REMEMBERED = 2000
"""Notifications whose last sent version is kept, so that looking again repeats nothing."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """An event on its way to all streams of a user: made once, shared by all."""

    event: Event
    progress: Progress
    found: bool = False
    """Found by looking again: what a stream that began later need not be told."""


class Stream:
    """Fed by the topic, read by one generator. Of one notification only, if `only` says which."""

    def __init__(self, tenant: str, user_id: str, only: UUID | None = None) -> None:
        self.only = only
        self.ended = False
        self.refused = False
        """It has ended because its reader's credential has."""
        self.behind = False
        """It has to read what changed since `progress` before it may go on, and is told of nothing until it does."""
        self.replaying = False
        """Behind, or reading."""
        self.progress = Progress(_LONG_AGO, _LONG_AGO)
        self.owner = (tenant, user_id)
        self.floor = _LONG_AGO
        """What changed until then and is found by looking again is none of its business."""
        self._queue: deque[Told] = deque()
        self._sent: OrderedDict[UUID, int] = OrderedDict()
        self._awake = asyncio.Event()

    def begin(self, progress: Progress, *, behind: bool) -> None:
        """Starts there: `behind` with a replay, otherwise with what changes from now on."""
        self.progress = progress
        self.behind = self.behind or behind
        self.replaying = self.replaying or behind
        self.floor = _LONG_AGO if behind else progress.at

    def offer(self, told: Told) -> None:
        """Queues an event. A reader too slow for its queue loses it and falls behind, which replays everything."""
        if self.ended or self.behind:
            return
        if len(self._queue) >= QUEUED:
            if self.only is None:
                self.fall_behind()
                return
            # Each event of a single notification holds all there is to know of it.
            self._queue.popleft()
        self._queue.append(told)
        self._awake.set()

    def fall_behind(self) -> None:
        """Drops what is queued; the reader replays from its place."""
        self.behind = self.replaying = True
        self._queue.clear()
        self._awake.set()

    def end(self) -> None:
        """Ends the stream; what is queued is dropped, for the reader comes back with its cursor."""
        self.ended = True
        self._queue.clear()
        self._awake.set()

    def refuse(self) -> None:
        """Ends the stream: its reader may not read on."""
        self.refused = True
        self.end()

    async def take(self) -> Told | None:
        """The next event; None once the stream has ended or fallen behind."""
        while not self._queue:
            if self.ended or self.behind:
                return None
            self._awake.clear()
            await self._awake.wait()
        return self._queue.popleft()

    async def pause(self, seconds: float) -> None:
        """Waits, not beyond the stream's end."""
        try:
            async with asyncio.timeout(seconds):
                while not self.ended:
                    self._awake.clear()
                    await self._awake.wait()
        except TimeoutError:
            pass

    def accept(self, told: Told) -> Event | None:
        """The event as this reader gets it; None if it knows that version, or a later one."""
        found = told.event.notification
        if found is not None:
            old = told.found and found.updated_at <= self.floor
            if (old and self.only is None) or not self.remember(found):
                return None
        at = max(self.progress.at, told.progress.at)
        self.progress = Progress(at, max(self.progress.complete, told.progress.complete))
        if at == told.progress.at:
            return told.event
        # A late hint: a stream's cursors never go back.
        return replace(told.event, cursor=cursors.encode(*self.owner, Progress(at, told.progress.complete)))

    def remember(self, notification: Notification) -> bool:
        """Notes a version as sent; False if it, or a later one, was sent before."""
        if self._sent.get(notification.id, 0) >= notification.version:
            return False
        self._sent[notification.id] = notification.version
        self._sent.move_to_end(notification.id)
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        return True
