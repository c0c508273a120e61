"""How every call is run: its bytes read, its correlation id, its deadline, its errors, its end when the server drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from hub.core.deadlines import deadline
from hub.domain.errors import HubError, Reason
from hub.log import correlated
from hub.transports.grpc.auth import Context
from hub.transports.grpc.errors import CORRELATION_ID, PAGE_FIELDS, abort, renamed, to_hub_error

Unary = Callable[[Any, Context], Awaitable[Message]]
Streaming = Callable[[Any, Context], AsyncGenerator[Message]]
Request = Message | HubError
"""What came in, or why it can't be read: grpc has no place where a deserializer could say so."""


class OpenStreams:
    """The server streams that hang on this server, so that a drain can end them at once."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()
        self._ended = False

    @asynccontextmanager
    async def member(self) -> AsyncIterator[None]:
        """Runs one stream in the calling task; raises a retryable OVERLOADED once the streams are to end."""
        if self._ended:
            raise _draining()
        # A time limit that never comes, until `end` says that it has: no second task and no race per event.
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limits.add(limit)
                yield
        except TimeoutError:
            if limit.expired():
                raise _draining() from None
            raise
        finally:
            self._limits.discard(limit)

    def end(self) -> None:
        """Ends every stream, and each that would come after."""
        self._ended = True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())


class Calls:
    """Makes the handlers of a service out of plain methods named after its rpcs."""

    def __init__(self, request_timeout: timedelta, max_message_bytes: int, streams: OpenStreams) -> None:
        self._request_timeout = request_timeout
        self._max_message_bytes = max_message_bytes
        self._streams = streams

    def handlers(self, service: ServiceDescriptor, servicer: object) -> grpc.GenericRpcHandler:
        """All rpcs of the service; a method that is missing stops the start."""
        methods = {method.name: self._handler(method, getattr(servicer, method.name)) for method in service.methods}
        return grpc.method_handlers_generic_handler(service.full_name, methods)

    def _handler(self, method: MethodDescriptor, behaviour: Any) -> grpc.RpcMethodHandler[Any, Any]:
        parse = self._parser(GetMessageClass(method.input_type))
        serialize = GetMessageClass(method.output_type).SerializeToString
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream(method.full_name, behaviour), parse, serialize)
        return grpc.unary_unary_rpc_method_handler(self._unary(method.full_name, behaviour), parse, serialize)

    def _parser(self, message: type[Message]) -> Callable[[bytes], Request]:
        def parse(raw: bytes) -> Request:
            if len(raw) > self._max_message_bytes:
                return HubError(Reason.TOO_LARGE, f"A message may have at most {self._max_message_bytes:,} bytes.")
            try:
                return message.FromString(raw)
            except DecodeError:
                return HubError(Reason.MALFORMED, f"The request is not a {message.DESCRIPTOR.full_name}.")

        return parse

    def _unary(self, name: str, behaviour: Unary) -> Callable[[Request, Context], Awaitable[Message]]:
        async def call(request: Request, context: Context) -> Message:
            with correlated(_given(context)) as identifier:
                try:
                    async with deadline(self._limit(context)):
                        response = await behaviour(_readable(request), context)
                except Exception as error:  # noqa: BLE001 - every error is answered in the catalogue's words
                    await abort(context, _in_words_of(request, to_hub_error(error, name)), identifier)
                context.set_trailing_metadata(((CORRELATION_ID, identifier),))
                return response

        return call

    def _stream(self, name: str, behaviour: Streaming) -> Callable[[Request, Context], Awaitable[None]]:
        # Writes instead of yielding: the drain's cancellation must find this task inside `member`, not in between.
        async def call(request: Request, context: Context) -> None:
            with correlated(_given(context)) as identifier:
                # A unary call gives its id at the end; whoever watches would wait for it too long.
                await context.send_initial_metadata(((CORRELATION_ID, identifier),))
                try:
                    async with self._streams.member(), aclosing(behaviour(_readable(request), context)) as responses:
                        async for response in responses:
                            await context.write(response)
                except Exception as error:  # noqa: BLE001 - every error is answered in the catalogue's words
                    await abort(context, to_hub_error(error, name), identifier)
                context.set_trailing_metadata(((CORRELATION_ID, identifier),))

        return call

    def _limit(self, context: Context) -> timedelta:
        remaining: float | None = context.time_remaining()
        if remaining is None:
            return self._request_timeout
        return min(self._request_timeout, timedelta(seconds=max(0.0, remaining)))


def _draining() -> HubError:
    return HubError(Reason.OVERLOADED, "The server is going away: come back with your last cursor.")


def _given(context: Context) -> str | None:
    """The caller's correlation id; `correlated` judges whether it is a fit one."""
    for key, value in context.invocation_metadata() or ():
        if key == CORRELATION_ID:
            return str(value)
    return None


def _readable(request: Request) -> Message:
    if isinstance(request, HubError):
        raise request
    return request


def _in_words_of(request: Request, error: HubError) -> HubError:
    """Page arguments bear gRPC's names where the request has them (a watch's `after` is called `after` here too)."""
    if isinstance(request, Message) and "page_token" in request.DESCRIPTOR.fields_by_name:
        return renamed(error, PAGE_FIELDS)
    return error
