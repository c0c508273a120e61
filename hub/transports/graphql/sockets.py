"""Operations over WebSockets, by the protocol graphql-transport-ws.

github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. The work is Strawberry's; overridden here is what it leaves
open. These names of its handler are not documented (its minor version is pinned, a test stands for each):
`handle_message`, `handle_connection_init`, `connection_init_received`, `context`, `handle_subscribe`, `run_operation`,
`cleanup_operation`, `operations`, `send_initial_errors`, `handle_invalid_message`, `handle_task_exception`, `_get_pre_execution_close_reason`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import timedelta
from typing import Any

from graphql import GraphQLError, OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)

from hub.core.admission import Admission, Place
from hub.core.app import Core
from hub.core.standings import ended
from hub.core.stream_caps import StreamCaps
from hub.domain.errors import HubError, Reason
from hub.log import correlated, get_logger
from hub.settings import Settings
from hub.transports.graphql.auth import GUEST, principal_of
from hub.transports.graphql.context import Context
from hub.transports.graphql.documents import Document, Documents
from hub.transports.graphql.drain import Drain
from hub.transports.graphql.errors import CLOSE_CODE, ambiguous, graphql_error, status_of
from hub.transports.graphql.rates import count, units_of
from hub.transports.graphql.refusals import refusal
from hub.transports.graphql.schema import Schema
from hub.transports.graphql.trusted import text_of
from hub.transports.graphql.wire import JSON_TYPE, dump_json, load_json

log = get_logger(__name__)

CORRELATION_HEADER = "x-correlation-id"
INIT_TIMEOUT = timedelta(seconds=10)
OPERATIONS_PER_SOCKET = 100
SERVICE_RESTART = 1012
CREDENTIAL_ENDED = 4403
"""Clients that come back need a new token first."""
"""Clients come back after this code (RFC 6455, IANA registry of close codes)."""
_REASON_BYTES = 123
_CLIENTS_SAY = frozenset({"connection_init", "ping", "pong", "subscribe", "complete"})


class _Adapter(ASGIWebSocketAdapter):
    """Starlette raises RuntimeError for what is said after a close; here that is a disconnect, or nothing."""

    ws: WebSocket

    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        await _close(self.ws, code, reason)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore"))


class _Handler(BaseGraphQLTransportWSHandler[Context, None]):
    view: Sockets
    websocket: _Adapter

    async def handle(self) -> None:
        if self.view.drain.begun:
            await self.end()
            return
        with self.view.drain.open(self.end), ExitStack() as self.credential:
            # A time limit that only comes when the credential ends.
            try:
                async with asyncio.timeout(None) as self.standing:
                    await super().handle()
            except TimeoutError:
                if not self.standing.expired():
                    raise
                error = ended()
                await self.websocket.close(CREDENTIAL_ENDED, error.message)

    def refuse(self) -> None:
        """The credential that opened the socket has ended."""
        if not self.standing.expired():
            self.standing.reschedule(0.0)

    async def end(self) -> None:
        """Ends everything on the socket so that the client comes back."""
        for operation_id in list(self.operations):
            await self.cleanup_operation(operation_id)
        await self.websocket.close(SERVICE_RESTART, "The server is restarting.")

    async def handle_message(self, message: Message) -> None:
        fault = _fault_of(message)
        if fault is not None:
            await self.handle_invalid_message(fault)
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        # A null payload is legal, and no payload at all means the same.
        if message.get("payload", {}) is None:
            message = {"type": "connection_init"}
        payload = message.get("payload", {})
        if isinstance(payload, dict) and not self.connection_init_received:
            self.context = await self.view.admitted(self.websocket.ws, payload)
            self.credential.enter_context(self.view.standing(self.context, self.refuse))
        await super().handle_connection_init(message)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        # What closes the socket goes before what is wrong with the one operation.
        if self.connection_acknowledged and message["id"] not in self.operations:
            try:
                message = self._with_text(message)
            except HubError as error:
                with correlated(self.websocket.ws.headers.get(CORRELATION_HEADER)):
                    payload = [graphql_error(error).formatted]
                await self.send_message({"id": message["id"], "type": "error", "payload": payload})
                return
        await super().handle_subscribe(message)

    def _with_text(self, message: SubscribeMessage) -> SubscribeMessage:
        """The message with its document as a text, whether it was sent or only named. Raises why it can't be run."""
        if len(self.operations) >= OPERATIONS_PER_SOCKET:
            text = f"A socket carries at most {OPERATIONS_PER_SOCKET} operations at once."
            raise HubError(Reason.RATE_LIMITED, text)
        payload = message["payload"]
        query = text_of(payload, self.view.documents.trusted)
        # What can't be parsed is told when the operation runs.
        with suppress(GraphQLError):
            if self.view.documents.parse(query).is_ambiguous(payload.get("operationName")):
                raise ambiguous()
        return {**message, "payload": {**payload, "query": query}}

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        # The client's own id stands for the whole socket; without one each operation gets its own.
        with correlated(self.websocket.ws.headers.get(CORRELATION_HEADER)):
            document = self._document(operation)
            try:
                place = await self._admitted(operation, document)
            except HubError as error:
                await operation.send_initial_errors([graphql_error(error)])
                return
            with place:
                if document is not None and _is_subscription(document, operation):
                    # It may go on for hours, and how much it may have waiting is bounded elsewhere.
                    place.leave()
                await super().run_operation(operation)

    async def _admitted(self, operation: Operation[Context, None], document: Document | None) -> Place:
        """Its place, once it is counted. Raises OVERLOADED and RATE_LIMITED."""
        place = self.view.admission.enter(_bytes_of(operation))
        try:
            await count(self.context.core.rates, self.context.principal, document, self._units(operation, document))
        except BaseException:
            place.leave()
            raise
        return place

    def _units(self, operation: Operation[Context, None], document: Document | None) -> int:
        if document is None:
            return 1
        view = self.view
        return units_of(view.documents, document, operation.variables, operation.operation_name, view.definition)

    def _document(self, operation: Operation[Context, None]) -> Document | None:
        """None where it can't be parsed, which is told when the operation runs."""
        try:
            return self.view.documents.parse(operation.query)
        except GraphQLError:
            return None

    async def handle_task_exception(self, error: Exception) -> None:
        if not isinstance(error, WebSocketDisconnected):
            log.error("graphql_socket_operation_failed", exc_info=error)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        # Strawberry closes the socket over a syntax error. One bad operation should not end all the others.
        del error
        return None


