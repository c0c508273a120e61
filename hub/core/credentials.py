"""Who calls: a bearer key becomes a principal. The protocols only extract the key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from hub.domain.errors import HubError, Reason
from hub.domain.principals import ANONYMOUS_LOCAL, Principal, Scope


class Credentials(Protocol):
    """Decides who a caller is."""

    def authenticate(self, token: str | None) -> Principal:
        """The principal of a bearer token (None: none was given); raises UNAUTHENTICATED."""
        ...


class OpenDoor:
    """A hub without keys: everybody who can connect is the same local principal."""

    def authenticate(self, token: str | None) -> Principal:  # noqa: ARG002 - the port's signature
        """Always the local principal."""
        return ANONYMOUS_LOCAL


class KeyFile:
    """Keys from a secrets file: `[{"hash": "<SHA-256 of the key, hex>", "tenant": "…", "scopes": ["…"]}]`.

    Keys are random and long, so a plain hash does: there is nothing to guess, and looking up a hash leaks no timing.
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

    def authenticate(self, token: str | None) -> Principal:
        """The principal of a key."""
        if token is None:
            raise HubError(Reason.UNAUTHENTICATED, "A key is needed: Authorization: Bearer <key>.")
        principal = self._principals.get(hash_key(token))
        if principal is None:
            raise HubError(Reason.UNAUTHENTICATED, "The key is not known.")
        return principal


def hash_key(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def bearer(header: str | None) -> str | None:
    """The token of an `Authorization` header (RFC 6750, section 2.1); None if there is none of that kind."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _principal(entry: Mapping[str, object]) -> Principal:
    tenant, scopes = entry["tenant"], entry["scopes"]
    if not isinstance(tenant, str) or not tenant or "/" in tenant or not isinstance(scopes, list):
        raise ValueError
    return Principal(tenant, frozenset(Scope(scope) for scope in scopes))
