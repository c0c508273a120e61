"""Use cases on notifications: create, read, list, change status, mark, watch one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass

from hub.core import access
from hub.core.access import Operation
from hub.core.audit import AuditTrail
from hub.core.creation import Creation
from hub.core.lists import Lists
from hub.core.ports import Announcer, Change, Feed, Waker
from hub.core.rates import Rates
from hub.core.standings import Standings
from hub.core.stream_caps import StreamCaps
from hub.core.tasks import checkpoint
from hub.domain.audit import Action
from hub.domain.checks import check_user_id
from hub.domain.errors import HubError, Reason, invalid_field, not_found
from hub.domain.events import Event
from hub.domain.ids import parse_id
from hub.domain.notifications import Fault, Mark, NewNotification, Notification
from hub.domain.paging import Filter, ListKind, Page, PageRequest
from hub.domain.principals import Principal
from hub.domain.status import READABLE, Status, sources
from hub.store.notifications import NotificationStore


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to a create; `replayed` if an earlier call with the same idempotency key made it."""

    notification: Notification
    replayed: bool


@dataclass(frozen=True, slots=True)
class NewItem:
    """One item of a batch."""

    command: NewNotification
    idempotency_key: str | None


MOST_ITEMS = 1000
LOOK_AGAIN_SECONDS = 0.01
"""A majority may be a moment behind what the compare-and-set met."""

REPORTED: dict[Status, Fault] = {
    Status.FAILED: Fault("REPORTED_FAILED", "A receipt says that it did not arrive."),
    Status.CANCELLED: Fault("CANCELLED", "Called off by the caller."),
}
"""The reason that a claimed status leaves behind."""


