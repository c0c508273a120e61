"""Use cases on users: their record, and deleting all that the hub knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from hub.core import access
from hub.core.access import Operation
from hub.core.audit import AuditTrail, pseudonym
from hub.core.ports import Announcer, Change
from hub.domain.audit import Action
from hub.domain.channels import Channel
from hub.domain.checks import check_user_id
from hub.domain.errors import Violation, invalid, not_found
from hub.domain.notifications import User
from hub.domain.principals import Principal
from hub.domain.text import address_fault
from hub.domain.users import DeletedUser, UserRecord, record_violations
from hub.store.users import UserStore


class Users:
    """One method, one public operation."""

    def __init__(
        self, store: UserStore, channels: Mapping[str, Channel], announcer: Announcer, audit: AuditTrail
    ) -> None:
        self._store = store
        self._by_contact_point = {c.contact_point: c for c in channels.values() if c.contact_point is not None}
        self._announcer = announcer
        self._audit = audit

    async def get(self, principal: Principal, user_id: str) -> User:
        """The user's record, or NOT_FOUND: a user who is notified need not have one."""
        access.allow(principal, Operation.GET_USER, check_user_id(user_id))
        found = await self._store.get(principal.tenant, user_id)
        if found is None:
            raise not_found("The user record")
        return found

    async def update(self, principal: Principal, user_id: str, record: UserRecord) -> User:
        """Replaces the record; each channel checks its own contact point and brings it into canonical form."""
        access.allow(principal, Operation.UPDATE_USER, check_user_id(user_id))
        checked = self._checked(record)
        async with self._audit.deed(principal, Action.USER_UPDATED, user_id):
            return await self._store.replace(principal.tenant, user_id, checked)

    async def delete(self, principal: Principal, user_id: str) -> DeletedUser:
        """Cancels what waits and removes inbox, history, keys and contact points; may be repeated.

        No work in flight brings anything back: what a worker is sending now leaves no trace when it is done.
        """
        access.allow(principal, Operation.DELETE_USER, check_user_id(user_id))
        subject = pseudonym(principal.tenant, user_id)
        async with self._audit.deed(principal, Action.USER_DELETED, subject) as result:
            deleted = await self._erase(principal.tenant, user_id)
            await self._audit.forget(principal.tenant, user_id)
            result.update(asdict(deleted))
        return deleted

    async def _erase(self, tenant: str, user_id: str) -> DeletedUser:
        # Addresses first: nothing that is claimed from now on finds one.
        contact_points = await self._store.delete(tenant, user_id)
        notifications = cancelled = 0
        while (step := await self._store.erase_some(tenant, user_id)) is not None:
            notifications += len(step.notifications)
            cancelled += step.cancelled
            self._announcer.announce([Change(n.tenant, n.user_id, n.id) for n in step.notifications])
        keys = await self._store.delete_keys(tenant, user_id)
        await self._store.forget_traces(tenant, user_id)
        return DeletedUser(notifications, cancelled, keys, contact_points)

    def _checked(self, record: UserRecord) -> UserRecord:
        unknown = record.contact_points.keys() - self._by_contact_point.keys()
        if unknown:
            known = ", ".join(sorted(self._by_contact_point))
            raise invalid(Violation("contact_points", f"may hold {known} only"), *record_violations(record))
        violations = record_violations(record)
        canonical: dict[str, str] = {}
        for name, address in record.contact_points.items():
            try:
                canonical[name] = _canonical(address, self._by_contact_point[name])
            except ValueError as error:
                violations.append(Violation(f"contact_points.{name}", str(error)))
        if violations:
            raise invalid(*violations)
        return UserRecord(canonical, record.locale, record.timezone)


def _canonical(address: str, channel: Channel) -> str:
    """Checked by what holds for all addresses, then by the channel's own rule; ValueError with a sentence."""
    fault = address_fault(address)
    if fault is not None:
        raise ValueError(fault)
    return channel.check_address(address)
