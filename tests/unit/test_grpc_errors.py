"""The gRPC side of the error catalogue is total, and its details survive the trip."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed

from hub.domain.errors import CODE_OF, Code, HubError, Reason, Violation, internal, invalid, invalid_field
from hub.transports.grpc.errors import DEFAULT_RETRY_AFTER, PAGE_FIELDS, STATUS_OF, renamed, to_hub_error, to_status


def detail(status: status_pb2.Status, kind: type[Message]) -> Any:
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            return message
    return None


@pytest.mark.parametrize("code", Code)
def test_every_code_has_the_status_of_its_name(code: Code) -> None:
    assert STATUS_OF[code].name == code.name
    assert STATUS_OF[code].value[0] == code_pb2.Code.Value(code.name)


def test_no_two_codes_share_a_status() -> None:
    assert len(set(STATUS_OF.values())) == len(Code)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_told_with_its_correlation_id(reason: Reason) -> None:
    status = to_status(HubError(reason, "Why.", metadata={"a": "b"}), "corr-1")
    assert (status.code, status.message) == (STATUS_OF[CODE_OF[reason]].value[0], "Why.")
    assert detail(status, error_details_pb2.ErrorInfo) == error_details_pb2.ErrorInfo(
        reason=reason.value, domain="hub", metadata={"a": "b"}
    )
    assert detail(status, error_details_pb2.RequestInfo) == error_details_pb2.RequestInfo(request_id="corr-1")
    assert detail(status, error_details_pb2.BadRequest) is None


@pytest.mark.parametrize("reason", Reason)
def test_what_passes_by_itself_says_when_to_come_back(reason: Reason) -> None:
    retry = detail(to_status(HubError(reason, "Why."), "c"), error_details_pb2.RetryInfo)
    passing = {
        Reason.RATE_LIMITED,
        Reason.STORE_UNREACHABLE,
        Reason.OVERLOADED,
        Reason.IDENTITY_PROVIDER_UNREACHABLE,
    }
    told = None if retry is None else retry.retry_delay.ToTimedelta()
    assert told == (DEFAULT_RETRY_AFTER if reason in passing else None)


def test_a_wait_of_its_own_goes_before_the_default() -> None:
    error = HubError(Reason.RATE_LIMITED, "Slowly.", retry_after=timedelta(seconds=2.5))
    retry = detail(to_status(error, "c"), error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToTimedelta() == timedelta(seconds=2.5)


def test_violations_keep_their_order_and_text() -> None:
    bad = detail(
        to_status(invalid(Violation("title", "x"), Violation("metadata.ä.0", "y")), "c"), error_details_pb2.BadRequest
    )
    assert [(v.field, v.description) for v in bad.field_violations] == [("title", "x"), ("metadata.ä.0", "y")]


def test_the_longest_error_stays_under_what_clients_take_as_metadata() -> None:
    longest = invalid(*(Violation("metadata." + "€" * 1024, "must be " + "ü" * 1000) for _ in range(20)))
    status = to_status(longest, "c" * 128)
    percent_encoded = 3 * len(status.message.encode())
    base64 = len(status.SerializeToString()) * 4 // 3
    assert percent_encoded + base64 < 8 * 1024 - 512
    assert detail(status, error_details_pb2.BadRequest).field_violations


def test_lone_surrogates_do_not_break_the_answer() -> None:
    assert to_status(invalid_field("metadata.\ud800", "no"), "c").message == "metadata.?: no"


def test_page_arguments_get_their_grpc_names() -> None:
    error = renamed(invalid_field("after", "is spoiled", Reason.INVALID_CURSOR), PAGE_FIELDS)
    assert (error.reason, error.violations) == (Reason.INVALID_CURSOR, (Violation("page_token", "is spoiled"),))
    assert error.message == "page_token: is spoiled"
    other = invalid_field("up_to", "is spoiled", Reason.INVALID_CURSOR)
    assert renamed(other, PAGE_FIELDS) is other


def test_what_nobody_meant_to_raise_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    error = to_hub_error(RuntimeError("secret"), "hub.v1.X.Y")
    assert (error.reason, error.message, error.metadata) == (Reason.INTERNAL, internal().message, {})
    assert error.code is Code.INTERNAL
    assert STATUS_OF[error.code] is grpc.StatusCode.INTERNAL
    captured = capsys.readouterr()
    assert "hub.v1.X.Y" in captured.out + captured.err