class Notifications:
    """One method, one public operation. Every method raises HubError and nothing else on purpose."""

    def __init__(
        self,
        store: NotificationStore,
        creation: Creation,
        lists: Lists,
        announcer: Announcer,
        waker: Waker,
        feed: Feed,
        audit: AuditTrail,
        standings: Standings,
        caps: StreamCaps,
        rates: Rates | None = None,
    ) -> None:
        self._store = store
        self._creation = creation
        self._lists = lists
        self._announcer = announcer
        self._waker = waker
        self._feed = feed
        self._audit = audit
        self._standings = standings
        self._caps = caps
        self._rates = rates or Rates()

    async def create(
        self, principal: Principal, command: NewNotification, *, idempotency_key: str | None, correlation_id: str
    ) -> Created:
        """Accepts a notification: on disk with majority when this returns, whatever becomes of the broker."""
        access.allow(principal, Operation.CREATE, command.user_id)
        notification, replayed = await self._creation.create(principal.tenant, command, idempotency_key, correlation_id)
        return Created(notification, replayed)

    async def create_many(
        self, principal: Principal, items: Sequence[NewItem | HubError], *, correlation_id: str
    ) -> list[Created | HubError]:
        """Accepts up to 1,000, each by itself: the answers stand in the order of the items.

        An item that its protocol could not read comes as the error it is answered with. Each counts as an operation; the
        first one is the operation that the protocol has counted already.
        """
        self.may_create(principal)
        if not 1 <= len(items) <= MOST_ITEMS:
            raise invalid_field("notifications", f"must be 1 to {MOST_ITEMS:,} items")
        first, *others = items
        return await asyncio.gather(
            self._create_item(principal, first, correlation_id),
            *(self._count_and_create(principal, item, correlation_id) for item in others),
        )

    async def _count_and_create(
        self, principal: Principal, item: NewItem | HubError, correlation_id: str
    ) -> Created | HubError:
        try:
            await self._rates.operation(principal)
        except HubError as error:
            return error
        return await self._create_item(principal, item, correlation_id)

    def may_create(self, principal: Principal) -> None:
        """Raises PERMISSION_DENIED for a caller none of whose items would be taken: they are told once, of the whole."""
        access.allow(principal, Operation.CREATE)

    async def _create_item(
        self, principal: Principal, item: NewItem | HubError, correlation_id: str
    ) -> Created | HubError:
        if isinstance(item, HubError):
            return item
        try:
            return await self.create(
                principal, item.command, idempotency_key=item.idempotency_key, correlation_id=correlation_id
            )
        except HubError as error:
            return error

    async def get(self, principal: Principal, notification_id: str) -> Notification:
        """The notification, or NOT_FOUND."""
        access.allow(principal, Operation.GET)
        return await self._load(principal, notification_id)

    async def get_many(self, principal: Principal, notification_ids: list[str]) -> Mapping[str, Notification]:
        """Those that exist, by the id asked for: one round trip for a data loader."""
        access.allow(principal, Operation.GET)
        ids = {text: parsed for text in notification_ids if (parsed := parse_id(text)) is not None}
        found = await self._store.get_many(principal.tenant, list(ids.values()))
        mine = {n.id: n for n in found if access.reaches(principal, n)}
        return {text: mine[parsed] for text, parsed in ids.items() if parsed in mine}

    async def list(self, principal: Principal, filters: Filter, page: PageRequest) -> Page:
        """The whole tenant's notifications, newest first."""
        access.allow(principal, Operation.LIST, filters.user_id)
        return await self._lists.page(ListKind.NOTIFICATIONS, (principal.tenant, None), filters, page)

    async def list_of_user(self, principal: Principal, user_id: str, filters: Filter, page: PageRequest) -> Page:
        """A user's notifications, every channel and status, newest first; empty for an unknown user."""
        access.allow(principal, Operation.LIST_OF_USER, check_user_id(user_id))
        return await self._lists.page(ListKind.USER_NOTIFICATIONS, (principal.tenant, user_id), filters, page)

    async def update_status(self, principal: Principal, notification_id: str, target: Status) -> Notification:
        """Claims a status: `read`, `cancelled`, `delivered`, `failed` or `pending`, each by its own scope.

        Repeating a change that already holds succeeds and changes nothing.
        """
        if target not in access.CLAIMS:
            current = await self.get(principal, notification_id)
            raise _illegal(current, target)
        access.keep_to(access.CLAIMS[target], principal)
        if target is Status.READ:
            return await self.mark_read(principal, notification_id)
        allowed = [Status.FAILED] if target is Status.PENDING else sources(target)
        current = await self._load(principal, notification_id)
        while True:
            checkpoint()
            changed = await self._store.change_status(current, target, allowed, REPORTED.get(target))
            if changed is not None:
                self._tell(changed)
                return changed
            # Rests on somebody else's write, so it is read with majority.
            current = await self._load(principal, notification_id, majority=True)
            # Being pending was never claimed by anyone: only a failed notification may be made so.
            if current.status is target and target is not Status.PENDING:
                return current
            if current.status not in allowed:
                raise _illegal(current, target)
            # It may be done by now: somebody moved it between the two looks.
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def delete(self, principal: Principal, notification_id: str) -> None:
        """Deletes it for good, whatever its status; what waits is never sent. NOT_FOUND the second time."""
        access.allow(principal, Operation.DELETE)
        current = await self._load(principal, notification_id)
        async with self._audit.deed(principal, Action.NOTIFICATION_DELETED, str(current.id)):
            gone = await self._store.delete(current.tenant, current.id)
        if gone is None:
            raise not_found("The notification")
        self._announcer.announce([Change(gone.tenant, gone.user_id, gone.id)])

    async def mark_read(self, principal: Principal, notification_id: str) -> Notification:
        """Sets `read_at` on a `sent` or `delivered` notification; the first time counts. What is read was seen."""
        return await self._mark(principal, notification_id, Mark.READ, on=True)

    async def mark_unread(self, principal: Principal, notification_id: str) -> Notification:
        """Takes `read_at` away and uncovers the status beneath."""
        return await self._mark(principal, notification_id, Mark.READ, on=False)

    async def mark_seen(self, principal: Principal, notification_id: str) -> Notification:
        """Sets `seen_at` on a `sent` or `delivered` notification; the first time counts."""
        return await self._mark(principal, notification_id, Mark.SEEN, on=True)

    async def mark_unseen(self, principal: Principal, notification_id: str) -> Notification:
        """Takes `seen_at` away, and `read_at` with it: what nobody has seen nobody has read."""
        return await self._mark(principal, notification_id, Mark.SEEN, on=False)

    async def archive(self, principal: Principal, notification_id: str) -> Notification:
        """Sets `archived_at` on a `sent` or `delivered` notification: it leaves the inbox and keeps its other marks."""
        return await self._mark(principal, notification_id, Mark.ARCHIVED, on=True)

    async def unarchive(self, principal: Principal, notification_id: str) -> Notification:
        """Takes `archived_at` away: an inbox item that has not expired is back in its place."""
        return await self._mark(principal, notification_id, Mark.ARCHIVED, on=False)

    async def watch(self, principal: Principal, notification_id: str) -> AsyncGenerator[Event]:
        """Opens the stream of one notification; NOT_FOUND if there is none."""
        access.allow(principal, Operation.WATCH_ONE)
        found = await self._load(principal, notification_id)
        standing = self._caps.standing(principal, self._standings)
        return self._feed.watch_notification(found.tenant, found.user_id, found.id, standing)

    async def _load(self, principal: Principal, notification_id: str, *, majority: bool = False) -> Notification:
        parsed = parse_id(notification_id)
        found = None if parsed is None else await self._store.get(principal.tenant, parsed, majority=majority)
        if found is None or not access.reaches(principal, found):
            raise not_found("The notification")
        return found

    async def _mark(self, principal: Principal, notification_id: str, mark: Mark, *, on: bool) -> Notification:
        access.allow(principal, Operation.MARK)
        current = await self._load(principal, notification_id)
        while True:
            checkpoint()
            changed = await self._store.mark(current, mark, on=on)
            if changed is not None:
                self._tell(changed)
                return changed
            current = await self._load(principal, notification_id, majority=True)
            if current.status not in READABLE:
                raise _illegal(current, mark.name.lower())
            if (getattr(current, mark) is not None) is on:
                return current
            # Delivered between the two looks: it can be marked by now.
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    def _tell(self, changed: Notification) -> None:
        self._announcer.announce([Change(changed.tenant, changed.user_id, changed.id)])
        if changed.status is Status.PENDING:
            self._waker.wake(changed.lane, changed.id)


def _illegal(current: Notification, target: str) -> HubError:
    return HubError(
        Reason.ILLEGAL_TRANSITION,
        f"A notification that is {current.shown_status} can't be made {target}.",
        metadata={"from": current.shown_status, "to": target},
    )
