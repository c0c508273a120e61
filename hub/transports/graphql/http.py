"""GraphQL over HTTP (graphql.github.io/graphql-over-http/draft), and subscriptions as server-sent events.

Strawberry's own view misses the media type of responses, their statuses and well-formed errors; all that is here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import ExecutionResult

from hub.core.admission import Admission, declared_bytes
from hub.core.app import Core
from hub.core.deadlines import deadline
from hub.domain.errors import Code, HubError, Reason, internal
from hub.domain.principals import Principal
from hub.log import correlated, get_logger
from hub.settings import Settings
from hub.transports.graphql.auth import GUEST, GUEST_BODY_BYTES, is_public, principal_of, token_of
from hub.transports.graphql.context import Context
from hub.transports.graphql.documents import Documents, parsed
from hub.transports.graphql.drain import Drain
from hub.transports.graphql.errors import (
    STATUS,
    ambiguous,
    graphql_error,
    malformed,
    public,
    status_of,
)
from hub.transports.graphql.fanout import Fanout
from hub.transports.graphql.params import Params, from_body, from_query
from hub.transports.graphql.rates import count, units_of
from hub.transports.graphql.refusals import refusal
from hub.transports.graphql.schema import Schema
from hub.transports.graphql.sse import EventStream
from hub.transports.graphql.wire import (
    EVENTS_TYPE,
    GRAPHQL_TYPE,
    HTML_TYPE,
    JSON_TYPE,
    body_of,
    dump_json,
    ranked,
)
from hub.transports.refusing import unhurried

log = get_logger(__name__)

CORRELATION_HEADER = "X-Correlation-Id"

Page = Callable[[Request], Response]
"""Answers a browser's GET or HEAD of the endpoint with a page."""


