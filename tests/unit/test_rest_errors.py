"""The error table of REST is total, and what it says is what the contract says."""

import json
from datetime import timedelta

import pytest

from hub.domain.errors import CODE_OF, Code, HubError, Reason, Violation
from hub.transports.rest import errors, openapi
from hub.transports.rest.requests import accepts, decode_json

CONTRACT = {
    Reason.MALFORMED: 400,
    Reason.INVALID_VALUE: 422,
    Reason.INVALID_CURSOR: 422,
    Reason.UNKNOWN_CHANNEL: 422,
    Reason.NO_CONTACT_POINT: 422,
    Reason.UNAUTHENTICATED: 401,
    Reason.PERMISSION_DENIED: 403,
    Reason.NOT_FOUND: 404,
    Reason.ILLEGAL_TRANSITION: 409,
    Reason.TOKENS_NOT_ISSUED: 409,
    Reason.TOO_MANY_KEYS: 409,
    Reason.IDEMPOTENCY_MISMATCH: 422,
    Reason.RATE_LIMITED: 429,
    Reason.TOO_MANY_STREAMS: 429,
    Reason.TOO_LARGE: 413,
    Reason.STORE_UNREACHABLE: 503,
    Reason.OVERLOADED: 503,
    Reason.IDENTITY_PROVIDER_UNREACHABLE: 503,
    Reason.NOT_SETTLED: 503,
    Reason.DEADLINE_EXCEEDED: 504,
    Reason.INTERNAL: 500,
}


def test_every_code_is_mapped():
    assert set(errors.STATUS_OF_CODE) == set(Code)


def test_exceptions_are_reasons_of_the_catalogue():
    assert set(errors.STATUS_OF_REASON) <= set(CODE_OF)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_the_contract_s_status(reason: Reason):
    assert errors.status_of(HubError(reason, "No.")) == CONTRACT[reason]


@pytest.mark.parametrize("status", sorted({*CONTRACT.values(), *errors.HTTP_FAULTS} - {405}))
def test_every_status_of_an_operation_is_described(status: int):
    response = openapi._problem_response(status)
    assert response["content"]["application/problem+json"]["example"]["status"] == status


def test_a_problem_carries_everything():
    error = HubError(Reason.INVALID_VALUE, "title: is wrong", (Violation("title", "is wrong"),), {"a": "b"})
    response = errors.problem(error)
    assert response.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(response.body)) == {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "title: is wrong",
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_VALUE",
        "violations": [{"field": "title", "message": "is wrong"}],
        "metadata": {"a": "b"},
        "correlation_id": "",
    }


@pytest.mark.parametrize(
    ("reason", "given", "told"),
    [
        (Reason.RATE_LIMITED, timedelta(seconds=2.1), "3"),
        (Reason.OVERLOADED, None, "1"),
        (Reason.STORE_UNREACHABLE, timedelta(0), "1"),
        (Reason.INTERNAL, timedelta(seconds=5), None),
    ],
)
def test_retry_after(reason: Reason, given: timedelta | None, told: str | None):
    assert errors.problem(HubError(reason, "Later.", retry_after=given)).headers.get("retry-after") == told


def test_lone_surrogates_in_messages_break_nothing():
    error = HubError(Reason.INVALID_VALUE, "\ud800", (Violation("metadata.\ud800", "\udfff"),))
    assert json.loads(bytes(errors.problem(error).body))["violations"] == [{"field": "metadata.?", "message": "?"}]


def test_violations_are_bounded():
    found = [{"type": "extra_forbidden", "loc": ("body", "x" * 10_000), "msg": ""}] * 10_000
    violations = errors.violations_of(found)
    assert len(violations) == errors.MOST_VIOLATIONS
    assert len(violations[0].field) == errors.LONGEST_NAME


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("*/*", True),
        ("application/*", True),
        ("text/html, application/json;q=0.5", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/html, */*;q=0.1", True),
        ("text/html", False),
        ("application/json;q=0, */*", False),
        ("application/json; q=0.000", False),
        ("application/problem+json", False),
        ("nonsense", False),
    ],
)
def test_accept(accept: str, answer: bool):  # noqa: FBT001
    assert accepts(accept, "application/json") is answer


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"nope",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"NaN",
        b'{"a": -Infinity}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": 1' + b"0" * 5000 + b', "b": NaN}',
        b'{"a": 1' + b"0" * 5000 + b", ]",
    ],
)
def test_what_is_no_json(raw: bytes):
    with pytest.raises(HubError) as refusal:
        decode_json(raw)
    assert refusal.value.reason is Reason.MALFORMED


def test_what_the_core_refuses_by_name_gets_through():
    assert decode_json(b'{"a": "\\ud800", "a": 1e999}') == {"a": float("inf")}
    assert decode_json(b"1" + b"0" * 5000) == float("inf")
    assert decode_json(b'"\\ud800"') == "\ud800"
