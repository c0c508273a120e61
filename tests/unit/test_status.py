"""The transition table, against the table of the contract."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.notifications import Notification, Priority
from hub.domain.status import READABLE, SETTLED, STORED, TRANSITIONS, Status, sources

# Written out once more, from contract.md: a change of the code's table must be a change of the contract.
CONTRACT = {
    "scheduled": {"pending", "cancelled", "expired"},
    "pending": {"sending", "cancelled", "expired"},
    "sending": {"sent", "delivered", "retrying", "failed", "expired", "pending"},
    "retrying": {"sending", "cancelled", "expired", "failed"},
    "sent": {"delivered", "failed"},
    "delivered": {"failed"},
    "failed": {"pending"},
    "cancelled": set[str](),
    "expired": set[str](),
}

statuses = st.sampled_from(list(Status))


@given(statuses, statuses)
def test_every_pair_is_allowed_exactly_where_the_contract_says_so(source: Status, target: Status) -> None:
    allowed = target.value in CONTRACT.get(source.value, set())
    assert (target in TRANSITIONS.get(source, frozenset())) is allowed
    assert (source in sources(target)) is allowed


def test_every_status_but_read_is_stored_and_has_its_row() -> None:
    assert {status.value for status in TRANSITIONS} == set(CONTRACT)
    assert set(Status) - STORED == {Status.READ}


def test_read_is_never_stored() -> None:
    assert Status.READ not in TRANSITIONS
    assert not any(Status.READ in targets for targets in TRANSITIONS.values())
    assert sources(Status.READ) == []
    assert Status.READ not in SETTLED


def test_settled_is_what_the_contract_calls_settled() -> None:
    assert {status.value for status in SETTLED} == {"sent", "delivered", "failed", "cancelled", "expired"}


def test_what_is_over_for_good_leads_nowhere() -> None:
    assert TRANSITIONS[Status.CANCELLED] == TRANSITIONS[Status.EXPIRED] == frozenset()


def test_only_a_worker_leads_to_sent_and_retrying() -> None:
    assert sources(Status.SENT) == sources(Status.RETRYING) == [Status.SENDING]


@pytest.mark.parametrize("status", sorted(STORED))
@pytest.mark.parametrize("read", [True, False])
def test_read_covers_sent_and_delivered_alone(status: Status, read: bool) -> None:  # noqa: FBT001
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    notification = Notification(
        id=UUID(int=1),
        tenant="default",
        user_id="u",
        title="t",
        message="m",
        type="in_app",
        html=None,
        to=None,
        metadata={},
        priority=Priority.NORMAL,
        category=None,
        status=status,
        status_reason=None,
        attempts=(),
        scheduled_at=None,
        expires_at=None,
        next_attempt_at=None,
        created_at=moment,
        updated_at=moment,
        sent_at=None,
        delivered_at=None,
        read_at=moment if read else None,
        version=1,
        correlation_id="c",
    )
    expected = Status.READ if read and status in READABLE else status
    assert notification.shown_status is expected
