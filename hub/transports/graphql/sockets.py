"""Operations over WebSockets, by the protocol graphql-transport-ws.

github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. The work is Strawberry's; overridden here is what it leaves
open. These names of its handler are not documented (its minor version is pinned, a test stands for each):
`handle_message`, `handle_connection_init`, `connection_init_received`, `context`, `handle_subscribe`, `run_operation`,
`cleanup_operation`, `operations`, `send_initial_errors`, `handle_invalid_message`, `handle_task_exception`,
`_get_pre_execution_close_reason`, `_send_result_stream`, and of its operations `completed` and `send_next`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, aclosing, suppress
from datetime import timedelta
from typing import Any

from graphql import GraphQLError, OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState
from strawberry.asgi import GraphQL
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
from hub.domain.events import Event
from hub.log import correlated, get_logger
from hub.settings import Settings
from hub.transports.graphql.adapter import Adapter, close
from hub.transports.graphql.auth import GUEST, principal_of
from hub.transports.graphql.context import Context
from hub.transports.graphql.documents import Document, Documents
from hub.transports.graphql.drain import LAST_WORD_SECONDS, Drain
from hub.transports.graphql.errors import CLOSE_CODE, ambiguous, graphql_error, status_of
from hub.transports.graphql.fanout import Fanout
from hub.transports.graphql.messages import fault_of
from hub.transports.graphql.rates import count, units_of
from hub.transports.graphql.refusals import refusal
from hub.transports.graphql.schema import Schema
from hub.transports.graphql.streams import taking
from hub.transports.graphql.trusted import text_of
from hub.transports.graphql.wire import JSON_TYPE, dump_json, load_json

log = get_logger(__name__)

CORRELATION_HEADER = "x-correlation-id"
INIT_TIMEOUT = timedelta(seconds=10)
OPERATIONS_PER_SOCKET = 100
SERVICE_RESTART = 1012
"""Clients come back after this code (RFC 6455, IANA registry of close codes)."""
CREDENTIAL_ENDED = 4403
"""Clients that come back need a new token first."""


class _Handler(BaseGraphQLTransportWSHandler[Context, None]):
    view: Sockets
    websocket: Adapter
    credential: AbstractContextManager[None] | None = None
    """Held while the socket is open, once it is known."""

    async def handle(self) -> None:
        if self.view.drain.begun:
            await self.end()
            return
        with self.view.drain.open(self.end):
            # A time limit that only comes when the credential ends.
            try:
                async with asyncio.timeout(None) as self.standing:
                    await super().handle()
            except TimeoutError:
                if not self.standing.expired():
                    raise
                await self._last_word(CREDENTIAL_ENDED, ended().message)
            finally:
                if self.credential is not None:
                    self.credential.__exit__(None, None, None)

    def refuse(self) -> None:
        """The credential that opened the socket has ended."""
        if not self.standing.expired():
            self.standing.reschedule(0.0)

    async def end(self) -> None:
        """Ends everything on the socket so that the client comes back."""
        for operation_id in list(self.operations):
            await self.cleanup_operation(operation_id)
        await self._last_word(SERVICE_RESTART, "The server is restarting.")

    async def _last_word(self, code: int, reason: str) -> None:
        """Closes the socket. Who does not read does not hear it: then it ends without, and the server cuts it off."""
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self.websocket.close(code, reason)
        except TimeoutError:
            self.refuse()

    async def handle_message(self, message: Message) -> None:
        fault = fault_of(message)
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
            credential = self.view.standing(self.context, self.refuse)
            credential.__enter__()
            self.credential = credential
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
            document = self.view.documents.parse(query)
            if document.is_ambiguous(payload.get("operationName")):
                raise ambiguous()
            query = document.text
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

    async def _send_result_stream(self, operation: Operation[Context, None], result_source: Any) -> None:
        with taking() as taken:
            await super()._send_result_stream(operation, result_source)
        if taken.feed is not None and not operation.completed:
            await self._follow(operation, taken.feed)

    async def _follow(self, operation: Operation[Context, None], feed: AsyncGenerator[Event]) -> None:
        """Sends the feed's events, each rendered once for all who have subscribed alike."""
        fanout = self.view.fanout
        subscriber = fanout.subscriber(operation.query, operation.operation_name, operation.variables)
        head = f'{{"id":{dump_json(operation.id)},"type":"next","payload":'
        send = self.websocket.send_text
        async with aclosing(feed):
            try:
                async for event in feed:
                    payload = fanout.shared(event, subscriber) or await fanout.payload(event, subscriber)
                    if isinstance(payload, str):
                        await send(f"{head}{payload}}}")
                    else:
                        await operation.send_next(payload)
            except WebSocketDisconnected:
                raise
            except Exception as error:  # noqa: BLE001 - told as Strawberry tells of a source that breaks
                await operation.send_next(fanout.broken(error))

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

    websocket_adapter_class = Adapter
    graphql_transport_ws_handler_class = _Handler

    def __init__(
        self,
        schema: Schema,
        documents: Documents,
        core: Core,
        admission: Admission,
        settings: Settings,
        drain: Drain,
        fanout: Fanout,
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
        self.fanout = fanout
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
                await close(socket, CLOSE_CODE[error.code], error.message)

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
