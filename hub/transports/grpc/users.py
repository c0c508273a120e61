"""The rpcs on user records: read, replace, delete the user."""

# ruff: noqa: D102 - methods are named after their rpcs; the protos say what each one does

from __future__ import annotations

from hub.rpc.v1 import users_pb2 as pb
from hub.rpc.v1.users_pb2_grpc import UserServiceServicer
from hub.transports.grpc import commands, schemas
from hub.transports.grpc.auth import Context
from hub.transports.grpc.servicer import Servicer


class UserService(Servicer, UserServiceServicer):
    """Each parses, makes one call, and maps the answer."""

    async def GetUser(self, request: pb.GetUserRequest, context: Context) -> pb.GetUserResponse:
        found = await self.core.users.get(await self.principal_of(context), request.user_id)
        return pb.GetUserResponse(user=schemas.user(found))

    async def UpdateUser(self, request: pb.UpdateUserRequest, context: Context) -> pb.UpdateUserResponse:
        kept = await self.core.users.update(
            await self.principal_of(context), request.user_id, commands.user_record(request)
        )
        return pb.UpdateUserResponse(user=schemas.user(kept))

    async def DeleteUser(self, request: pb.DeleteUserRequest, context: Context) -> pb.DeleteUserResponse:
        deleted = await self.core.users.delete(await self.principal_of(context), request.user_id)
        return pb.DeleteUserResponse(
            notifications=deleted.notifications,
            cancelled=deleted.cancelled,
            keys=deleted.keys,
            contact_points=deleted.contact_points,
        )
