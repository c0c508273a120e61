"""The retry decision: a pure function of the outcome, the budget and the channel's policy."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.notifications import Fault, Outcome, OutcomeKind
from hub.domain.retry import MAX_ATTEMPTS, Budget, Decision, OnAmbiguous, RetryPolicy, decide, delay
from hub.domain.status import TRANSITIONS, Status

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = RetryPolicy(timedelta(days=1))
REPEATED = [OutcomeKind.TEMPORARY, OutcomeKind.THROTTLED, OutcomeKind.AMBIGUOUS]

draws = st.floats(0, 1, exclude_max=True)
numbers = st.integers(1, 10_000)
kinds = st.sampled_from(list(OutcomeKind))
spans = st.timedeltas(timedelta(0), timedelta.max)


def outcome(kind: OutcomeKind, retry_after: timedelta | None = None, fault: Fault | None = None) -> Outcome:
    return Outcome(kind, "provider", error=fault, retry_after=retry_after)


def decided(
    what: Outcome, number: int = 1, counted: int = 0, age: timedelta = timedelta(0), policy: RetryPolicy = DAY
) -> Decision:
    return decide(what, Budget(number, counted, NOW - age), policy, NOW, lambda: 0.5)


@given(numbers, st.timedeltas(timedelta(milliseconds=1), timedelta(days=2)), draws)
def test_a_delay_lies_between_half_and_all_of_the_exponential_one(number: int, longest: timedelta, draw: float) -> None:
    full = min(longest.total_seconds(), 2 * 3.0 ** min(number - 1, 600))
    waited = delay(number, longest, lambda: draw).total_seconds()
    assert full / 2 - 1e-6 <= waited <= full + 1e-6


@given(draws, draws)
def test_delays_differ_with_the_draw_alone(one: float, other: float) -> None:
    first, second = (delay(5, HOUR, lambda draw=draw: draw) for draw in (one, other))  # type: ignore[misc]
    if one < other:
        assert first <= second


@pytest.mark.parametrize(("number", "seconds"), [(1, 2), (2, 6), (3, 18), (4, 54), (7, 1458), (8, 3600), (50, 3600)])
def test_delays_grow_threefold_to_an_hour(number: int, seconds: int) -> None:
    assert math.isclose(delay(number, HOUR, lambda: 1.0).total_seconds(), seconds)
    assert math.isclose(delay(number, HOUR, lambda: 0.0).total_seconds(), seconds / 2)


@given(kinds, numbers, st.integers(0, MAX_ATTEMPTS * 2), spans, st.none() | spans, draws)
def test_every_decision_is_a_transition_of_the_table_and_never_raises(
    kind: OutcomeKind, number: int, counted: int, age: timedelta, retry_after: timedelta | None, draw: float
) -> None:
    """Whatever a provider says, a `Retry-After` of a million years included."""
    budget = Budget(number, counted, NOW - min(age, timedelta(days=400_000)))
    decision = decide(outcome(kind, retry_after), budget, DAY, NOW, lambda: draw)
    assert decision.status in TRANSITIONS[Status.SENDING]
    assert (decision.next_attempt_at is not None) is (decision.status is Status.RETRYING)
    if decision.status is Status.FAILED:
        assert decision.reason is not None
        assert decision.reason.code
    if decision.next_attempt_at is not None:
        assert NOW < decision.next_attempt_at <= budget.started_at + DAY.give_up_after


def test_success_is_at_once() -> None:
    assert decided(outcome(OutcomeKind.ACCEPTED)) == Decision(Status.SENT)
    assert decided(outcome(OutcomeKind.DELIVERED)) == Decision(Status.DELIVERED)


def test_success_counts_however_late_it_comes() -> None:
    assert decided(outcome(OutcomeKind.ACCEPTED), 99, 99, timedelta(days=30)).status is Status.SENT


def test_permanent_fails_at_once_with_the_providers_reason() -> None:
    fault = Fault("NO_SUCH_MAILBOX", "There is no such mailbox.")
    assert decided(outcome(OutcomeKind.PERMANENT, fault=fault)) == Decision(Status.FAILED, fault)
    bare = decided(outcome(OutcomeKind.PERMANENT))
    assert bare.status is Status.FAILED
    assert bare.reason is not None


@pytest.mark.parametrize("kind", REPEATED)
def test_the_limit_is_time(kind: OutcomeKind) -> None:
    assert decided(outcome(kind), age=timedelta(hours=23)).status is Status.RETRYING
    given_up = decided(outcome(kind), age=timedelta(days=1))
    assert given_up.status is Status.FAILED
    assert given_up.reason is not None
    assert given_up.reason.code == "RETRIES_EXHAUSTED"


def test_an_attempt_that_would_come_too_late_is_not_waited_for() -> None:
    just_in_time, too_late = timedelta(seconds=1.5), timedelta(seconds=1.499)
    policy = RetryPolicy(just_in_time)
    assert decided(outcome(OutcomeKind.TEMPORARY), policy=policy).status is Status.RETRYING
    assert decided(outcome(OutcomeKind.TEMPORARY), policy=RetryPolicy(too_late)).status is Status.FAILED


@pytest.mark.parametrize("kind", [OutcomeKind.TEMPORARY, OutcomeKind.AMBIGUOUS])
def test_fifty_attempts_are_a_safety_net(kind: OutcomeKind) -> None:
    assert decided(outcome(kind), 49, MAX_ATTEMPTS - 2).status is Status.RETRYING
    assert decided(outcome(kind), 50, MAX_ATTEMPTS - 1).status is Status.FAILED


def test_being_throttled_does_not_count() -> None:
    assert decided(outcome(OutcomeKind.THROTTLED), 50, MAX_ATTEMPTS - 1).status is Status.RETRYING


@given(st.timedeltas(timedelta(0), timedelta(hours=20)), draws)
def test_throttled_waits_no_less_than_the_provider_asked_for(retry_after: timedelta, draw: float) -> None:
    decision = decide(outcome(OutcomeKind.THROTTLED, retry_after), Budget(1, 0, NOW), DAY, NOW, lambda: draw)
    assert decision.next_attempt_at is not None
    assert decision.next_attempt_at - NOW >= max(retry_after, timedelta(seconds=1))
    assert decision.next_attempt_at - NOW <= max(retry_after, timedelta(seconds=2))


def test_a_retry_after_beyond_the_limit_fails_now_instead_of_then() -> None:
    decision = decided(outcome(OutcomeKind.THROTTLED, timedelta.max))
    assert decision.status is Status.FAILED
    assert decision.reason is not None
    assert decision.reason.code == "RETRIES_EXHAUSTED"


def test_only_throttled_heeds_retry_after() -> None:
    decision = decided(outcome(OutcomeKind.TEMPORARY, HOUR))
    assert decision.next_attempt_at == NOW + timedelta(seconds=1.5)


def test_ambiguous_is_sent_again_unless_the_channel_holds() -> None:
    assert decided(outcome(OutcomeKind.AMBIGUOUS)).status is Status.RETRYING
    held = decided(outcome(OutcomeKind.AMBIGUOUS), policy=RetryPolicy(HOUR, on_ambiguous=OnAmbiguous.HOLD))
    assert held.status is Status.FAILED
    assert held.reason is not None
    assert held.reason.code == "OUTCOME_UNKNOWN"


@pytest.mark.parametrize("kind", [OutcomeKind.TEMPORARY, OutcomeKind.THROTTLED])
def test_holding_concerns_the_ambiguous_alone(kind: OutcomeKind) -> None:
    policy = RetryPolicy(HOUR, on_ambiguous=OnAmbiguous.HOLD)
    assert decided(outcome(kind), policy=policy).status is Status.RETRYING


def test_the_reason_of_a_retry_is_what_the_provider_said() -> None:
    fault = Fault("GREYLISTED", "Try again later.")
    assert decided(outcome(OutcomeKind.TEMPORARY, fault=fault)).reason == fault


@given(numbers, st.integers(0, 10_000))
def test_after_a_replay_the_waits_begin_anew(earlier: int, offset: int) -> None:
    """Attempts are numbered on, but those of an earlier budget don't lengthen the wait."""
    number = earlier + 1 + offset
    renewed = decide(outcome(OutcomeKind.TEMPORARY), Budget(number, 0, NOW, earlier=earlier), DAY, NOW, lambda: 0.5)
    fresh = decide(outcome(OutcomeKind.TEMPORARY), Budget(number - earlier, 0, NOW), DAY, NOW, lambda: 0.5)
    assert renewed.next_attempt_at == fresh.next_attempt_at
