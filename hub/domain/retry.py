"""Retry as a pure function of an attempt's outcome: what becomes of the notification, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.notifications import Fault, Outcome, OutcomeKind
from hub.domain.status import Status

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(hours=1)
GROWTH = 3
MAX_ATTEMPTS = 50
"""A safety net; the limit that counts is time."""


class OnAmbiguous(StrEnum):
    """What to do when an attempt may have been taken."""

    RESEND = "resend"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long one channel keeps trying."""

    give_up_after: timedelta
    longest_delay: timedelta = LONGEST_DELAY
    on_ambiguous: OnAmbiguous = OnAmbiguous.RESEND


@dataclass(frozen=True, slots=True)
class Budget:
    """What was used up so far: the number of this attempt, those that count, and when the first began."""

    number: int
    counted: int
    started_at: datetime
    earlier: int = 0
    """Attempts before the last replay: they are numbered on, but the waits begin anew."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an attempt's outcome makes of the notification; `next_attempt_at` only for `retrying`."""

    status: Status
    reason: Fault | None = None
    next_attempt_at: datetime | None = None


def delay(number: int, longest: timedelta, draw: Callable[[], float]) -> timedelta:
    """The wait after attempt `number` (from 1): uniform(½d, d) with d = min(longest, 2 s · 3ⁿ⁻¹)."""
    # Beyond the twelfth power every delay is longer than any cap: 2 s · 3¹² is twelve days.
    growth: int = GROWTH ** min(number - 1, 12)
    full = min(longest, FIRST_DELAY * growth)
    return full * (0.5 + 0.5 * draw())


def decide(outcome: Outcome, budget: Budget, policy: RetryPolicy, now: datetime, draw: Callable[[], float]) -> Decision:
    """What becomes of a notification after an attempt; `draw` gives uniform numbers in [0, 1)."""
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            return Decision(Status.SENT)
        case OutcomeKind.DELIVERED:
            return Decision(Status.DELIVERED)
        case OutcomeKind.PERMANENT:
            return Decision(Status.FAILED, outcome.error or Fault("REJECTED", "The provider refused it for good."))
        case OutcomeKind.AMBIGUOUS if policy.on_ambiguous is OnAmbiguous.HOLD:
            return Decision(
                Status.FAILED, Fault("OUTCOME_UNKNOWN", "It may have been taken; the channel never repeats.")
            )
        case _:
            return _again(outcome, budget, policy, now, draw)


def _again(outcome: Outcome, budget: Budget, policy: RetryPolicy, now: datetime, draw: Callable[[], float]) -> Decision:
    counted = budget.counted + (outcome.kind is not OutcomeKind.THROTTLED)
    wait = delay(budget.number - budget.earlier, policy.longest_delay, draw)
    if outcome.kind is OutcomeKind.THROTTLED and outcome.retry_after is not None:
        wait = max(wait, outcome.retry_after)
    # Compared as spans: a provider may ask for a wait that no calendar holds.
    if counted >= MAX_ATTEMPTS or wait > policy.give_up_after - (now - budget.started_at):
        last = outcome.error.message if outcome.error else outcome.kind.value
        return Decision(Status.FAILED, Fault("RETRIES_EXHAUSTED", f"Given up after {budget.number} attempts: {last}"))
    return Decision(Status.RETRYING, outcome.error, now + wait)
