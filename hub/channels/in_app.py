"""In the app: the status write makes the inbox entry, so an attempt always ends as delivered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from hub.channels.settings import ChannelSettings
from hub.domain.channels import Message
from hub.domain.errors import Violation
from hub.domain.notifications import NewNotification, Outcome, OutcomeKind
from hub.settings.values import Seconds

PROVIDER = "inbox"


class InAppSettings(ChannelSettings):
    """The inbox needs no settings; these are for tuning."""

    concurrency: int = 256
    """Sends one worker process has under way at most, for each priority; nothing is sent, so many."""
    send_timeout: Seconds = timedelta(seconds=1)
    """There is nothing to wait for."""


class InAppChannel:
    """The user's own inbox. Needs no address."""

    name = "in_app"
    contact_point: str | None = None

    def __init__(self, settings: InAppSettings, longest_retry_delay: timedelta) -> None:
        self.retry = settings.policy(longest_retry_delay)
        self.send_timeout = settings.send_timeout
        self.concurrency = settings.concurrency

    def check_address(self, address: str) -> str:  # noqa: ARG002 - the protocol's signature
        """There are no addresses: always a ValueError."""
        raise ValueError("takes no address")

    def check_content(self, command: NewNotification) -> Iterable[Violation]:  # noqa: ARG002 - carries anything
        """Nothing is too much."""
        return ()

    async def send(self, message: Message) -> Outcome:  # noqa: ARG002 - nothing leaves the hub
        """Delivered: the worker's record of this outcome is the delivery."""
        return Outcome(OutcomeKind.DELIVERED, PROVIDER)

    async def aclose(self) -> None:
        """Nothing to close."""
