"""The rpcs on credentials and the audit trail."""

# ruff: noqa: D102 - methods are named after their rpcs; the protos say what each one does

from __future__ import annotations

from hub.rpc.v1 import access_pb2 as pb
from hub.rpc.v1.access_pb2_grpc import AccessServiceServicer
from hub.transports.grpc import commands, schemas
from hub.transports.grpc.auth import Context
from hub.transports.grpc.servicer import Servicer


class AccessService(Servicer, AccessServiceServicer):
    """Each parses, makes one call, and maps the answer."""

    async def CreateKey(self, request: pb.CreateKeyRequest, context: Context) -> pb.CreateKeyResponse:
        issued = await self.core.keys.create(await self.principal_of(context), commands.new_key(request))
        return pb.CreateKeyResponse(key=schemas.api_key(issued.key), secret=issued.secret)

    async def ListKeys(self, request: pb.ListKeysRequest, context: Context) -> pb.ListKeysResponse:  # noqa: ARG002 - it says nothing
        found = await self.core.keys.list(await self.principal_of(context))
        return pb.ListKeysResponse(keys=[schemas.api_key(key) for key in found])

    async def RotateKey(self, request: pb.RotateKeyRequest, context: Context) -> pb.RotateKeyResponse:
        issued = await self.core.keys.rotate(
            await self.principal_of(context), request.key_id, commands.span(request, "overlap_seconds")
        )
        return pb.RotateKeyResponse(key=schemas.api_key(issued.key), secret=issued.secret)

    async def RevokeKey(self, request: pb.RevokeKeyRequest, context: Context) -> pb.RevokeKeyResponse:
        revoked = await self.core.keys.revoke(await self.principal_of(context), request.key_id)
        return pb.RevokeKeyResponse(key=schemas.api_key(revoked))

    async def IssueUserToken(self, request: pb.IssueUserTokenRequest, context: Context) -> pb.IssueUserTokenResponse:
        issued = self.core.tokens.issue(
            await self.principal_of(context), request.user_id, commands.span(request, "lifetime_seconds")
        )
        return pb.IssueUserTokenResponse(token=issued.token, expires_at=schemas.timestamp(issued.expires_at))

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        principal = await self.principal_of(context)
        wanted = commands.page(request)
        found = await self.core.audit.list(principal, wanted.limit, wanted.after)
        return pb.ListAuditEntriesResponse(
            entries=[schemas.audit_entry(entry) for entry in found.items], next_page_token=found.next_cursor or ""
        )
