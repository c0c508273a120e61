"""How every call is run: its bytes read, its correlation id, its place, its deadline, its errors, its end when the server drains."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from hub.core.admission import Admission
from hub.core.deadlines import deadline
from hub.core.standings import Standings
from hub.domain.errors import HubError, Reason
from hub.log import correlated
from hub.transports.grpc import schemas
from hub.transports.grpc.auth import Context, PrincipalOf, metadata_value
from hub.transports.grpc.errors import CORRELATION_ID, PAGE_FIELDS, abort, renamed, to_hub_error
from hub.transports.grpc.servicer import Servicer
from hub.transports.grpc.streams import Exchange, OpenStreams, told

Unary = Callable[[Any, Context], Awaitable[Message]]
Streaming = Callable[[Any, Context], AsyncGenerator[Message]]
Request = Message | HubError
"""What came in, or why it can't be read: grpc has no place where a deserializer could say so."""


class Calls:
    """Makes the handlers of a service out of plain methods named after its rpcs."""

    def __init__(
        self,
        request_timeout: timedelta,
        max_message_bytes: int,
        streams: OpenStreams,
        admission: Admission,
        standings: Standings,
    ) -> None:
        self._request_timeout = request_timeout
        self._max_message_bytes = max_message_bytes
        self._streams = streams
        self._admission = admission
        self._standings = standings

    def handlers(self, service: ServiceDescriptor, servicer: Servicer) -> grpc.GenericRpcHandler:
        """All rpcs of the service; a method that is missing stops the start."""
        methods = {method.name: self._handler(method, servicer) for method in service.methods}
        return grpc.method_handlers_generic_handler(service.full_name, methods)

    def _handler(self, method: MethodDescriptor, servicer: Servicer) -> grpc.RpcMethodHandler[Any, Any]:
        behaviour = getattr(servicer, method.name)
        parse = self._parser(GetMessageClass(method.input_type))
        serialize = GetMessageClass(method.output_type).SerializeToString
        readable = _Readable(servicer.principal_of)
        if method.client_streaming:
            exchange = self._exchange(method, behaviour, readable, servicer)
            return grpc.stream_stream_rpc_method_handler(exchange, parse, serialize)
        name = method.full_name
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream(name, behaviour, readable), parse, serialize)
        return grpc.unary_unary_rpc_method_handler(self._unary(name, behaviour, readable), parse, serialize)

    def _parser(self, message: type[Message]) -> Callable[[bytes], Request]:
        def parse(raw: bytes) -> Request:
            if len(raw) > self._max_message_bytes:
                return HubError(Reason.TOO_LARGE, f"A message may have at most {self._max_message_bytes:,} bytes.")
            try:
                return message.FromString(raw)
            except DecodeError:
                return HubError(Reason.MALFORMED, f"The request is not a {message.DESCRIPTOR.full_name}.")

        return parse

    def _unary(
        self, name: str, behaviour: Unary, readable: _Readable
    ) -> Callable[[Request, Context], Awaitable[Message]]:
        async def call(request: Request, context: Context) -> Message:
            with correlated(_given(context)) as identifier:
                try:
                    with self._admission.enter(_bytes_of(request)):
                        async with deadline(self._limit(context)):
                            response = await behaviour(await readable(request, context), context)
                except Exception as error:  # noqa: BLE001 - every error is answered in the catalogue's words
                    await abort(context, _in_words_of(request, to_hub_error(error, name)), identifier)
                context.set_trailing_metadata(((CORRELATION_ID, identifier),))
                return response

        return call

    def _stream(
        self, name: str, behaviour: Streaming, readable: _Readable
    ) -> Callable[[Request, Context], Awaitable[None]]:
        # Writes instead of yielding: the drain's cancellation must find this task inside `member`, not in between.
        async def call(request: Request, context: Context) -> None:
            with correlated(_given(context)) as identifier:
                # A unary call gives its id at the end; whoever watches would wait for it too long.
                await context.send_initial_metadata(((CORRELATION_ID, identifier),))
                try:
                    async with self._streams.member():
                        with self._admission.enter(_bytes_of(request)) as place:
                            message = await readable(request, context)
                            async with aclosing(behaviour(message, context)) as responses:
                                async for response in responses:
                                    # Opening it is what counts: a stream may go on for hours.
                                    place.leave()
                                    if not await told(context, response):
                                        break
                except Exception as error:  # noqa: BLE001 - every error is answered in the catalogue's words
                    await abort(context, to_hub_error(error, name), identifier)
                context.set_trailing_metadata(((CORRELATION_ID, identifier),))

        return call

    def _exchange(
        self, method: MethodDescriptor, behaviour: Unary, readable: _Readable, servicer: Servicer
    ) -> Callable[[object, Context], Awaitable[None]]:
        """Of a method that answers one item: the response's `index` and `error` are filled in here."""
        kind: Any = GetMessageClass(method.output_type)

        async def call(_requests: object, context: Context) -> None:
            async def answer(index: int, request: Request) -> Message:
                try:
                    with self._admission.enter(_bytes_of(request)):
                        async with deadline(self._limit(context)):
                            response: Any = await behaviour(await readable(request, context), context)
                except Exception as error:  # noqa: BLE001 - the item's own error; the others go on
                    failed: Message = kind(
                        index=index, error=schemas.operation_error(to_hub_error(error, method.full_name))
                    )
                    return failed
                response.index = index
                answered: Message = response
                return answered

            with correlated(_given(context)) as identifier:
                await context.send_initial_metadata(((CORRELATION_ID, identifier),))
                try:
                    # Whoever may not call at all is told so once, before anything is read. Items are counted, each by itself.
                    principal = await servicer.uncounted(context)
                    servicer.check_stream(principal)
                    exchange = Exchange(context, answer, self._streams, self._admission)
                    with self._standings.while_standing(principal, exchange.refuse):
                        await exchange.run()
                except Exception as error:  # noqa: BLE001 - every error is answered in the catalogue's words
                    await abort(context, to_hub_error(error, method.full_name), identifier)
                context.set_trailing_metadata(((CORRELATION_ID, identifier),))

        return call

    def _limit(self, context: Context) -> timedelta:
        remaining: float | None = context.time_remaining()
        if remaining is None:
            return self._request_timeout
        return min(self._request_timeout, timedelta(seconds=max(0.0, remaining)))


class _Readable:
    """The request as a message; whoever has no credential learns that before how their bytes were read, which is counted."""

    def __init__(self, principal_of: PrincipalOf) -> None:
        self._principal_of = principal_of

    async def __call__(self, request: Request, context: Context) -> Message:
        if isinstance(request, HubError):
            await self._principal_of(context)
        return _message(request)


def _message(request: Request) -> Message:
    if isinstance(request, HubError):
        raise request
    return request


def _bytes_of(request: Request) -> int:
    return request.ByteSize() if isinstance(request, Message) else 0


def _given(context: Context) -> str | None:
    """The caller's correlation id; `correlated` judges whether it is a fit one."""
    return metadata_value(context, CORRELATION_ID)


def _in_words_of(request: Request, error: HubError) -> HubError:
    """Page arguments bear gRPC's names where the request has them (a watch's `after` is called `after` here too)."""
    if isinstance(request, Message) and "page_token" in request.DESCRIPTOR.fields_by_name:
        return renamed(error, PAGE_FIELDS)
    return error
