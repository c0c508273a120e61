"""Every error of the catalogue has its place in GraphQL, and nothing else reaches the wire."""

from datetime import timedelta
from typing import Any

import pytest
import structlog
from dirty_equals import IsPartialDict, IsStr
from graphql import GraphQLError, GraphQLSyntaxError, Source, parse

from hub.domain.errors import Code, HubError, Reason, Violation, internal, invalid
from hub.log import correlated
from hub.transports.graphql.errors import CLOSE_CODE, STATUS, graphql_error, make_public, public, status_of

FIELD = parse("{ a(x: 1) }").definitions[0].selection_set.selections[0]  # type: ignore[attr-defined]
ARGUMENT = FIELD.arguments[0].value


def test_every_code_has_a_status_and_a_close_code():
    assert set(STATUS) == set(Code)
    assert set(CLOSE_CODE) == set(Code)
    assert all(code == 1013 or 4400 <= code < 4600 for code in CLOSE_CODE.values())


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_shown_with_its_code_and_a_status(reason: Reason):
    error = HubError(reason, "A sentence.")
    assert 400 <= status_of(error) < 600
    assert graphql_error(error).extensions == IsPartialDict(code=error.code.value, reason=reason.value)


def test_too_large_has_a_status_of_its_own():
    assert status_of(HubError(Reason.TOO_LARGE, "")) == 413
    assert status_of(HubError(Reason.RATE_LIMITED, "")) == 429


def test_all_that_the_catalogue_says_is_shown():
    error = HubError(
        Reason.INVALID_VALUE,
        "A sentence.",
        (Violation("metadata.priority", "must be low, normal or high"),),
        {"from": "sent"},
        timedelta(seconds=1.2),
    )
    with correlated("abc"):
        shown = graphql_error(error)
    assert shown.formatted == {
        "message": "A sentence.",
        "extensions": {
            "code": "INVALID_ARGUMENT",
            "reason": "INVALID_VALUE",
            "violations": [{"field": "metadata.priority", "message": "must be low, normal or high"}],
            "correlation_id": "abc",
            "metadata": {"from": "sent"},
            "retry_after": 2,
        },
    }


def test_a_refusal_keeps_its_place_and_is_not_logged():
    with structlog.testing.capture_logs() as logs:
        shown = public(GraphQLError("x", [FIELD], path=["a"], original_error=invalid(Violation("first", "too big"))))
    assert shown.formatted == IsPartialDict(path=["a"], locations=[{"line": 1, "column": 3}])
    assert shown.extensions == IsPartialDict(reason="INVALID_VALUE")
    assert logs == []


@pytest.mark.parametrize(
    "error",
    [
        GraphQLSyntaxError(Source("{"), 1, "Expected Name."),
        GraphQLError("Cannot query field.", [FIELD]),
        GraphQLError("Variable got invalid value.", [ARGUMENT], original_error=ValueError("no time")),
        GraphQLError("Argument must not be null.", [ARGUMENT], path=["a"]),
    ],
)
def test_what_graphql_refuses_is_malformed(error: GraphQLError):
    with structlog.testing.capture_logs() as logs:
        shown = public(error)
    assert shown.message == error.message
    assert shown.extensions == IsPartialDict(code="INVALID_ARGUMENT", reason="MALFORMED")
    assert logs == []


@pytest.mark.parametrize(
    "error",
    [
        GraphQLError("secret", [FIELD], path=["a"], original_error=RuntimeError("secret")),
        GraphQLError("Cannot return null for secret.", [FIELD], path=["a"], original_error=TypeError("secret")),
        GraphQLError("Int cannot represent secret.", [FIELD], path=["a"]),
        GraphQLError("secret", original_error=RuntimeError("secret")),
    ],
)
def test_a_defect_is_logged_and_shown_as_its_id_alone(error: GraphQLError):
    with correlated("abc"), structlog.testing.capture_logs() as logs:
        shown = public(error)
    assert shown.message == internal().message
    assert shown.extensions == {
        "code": "INTERNAL",
        "reason": "INTERNAL",
        "violations": [],
        "correlation_id": "abc",
    }
    assert "secret" not in str(shown.formatted)
    assert logs == [IsPartialDict(event="graphql_operation_failed", log_level="error")]
    assert isinstance(logs[0]["exc_info"], Exception)


def test_errors_are_replaced_in_the_list_that_is_sent():
    errors: list[GraphQLError] = [GraphQLError("x", original_error=HubError(Reason.NOT_FOUND, "Gone."))]
    sent = errors
    make_public(errors)
    assert [error.message for error in sent] == ["Gone."]


def test_an_error_points_at_a_few_places_at_most():
    shown = public(GraphQLError("Many.", [FIELD] * 100))
    locations: Any = shown.formatted["locations"]
    assert len(locations) == 5


def test_a_correlation_id_is_always_there():
    with correlated(None):
        assert graphql_error(internal()).extensions == IsPartialDict(correlation_id=IsStr(min_length=8))
