"""The catalogue as GraphQL shows it: one total table, and the way of every error to the wire."""

from __future__ import annotations

import math
from typing import Any

from graphql import FieldNode, GraphQLError
from strawberry.exceptions import MissingQueryError, StrawberryInputCoercionError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from hub.domain.errors import Code, HubError, Reason, internal
from hub.log import correlation_id, get_logger
from hub.transports.graphql.sentences import without_values

log = get_logger(__name__)

STATUS: dict[Code, int] = {
    Code.INVALID_ARGUMENT: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.FAILED_PRECONDITION: 409,
    Code.ALREADY_EXISTS: 422,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
    Code.INTERNAL: 500,
}
"""The HTTP status where nothing was executed; what a resolver refuses is part of an answer of 200."""

CLOSE_CODE: dict[Code, int] = dict.fromkeys(Code, 4500) | {
    Code.UNAUTHENTICATED: 4401,
    Code.PERMISSION_DENIED: 4403,
    Code.RESOURCE_EXHAUSTED: 1013,
    Code.UNAVAILABLE: 1013,
}
"""The code that a socket is closed with where a whole connection is refused."""

_REFUSALS = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError, StrawberryInputCoercionError)
_SHORTEST_WAIT_SECONDS = 1
_NODES_SHOWN = 5
"""An error may point at every token of a document; nobody reads beyond the first few."""


def malformed(message: str) -> HubError:
    """A request that is not what it claims to be."""
    return HubError(Reason.MALFORMED, message)


def ambiguous() -> HubError:
    """A document of several operations that doesn't say which one to run."""
    return malformed("Of several operations, operationName must say which one to run.")


def status_of(error: HubError) -> int:
    """The HTTP status of a refusal outside of any execution."""
    return 413 if error.reason is Reason.TOO_LARGE else STATUS[error.code]


def retry_after_seconds(error: HubError) -> int | None:
    """Whole seconds to wait, rounded up; None where it is no use to come back."""
    if error.retry_after is not None:
        return math.ceil(error.retry_after.total_seconds())
    passing = error.code is Code.UNAVAILABLE or error.reason is Reason.RATE_LIMITED
    return _SHORTEST_WAIT_SECONDS if passing else None


def extensions_of(error: HubError) -> dict[str, Any]:
    """The catalogue's entry as `extensions`, with the correlation id of the request at hand."""
    extensions: dict[str, Any] = {
        "code": error.code.value,
        "reason": error.reason.value,
        "violations": [{"field": v.field, "message": v.message} for v in error.violations],
        "correlation_id": correlation_id(),
    }
    if error.metadata:
        extensions["metadata"] = dict(error.metadata)
    seconds = retry_after_seconds(error)
    if seconds is not None:
        extensions["retry_after"] = seconds
    return extensions


def graphql_error(error: HubError, origin: GraphQLError | None = None) -> GraphQLError:
    """A refusal as GraphQL's error, pointing where `origin` points."""
    if origin is None:
        return GraphQLError(error.message, extensions=extensions_of(error))
    return GraphQLError(
        error.message,
        nodes=list(origin.nodes[:_NODES_SHOWN]) if origin.nodes else None,
        source=origin.source,
        positions=None if origin.nodes else origin.positions,
        path=origin.path,
        extensions=extensions_of(error),
    )


def public(error: GraphQLError) -> GraphQLError:
    """What callers may see of an error: the catalogue's entry; a defect of ours is logged, and shown as its id alone."""
    cause = _cause(error)
    if isinstance(cause, HubError):
        return graphql_error(cause, error)
    if _is_refusal(error, cause):
        return graphql_error(malformed(without_values(error.message)), error)
    log.error("graphql_operation_failed", path=error.path, exc_info=cause or error)
    return graphql_error(internal(), error)


def make_public(errors: list[GraphQLError]) -> None:
    """Replaces every error by what callers may see of it, in place: the list is the one that is sent."""
    errors[:] = [public(error) for error in errors]


def _cause(error: GraphQLError) -> Exception | None:
    cause = error.original_error
    while isinstance(cause, GraphQLError) and not isinstance(cause, _REFUSALS):
        cause = cause.original_error
    return cause


def _is_refusal(error: GraphQLError, cause: Exception | None) -> bool:
    """Whether GraphQL itself refused the request: its text, its validity, or the coercion of its input."""
    if isinstance(cause, _REFUSALS):
        return True
    nodes = error.nodes or ()
    if error.path is None:
        # Without a path nothing was executed. What broke in our own code then points nowhere in the document.
        return cause is None or bool(nodes)
    # While a field is resolved, errors about its arguments point at them; all others point at the field.
    return any(not isinstance(node, FieldNode) for node in nodes)
