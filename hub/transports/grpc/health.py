"""The rpc on the hub's health; probes ask `probes`."""

# ruff: noqa: D102 - methods are named after their rpcs; the protos say what each one does

from __future__ import annotations

from hub.rpc.v1 import health_pb2 as pb
from hub.rpc.v1.health_pb2_grpc import HealthServiceServicer
from hub.transports.grpc import schemas
from hub.transports.grpc.auth import Context
from hub.transports.grpc.servicer import Servicer


class HealthService(Servicer, HealthServiceServicer):
    """It parses, makes one call, and maps the answer."""

    async def GetHealth(self, request: pb.GetHealthRequest, context: Context) -> pb.GetHealthResponse:  # noqa: ARG002 - it says nothing
        report = await self.core.health.report(await self.principal_if_given(context))
        return pb.GetHealthResponse(health=schemas.health(report))
