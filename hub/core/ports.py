"""The few protocols the core needs filled in by the composition root."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hub.domain.events import Event, InboxPosition
from hub.domain.notifications import Lane, Notification, OutcomeKind
from hub.domain.paging import Position
from hub.domain.status import Status


@dataclass(frozen=True, slots=True)
class Change:
    """Hint that a notification has a new version; whoever cares reads it from the store."""

    tenant: str
    user_id: str
    notification_id: UUID


@dataclass(frozen=True, slots=True)
class AllRead:
    """Hint that everything up to a place (of a category, if given) was marked read in one go."""

    tenant: str
    user_id: str
    up_to: InboxPosition
    category: str | None
    marked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AllSeen:
    """Hint that everything up to a place (of a category, if given) was marked seen in one go."""

    tenant: str
    user_id: str
    up_to: InboxPosition
    category: str | None
    marked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Undone:
    """Hint that one such mark was taken back, from those items that nobody had changed since."""

    tenant: str
    user_id: str


Hint = Change | AllRead | AllSeen | Undone


class Announcer(Protocol):
    """Tells every process with open streams what changed. Hints only: losing one loses nothing."""

    def announce(self, hints: Sequence[Hint]) -> None:
        """Never blocks and never raises."""
        ...


class Waker(Protocol):
    """Tells the relay of work that is due at once. Losing a call loses nothing: the sweep finds it."""

    def wake(self, lane: Lane, notification_id: UUID) -> None:
        """Never blocks and never raises."""
        ...


class Observer(Protocol):
    """Is told what happens, for metrics, statistics and health. Never blocks and never raises."""

    def accepted(self, notification: Notification) -> None:
        """A notification was accepted."""
        ...

    def attempted(self, notification: Notification, outcome: OutcomeKind, status: Status) -> None:
        """An attempt ended, and what became of the notification by it."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is copied to the broker's dead-letter queue for operators who look there."""

    notification_id: UUID
    tenant: str | None
    """None where there is no such notification."""
    reason: str


class Undertaker(Protocol):
    """Copies what was given up to the dead-letter queue; the document stays the truth."""

    def bury(self, letter: DeadLetter) -> None:
        """Never blocks and never raises."""
        ...


Standing = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""While its context is open, what it is given is called once when the reader's credential ends."""


def for_ever(_on_end: Callable[[], None]) -> AbstractContextManager[None]:
    """The standing of a credential that never ends."""
    return nullcontext()


class Feed(Protocol):
    """The live feed of this process."""

    def watch_inbox(
        self, tenant: str, user_id: str, after: Position | None, standing: Standing = for_ever
    ) -> AsyncGenerator[Event]:
        """Events of a user's inbox: a heartbeat at once, then what changed since `after`, then live.

        Raises UNAUTHENTICATED when the reader's credential ends.
        """
        ...

    def watch_notification(
        self, tenant: str, user_id: str, notification_id: UUID, standing: Standing = for_ever
    ) -> AsyncGenerator[Event]:
        """Events of one notification: a heartbeat, its present version, then live; ends when it is removed.

        Raises UNAUTHENTICATED when the reader's credential ends.
        """
        ...


class ContactPoints(Protocol):
    """Made-up addresses for users without one; filled in only where everything sent is captured."""

    def sample(self, contact_point: str, user_id: str) -> str | None:
        """An address that the local sinks take, or None for a contact point they don't play."""
        ...
