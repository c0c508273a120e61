"""Keeps the statistics' roll-ups in step, one process at a time: counts the hours that changed, folds the days."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hub.core.ports import Change, Hint
from hub.domain.errors import HubError
from hub.domain.ids import hour_of
from hub.domain.statistics import Bucket, floor
from hub.log import get_logger
from hub.store.leases import LeaseStore
from hub.store.statistics import StatisticsStore

log = get_logger(__name__)

_MARK_INTERVAL = 5.0
_COUNT_INTERVAL = 10.0
_DUTY = "rollups"
_TERM = timedelta(seconds=60)
_HOURS_AT_ONCE = 100
_DAYS_AT_ONCE = 30
_RECENT = 26
"""Hours that are counted again from time to time all the same: a crash may have lost the note that they changed."""
_RECENT_INTERVAL = timedelta(minutes=15)


class ChangedHours:
    """Notes hours in memory and writes the notes every few seconds. The hour of a notification is in its id."""

    def __init__(self, store: StatisticsStore) -> None:
        self._store = store
        self._hours: set[tuple[str, int]] = set()

    def announce(self, hints: Sequence[Hint]) -> None:
        """Takes note of changed notifications; marks count nothing."""
        for hint in hints:
            if isinstance(hint, Change):
                self.note(hint.tenant, hint.notification_id)

    def note(self, tenant: str, notification_id: UUID) -> None:
        """Takes note of one notification."""
        self._hours.add((tenant, hour_of(notification_id)))

    async def run(self) -> None:
        """Writes the notes until cancelled, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(_MARK_INTERVAL)
                await self.flush()
        finally:
            async with asyncio.timeout(2):
                await self.flush()

    async def flush(self) -> None:
        """Writes what was noted so far; what can't be written now is kept."""
        hours, self._hours = self._hours, set()
        try:
            await self._store.mark((tenant, datetime.fromtimestamp(hour * 3600, UTC)) for tenant, hour in hours)
        except HubError:
            self._hours |= hours


class Rollups:
    """Counts dirty hours that are younger than `retention`, and folds days that are over."""

    def __init__(self, store: StatisticsStore, leases: LeaseStore, retention: timedelta) -> None:
        self._store = store
        self._retention = retention
        self._leases = leases
        self._owner = secrets.token_hex(8)
        self._recent_at: datetime | None = None

    async def run(self) -> None:
        """Counts until cancelled."""
        while True:
            try:
                if await self._leases.take(_DUTY, self._owner, _TERM):
                    await self.turn(datetime.now(UTC))
            except (HubError, TimeoutError):
                log.debug("rollups_put_off")
            except Exception:
                log.exception("rollups_failed")
            await asyncio.sleep(_COUNT_INTERVAL)

    async def turn(self, now: datetime) -> None:
        """Counts every hour that is marked, then folds days, while the lease certainly lasts."""
        if self._recent_at is None or now - self._recent_at > _RECENT_INTERVAL:
            await self._mark_recent(now)
            self._recent_at = now
        # Where there is always too much to count, days are folded all the same: what is left waits for the next turn.
        with suppress(TimeoutError):
            async with asyncio.timeout(_TERM.total_seconds() / 2):
                await self._count(now)
        async with asyncio.timeout(_TERM.total_seconds() / 4):
            await self._fold(now)

    async def _count(self, now: datetime) -> None:
        for dirty in await self._store.dirty(_HOURS_AT_ONCE):
            if now - dirty.hour >= self._retention:
                await self._store.forget(dirty)
            else:
                await self._store.count(dirty)

    async def _fold(self, now: datetime) -> None:
        """Days that are over: today changes all the time, and is read by its hours."""
        today = floor(now, Bucket.DAY)
        for _ in range(_DAYS_AT_ONCE):
            day = await self._store.unfolded(before=today)
            if day is None:
                return
            await self._store.fold(day)

    async def _mark_recent(self, now: datetime) -> None:
        this_hour = floor(now, Bucket.HOUR)
        hours = [this_hour - timedelta(hours=back) for back in range(_RECENT)]
        for tenant in await self._store.tenants():
            await self._store.mark((tenant, hour) for hour in hours)
