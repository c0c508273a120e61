"""Receipts: what a provider reports later of a message that it took over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from hub.domain.errors import HubError, Reason
from hub.domain.notifications import Notification
from hub.domain.status import SETTLED, Status


@dataclass(frozen=True, slots=True)
class Callback:
    """A provider's request, byte for byte as it came: nothing of it is believed before its signature is checked."""

    query: str
    """What stands behind the `?` of the URL."""
    headers: Mapping[str, str]
    """By lower-case names."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """One report that matters: the message has arrived, or it never will."""

    notification_id: UUID
    status: Status
    """`delivered` or `failed`."""
    attempt: int | None = None
    """The attempt it is about, if the provider was told its number."""
    at: datetime | None = None
    """When that came to pass, by the provider's clock."""
    code: str | None = None
    """The provider's number or word for the failure: a few letters and digits."""


class ReceiptReader(Protocol):
    """Reads the callbacks of one channel's provider."""

    def read(self, callback: Callback) -> Receipt | None:
        """The receipt; None for a report that changes nothing, such as that a message was queued.

        Raises PERMISSION_DENIED unless the signature holds, and INVALID_ARGUMENT for what is signed and no report.
        """
        ...


def unsigned() -> HubError:
    """The refusal of a callback whose signature does not hold, whatever is wrong with it."""
    return HubError(Reason.PERMISSION_DENIED, "The callback does not bear a valid signature.")


class Verdict(StrEnum):
    """What is to be done about a receipt."""

    APPLY = "apply"
    IGNORE = "ignore"
    """It changes nothing: what it says holds already, or is of the past."""
    COME_AGAIN = "come_again"
    """Where it belongs can be told only once the notification is settled."""


def judge(receipt: Receipt, current: Notification) -> Verdict:
    """What a receipt means for a notification as it stands. A final status is never moved back.

    That one attempt of several arrived is enough; that one failed is of interest only if no later one is under way.
    """
    if receipt.status is Status.DELIVERED:
        return _of_delivery(current)
    if current.status not in {Status.SENDING, Status.SENT, Status.DELIVERED}:
        # It failed already, or whatever was reported is tried again.
        return Verdict.IGNORE
    return _of_failure(receipt, current)


def _of_delivery(current: Notification) -> Verdict:
    if current.status in {Status.SENDING, Status.SENT}:
        return Verdict.APPLY
    # What waits for another attempt becomes `delivered` by that one, or by this receipt once that one is sent.
    return Verdict.IGNORE if current.status in SETTLED else Verdict.COME_AGAIN


def _of_failure(receipt: Receipt, current: Notification) -> Verdict:
    last_known = current.attempts[-1].number if current.attempts else 0
    if current.status is Status.SENDING:
        if receipt.attempt is None and current.attempts:
            return Verdict.COME_AGAIN
        return Verdict.APPLY if receipt.attempt is None or receipt.attempt > last_known else Verdict.IGNORE
    number = _number_at(receipt.at, current) if receipt.attempt is None else receipt.attempt
    # A greater one is of an attempt that its worker has not put on record yet.
    return Verdict.APPLY if number >= last_known else Verdict.IGNORE


def _number_at(moment: datetime | None, current: Notification) -> int:
    """The attempt that was the last one at a moment by the provider's clock; without one, the last of all."""
    begun = [a.number for a in current.attempts if moment is None or a.started_at <= moment]
    # No attempt was begun by then: the two clocks differ, and it can only be the first.
    return next(reversed(begun), current.attempts[0].number if current.attempts else 0)
