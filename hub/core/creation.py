"""How a notification is accepted: check, reserve the idempotency key, write once with the intention to send."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

from hub.core.addresses import Addresses
from hub.core.batching import Batcher, Full
from hub.core.ports import Observer, Waker
from hub.core.rates import Charge, Rates
from hub.domain.channels import Channel
from hub.domain.checks import CheckedNotification, check_new
from hub.domain.errors import HubError, Reason, invalid, invalid_field, not_found
from hub.domain.ids import new_id, time_of
from hub.domain.notifications import NewNotification, Notification
from hub.domain.status import Status
from hub.domain.times import format_time, now
from hub.store.client import unreachable
from hub.store.keys import KeyStore, Reservation
from hub.store.notifications import NotificationStore

_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
BATCH_SIZE = 500
WAITING_LIMIT = 10_000
_TOLERANCE = timedelta(minutes=1)
"""Ids are made a moment after the check."""


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A checked command, ready to be written under any id."""

    tenant: str
    checked: CheckedNotification
    correlation_id: str

    def build(self, notification_id: UUID) -> Notification:
        """The notification as it is first written."""
        command = self.checked.command
        created_at = time_of(notification_id)
        scheduled_at = command.scheduled_at
        waits = scheduled_at is not None and scheduled_at > created_at
        return Notification(
            id=notification_id,
            tenant=self.tenant,
            user_id=command.user_id,
            title=command.title,
            message=command.message,
            type=command.type,
            html=command.html,
            to=command.to,
            metadata=command.metadata,
            priority=self.checked.priority,
            category=self.checked.category,
            status=Status.SCHEDULED if waits else Status.PENDING,
            status_reason=None,
            attempts=(),
            scheduled_at=scheduled_at,
            expires_at=command.expires_at,
            next_attempt_at=scheduled_at if waits else created_at,
            created_at=created_at,
            updated_at=created_at,
            sent_at=None,
            delivered_at=None,
            read_at=None,
            version=1,
            correlation_id=self.correlation_id,
        )


