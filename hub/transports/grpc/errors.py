"""Errors on the wire: the catalogue's codes as gRPC's, the rest as google.rpc details in `grpc-status-details-bin`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed

from hub.domain.errors import Code, HubError, Reason, Violation, internal, invalid
from hub.log import get_logger
from hub.transports.grpc.auth import Context

log = get_logger(__name__)

DOMAIN = "hub"
CORRELATION_ID = "x-correlation-id"
DETAILS = "grpc-status-details-bin"

STATUS_OF: dict[Code, grpc.StatusCode] = {
    Code.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    Code.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Code.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Code.FAILED_PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    Code.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Code.RESOURCE_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Code.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Code.INTERNAL: grpc.StatusCode.INTERNAL,
}
"""Total: a test asserts it."""

RETRYABLE = frozenset(
    {Reason.RATE_LIMITED, Reason.STORE_UNREACHABLE, Reason.OVERLOADED, Reason.IDENTITY_PROVIDER_UNREACHABLE}
)
"""What passes by itself. TOO_LARGE has the code RESOURCE_EXHAUSTED too, but stays too large."""
DEFAULT_RETRY_AFTER = timedelta(seconds=1)

PAGE_FIELDS = {"after": "page_token", "limit": "page_size"}
"""The page arguments' names in gRPC lists; the core speaks of them as REST does."""

# Trailing metadata beyond 8 KiB is dropped by clients, and the status with it. The message travels twice, once
# percent-encoded (three bytes for one), the details as base64: these two budgets keep it all well under that.
_MESSAGE_BYTES = 600
_VIOLATION_BYTES = 2400


def to_hub_error(error: Exception, method: str) -> HubError:
    """The error as callers may see it; what nobody meant to raise is logged and becomes INTERNAL."""
    if isinstance(error, HubError):
        return error
    log.error("unexpected_error", method=method, exc_info=error)
    return internal()


def renamed(error: HubError, names: Mapping[str, str]) -> HubError:
    """The same error with its violations' fields called as this call's request calls them."""
    if not any(violation.field in names for violation in error.violations):
        return error
    violations = (
        replace(violation, field=names.get(violation.field, violation.field)) for violation in error.violations
    )
    return invalid(*violations, reason=error.reason)


async def abort(context: Context, error: HubError, correlation_id: str) -> NoReturn:
    """Ends a call with the error, its details and the correlation id; where the caller has hung up, without a word."""
    status = to_status(error, correlation_id)
    trailing = ((CORRELATION_ID, correlation_id), (DETAILS, status.SerializeToString()))
    try:
        await context.abort(STATUS_OF[error.code], status.message, trailing)
    except grpc.aio.InternalError:
        # grpc would log it as a defect of ours; a cancelled call is what this is.
        raise asyncio.CancelledError from None


def to_status(error: HubError, correlation_id: str) -> status_pb2.Status:
    """The rich status: ErrorInfo and RequestInfo always, BadRequest and RetryInfo where they say something."""
    status = status_pb2.Status(code=STATUS_OF[error.code].value[0], message=_cut(error.message, _MESSAGE_BYTES))
    for detail in _details(error, correlation_id):
        status.details.add().Pack(detail)
    return status


def _details(error: HubError, correlation_id: str) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    if error.violations:
        fields = (
            error_details_pb2.BadRequest.FieldViolation(field=violation.field, description=violation.message)
            for violation in _affordable(error.violations)
        )
        yield error_details_pb2.BadRequest(field_violations=fields)
    if error.retry_after is not None or error.reason in RETRYABLE:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(DEFAULT_RETRY_AFTER if error.retry_after is None else error.retry_after)
        yield retry
    yield error_details_pb2.RequestInfo(request_id=correlation_id)


def _affordable(violations: tuple[Violation, ...]) -> Iterator[Violation]:
    """As many violations as fit, the first one always."""
    left = _VIOLATION_BYTES
    for number, violation in enumerate(violations):
        short = Violation(_cut(violation.field, _VIOLATION_BYTES), _cut(violation.message, _MESSAGE_BYTES))
        left -= len(short.field.encode()) + len(short.message.encode())
        if left < 0 and number:
            return
        yield short


def _cut(text: str, size: int) -> str:
    """The text in at most `size` bytes of UTF-8, and only what UTF-8 can say."""
    raw = text.encode(errors="replace")
    return raw.decode() if len(raw) <= size else raw[: size - 3].decode(errors="ignore") + "…"
