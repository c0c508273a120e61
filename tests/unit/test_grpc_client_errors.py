"""What the client makes of the errors of a call, from our hub and from others on the way."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from hub.client import Backoff
from hub.client.errors import client_error
from hub.domain.errors import HubError, Reason
from hub.transports.grpc.errors import DETAILS, STATUS_OF, to_status


def raised(code: grpc.StatusCode, details: bytes | None = None) -> AioRpcError:
    trailing = Metadata() if details is None else Metadata((DETAILS, details))
    return AioRpcError(code, Metadata(), trailing, details="Why.")


def from_hub(reason: Reason, retry_after: timedelta | None = None) -> AioRpcError:
    error = HubError(reason, "Why.", retry_after=retry_after)
    return raised(STATUS_OF[error.code], to_status(error, "c").SerializeToString())


@pytest.mark.parametrize("reason", Reason)
def test_what_passes_by_itself(reason: Reason) -> None:
    error = client_error(from_hub(reason))
    assert (error.reason, error.message) == (reason, "Why.")
    retried = {
        Reason.RATE_LIMITED,
        Reason.STORE_UNREACHABLE,
        Reason.OVERLOADED,
        Reason.NOT_SETTLED,
        Reason.IDENTITY_PROVIDER_UNREACHABLE,
        Reason.DEADLINE_EXCEEDED,
    }
    assert error.passing == (reason in retried)
    assert error.unknown == (reason in {Reason.STORE_UNREACHABLE, Reason.DEADLINE_EXCEEDED})


@pytest.mark.parametrize(
    ("code", "name", "passing"),
    [
        (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", True),
        (grpc.StatusCode.INTERNAL, "UNAVAILABLE", True),
        (grpc.StatusCode.CANCELLED, "UNAVAILABLE", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED", False),
        (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED", False),
    ],
)
@pytest.mark.parametrize("details", [None, b"\xff\xff"])
def test_errors_that_no_hub_made(code: grpc.StatusCode, name: str, details: bytes | None, *, passing: bool) -> None:
    error = client_error(raised(code, details), "mine")
    assert (error.code, error.reason, error.passing, error.correlation_id) == (name, name, passing, "mine")


def test_waits_grow_to_a_limit_and_are_never_shorter_than_asked_for() -> None:
    backoff = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=5))
    for failures, step in [(1, 1), (2, 2), (3, 4), (4, 5), (100_000, 5)]:
        waits = {backoff.wait(failures) for _ in range(50)}
        assert step / 2 <= min(waits) < max(waits) <= step
    assert backoff.wait(1, timedelta(seconds=3)) >= 3.5
