"""Operations on users, in REST."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hub.core.app import Core
from hub.transports.rest.answers import DeletedUser, User, answer, deleted_user_body, user_body
from hub.transports.rest.auth import Caller
from hub.transports.rest.openapi import BODY_PROBLEMS, PREFIX, operation
from hub.transports.rest.schemas import UserId, UserRecord

_TAG = "users"


class UserRoutes:
    """Each handler parses, makes one call and maps the answer."""

    def __init__(self, core: Core) -> None:
        self._core = core.users

    def add_to(self, router: APIRouter) -> None:
        """The routes, in the order of the contract."""
        one = f"{PREFIX}/users/{{user_id}}"
        router.add_api_route(
            one,
            self.get,
            methods=["GET"],
            response_model=User,
            **operation("getUser", "Get a user's record", _TAG, "The record.", problems=(404,)),
        )
        router.add_api_route(
            one,
            self.update,
            methods=["PUT"],
            response_model=User,
            **operation("updateUser", "Replace a user's record", _TAG, "The record.", problems=(404, *BODY_PROBLEMS)),
        )
        router.add_api_route(
            one,
            self.delete,
            methods=["DELETE"],
            response_model=DeletedUser,
            **operation("deleteUser", "Delete a user", _TAG, "How much is gone.", problems=(404,)),
        )

    async def get(self, user_id: UserId, principal: Caller) -> Response:
        """Where the user can be reached; a user who is notified need not have a record."""
        return answer(user_body(await self._core.get(principal, user_id)))

    async def update(self, user_id: UserId, body: UserRecord, principal: Caller) -> Response:
        """The whole record, whether there was one or not: what is left out is gone."""
        return answer(user_body(await self._core.update(principal, user_id, body.record())))

    async def delete(self, user_id: UserId, principal: Caller) -> Response:
        """Cancels what waits and removes inbox, history, idempotency keys and contact points.

        It may be repeated, and counts zero when nothing is left. Nothing in flight brings anything back.
        """
        return answer(deleted_user_body(await self._core.delete(principal, user_id)))