class Refused(Exception):
    """An HTTP request that is refused before GraphQL sees it, where the error alone doesn't tell the status."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class HttpEndpoint:
    """Answers GET and POST."""

    def __init__(
        self,
        schema: Schema,
        documents: Documents,
        core: Core,
        admission: Admission,
        settings: Settings,
        drain: Drain,
        fanout: Fanout,
        page: Page | None = None,
    ) -> None:
        self._schema = schema
        self._documents = documents
        self._core = core
        self._admission = admission
        self._max_body_bytes = settings.http.max_body_bytes
        self._request_timeout = settings.request_timeout
        self._drain = drain
        self._fanout = fanout
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        request = Request(scope, receive)
        with correlated(request.headers.get(CORRELATION_HEADER)) as identifier:
            try:
                response = await self._answer(request)
            except ClientDisconnect:
                return
            response.headers[CORRELATION_HEADER] = identifier
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers["Vary"] = "Accept"
            refused = response.status_code == STATUS[Code.UNAVAILABLE] and not hasattr(request.state, "place")
            await response(scope, receive, unhurried(send, self._admission.turns) if refused else send)

    async def _answer(self, request: Request) -> Response:
        """Every answer is well-formed, whatever happened."""
        offers = ranked(_accept(request), (JSON_TYPE, GRAPHQL_TYPE, EVENTS_TYPE, HTML_TYPE))
        media = next((offer for offer in offers if offer in {JSON_TYPE, GRAPHQL_TYPE}), JSON_TYPE)
        try:
            if _is_visit(request, offers):
                return self._shown(request)
            _check_method(request)
            _check_accept(offers)
            async with deadline(self._request_timeout):
                principal, params = await self._caller(request)
            with await self._admission.admit(declared_bytes(request.headers.get("content-length"))) as place:
                request.state.place = place
                # Execution has a deadline of its own; whoever sends slowly must not keep the place either.
                async with deadline(self._request_timeout):
                    params = params or await self._params(request, self._max_body_bytes)
                context = Context.fresh(self._core, principal)
                return await self._run(request, params, context, media, streams=offers[0] == EVENTS_TYPE)
        except Refused as refused:
            return refusal(malformed(str(refused)), media, refused.status, refused.headers)
        except HubError as error:
            return refusal(error, media, status_of(error))
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("graphql_request_failed")
            return refusal(internal(), media, STATUS[Code.INTERNAL])

    def _shown(self, request: Request) -> Response:
        if self._page is None:
            raise HubError(Reason.NOT_FOUND, f"No page is served here. GraphQL is answered: POST it as {JSON_TYPE}.")
        return self._page(request)

    async def _caller(self, request: Request) -> tuple[Principal, Params | None]:
        """Who calls, known before the body is read; for health alone no credential is needed, which the body must tell.

        Before there is a place: strangers who send slowly shall keep none from those who have a credential.
        """
        try:
            return await principal_of(self._core.credentials, request), None
        except HubError:
            params = None if token_of(request) else await self._params_of_guest(request)
            if params is None:
                raise
            return GUEST, params

    async def _params_of_guest(self, request: Request) -> Params | None:
        """A short request for what is public; None for any other, however it fails to be one."""
        try:
            params = await self._params(request, min(GUEST_BODY_BYTES, self._max_body_bytes))
            # Not through the cache: strangers must not fill it.
            return params if is_public(parsed(params.query).ast) else None
        except (HubError, Refused, GraphQLError):
            return None

    async def _params(self, request: Request, max_bytes: int) -> Params:
        if request.method == "GET":
            return from_query(request.query_params, self._documents.trusted)
        media, _, parameters = request.headers.get("content-type", "").lower().partition(";")
        charset = parameters.replace(" ", "").replace('"', "").partition("charset=")[2].partition(";")[0]
        if media.strip() != JSON_TYPE or charset not in {"", "utf-8", "utf8"}:
            raise Refused(415, f"The body must be {JSON_TYPE} in UTF-8.", {"Accept-Post": JSON_TYPE})
        return from_body(await self._body(request, max_bytes), self._documents.trusted)

    async def _body(self, request: Request, max_bytes: int) -> bytes:
        """The body, read no further than it may be long."""
        too_large = HubError(Reason.TOO_LARGE, f"The body must be at most {max_bytes:,} bytes.")
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > max_bytes:
            raise too_large
        body = bytearray()
        async for chunk in _chunks(request):
            body += chunk
            if len(body) > max_bytes:
                raise too_large
            # Only a body whose size nobody declared is larger than it was taken for. A guest's short one has no place yet.
            if hasattr(request.state, "place"):
                request.state.place.grow(len(body))
        return bytes(body)

    async def _run(self, request: Request, params: Params, context: Context, media: str, *, streams: bool) -> Response:
        try:
            document = self._documents.parse(params.query)
        except GraphQLError as error:
            await count(self._core.rates, context.principal, None)
            if streams:
                return await self._stream(params, context)
            return _respond(ExecutionResult(None, [public(error)]), media)
        definition = self._schema.definition
        units = units_of(self._documents, document, params.variables, params.operation_name, definition)
        await count(self._core.rates, context.principal, document, units)
        if document.is_ambiguous(params.operation_name):
            return _respond(ExecutionResult(None, [graphql_error(ambiguous())]), media)
        kind = document.operation(params.operation_name)
        if kind is OperationType.SUBSCRIPTION:
            if not streams:
                raise Refused(
                    400,
                    f"A subscription is a stream: use a WebSocket with the subprotocol graphql-transport-ws, or "
                    f"prefer {EVENTS_TYPE} in Accept.",
                )
            return await self._stream(params, context)
        if kind is OperationType.MUTATION and request.method == "GET":
            raise Refused(405, "A mutation must be sent by POST.", {"Allow": "POST"})
        return _respond(await self._execute(params, context), media)

    async def _execute(self, params: Params, context: Context) -> ExecutionResult:
        try:
            return await self._schema.execute(
                params.query,
                variable_values=params.variables,
                context_value=context,
                operation_name=params.operation_name,
            )
        except CannotGetOperationTypeError as error:
            return ExecutionResult(None, [graphql_error(malformed(error.as_http_error_reason()))])

    async def _stream(self, params: Params, context: Context) -> Response:
        """What goes wrong before the first event is told in the stream, as the graphql-sse protocol wants it."""
        if self._drain.begun:
            raise HubError(Reason.OVERLOADED, "This process is stopping; connect again.")
        results = await self._schema.stream(
            params.query,
            variable_values=params.variables,
            context_value=context,
            operation_name=params.operation_name,
        )
        payloads = self._fanout.payloads(results, params.query, params.operation_name, params.variables)
        return EventStream(payloads, self._drain)


def _accept(request: Request) -> str:
    return ",".join(request.headers.getlist("accept"))


def _is_visit(request: Request, offers: list[str]) -> bool:
    """Whether a browser opens the endpoint as a page."""
    return (
        request.method in {"GET", "HEAD"}
        and offers[:1] == [HTML_TYPE]
        and not {"query", "documentId"} & set(request.query_params)
    )


def _check_method(request: Request) -> None:
    if request.method not in {"GET", "POST"}:
        raise Refused(405, "GraphQL takes GET and POST.", {"Allow": "GET, POST"})


def _check_accept(offers: list[str]) -> None:
    if not set(offers) - {HTML_TYPE}:
        raise Refused(406, f"Accept must allow one of {JSON_TYPE}, {GRAPHQL_TYPE} and {EVENTS_TYPE}.")


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        yield chunk


def _respond(result: ExecutionResult, media: str) -> Response:
    """A result as a response: `application/json` is 200 whatever came of a well-formed request, by the draft."""
    body = body_of(result)
    status = 200
    if "data" not in body and media == GRAPHQL_TYPE:
        status = STATUS[Code(body["errors"][0]["extensions"]["code"])]
    return Response(dump_json(body), status, media_type=f"{media}; charset=utf-8")
