"""How refusals and failures look in REST: problem+json (RFC 9457), by one total table from codes to statuses."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from hub.domain.errors import Code, HubError, Reason, Violation, invalid
from hub.log import correlated, correlation_id

MEDIA_TYPE = "application/problem+json"

STATUS_OF_CODE: dict[Code, int] = {
    Code.INVALID_ARGUMENT: 422,
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

STATUS_OF_REASON: dict[Reason, int] = {Reason.MALFORMED: 400, Reason.TOO_LARGE: 413}
"""The reasons for which HTTP has a better word than for their code."""

HTTP_FAULTS: dict[int, tuple[Code, str]] = {
    400: (Code.INVALID_ARGUMENT, Reason.MALFORMED),
    404: (Code.NOT_FOUND, Reason.NOT_FOUND),
    405: (Code.INVALID_ARGUMENT, "METHOD_NOT_ALLOWED"),
    406: (Code.INVALID_ARGUMENT, "NOT_ACCEPTABLE"),
    413: (Code.RESOURCE_EXHAUSTED, Reason.TOO_LARGE),
    415: (Code.INVALID_ARGUMENT, "UNSUPPORTED_MEDIA_TYPE"),
}
"""What only HTTP can refuse, before it comes to an operation: three reasons that the other protocols don't have."""

UNHEARD_FAULTS: dict[int, tuple[Code, str]] = {
    408: (Code.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED),
    431: (Code.RESOURCE_EXHAUSTED, Reason.TOO_LARGE),
}
"""What is refused before there is a request."""

_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""RFC 9110's words, which Python uses from 3.13 on only: the document does not depend on it."""

SHORTEST_WAIT = timedelta(seconds=1)
MOST_VIOLATIONS = 50
LONGEST_NAME = 200
"""A body can hold a million unknown names of any length: the answer stays readable."""

_SENTENCES: dict[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_type": "must be a string",
    "string_unicode": "must not contain lone surrogates",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "list_type": "must be an array",
}


def status_of(error: HubError) -> int:
    """The HTTP status of an error of the catalogue."""
    return STATUS_OF_REASON.get(error.reason, STATUS_OF_CODE[error.code])


def phrase_of(status: int) -> str:
    """The title of a problem that says no more than its status (RFC 9457, section 4.2.1)."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def problem(error: HubError) -> Response:
    """The answer to an error of the catalogue."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if status in {429, 503}:
        headers["Retry-After"] = str(math.ceil(max(error.retry_after or SHORTEST_WAIT, SHORTEST_WAIT).total_seconds()))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return _response(
        status, error.code, error.reason, error.message, headers, violations=error.violations, metadata=error.metadata
    )


def http_problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to what HTTP itself refuses."""
    code, reason = (HTTP_FAULTS | UNHEARD_FAULTS).get(status, (Code.INTERNAL, Reason.INTERNAL))
    return _response(status, code, reason, detail, headers or {})


def _response(
    status: int,
    code: Code,
    reason: str,
    detail: str,
    headers: Mapping[str, str],
    *,
    violations: Iterable[Violation] = (),
    metadata: Mapping[str, str] | None = None,
) -> Response:
    body = {
        "type": "about:blank",
        "title": phrase_of(status),
        "status": status,
        "detail": detail,
        "code": code,
        "reason": reason,
        "violations": [{"field": violation.field, "message": violation.message} for violation in violations],
        "metadata": dict(metadata or {}),
        "correlation_id": correlation_id(),
    }
    # What is echoed here may hold lone surrogates: they go out as question marks, nothing breaks over them.
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return Response(content, status, dict(headers), MEDIA_TYPE)


class Unheard:
    """The answers to what never became a request; the server asks for them."""

    def malformed(self, sentence: str) -> Response:
        """400."""
        return self._identified(400, sentence)

    def head_too_large(self, sentence: str) -> Response:
        """431 (RFC 6585, section 5)."""
        return self._identified(431, sentence)

    def too_slow(self, sentence: str) -> Response:
        """408."""
        return self._identified(408, sentence)

    def crowded(self) -> Response:
        """503, and when to come back."""
        with correlated(None) as identifier:
            answer = problem(HubError(Reason.OVERLOADED, "Too many are connected; nothing of this was accepted."))
        answer.headers["X-Correlation-Id"] = identifier
        return answer

    @staticmethod
    def _identified(status: int, sentence: str) -> Response:
        with correlated(None) as identifier:
            return http_problem(status, sentence, {"X-Correlation-Id": identifier})


def install(app: FastAPI) -> None:
    """Makes every refusal a problem. What is unexpected is the outermost middleware's, which also logs it."""
    app.add_exception_handler(HubError, _on_hub_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)


async def answered(handle: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """What a handler answers, or how its refusal looks; for requests that don't go through FastAPI's own handling."""
    try:
        return await handle(request)
    except HubError as error:
        return problem(error)
    except HTTPException as error:
        return await _on_http_exception(request, error)


async def _on_hub_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)  # noqa: S101 - Starlette's type for handlers is wider than what they get
    return problem(error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return http_problem(404, "There is nothing at this path.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(allowed_methods(request))
            return http_problem(405, f"This path takes {allowed} only.", {"Allow": allowed})
        case status:
            return http_problem(status, error.detail, error.headers)


def allowed_methods(request: Request) -> list[str]:
    """All methods of a path; Starlette tells those of the first matching route alone."""
    methods: set[str] = set()
    for route in request.app.router.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return problem(invalid(*violations_of(error.errors())))


def violations_of(errors: Sequence[Mapping[str, Any]]) -> list[Violation]:
    """Pydantic's findings in the catalogue's form; never the input itself."""
    return [Violation(_field(error["loc"]), _sentence(error)) for error in errors[:MOST_VIOLATIONS]]


def _field(location: Sequence[str | int]) -> str:
    """The dotted path; the part of the request it lies in counts only where there is nothing else to name."""
    path = ".".join(str(part) for part in location[1:]) or str(location[0])
    return path.replace("-", "_").lower()[:LONGEST_NAME] if location[0] == "header" else path[:LONGEST_NAME]


def _sentence(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "missing" if error["loc"] == ("body",):
            return "must be a JSON object"
        case "value_error":
            return str(context["error"])
        case "enum" | "literal_error":
            return f"must be {context['expected']}"
        case "too_short":
            return f"must have at least {context['min_length']:,} items"
        case "too_long":
            return f"must have at most {context['max_length']:,} items"
        case kind:
            return _SENTENCES.get(kind, str(error["msg"]))
