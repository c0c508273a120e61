"""What probes and tools ask: `grpc.health.v1`, and reflection under both its names."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import OVERALL_HEALTH
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection_pb2 as reflection_pb
from grpc_reflection.v1alpha.reflection import aio as reflection_aio

from hub.domain.errors import HubError
from hub.log import correlated
from hub.transports.grpc.auth import Context
from hub.transports.grpc.errors import abort
from hub.transports.grpc.streams import OpenStreams

REFLECTION_SERVICES = ("grpc.reflection.v1alpha.ServerReflection", "grpc.reflection.v1.ServerReflection")
"""The same messages on the wire; the library knows the first name only, newer tools ask for the second."""


class Health(health_aio.HealthServicer):
    """The health of the server and of each service; its watchers go when `streams` end."""

    def __init__(self, services: Sequence[str], streams: OpenStreams) -> None:
        super().__init__()
        self._streams = streams
        self._services = (OVERALL_HEALTH, *services)

    async def set_serving(self, serving: bool) -> None:  # noqa: FBT001 - the one thing it is about
        """Says of everything at once whether it can be used; ignored after `enter_graceful_shutdown`."""
        serving_status = health_pb2.HealthCheckResponse
        for service in self._services:
            await self.set(service, serving_status.SERVING if serving else serving_status.NOT_SERVING)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """Follows the health of a service until the server stops."""
        try:
            async with self._streams.member():
                await super().Watch(request, context)
        except HubError as error:
            await _end(context, error)


class Reflection(reflection_aio.ReflectionServicer):
    """Gives out the protos; its streams go when `streams` end."""

    def __init__(self, services: Sequence[str], streams: OpenStreams) -> None:
        super().__init__(service_names=services)
        self._streams = streams

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """The one rpc, under both names."""
        handler = grpc.stream_stream_rpc_method_handler(
            self._answer,
            reflection_pb.ServerReflectionRequest.FromString,
            reflection_pb.ServerReflectionResponse.SerializeToString,
        )
        methods = {"ServerReflectionInfo": handler}
        return [grpc.method_handlers_generic_handler(name, methods) for name in REFLECTION_SERVICES]

    async def _answer(self, requests: AsyncIterable[reflection_pb.ServerReflectionRequest], context: Context) -> None:
        # The stubs take the generator for a coroutine.
        answers: Any = self.ServerReflectionInfo(requests, context)
        try:
            async with self._streams.member():
                async for answer in answers:
                    await context.write(answer)
        except HubError as error:
            await _end(context, error)


async def _end(context: Context, error: HubError) -> None:
    with correlated(None) as identifier:
        await abort(context, error, identifier)
