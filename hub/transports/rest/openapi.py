"""The OpenAPI 3.1 document: what FastAPI derives from the handlers, completed by what all operations share."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from hub.domain.errors import Code, Reason
from hub.transports.metering import RATE_LIMIT, RATE_LIMIT_POLICY
from hub.transports.rest.answers import Event, Problem
from hub.transports.rest.errors import HTTP_FAULTS, MEDIA_TYPE, STATUS_OF_CODE, phrase_of
from hub.transports.rest.middleware import CORRELATION_HEADER

PREFIX = "/api/v1"
SHARED_PROBLEMS = (401, 403, 406, 422, 429, 500, 503, 504)
BODY_PROBLEMS = (400, 413, 415)

Security = list[dict[str, list[str]]]
KEY: Security = [{"bearer": []}]
KEY_OR_NONE: Security = [*KEY, {}]
NO_KEY: Security = []
"""What an operation asks of its caller; alternatives, as OpenAPI has them."""

_MARK = "x-problems"

DESCRIPTION = """\
Tell this person: e-mail, SMS and in-app notifications, and nothing accepted is ever lost.

Every operation means the same over GraphQL (`/graphql`) and gRPC (`hub.v1`): ids, cursors, idempotency keys and error
reasons carry over. Times are RFC 3339 in UTC with milliseconds. Lists are newest first, with opaque cursors bound to
list and filter. Unknown fields and query parameters are refused. Every error is `application/problem+json` with a
`code` and a `reason` of one catalogue.
"""

TAGS = [
    {"name": "notifications", "description": "Create, read and change notifications; every channel, every status."},
    {"name": "inbox", "description": "What a user sees: delivered, unexpired in-app notifications."},
    {"name": "dead-letters", "description": "What was given up: failed notifications, until replayed or purged."},
    {"name": "users", "description": "Where a person can be reached, and forgetting them."},
    {"name": "statistics", "description": "How much was sent, how much failed, how long it took."},
    {"name": "receipts", "description": "What providers report later of messages they took over."},
    {"name": "access", "description": "Keys of callers, tokens of end users, and the record of what was done."},
    {"name": "health", "description": "How every process, component and channel does."},
    {"name": "probes", "description": "For whatever runs the process."},
]

_EVERYWHERE: dict[str, Any] = {CORRELATION_HEADER: {"$ref": "#/components/headers/CorrelationId"}}
_SHARED_HEADERS: dict[str, Any] = _EVERYWHERE | {
    RATE_LIMIT: {"$ref": "#/components/headers/RateLimit"},
    RATE_LIMIT_POLICY: {"$ref": "#/components/headers/RateLimitPolicy"},
}

_SENTENCES: dict[int, str] = {
    400: "The body is not the JSON it claims to be.",
    401: "There is no valid credential.",
    403: "The credential does not allow this.",
    404: "It does not exist, or belongs to somebody else.",
    406: "The Accept header excludes what this operation gives.",
    409: "The status does not allow this change, or the hub is not set up for this.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "Named fields are wrong, or the idempotency key was used with another notification.",
    429: "A rate limit is used up; nothing was done.",
    500: "A defect of ours; quote the correlation id.",
    503: "The store can't be reached (the outcome may be unknown: repeat with the same key), or the hub is overloaded.",
    504: "The deadline passed; the outcome may be unknown: repeat with the same idempotency key.",
}


def operation(
    operation_id: str, summary: str, tag: str, answer: str, *, problems: tuple[int, ...] = (), security: Security = KEY
) -> dict[str, Any]:
    """How an operation is described; `problems` are the statuses that not every operation shares."""
    # What everybody may ask for is never limited either.
    never = {401, 403, 429} if security == NO_KEY else {403, 429} if security == KEY_OR_NONE else set()
    shared = [status for status in SHARED_PROBLEMS if status not in never]
    return {
        "operation_id": operation_id,
        "summary": summary,
        "tags": [tag],
        "response_description": answer,
        "openapi_extra": {_MARK: [*problems, *shared], "security": security},
    }


def header(description: str, example: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """How a response header is described."""
    return {"description": description, "schema": schema or {"type": "string"}, "example": example}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document; nothing in it depends on settings."""
    found = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        license_info=app.license_info,
        tags=app.openapi_tags,
        routes=app.routes,
    )
    statuses: set[int] = set()
    for path in found["paths"].values():
        for described in path.values():
            statuses |= _complete(described)
    _add_components(found["components"], statuses)
    _drop_titles(found["paths"])
    _drop_titles(found["components"])
    return found


