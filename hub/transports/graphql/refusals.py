"""A refusal as an HTTP response: of a request, or of a socket's upgrade."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from hub.domain.errors import Code, HubError
from hub.transports.graphql.errors import graphql_error, retry_after_seconds
from hub.transports.graphql.wire import dump_json


def refusal(error: HubError, media: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The error as GraphQL has it, and what HTTP has headers for."""
    sent = dict(headers or {})
    seconds = retry_after_seconds(error)
    if seconds is not None:
        sent["Retry-After"] = str(seconds)
    if error.code is Code.UNAUTHENTICATED:
        sent["WWW-Authenticate"] = "Bearer"
    body = dump_json({"errors": [graphql_error(error).formatted]})
    return Response(body, status, sent, media_type=f"{media}; charset=utf-8")