class Creation:
    """Accepts notifications. Concurrent creates share an insert; keyed ones have inserts of their own."""

    def __init__(
        self,
        store: NotificationStore,
        keys: KeyStore,
        channels: Mapping[str, Channel],
        addresses: Addresses,
        waker: Waker,
        observer: Observer,
        rates: Rates | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._channels = channels
        self._addresses = addresses
        self._waker = waker
        self._observer = observer
        self._rates = rates or Rates()
        self._inserts = Batcher(store.insert_many, max_size=BATCH_SIZE, max_waiting=WAITING_LIMIT)
        # A few duplicates make mongod redo a shared batch item by item: those with keys go by themselves.
        self._keyed_inserts = Batcher(store.insert_many, max_size=BATCH_SIZE, max_waiting=WAITING_LIMIT)
        self._reservations = Batcher(keys.reserve_many, max_size=BATCH_SIZE, max_waiting=WAITING_LIMIT)

    async def create(
        self, tenant: str, command: NewNotification, idempotency_key: str | None, correlation_id: str
    ) -> tuple[Notification, bool]:
        """The notification on disk with majority, and whether an earlier call had made it."""
        key = None if idempotency_key is None else checked_key(idempotency_key)
        try:
            accepted = await self._accepted(tenant, command, correlation_id)
            charge = await self._rates.recipient(tenant, command.user_id)
        except HubError:
            # What stood when the key was first used may stand no more, and its user's limit may be used up: a repeat is
            # answered all the same.
            earlier = None if key is None else await self._earlier(tenant, key, command)
            if earlier is None:
                raise
            return earlier, True
        try:
            if key is None:
                notification = accepted.build(new_id())
                if not await self._inserts.add(notification):
                    # Only a try of the driver's own can have written it: certain once a majority has it.
                    await self._present(tenant, notification.id)
                self._wake(notification)
                return notification, False
            return await self._create_once(accepted, key, charge)
        except Full:
            charge.give_back()
            raise HubError(Reason.OVERLOADED, "Too many creates are waiting; nothing was accepted.") from None

    async def _accepted(self, tenant: str, command: NewNotification, correlation_id: str) -> _Accepted:
        accepted = _Accepted(tenant, check_new(command, now()), correlation_id)
        self._check_channel(accepted.checked.command)
        await self._addresses.check(tenant, accepted.checked.command)
        return accepted

    async def _earlier(self, tenant: str, key: str, command: NewNotification) -> Notification | None:
        """What the same command with the same key made before, judged by the time when it did."""
        reserved = await self._keys.find(tenant, key)
        if reserved is None:
            return None
        try:
            checked = check_new(command, time_of(reserved.notification_id) - _TOLERANCE)
        except HubError:
            return None
        if fingerprint(checked.command) != reserved.fingerprint:
            return None
        existing = await self._store.get(tenant, reserved.notification_id, majority=True, deleted=True)
        return None if existing is None else await self._present(tenant, existing.id)

    def _check_channel(self, command: NewNotification) -> None:
        channel = self._channels.get(command.type)
        if channel is None:
            known = ", ".join(sorted(self._channels))
            raise invalid_field("type", f"must be one of {known}", Reason.UNKNOWN_CHANNEL)
        violations = tuple(channel.check_content(command))
        if violations:
            raise invalid(*violations)

    async def _create_once(self, accepted: _Accepted, key: str, charge: Charge) -> tuple[Notification, bool]:
        """Reserves the key first, then inserts under the reserved id; whoever repeats finds the reservation.

        Who makes nothing new gets back what was counted against the recipient. What fails halfway keeps it: nobody knows.
        """
        mine = new_id()
        wanted = Reservation(
            tenant=accepted.tenant,
            key=key,
            user_id=accepted.checked.command.user_id,
            fingerprint=fingerprint(accepted.checked.command),
            notification_id=mine,
        )
        reserved = await self._reservations.add(wanted)
        if reserved.fingerprint != wanted.fingerprint:
            charge.give_back()
            raise HubError(
                Reason.IDEMPOTENCY_MISMATCH, "This idempotency key was used before, with another notification."
            )
        if reserved.notification_id != mine:
            existing = await self._store.get(accepted.tenant, reserved.notification_id, majority=True, deleted=True)
            if existing is not None:
                charge.give_back()
                return await self._present(accepted.tenant, existing.id), True
        # Nobody got as far as the insert, or somebody is at it now: the same id makes them one.
        notification = accepted.build(reserved.notification_id)
        fresh = await self._keyed_inserts.add(notification)
        if not fresh:
            # Whoever repeated this very call may have written it: who reserved the key has made it all the same. But it
            # was written once, so it is counted once.
            charge.give_back()
            return await self._present(accepted.tenant, notification.id), reserved.notification_id != mine
        self._wake(notification)
        return notification, reserved.notification_id != mine

    async def _present(self, tenant: str, notification_id: UUID) -> Notification:
        """The present state of what this call did not write, as a majority has it."""
        found = await self._store.get(tenant, notification_id, majority=True)
        if found is not None:
            return found
        if await self._store.get(tenant, notification_id, majority=True, deleted=True) is None:
            # The insert has met it, or the caller has seen it: a new primary does not know yet what a majority has.
            raise unreachable(LookupError("not yet seen by a majority"))
        raise not_found("The notification of this idempotency key was deleted: it")

    def _wake(self, notification: Notification) -> None:
        self._observer.accepted(notification)
        if notification.status is Status.PENDING:
            self._waker.wake(notification.lane, notification.id)


def checked_key(key: str) -> str:
    """An idempotency key: 1 to 255 visible ASCII characters; the quoted form is the same key."""
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if _KEY.fullmatch(key) is None:
        raise invalid_field("idempotency_key", "must be 1 to 255 visible ASCII characters")
    return key


def fingerprint(command: NewNotification) -> bytes:
    """A hash of the canonical command: the same for all spellings of the same wish."""
    # Only what is given: a field that a later version adds makes no other command of one that does without it.
    given = {f.name: value for f in fields(command) if (value := getattr(command, f.name)) not in (None, {})}
    canonical = {name: _plain(value) for name, value in given.items()}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).digest()


def _plain(value: object) -> object:
    return format_time(value) if isinstance(value, datetime) else value
