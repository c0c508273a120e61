"""Hints from MongoDB's own change stream: how processes without a broker hear of one another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from hub.core.ports import AllRead, AllSeen, Change, Hint, Undone
from hub.core.tasks import checkpoint, ended
from hub.live.sources import BIND_SECONDS, Deaf, HintSink
from hub.log import get_logger
from hub.store.changes import ChangedRow, MarkedAll, MarksUndone, StoredChange, watch_changes
from hub.store.client import Store

log = get_logger(__name__)

_LINGER_SECONDS = 5.0
"""How long the stream outlives the last reader, who may be reloading a page."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class ChangeHints:
    """Announcer and source in one: what is written announces itself. One change stream, open while anyone watches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sink: HintSink = Deaf()
        self._bound: set[tuple[str, str]] = set()
        self._wanted = asyncio.Event()
        self._unwanted = asyncio.Event()
        self._standing = asyncio.Event()
        self._away = False

    def announce(self, hints: Sequence[Hint]) -> None:
        """Nothing to do: the change stream tells."""

    def listen(self, sink: HintSink) -> None:
        """From now on, tell this one."""
        self._sink = sink

    async def bind(self, tenant: str, user_id: str) -> None:
        """Waits, not for long, until the change stream stands: it tells of everybody."""
        self._bound.add((tenant, user_id))
        self._wanted.set()
        self._unwanted.clear()
        if self._away:
            return
        try:
            async with asyncio.timeout(BIND_SECONDS):
                await self._standing.wait()
        except TimeoutError:
            log.debug("live_changes_not_standing")

    def unbind(self, tenant: str, user_id: str) -> None:
        """Nobody here watches that user any more."""
        self._bound.discard((tenant, user_id))
        if not self._bound:
            self._wanted.clear()
            self._unwanted.set()

    async def run(self) -> None:
        """Keeps the stream until cancelled, whatever becomes of the store."""
        while True:
            await self._wanted.wait()
            # Not a TaskGroup: it cancels once, and the driver may miss that.
            reading = asyncio.get_running_loop().create_task(self._read())
            try:
                await self._until_unwanted()
            finally:
                await ended(reading)

    async def _until_unwanted(self) -> None:
        while self._bound:
            await self._unwanted.wait()
            await asyncio.sleep(_LINGER_SECONDS)

    async def _read(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            checkpoint()
            try:
                async for change in watch_changes(self._store):
                    pause = _FIRST_PAUSE
                    self._tell(change)
                log.warning("live_changes_ended")
            except Exception as error:  # noqa: BLE001 - whatever broke it, a new one is opened and everybody looks again
                log.warning("live_changes_broke", error=type(error).__name__)
            finally:
                self._standing.clear()
            self._away = True
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - spreads load, keeps no secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _tell(self, change: StoredChange | None) -> None:
        match change:
            case None:
                self._away = False
                self._standing.set()
                self._sink.reconnected()
            case ChangedRow():
                self._sink.hints([Change(change.tenant, change.user_id, change.notification_id)])
            case MarkedAll():
                kind = AllSeen if change.seen else AllRead
                self._sink.hints([kind(change.tenant, change.user_id, change.up_to, change.category, change.marked_at)])
            case MarksUndone():
                self._sink.hints([Undone(change.tenant, change.user_id)])
