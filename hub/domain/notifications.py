"""The notification and what belongs to it, as the core and the protocols see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from hub.domain.status import READABLE, Status


class Priority(StrEnum):
    """The lane a notification travels in; from `metadata.priority`."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Lane:
    """One queue of work: a channel and a priority, so that no lane holds up another."""

    channel: str
    priority: Priority

    def __str__(self) -> str:
        return f"{self.channel}.{self.priority}"


class Mark(StrEnum):
    """What a user does with a notification that has arrived, by the field that says when."""

    READ = "read_at"
    SEEN = "seen_at"
    ARCHIVED = "archived_at"


class OutcomeKind(StrEnum):
    """How one attempt ended."""

    ACCEPTED = "accepted"
    """The provider has taken it over."""
    DELIVERED = "delivered"
    """It has reached the user."""
    TEMPORARY = "temporary"
    """Certainly not taken, for a passing reason."""
    THROTTLED = "throttled"
    """Certainly not taken: the provider asked us to slow down. Does not count towards the budget."""
    PERMANENT = "permanent"
    """Certainly not taken, and another try would end the same."""
    AMBIGUOUS = "ambiguous"
    """It may have been taken: the answer never came."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something went wrong: a stable code and a sentence without addresses or content."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a channel says of one attempt: data, never an exception."""

    kind: OutcomeKind
    provider: str
    provider_id: str | None = None
    error: Fault | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to hand a notification to a provider."""

    number: int
    provider: str
    provider_id: str | None
    started_at: datetime
    finished_at: datetime
    outcome: OutcomeKind
    error: Fault | None


@dataclass(frozen=True, slots=True)
class NewNotification:
    """The command to create one, as a caller gave it; `hub.domain.checks` decides whether it stands."""

    user_id: str
    title: str
    message: str
    type: str
    html: str | None = None
    to: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one user through one channel. Times are UTC with milliseconds."""

    id: UUID
    tenant: str
    user_id: str
    title: str
    message: str
    type: str
    html: str | None
    to: str | None
    metadata: dict[str, Any]
    priority: Priority
    category: str | None
    status: Status
    status_reason: Fault | None
    attempts: tuple[Attempt, ...]
    scheduled_at: datetime | None
    expires_at: datetime | None
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    version: int
    correlation_id: str
    seen_at: datetime | None = None
    """When it was first shown. What was read was seen."""
    archived_at: datetime | None = None
    """When it was put away; an archived item is not in the inbox, and keeps its other marks."""
    inbox_at: datetime | None = None
    """When it entered the inbox; None while it is not there. Internal: the order of the inbox."""

    @property
    def shown_status(self) -> Status:
        """The status callers see: `read` covers `sent` and `delivered` while `read_at` is set."""
        return Status.READ if self.read_at is not None and self.status in READABLE else self.status

    @property
    def lane(self) -> Lane:
        """The queue it travels in."""
        return Lane(self.type, self.priority)

    @property
    def in_inbox(self) -> bool:
        """Whether the user's inbox shows it."""
        return self.inbox_at is not None

    @property
    def in_archive(self) -> bool:
        """Whether it would be in the user's inbox, were it not archived."""
        return self.archived_at is not None and self.type == "in_app" and self.status is Status.DELIVERED


@dataclass(frozen=True, slots=True)
class User:
    """A person who is notified; need not exist before the first notification."""

    tenant: str
    user_id: str
    contact_points: dict[str, str]
    locale: str | None
    timezone: str | None
    created_at: datetime
    updated_at: datetime
