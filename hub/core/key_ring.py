"""The keys of the store, held in memory: who calls is known without a round trip, and a revocation within two seconds."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta

from hub.core.standings import Standings
from hub.core.tasks import checkpoint
from hub.domain.errors import HubError, Reason
from hub.domain.keys import ApiKey, hash_key, id_in
from hub.domain.times import now
from hub.log import get_logger
from hub.store.api_keys import ApiKeyStore

log = get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0
"""With the time that a look takes, a revocation reaches every process within two seconds."""
_LOOK_AT_MOST_EVERY_SECONDS = 0.2
"""However many unknown keys are shown: each could be one that was made a moment ago."""
_MOST_WAITING = 32
"""Callers with unknown keys that wait for a look; strangers shall not keep the places of others."""
_OVERLAP = timedelta(seconds=30)
"""A change is stamped before it is visible to all: each look begins so much earlier than the last change seen."""
_USE_EVERY_SECONDS = 10.0
_MINUTE = timedelta(minutes=1)


class KeyRing:
    """Looks for changes once a second. While the store is away it goes by what it knew last."""

    def __init__(self, store: ApiKeyStore, standings: Standings) -> None:
        self._store = store
        self._standings = standings
        self._keys: dict[str, ApiKey] = {}
        self._expiring: dict[str, ApiKey] = {}
        self._latest: datetime | None = None
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()
        self._waiting = 0
        self._used: dict[str, datetime] = {}
        self._unwritten: dict[str, datetime] = {}

    async def find(self, token: str) -> ApiKey | None:
        """The key that a token is, or None. What does not look like a key costs nothing.

        Raises STORE_UNREACHABLE where it can't be told: a key that was never seen, and no store to ask; OVERLOADED
        where many ask for keys that nobody knows.
        """
        if id_in(token) is None:
            return None
        hashed = hash_key(token)
        if hashed not in self._keys:
            await self._look_again()
        key = self._keys.get(hashed)
        if key is None or not key.stands(now()):
            return None
        self._note_use(key.id)
        return key

    async def run(self) -> None:
        """Follows the store until cancelled."""
        write_at = time.monotonic() + _USE_EVERY_SECONDS
        while True:
            checkpoint()
            try:
                await self._look(time.monotonic())
                if time.monotonic() >= write_at:
                    write_at = time.monotonic() + _USE_EVERY_SECONDS
                    await self._write_uses()
            except HubError as error:
                log.warning("keys_not_read", reason=error.reason)
            self._end_expired()
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _look_again(self) -> None:
        """Waits for a look that begins from now on: all who wait share it, and few may wait."""
        if self._waiting >= _MOST_WAITING:
            text = "Too many keys that nobody knows; nothing of this was accepted."
            raise HubError(Reason.OVERLOADED, text, retry_after=timedelta(seconds=1))
        self._waiting += 1
        try:
            await self._look(time.monotonic())
        finally:
            self._waiting -= 1

    async def _look(self, asked_at: float) -> None:
        async with self._looking:
            if self._looked_at < asked_at:
                await asyncio.sleep(self._looked_at + _LOOK_AT_MOST_EVERY_SECONDS - time.monotonic())
                await self._read()

    async def _read(self) -> None:
        began = time.monotonic()
        since = None if self._latest is None else self._latest - _OVERLAP
        for stored in await self._store.changed_since(since):
            self._latest = max(self._latest or stored.updated_at, stored.updated_at)
            self._take(stored.key, stored.hash)
        self._looked_at = began

    def _take(self, key: ApiKey, hashed: str) -> None:
        self._keys[hashed] = key
        if key.revoked_at is not None:
            self._end(key)
        elif key.expires_at is not None:
            self._expiring[key.id] = key

    def _end_expired(self) -> None:
        for key in list(self._expiring.values()):
            if not key.stands(now()):
                self._end(key)

    def _end(self, key: ApiKey) -> None:
        self._expiring.pop(key.id, None)
        self._standings.end(key.tenant, key.id)

    def _note_use(self, key_id: str) -> None:
        moment = now()
        last = self._used.get(key_id)
        if last is None or moment - last >= _MINUTE:
            self._used[key_id] = self._unwritten[key_id] = moment.replace(second=0, microsecond=0)

    async def _write_uses(self) -> None:
        uses, self._unwritten = self._unwritten, {}
        try:
            await self._store.note_used(uses)
        except HubError:
            self._unwritten = uses | self._unwritten
            raise
