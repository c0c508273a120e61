"""The rpcs on dead letters: list, replay, purge."""

# ruff: noqa: D102 - methods are named after their rpcs; the protos say what each one does

from __future__ import annotations

from hub.rpc.v1 import notifications_pb2 as pb
from hub.transports.grpc import commands, schemas
from hub.transports.grpc.auth import Context
from hub.transports.grpc.servicer import NotificationServicer


class DeadLetterRpcs(NotificationServicer):
    """Each parses, makes one call, and maps the answer."""

    async def ListDeadLetters(self, request: pb.ListDeadLettersRequest, context: Context) -> pb.ListDeadLettersResponse:
        page = await self.core.dead_letters.list(
            await self.principal_of(context), commands.filters(request), commands.page(request)
        )
        return pb.ListDeadLettersResponse(
            notifications=schemas.notifications(page.items), next_page_token=page.next_cursor or ""
        )

    async def ReplayDeadLetters(
        self, request: pb.ReplayDeadLettersRequest, context: Context
    ) -> pb.ReplayDeadLettersResponse:
        count = await self.core.dead_letters.replay(
            await self.principal_of(context), commands.selection(request), dry_run=request.dry_run
        )
        return pb.ReplayDeadLettersResponse(count=count)

    async def PurgeDeadLetters(
        self, request: pb.PurgeDeadLettersRequest, context: Context
    ) -> pb.PurgeDeadLettersResponse:
        count = await self.core.dead_letters.purge(
            await self.principal_of(context), commands.selection(request), dry_run=request.dry_run
        )
        return pb.PurgeDeadLettersResponse(count=count)
