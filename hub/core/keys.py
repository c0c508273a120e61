"""Use cases on API keys: make, list, rotate, revoke; all of the caller's own tenant, all for `admin`."""

from __future__ import annotations

from datetime import timedelta

from hub.core import access
from hub.core.access import Operation
from hub.core.audit import ANONYMOUS, AuditTrail
from hub.domain.audit import Action
from hub.domain.errors import HubError, Reason, not_found
from hub.domain.keys import (
    ApiKey,
    IssuedKey,
    NewKey,
    checked_key,
    checked_overlap,
    hash_key,
    is_key_id,
    new_secret,
)
from hub.domain.principals import Principal
from hub.domain.times import now
from hub.store.api_keys import ApiKeyStore

MOST_KEYS = 1000
"""Of one tenant that stand at the same time."""


class Keys:
    """One method, one public operation. What a key may do is known everywhere within two seconds."""

    def __init__(self, store: ApiKeyStore, audit: AuditTrail) -> None:
        self._store = store
        self._audit = audit

    async def create(self, principal: Principal, command: NewKey) -> IssuedKey:
        """Makes a key; its secret is in this answer and nowhere else."""
        access.allow(principal, Operation.CREATE_KEY)
        return await self._issue(principal, checked_key(command, now()))

    async def list(self, principal: Principal) -> list[ApiKey]:
        """Every key of the tenant, newest first, those that ended in the last 90 days included: 1,000 at most."""
        access.allow(principal, Operation.LIST_KEYS)
        return await self._store.of_tenant(principal.tenant, MOST_KEYS)

    async def rotate(self, principal: Principal, key_id: str, overlap: timedelta | None = None) -> IssuedKey:
        """Makes a key like another one, which goes on for `overlap` (one day) and then ends. NOT_FOUND if it has ended."""
        access.allow(principal, Operation.ROTATE_KEY)
        span = checked_overlap(overlap)
        old = await self._known(principal, key_id)
        if not old.stands(now()):
            raise not_found("The key")
        async with self._audit.deed(principal, Action.KEY_ROTATED, key_id):
            # The new one first: a caller must never be left without any.
            issued = await self._issue(principal, NewKey(old.name, old.scopes, old.expires_at, old.environment))
            await self._store.end_by(principal.tenant, key_id, now() + span)
        return issued

    async def revoke(self, principal: Principal, key_id: str) -> ApiKey:
        """Ends a key: requests with it are refused within two seconds, its streams end within five. May be repeated."""
        access.allow(principal, Operation.REVOKE_KEY)
        await self._known(principal, key_id)
        async with self._audit.deed(principal, Action.KEY_REVOKED, key_id):
            revoked = await self._store.revoke(principal.tenant, key_id)
        if revoked is None:
            raise not_found("The key")
        return revoked

    async def _known(self, principal: Principal, key_id: str) -> ApiKey:
        """A key of the tenant. Whatever else may be sent as an id is not found, and never reaches store or trail."""
        found = await self._store.get(principal.tenant, key_id) if is_key_id(key_id) else None
        if found is None:
            raise not_found("The key")
        return found

    async def _issue(self, principal: Principal, command: NewKey) -> IssuedKey:
        if await self._store.count(principal.tenant) >= MOST_KEYS:
            raise HubError(Reason.TOO_MANY_KEYS, f"A tenant has at most {MOST_KEYS:,} keys.")
        identifier, secret = new_secret(command.environment)
        key = ApiKey(
            identifier,
            principal.tenant,
            command.name,
            command.scopes,
            command.environment,
            now(),
            principal.credential or ANONYMOUS,
            command.expires_at,
        )
        async with self._audit.deed(principal, Action.KEY_CREATED, identifier):
            await self._store.insert(key, hash_key(secret))
        return IssuedKey(key, secret)
