"""What the local sinks took, kept in memory for whoever wants to look."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from uuid import UUID

from hub.domain.times import format_time

MOST_KEPT = 500


@dataclass(frozen=True, slots=True)
class Captured:
    """One message as a sink read it off the wire, with the time it came in."""

    channel: str
    recipient: str
    subject: str | None
    text: str
    html: str | None
    headers: dict[str, str]
    received_at: datetime
    notification_id: UUID | None
    """Told by the message itself: from its Message-ID or its idempotency key."""

    def as_json(self) -> dict[str, object]:
        """The message as plain data."""
        return {
            "channel": self.channel,
            "recipient": self.recipient,
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "headers": self.headers,
            "received_at": format_time(self.received_at),
            "notification_id": None if self.notification_id is None else str(self.notification_id),
        }


@dataclass(slots=True)
class Outbox:
    """The last messages, newest first, each with a number that tells it from all others."""

    kept: deque[tuple[int, Captured]] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def add(self, message: Captured) -> None:
        """Keeps a message; the oldest one goes when there are too many."""
        self.kept.appendleft((next(self._numbers), message))

    def get(self, number: int) -> Captured | None:
        """The message of that number, while it is kept."""
        return next((message for at, message in self.kept if at == number), None)

    def __iter__(self) -> Iterator[Captured]:
        return (message for _, message in tuple(self.kept))

    def __len__(self) -> int:
        return len(self.kept)