def _complete(described: dict[str, Any]) -> set[int]:
    """Adds the problems, the correlation header and its parameter to an operation; returns the problems' statuses."""
    statuses = set(described.pop(_MARK, ()))
    described["responses"].pop("422", None)  # FastAPI's own, in a form we never answer
    for response in described["responses"].values():
        # OpenAPI 3.1 describes a body as a whole; tools apply the schema to single events, which are no strings.
        response.get("content", {}).get("text/event-stream", {}).get("schema", {}).pop("type", None)
        response.setdefault("headers", {}).update(_SHARED_HEADERS if described["security"] == KEY else _EVERYWHERE)
    statuses -= {int(status) for status in described["responses"]}  # health answers 503 in its own words
    if "204" in described["responses"]:
        statuses.discard(406)  # nothing is given, so nothing can be excluded
    described["responses"] |= {str(s): {"$ref": f"#/components/responses/Problem{s}"} for s in sorted(statuses)}
    described.setdefault("parameters", []).append({"$ref": "#/components/parameters/CorrelationId"})
    return statuses


def _add_components(components: dict[str, Any], statuses: set[int]) -> None:
    schemas = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    models = models_json_schema(
        [(Problem, "serialization"), (Event, "serialization")], ref_template="#/components/schemas/{model}"
    )[1]
    components["schemas"] = dict(sorted((models["$defs"] | schemas).items()))
    components["responses"] = {f"Problem{status}": _problem_response(status) for status in sorted(statuses)}
    text = {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"}
    sentence = "Ties logs, problems and provider calls of a request together."
    components["headers"] = {
        "CorrelationId": header(sentence, "5f2b8c1d9e3a4b60", text),
        "RateLimit": header(
            "Where there are limits: what is left (`r`) of each that this request met, and in how many seconds its window "
            "ends (`t`). A hint: others may share it.",
            '"credential";r=57;t=1, "recipient";r=9;t=2410',
        ),
        "RateLimitPolicy": header(
            "Those limits: so much (`q`) in windows of so many seconds (`w`).",
            '"credential";q=100;w=1, "recipient";q=10;w=3600',
        ),
    }
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key with the scopes of what it is used for. A hub that runs without keys wants none.",
        }
    }
    components["parameters"] = {
        "CorrelationId": {
            "name": CORRELATION_HEADER,
            "in": "header",
            "required": False,
            "description": f"{sentence} One that is not fit (as the response's is) is replaced, not refused.",
            "schema": {"type": "string"},
        }
    }


def _drop_titles(node: Any) -> None:
    """Takes out the titles that are only names spelled again."""
    match node:
        case dict():
            if isinstance(node.get("title"), str):
                del node["title"]
            for name, value in node.items():
                if name not in {"example", "examples"}:
                    _drop_titles(value)
        case list():
            for item in node:
                _drop_titles(item)
        case _:
            pass


def _problem_response(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = dict(_EVERYWHERE if status == HTTPStatus.UNAUTHORIZED else _SHARED_HEADERS)
    if status in {429, 503}:
        headers["Retry-After"] = header("Seconds to wait.", "1", {"type": "integer", "minimum": 1})
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = header("How to authenticate.", "Bearer")
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _problem_example(status)}
    return {"description": _SENTENCES[status], "headers": headers, "content": {MEDIA_TYPE: content}}


def _problem_example(status: int) -> dict[str, Any]:
    code, reason = _known(status)
    wrong = [{"field": "title", "message": "must be 1 to 255 characters long"}] if status == 422 else []  # noqa: PLR2004
    return {
        "type": "about:blank",
        "title": phrase_of(status),
        "status": status,
        "detail": _SENTENCES[status],
        "code": code,
        "reason": reason,
        "violations": wrong,
        "metadata": {"from": "sent", "to": "cancelled"} if status == HTTPStatus.CONFLICT else {},
        "correlation_id": "5f2b8c1d9e3a4b60",
    }


def _known(status: int) -> tuple[str, str]:
    """A code and a reason that are answered with a status."""
    if status in HTTP_FAULTS:
        return HTTP_FAULTS[status]
    code = next(code for code, known in STATUS_OF_CODE.items() if known == status)
    return code, _EXAMPLE_REASONS.get(code, Reason.INTERNAL)


_EXAMPLE_REASONS: dict[Code, Reason] = {
    Code.INVALID_ARGUMENT: Reason.INVALID_VALUE,
    Code.UNAUTHENTICATED: Reason.UNAUTHENTICATED,
    Code.PERMISSION_DENIED: Reason.PERMISSION_DENIED,
    Code.FAILED_PRECONDITION: Reason.ILLEGAL_TRANSITION,
    Code.RESOURCE_EXHAUSTED: Reason.RATE_LIMITED,
    Code.UNAVAILABLE: Reason.STORE_UNREACHABLE,
    Code.DEADLINE_EXCEEDED: Reason.DEADLINE_EXCEEDED,
}
