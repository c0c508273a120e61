"""Who calls: a bearer token becomes a principal. The protocols only extract the token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from hub.core.key_ring import KeyRing
from hub.core.user_tokens import UserTokens
from hub.domain.errors import HubError, Reason
from hub.domain.keys import hash_key
from hub.domain.principals import ANONYMOUS_LOCAL, Principal, Scope, is_tenant
from hub.domain.times import now, parse_time

LONGEST_TOKEN = 8192


class Credentials(Protocol):
    """Decides who a caller is."""

    async def authenticate(self, token: str | None) -> Principal:
        """The principal of a bearer token (None: none was given); raises UNAUTHENTICATED."""
        ...


class OpenDoor:
    """A hub without keys: everybody who can connect is the same local principal."""

    async def authenticate(self, token: str | None) -> Principal:  # noqa: ARG002 - the port's signature
        """Always the local principal."""
        return ANONYMOUS_LOCAL


class KeyFile:
    """Keys from a secrets file: `[{"id": "…", "hash": "<SHA-256 of the key, hex>", "tenant": "…", "scopes": ["…"]}]`.

    An entry may have `expires_at` (RFC 3339). What the file loses is revoked by a restart.
    """

    def __init__(self, principals: Mapping[str, Principal]) -> None:
        self._principals = principals

    @classmethod
    def read(cls, path: Path) -> KeyFile:
        """Reads the file; ValueError with a sentence if it can't be used."""
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            return cls({entry["hash"].lower(): _principal(entry) for entry in entries})
        except OSError as error:
            msg = f"HUB_AUTH__KEYS_FILE can't be read: {error.strerror}."
            raise ValueError(msg) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"HUB_AUTH__KEYS_FILE must be a JSON list of objects with hash, tenant and scopes ({type(error).__name__})."
            raise ValueError(msg) from None

    def find(self, token: str) -> Principal | None:
        """The principal of a key that the file has."""
        return self._principals.get(hash_key(token))


class Door:
    """A hub whose callers need a credential: a key of the file or of the store, or an end user's token."""

    def __init__(
        self, file: KeyFile | None = None, ring: KeyRing | None = None, tokens: UserTokens | None = None
    ) -> None:
        self._file = file
        self._ring = ring
        self._tokens = tokens

    async def authenticate(self, token: str | None) -> Principal:
        """The principal of a token, or UNAUTHENTICATED."""
        if token is None:
            raise HubError(Reason.UNAUTHENTICATED, "A credential is needed: Authorization: Bearer <key or token>.")
        principal = await self._find(token) if len(token) <= LONGEST_TOKEN else None
        if principal is None:
            raise HubError(Reason.UNAUTHENTICATED, "The credential is not known.")
        if principal.expires_at is not None and principal.expires_at <= now():
            raise HubError(Reason.UNAUTHENTICATED, "The credential has expired.")
        return principal

    async def _find(self, token: str) -> Principal | None:
        if self._file is not None and (found := self._file.find(token)) is not None:
            return found
        if self._tokens is not None and token.count(".") == 2:  # noqa: PLR2004 - the parts of a JWT
            return await self._tokens.verify(token)
        if self._ring is not None and (key := await self._ring.find(token)) is not None:
            return key.principal
        return None


def bearer(header: str | None) -> str | None:
    """The token of an `Authorization` header (RFC 6750, section 2.1); None if there is none of that kind."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _principal(entry: Mapping[str, object]) -> Principal:
    tenant, scopes, expires_at = entry["tenant"], entry["scopes"], entry.get("expires_at")
    if not isinstance(tenant, str) or not is_tenant(tenant) or not isinstance(scopes, list):
        raise ValueError
    identifier = entry.get("id") or str(entry["hash"])[:12]
    principal = Principal(tenant, frozenset(Scope(scope) for scope in scopes), None, str(identifier))
    return replace(principal, expires_at=_expiry(expires_at))


def _expiry(text: object) -> datetime | None:
    return None if text is None else parse_time(str(text))
