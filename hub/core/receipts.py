"""Use case of providers: what they report later of messages that they took over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from hub.core.notifications import LOOK_AGAIN_SECONDS, REPORTED
from hub.core.ports import Announcer, Change
from hub.core.tasks import checkpoint
from hub.domain.channels import Channel, Reporting
from hub.domain.errors import HubError, Reason, not_found
from hub.domain.notifications import Fault, Notification
from hub.domain.receipts import Callback, Receipt, Verdict, judge
from hub.domain.status import sources
from hub.domain.times import now
from hub.log import get_logger
from hub.store.notifications import NotificationStore

log = get_logger(__name__)

_SHORTEST_WAIT = timedelta(seconds=5)


class Receipts:
    """Their signature is all that providers need: no credential, and no tenant, which they know nothing of."""

    def __init__(self, store: NotificationStore, channels: Mapping[str, Channel], announcer: Announcer) -> None:
        self._store = store
        self._readers = {
            name: channel.receipts
            for name, channel in channels.items()
            if isinstance(channel, Reporting) and channel.receipts is not None
        }
        self._announcer = announcer

    async def take(self, provider: str, callback: Callback) -> None:
        """Does what a receipt says, if its signature holds; may be repeated, and come in any order.

        What concerns no notification that there is, or is of the past, changes nothing and is no error: the provider
        shall not repeat it. Raises NOT_FOUND where no receipts of that provider are taken, PERMISSION_DENIED unless it
        is signed, and NOT_SETTLED where the provider has to repeat it later.
        """
        reader = self._readers.get(provider)
        if reader is None:
            raise not_found("The provider")
        receipt = reader.read(callback)
        if receipt is None:
            log.debug("receipt_passed_over", provider=provider)
            return
        done = await self._done(provider, receipt)
        log.info("receipt", provider=provider, notification_id=str(receipt.notification_id), done=done)

    async def _done(self, provider: str, receipt: Receipt) -> str:
        while True:
            checkpoint()
            # What it is compared with, and perhaps dropped for, must not be lost by a primary that goes away.
            current = await self._store.find(receipt.notification_id)
            if current is None or current.type != provider:
                return "unknown"
            match judge(receipt, current):
                case Verdict.IGNORE:
                    return "ignored"
                case Verdict.COME_AGAIN:
                    raise _not_settled(current)
                case Verdict.APPLY:
                    changed = await self._store.change_status(
                        current, receipt.status, sources(receipt.status), _reason(receipt), only_this_version=True
                    )
                    if changed is not None:
                        self._announcer.announce([Change(changed.tenant, changed.user_id, changed.id)])
                        return receipt.status
            # Somebody else was faster: perhaps its worker.
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _reason(receipt: Receipt) -> Fault | None:
    reported = REPORTED.get(receipt.status)
    if reported is None or receipt.code is None:
        return reported
    return Fault(reported.code, f"{reported.message[:-1]} ({receipt.code}).")


def _not_settled(current: Notification) -> HubError:
    waits = timedelta() if current.next_attempt_at is None else current.next_attempt_at - now()
    return HubError(
        Reason.NOT_SETTLED,
        f"The notification is {current.status}: repeat the receipt once that is over.",
        metadata={"status": current.status},
        retry_after=max(waits + _SHORTEST_WAIT, _SHORTEST_WAIT),
    )
