"""The one table of statuses: every status write anywhere is compare-and-set against it."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a notification stands on its way."""

    SCHEDULED = "scheduled"
    """Waits for its `scheduled_at`."""
    PENDING = "pending"
    """Accepted and on disk; waits for a worker."""
    SENDING = "sending"
    """A worker holds the lease and is talking to the provider."""
    RETRYING = "retrying"
    """The last attempt failed for a passing reason, or its lease ran out; the next is at `next_attempt_at`."""
    SENT = "sent"
    """The provider has taken it over."""
    DELIVERED = "delivered"
    """In the inbox, or confirmed by the provider."""
    FAILED = "failed"
    """Given up, with a reason: a dead letter."""
    CANCELLED = "cancelled"
    """Called off before an attempt began."""
    EXPIRED = "expired"
    """Its `expires_at` passed before an attempt began."""
    READ = "read"
    """Shown, never stored: `sent` or `delivered` with `read_at` set."""


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.SCHEDULED: frozenset({Status.PENDING, Status.CANCELLED, Status.EXPIRED}),
    Status.PENDING: frozenset({Status.SENDING, Status.CANCELLED, Status.EXPIRED}),
    Status.SENDING: frozenset(
        {Status.SENT, Status.DELIVERED, Status.RETRYING, Status.FAILED, Status.EXPIRED, Status.PENDING}
    ),
    Status.RETRYING: frozenset({Status.SENDING, Status.CANCELLED, Status.EXPIRED, Status.FAILED}),
    Status.SENT: frozenset({Status.DELIVERED, Status.FAILED}),
    Status.DELIVERED: frozenset({Status.FAILED}),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.CANCELLED: frozenset(),
    Status.EXPIRED: frozenset(),
}

STORED = frozenset(TRANSITIONS)
SETTLED = frozenset({Status.SENT, Status.DELIVERED, Status.FAILED, Status.CANCELLED, Status.EXPIRED})
READABLE = frozenset({Status.SENT, Status.DELIVERED})
"""Marks may be set on these; `read` is shown in their place."""


def sources(target: Status) -> list[Status]:
    """The statuses that may become `target`, in the order of the table."""
    return [status for status, targets in TRANSITIONS.items() if target in targets]
