"""Keys for callers: made here, shown once, kept as a hash only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from hub.domain.keys import hash_key
from hub.domain.principals import Scope


def new_key(tenant: str, scopes: Sequence[Scope], environment: str) -> tuple[str, str]:
    """A new key `hub_<environment>_<id>_<secret>`, and its entry for the keys file as JSON."""
    identifier = secrets.token_hex(6)
    key = f"hub_{environment}_{identifier}_{secrets.token_urlsafe(32)}"
    entry = {"id": identifier, "hash": hash_key(key), "tenant": tenant, "scopes": [scope.value for scope in scopes]}
    return key, json.dumps(entry)
