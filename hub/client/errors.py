"""The one exception of the client: what the hub said, or that it could not be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed

CORRELATION_ID = "x-correlation-id"
_DETAILS = "grpc-status-details-bin"
_BROKEN = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED})
"""What grpc makes of a connection that breaks at an awkward moment; from the hub these come with a reason."""
_NOTHING_DONE = frozenset({"OVERLOADED", "NOT_SETTLED", "IDENTITY_PROVIDER_UNREACHABLE"})


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of the request: its dotted path and a sentence about it."""

    field: str
    message: str


@dataclass(eq=False)
class HubClientError(Exception):
    """A call that was refused, failed or got no answer."""

    code: str
    """The canonical code by its name, such as `NOT_FOUND`."""
    reason: str
    """What exactly went wrong, such as `NO_CONTACT_POINT`; the code again where no hub answered."""
    message: str
    """A sentence for people."""
    violations: tuple[Violation, ...] = ()
    """The wrong fields, where it is about input."""
    correlation_id: str = ""
    """What the hub's logs call this call."""
    metadata: dict[str, str] = field(default_factory=dict)
    """What else a program may want to know, by the reason."""
    retry_after: timedelta | None = None
    """How long the hub asked to wait; None if it did not."""
    after_unknown: bool = False
    """Whether an earlier try of the same call may have been carried out, though its answer never came."""

    def __str__(self) -> str:
        return f"{self.code} {self.reason}: {self.message} (correlation id {self.correlation_id or 'unknown'})"

    @property
    def passing(self) -> bool:
        """Whether the same call may succeed later.

        RESOURCE_EXHAUSTED does only where the hub says when: what is too large stays too large.
        """
        return self.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"} or (
            self.code == "RESOURCE_EXHAUSTED" and self.retry_after is not None
        )

    @property
    def unknown(self) -> bool:
        """Whether the hub may have done all the same what was asked."""
        return self.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"} and self.reason not in _NOTHING_DONE


def client_error(error: grpc.aio.AioRpcError, correlation_id: str = "") -> HubClientError:
    """The error of a call; `correlation_id` is what the call was sent with, for when nobody answered."""
    trailing: dict[str, Any] = dict(error.trailing_metadata() or ())
    details = _details(trailing.get(_DETAILS, b""))
    info = _unpacked(details, error_details_pb2.ErrorInfo)
    retry = _unpacked(details, error_details_pb2.RetryInfo)
    broken = not info.reason and error.code() in _BROKEN
    code = (grpc.StatusCode.UNAVAILABLE if broken else error.code()).name
    return HubClientError(
        code=code,
        reason=info.reason or code,
        message=error.details() or "There was no answer.",
        violations=tuple(
            Violation(violation.field, violation.description)
            for violation in _unpacked(details, error_details_pb2.BadRequest).field_violations
        ),
        correlation_id=str(trailing.get(CORRELATION_ID, correlation_id)),
        metadata=dict(info.metadata),
        retry_after=retry.retry_delay.ToTimedelta() if retry.HasField("retry_delay") else None,
    )


def _details(raw: bytes) -> list[Any]:
    """What a proxy on the way puts there may be anything."""
    try:
        return list(status_pb2.Status.FromString(raw).details)
    except DecodeError:
        return []


def _unpacked(details: list[Any], kind: type[Message]) -> Any:
    message = kind()
    for detail in details:
        if detail.Is(kind.DESCRIPTOR):
            detail.Unpack(message)
    return message
