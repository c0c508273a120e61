"""What a channel is: one way to a person, and what it is handed for one attempt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, runtime_checkable
from uuid import UUID

from hub.domain.errors import Violation
from hub.domain.notifications import NewNotification, Outcome
from hub.domain.receipts import ReceiptReader
from hub.domain.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel hands to its provider: one attempt's worth of a notification."""

    id: UUID
    tenant: str
    user_id: str
    address: str | None
    """The checked address; None for channels that need none."""
    title: str
    text: str
    html: str | None
    correlation_id: str
    attempt: int = 1
    """The number of this attempt."""


class Channel(Protocol):
    """One way to a person. Owns its settings, its address rule and its failure classification."""

    name: str
    """The notification `type` it serves."""
    contact_point: str | None
    """The key in a user's contact points; None if the channel needs no address."""
    retry: RetryPolicy
    send_timeout: timedelta
    """How long one `send` may take; must be under half the lease."""
    concurrency: int
    """How many sends one worker process has under way at most, for each priority."""

    def check_address(self, address: str) -> str:
        """The address in canonical form; ValueError with a sentence if it is none."""
        ...

    def check_content(self, command: NewNotification) -> Iterable[Violation]:
        """What this channel could not carry."""
        ...

    async def send(self, message: Message) -> Outcome:
        """One attempt. Never raises for what a provider or network does: that is an outcome.

        If it is cancelled by the worker's timeout, the attempt counts as ambiguous.
        """
        ...

    async def aclose(self) -> None:
        """Closes connections; no `send` is under way any more."""
        ...


@runtime_checkable
class Reporting(Protocol):
    """What a channel may be besides: one whose provider reports later what became of messages."""

    receipts: ReceiptReader | None
    """None where that is not set up."""
