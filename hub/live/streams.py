"""One reader's stream: a bounded queue, and what was sent already."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from hub.domain.events import Event
from hub.domain.notifications import Notification
from hub.live import cursors
from hub.live.cursors import Progress

QUEUED = 256
"""Events that wait for a slow reader at most."""
AT_ONCE = 16
"""Of those, so many are handed to the reader at once."""
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
    """Fed by the topic, read by one generator. Of one notification only, if `only` says which.

    There are ten thousand of these in a process, most of them waiting: they are kept small.
    """

    __slots__ = (
        "_queue",
        "_sent",
        "_waiting",
        "behind",
        "ended",
        "floor",
        "only",
        "owner",
        "progress",
        "refused",
        "replaying",
    )

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
        self._queue: list[Told] = []
        self._sent: dict[int, int] = {}
        """Versions, by the number of the notification's id; those sent last are at its end."""
        self._waiting: asyncio.Future[None] | None = None

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
            del self._queue[0]
        self._queue.append(told)
        if self._waiting is not None:
            self._wake()

    def fall_behind(self) -> None:
        """Drops what is queued; the reader replays from its place."""
        self.behind = self.replaying = True
        self._queue.clear()
        self._wake()

    def end(self) -> None:
        """Ends the stream; what is queued is dropped, for the reader comes back with its cursor."""
        self.ended = True
        self._queue.clear()
        self._wake()

    def goes_on(self) -> bool:
        """Whether it has not ended; may be asked again after each wait."""
        return not self.ended

    def refuse(self) -> None:
        """Ends the stream: its reader may not read on."""
        self.refused = True
        self.end()

    async def take_some(self) -> list[Event]:
        """The next events as this reader gets them, a few at once where it is not as fast as they come.

        Nothing where it knows them all, and once the stream has ended or fallen behind.
        """
        while not self._queue:
            if self.ended or self.behind:
                return []
            # As `_woken`, one coroutine less: a thousand of these wake up for one event.
            waiting: asyncio.Future[None] = asyncio.Future()
            self._waiting = waiting
            try:
                await waiting
            finally:
                self._waiting = None
        some = self._queue[:AT_ONCE]
        del self._queue[:AT_ONCE]
        return [event for told in some if (event := self.accept(told)) is not None]

    async def pause(self, seconds: float) -> None:
        """Waits, not beyond the stream's end."""
        try:
            async with asyncio.timeout(seconds):
                while not self.ended:
                    await self._woken()
        except TimeoutError:
            pass

    def accept(self, told: Told) -> Event | None:
        """The event as this reader gets it; None if it knows that version, or a later one."""
        found = told.event.notification
        if found is not None:
            old = told.found and found.updated_at <= self.floor
            if (old and self.only is None) or not self.remember(found):
                return None
        mine, its = self.progress, told.progress
        complete = max(mine.complete, its.complete)
        if its.at >= mine.at:
            self.progress = its if complete == its.complete else Progress(its.at, complete)
            return told.event
        # A late hint: a stream's cursors never go back.
        self.progress = Progress(mine.at, complete)
        return replace(told.event, cursor=cursors.encode(*self.owner, Progress(mine.at, its.complete)))

    def remember(self, notification: Notification) -> bool:
        """Notes a version as sent; False if it, or a later one, was sent before."""
        # Of the id only its number: an UUID's own hash is slow.
        key, sent = notification.id.int, self._sent
        known = sent.get(key)
        if known is not None:
            if known >= notification.version:
                return False
            # Put at the end.
            del sent[key]
        sent[key] = notification.version
        if len(sent) > REMEMBERED:
            del sent[next(iter(sent))]
        return True

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _woken(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None
