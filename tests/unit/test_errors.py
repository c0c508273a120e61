"""The catalogue of errors: total, stable, and without anything that is nobody's business."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.domain.errors import CODE_OF, Code, HubError, Reason, Violation, internal, invalid, invalid_field, not_found

# The contract's table, and what access adds to it.
CONTRACT = {
    "MALFORMED": "INVALID_ARGUMENT",
    "INVALID_VALUE": "INVALID_ARGUMENT",
    "INVALID_CURSOR": "INVALID_ARGUMENT",
    "UNKNOWN_CHANNEL": "INVALID_ARGUMENT",
    "NO_CONTACT_POINT": "INVALID_ARGUMENT",
    "UNAUTHENTICATED": "UNAUTHENTICATED",
    "PERMISSION_DENIED": "PERMISSION_DENIED",
    "NOT_FOUND": "NOT_FOUND",
    "ILLEGAL_TRANSITION": "FAILED_PRECONDITION",
    "TOKENS_NOT_ISSUED": "FAILED_PRECONDITION",
    "TOO_MANY_KEYS": "FAILED_PRECONDITION",
    "IDEMPOTENCY_MISMATCH": "ALREADY_EXISTS",
    "RATE_LIMITED": "RESOURCE_EXHAUSTED",
    "TOO_MANY_STREAMS": "RESOURCE_EXHAUSTED",
    "TOO_LARGE": "RESOURCE_EXHAUSTED",
    "STORE_UNREACHABLE": "UNAVAILABLE",
    "OVERLOADED": "UNAVAILABLE",
    "NOT_SETTLED": "UNAVAILABLE",
    "IDENTITY_PROVIDER_UNREACHABLE": "UNAVAILABLE",
    "DEADLINE_EXCEEDED": "DEADLINE_EXCEEDED",
    "INTERNAL": "INTERNAL",
}


def test_every_reason_has_the_contracts_code() -> None:
    assert {reason.value: code.value for reason, code in CODE_OF.items()} == CONTRACT
    assert set(CODE_OF) == set(Reason)
    assert set(CODE_OF.values()) == set(Code)


@pytest.mark.parametrize("reason", list(Reason))
def test_an_error_knows_its_code_and_says_its_message(reason: Reason) -> None:
    error = HubError(reason, "A sentence.", retry_after=timedelta(seconds=1))
    assert error.code is CODE_OF[reason]
    assert str(error) == "A sentence."


def test_violations_are_listed_and_told() -> None:
    error = invalid(Violation("title", "is too long"), Violation("metadata.priority", "is odd"))
    assert error.reason is Reason.INVALID_VALUE
    assert [violation.field for violation in error.violations] == ["title", "metadata.priority"]
    assert error.message == "title: is too long; metadata.priority: is odd"
    assert invalid_field("after", "is none", Reason.INVALID_CURSOR).reason is Reason.INVALID_CURSOR


def test_two_errors_are_never_the_same_and_can_be_raised_side_by_side() -> None:
    """They may be handed to many callers at once: each needs an identity and a hash."""
    one, other = not_found("It"), not_found("It")
    assert one != other
    assert len({one, other}) == 2
    one.metadata["a"] = "b"
    assert other.metadata == {}


def test_internal_says_nothing() -> None:
    assert internal().reason is Reason.INTERNAL
    assert internal().metadata == {}
    assert internal().violations == ()
