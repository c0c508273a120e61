"""Keys for callers, made and ended from the command line: in the store, or as entries of a keys file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from hub.core.audit import AuditTrail
from hub.core.keys import Keys
from hub.domain.keys import hash_key, new_secret
from hub.domain.principals import Principal, Scope
from hub.domain.times import format_time
from hub.log import correlated
from hub.settings import Settings
from hub.store.api_keys import ApiKeyStore
from hub.store.audit import AuditStore
from hub.store.client import open_store
from hub.store.embedded import embedded_mongod

ACTOR = "cli"
"""What the audit trail calls whoever can reach the store itself."""


def new_key(
    tenant: str, scopes: Sequence[Scope], environment: str, expires_at: datetime | None = None
) -> tuple[str, str]:
    """A new key `hub_<environment>_<id>_<secret>`, and its entry for the keys file as JSON."""
    identifier, key = new_secret(environment)
    entry: dict[str, object] = {
        "id": identifier,
        "hash": hash_key(key),
        "tenant": tenant,
        "scopes": [scope.value for scope in scopes],
    }
    if expires_at is not None:
        entry["expires_at"] = format_time(expires_at)
    return key, json.dumps(entry)


def operator(tenant: str) -> Principal:
    """Whoever may read the store's settings may do with a tenant's keys what its admins may."""
    return Principal(tenant, frozenset({Scope.ADMIN}), None, ACTOR)


@asynccontextmanager
async def opened_keys(settings: Settings, *, makes_store: bool = False) -> AsyncIterator[Keys]:
    """The use cases on the store of the settings in force. A hub may be running on it: an embedded store is joined.

    ValueError with a sentence where there is no store, unless one may be made.
    """
    if settings.mongo.url is not None:
        async with _keys(settings.mongo.url.get_secret_value(), settings) as keys:
            yield keys
        return
    if not makes_store and not (settings.data_dir / "mongod").is_dir():
        msg = f"there is no store in {settings.data_dir}: set HUB_DATA_DIR or HUB_MONGO__URL as the hub has it"
        raise ValueError(msg)
    async with embedded_mongod(settings.data_dir) as url, _keys(url, settings) as keys:
        yield keys


@asynccontextmanager
async def _keys(url: str, settings: Settings) -> AsyncIterator[Keys]:
    mongo = settings.mongo
    # Indexes are the servers' to build, and `migrate`'s.
    opening = open_store(url, mongo.database, mongo.timeout, build_indexes=False)
    async with opening:
        with correlated(None):
            yield Keys(ApiKeyStore(), AuditTrail(AuditStore(settings.retention.audit)))