class Sockets(GraphQL[Context, None]):
    """The endpoint for WebSockets."""

    websocket_adapter_class = _Adapter
    graphql_transport_ws_handler_class = _Handler

    def __init__(
        self,
        schema: Schema,
        documents: Documents,
        core: Core,
        admission: Admission,
        settings: Settings,
        drain: Drain,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=INIT_TIMEOUT,
            max_subscriptions_per_connection=None,
            # A page of the same host may always; who sends no Origin is no browser.
            allowed_origins=settings.http.allowed_origins,
        )
        streams = settings.streams
        self._open = StreamCaps(streams.per_user, streams.in_total, "sockets")
        self._of_users = StreamCaps(streams.per_user, streams.in_total, "sockets")
        self.documents = documents
        self.definition = schema.definition
        self.admission = admission
        self.drain = drain
        self._core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        socket = WebSocket(scope, receive=receive, send=send)
        with correlated(socket.headers.get(CORRELATION_HEADER)):
            try:
                # Before it is accepted: a socket that does nothing holds memory too.
                with self._open.hold(GUEST):
                    await self.run(socket)
            except HubError as error:
                if socket.application_state is WebSocketState.CONNECTING:
                    await socket.send_denial_response(refusal(error, JSON_TYPE, status_of(error)))
                await _close(socket, CLOSE_CODE[error.code], error.message)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """Of nobody: who calls is known when the socket is initialised, and nothing runs before."""
        del request, response
        return Context.fresh(self._core, GUEST)

    async def admitted(self, socket: WebSocket, init: Mapping[str, Any]) -> Context:
        """Core and caller, once for all operations of the socket. Raises UNAUTHENTICATED, which closes it."""
        return Context.fresh(self._core, await principal_of(self._core.credentials, socket, init))

    def standing(self, context: Context, on_end: Callable[[], None]) -> AbstractContextManager[None]:
        """Calls `on_end` when the credential ends that opened a socket. Raises TOO_MANY_STREAMS, which closes it."""
        return self._of_users.standing(context.principal, self._core.standings)(on_end)

    def decode_json(self, data: str | bytes) -> object:
        """Raises JSONDecodeError for whatever can't be read, so that the socket is closed with 4400."""
        try:
            return load_json(data if isinstance(data, str) else "", "A message")
        except HubError as error:
            raise json.JSONDecodeError(error.message, "", 0) from None

    def encode_json(self, data: object) -> str:
        """Text, not bytes: the protocol has text frames only."""
        return dump_json(data)


def _is_subscription(document: Document, operation: Operation[Context, None]) -> bool:
    return document.operation(operation.operation_name) is OperationType.SUBSCRIPTION


def _bytes_of(operation: Operation[Context, None]) -> int:
    return len(operation.query) + len(dump_json(operation.variables))


def _fault_of(message: Any) -> str | None:
    """What is wrong with the shape of a message; Strawberry would fall over it."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message must be an object with a type"
    if message["type"] not in _CLIENTS_SAY:
        return "The type is none that clients send"
    if message["type"] in {"subscribe", "complete"} and not (isinstance(message.get("id"), str) and message["id"]):
        return "The id must be a text"
    if message["type"] != "subscribe":
        return None
    payload = message.get("payload")
    if not isinstance(payload, dict) or not _names_a_document(payload):
        return "The payload must be an object with a query or a documentId"
    if not isinstance(payload.get("operationName"), str | None):
        return "The operationName must be a text or null"
    if not all(isinstance(payload.get(name), dict | None) for name in ("variables", "extensions")):
        return "The variables and extensions must be objects or null"
    return None


def _names_a_document(payload: dict[str, Any]) -> bool:
    query, extensions = payload.get("query"), payload.get("extensions")
    if not isinstance(query, str | None):
        return False
    return bool(query) or "documentId" in payload or (isinstance(extensions, dict) and "persistedQuery" in extensions)
