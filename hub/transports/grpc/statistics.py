"""The rpc on statistics."""

# ruff: noqa: D102 - methods are named after their rpcs; the protos say what each one does

from __future__ import annotations

from hub.rpc.v1 import notifications_pb2 as pb
from hub.transports.grpc import commands, schemas
from hub.transports.grpc.auth import Context
from hub.transports.grpc.servicer import NotificationServicer


class StatisticsRpcs(NotificationServicer):
    """It parses, makes one call, and maps the answer."""

    async def GetStatistics(self, request: pb.GetStatisticsRequest, context: Context) -> pb.GetStatisticsResponse:
        principal = await self.principal_of(context)
        moments = commands.times(request, "from", "to")
        counted = await self.core.statistics.get(
            principal,
            start=moments["from"],
            end=moments["to"],
            bucket=commands.bucket(request.bucket),
            type_=commands.given(request, "type"),
            category=commands.given(request, "category"),
            status=commands.wanted_status(request.status),
        )
        return pb.GetStatisticsResponse(statistics=schemas.statistics(counted))
