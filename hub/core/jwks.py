"""The public keys of an identity provider (RFC 7517), fetched when needed and kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import jwt

from hub.domain.errors import HubError, Reason
from hub.log import get_logger

log = get_logger(__name__)

FRESH_SECONDS = 600.0
"""Keys older than this are fetched anew."""
FETCH_AT_MOST_EVERY_SECONDS = 10.0
"""However many tokens name keys that nobody knows."""
_TIMEOUT_SECONDS = 5


class JwksKeys:
    """Keys by their id. While the provider is away those that are known go on to be good."""

    def __init__(self, url: str, algorithms: tuple[str, ...]) -> None:
        self.algorithms = algorithms
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=_TIMEOUT_SECONDS)
        self._keys: Mapping[str, Any] = {}
        self._tried_at = self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str | None) -> Any:
        """The key of that id, None if there is none. Raises IDENTITY_PROVIDER_UNREACHABLE if none was ever fetched."""
        if not isinstance(key_id, str):
            return None
        if key_id not in self._keys or time.monotonic() - self._fetched_at > FRESH_SECONDS:
            await self._fetch()
        if self._fetched_at == float("-inf"):
            raise HubError(Reason.IDENTITY_PROVIDER_UNREACHABLE, "The keys of the identity provider can't be fetched.")
        return self._keys.get(key_id)

    async def _fetch(self) -> None:
        """Fetches now, unless that was just tried."""
        async with self._fetching:
            if time.monotonic() - self._tried_at < FETCH_AT_MOST_EVERY_SECONDS:
                return
            self._tried_at = time.monotonic()
            try:
                found = await asyncio.to_thread(self._client.get_signing_keys, refresh=True)
            except jwt.PyJWTError as error:
                log.warning("jwks_not_fetched", error=type(error).__name__)
                return
            self._keys = {key.key_id: key.key for key in found if key.key_id is not None}
            self._fetched_at = time.monotonic()
