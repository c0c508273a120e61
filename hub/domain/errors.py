"""The one error catalogue: every refusal and failure a caller can see, whatever the protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class Code(StrEnum):
    """Canonical codes, named as gRPC names them (google.rpc.Code)."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


class Reason(StrEnum):
    """What exactly went wrong; stable, machine-readable, the same in all three protocols."""

    MALFORMED = "MALFORMED"
    INVALID_VALUE = "INVALID_VALUE"
    INVALID_CURSOR = "INVALID_CURSOR"
    UNKNOWN_CHANNEL = "UNKNOWN_CHANNEL"
    NO_CONTACT_POINT = "NO_CONTACT_POINT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    TOKENS_NOT_ISSUED = "TOKENS_NOT_ISSUED"
    TOO_MANY_KEYS = "TOO_MANY_KEYS"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    TOO_LARGE = "TOO_LARGE"
    STORE_UNREACHABLE = "STORE_UNREACHABLE"
    OVERLOADED = "OVERLOADED"
    NOT_SETTLED = "NOT_SETTLED"
    IDENTITY_PROVIDER_UNREACHABLE = "IDENTITY_PROVIDER_UNREACHABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


CODE_OF: dict[Reason, Code] = {
    Reason.MALFORMED: Code.INVALID_ARGUMENT,
    Reason.INVALID_VALUE: Code.INVALID_ARGUMENT,
    Reason.INVALID_CURSOR: Code.INVALID_ARGUMENT,
    Reason.UNKNOWN_CHANNEL: Code.INVALID_ARGUMENT,
    Reason.NO_CONTACT_POINT: Code.INVALID_ARGUMENT,
    Reason.UNAUTHENTICATED: Code.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: Code.PERMISSION_DENIED,
    Reason.NOT_FOUND: Code.NOT_FOUND,
    Reason.ILLEGAL_TRANSITION: Code.FAILED_PRECONDITION,
    Reason.TOKENS_NOT_ISSUED: Code.FAILED_PRECONDITION,
    Reason.TOO_MANY_KEYS: Code.FAILED_PRECONDITION,
    Reason.IDEMPOTENCY_MISMATCH: Code.ALREADY_EXISTS,
    Reason.RATE_LIMITED: Code.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_STREAMS: Code.RESOURCE_EXHAUSTED,
    Reason.TOO_LARGE: Code.RESOURCE_EXHAUSTED,
    Reason.STORE_UNREACHABLE: Code.UNAVAILABLE,
    Reason.OVERLOADED: Code.UNAVAILABLE,
    Reason.NOT_SETTLED: Code.UNAVAILABLE,
    Reason.IDENTITY_PROVIDER_UNREACHABLE: Code.UNAVAILABLE,
    Reason.DEADLINE_EXCEEDED: Code.DEADLINE_EXCEEDED,
    Reason.INTERNAL: Code.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of the input: its dotted snake_case path and a sentence about it."""

    field: str
    message: str


@dataclass(eq=False)
class HubError(Exception):
    """A refusal or failure that callers may see as it stands; `message` is written for people."""

    reason: Reason
    message: str
    violations: tuple[Violation, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after: timedelta | None = None

    def __post_init__(self) -> None:
        super().__init__(self.message)

    @property
    def code(self) -> Code:
        """The canonical code of the reason."""
        return CODE_OF[self.reason]


def invalid(*violations: Violation, reason: Reason = Reason.INVALID_VALUE) -> HubError:
    """The error for input whose named fields are wrong."""
    text = "; ".join(f"{v.field}: {v.message}" for v in violations)
    return HubError(reason, text, violations)


def invalid_field(name: str, message: str, reason: Reason = Reason.INVALID_VALUE) -> HubError:
    """The error for one wrong field."""
    return invalid(Violation(name, message), reason=reason)


def not_found(what: str) -> HubError:
    """The error for what does not exist, or belongs to somebody else: the two look the same."""
    return HubError(Reason.NOT_FOUND, f"{what} does not exist.")


def internal() -> HubError:
    """What callers see of a defect of ours: nothing but that it happened."""
    return HubError(Reason.INTERNAL, "Something went wrong on our side; quote the correlation id when you report it.")
