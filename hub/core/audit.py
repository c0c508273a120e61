"""The audit trail: what was done that somebody may have to answer for, written before it is done."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.core import access
from hub.core.access import Operation
from hub.domain.audit import Action, AuditEntry, AuditPage
from hub.domain.ids import new_id, time_of
from hub.domain.paging import Filter, ListKind, Position, checked_limit, decode_cursor, encode_cursor
from hub.domain.principals import Principal
from hub.log import correlation_id
from hub.store.audit import AuditStore

ANONYMOUS = "anonymous"
"""The actor where callers need no credential."""


class AuditTrail:
    """Puts deeds on record, and shows them to `admin`."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    @asynccontextmanager
    async def deed(self, principal: Principal, action: Action, subject: str | None) -> AsyncIterator[dict[str, int]]:
        """Records it before the block is run and completes the entry after it, with the counts put into the dict.

        An entry that was never completed says that the deed may have been done, or done in part. A block that raises
        leaves it so.
        """
        identifier = new_id()
        entry = AuditEntry(
            id=identifier,
            tenant=principal.tenant,
            at=time_of(identifier),
            actor=principal.credential or ANONYMOUS,
            action=action,
            subject=subject,
            correlation_id=correlation_id(),
        )
        await self._store.append(entry)
        result: dict[str, int] = {}
        yield result
        await self._store.complete(identifier, result)

    async def forget(self, tenant: str, user_id: str) -> None:
        """Replaces a user's id in every entry by what only somebody who knows it can recognise."""
        await self._store.blank(tenant, user_id, pseudonym(tenant, user_id))

    async def list(self, principal: Principal, limit: int, after: str | None = None) -> AuditPage:
        """The tenant's entries, newest first. INVALID_CURSOR for a cursor that is none of this list."""
        access.allow(principal, Operation.LIST_AUDIT)
        checked_limit("limit", limit)
        owner = (principal.tenant, None)
        place = None if after is None else decode_cursor(after, (ListKind.AUDIT,), owner, Filter())
        found = await self._store.find(principal.tenant, None if place is None else place.id, limit + 1)
        items = found[:limit]
        cursors = (encode_cursor(ListKind.AUDIT, owner, Filter(), Position(item.at, item.id)) for item in items)
        return AuditPage(tuple(items), tuple(cursors), has_next=len(found) > limit)


def pseudonym(tenant: str, user_id: str) -> str:
    """What stands for a deleted user: the same for the same one, and telling nothing to those who don't know the id."""
    return "deleted:" + hashlib.sha256(f"{tenant}\0{user_id}".encode()).hexdigest()[:32]
