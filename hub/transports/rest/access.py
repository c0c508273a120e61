"""Operations on credentials and the audit trail, in REST."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from hub.core.app import Core
from hub.transports.rest.access_schemas import (
    ApiKey,
    AuditPage,
    AuditQuery,
    IssuedKey,
    IssuedToken,
    KeyId,
    Keys,
    NewKey,
    NewToken,
    Rotation,
    entry_body,
    issued_key_body,
    key_body,
)
from hub.transports.rest.answers import answer, linked_answer, time_or_null
from hub.transports.rest.auth import Caller
from hub.transports.rest.notifications import PAGE_RESPONSE
from hub.transports.rest.openapi import BODY_PROBLEMS, PREFIX, header, operation
from hub.transports.rest.schemas import UserId

_TAG = "access"
_SECRET = {"Cache-Control": "no-store"}
"""Of every answer that holds a secret (RFC 9111, section 5.2.2.5)."""
_SECRET_RESPONSE: dict[str, Any] = {"headers": {"Cache-Control": header("Never kept.", "no-store")}}


class AccessRoutes:
    """Each handler parses, makes one call and maps the answer."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, router: APIRouter) -> None:
        """The routes, in the order of the contract."""
        base = f"{PREFIX}/keys"
        one = f"{base}/{{key_id}}"
        router.add_api_route(
            base,
            self.create_key,
            methods=["POST"],
            status_code=201,
            response_model=IssuedKey,
            responses={201: _SECRET_RESPONSE},
            **operation("createKey", "Make a key", _TAG, "The key.", problems=(409, *BODY_PROBLEMS)),
        )
        router.add_api_route(
            base,
            self.list_keys,
            methods=["GET"],
            response_model=Keys,
            **operation("listKeys", "List the tenant's keys", _TAG, "The keys."),
        )
        router.add_api_route(
            f"{one}/rotate",
            self.rotate_key,
            methods=["POST"],
            status_code=201,
            response_model=IssuedKey,
            responses={201: _SECRET_RESPONSE},
            **operation("rotateKey", "Rotate a key", _TAG, "The new key.", problems=(404, 409, *BODY_PROBLEMS)),
        )
        router.add_api_route(
            one,
            self.revoke_key,
            methods=["DELETE"],
            response_model=ApiKey,
            **operation("revokeKey", "Revoke a key", _TAG, "The key that has ended.", problems=(404,)),
        )
        router.add_api_route(
            f"{PREFIX}/users/{{user_id}}/tokens",
            self.issue_user_token,
            methods=["POST"],
            status_code=201,
            response_model=IssuedToken,
            responses={201: _SECRET_RESPONSE},
            **operation(
                "issueUserToken", "Issue a token for a user", _TAG, "The token.", problems=(404, 409, *BODY_PROBLEMS)
            ),
        )
        router.add_api_route(
            f"{PREFIX}/audit",
            self.list_audit_entries,
            methods=["GET"],
            response_model=AuditPage,
            responses={200: PAGE_RESPONSE},
            **operation("listAuditEntries", "List the audit trail", _TAG, "A page."),
        )

    async def create_key(self, body: NewKey, principal: Caller) -> Response:
        """Makes a key of the caller's tenant. Its secret is in this answer and nowhere else."""
        return answer(issued_key_body(await self._core.keys.create(principal, body.command())), 201, _SECRET)

    async def list_keys(self, principal: Caller) -> Response:
        """Every key of the tenant, newest first, those that ended in the last 90 days included."""
        return answer({"items": [key_body(key) for key in await self._core.keys.list(principal)]})

    async def rotate_key(self, key_id: KeyId, principal: Caller, body: Rotation | None = None) -> Response:
        """Makes a key like another one, which goes on for the overlap and then ends; not found if it has ended."""
        issued = await self._core.keys.rotate(principal, key_id, (body or Rotation()).overlap())
        return answer(issued_key_body(issued), 201, _SECRET)

    async def revoke_key(self, key_id: KeyId, principal: Caller) -> Response:
        """Ends a key: requests with it are refused within two seconds, its streams end within five. May be repeated."""
        return answer(key_body(await self._core.keys.revoke(principal, key_id)))

    async def issue_user_token(self, user_id: UserId, principal: Caller, body: NewToken | None = None) -> Response:
        """A short-lived token that opens this user's inbox and nothing else: read, watch, mark."""
        issued = self._core.tokens.issue(principal, user_id, (body or NewToken()).lifetime())
        return answer({"token": issued.token, "expires_at": time_or_null(issued.expires_at)}, 201, _SECRET)

    async def list_audit_entries(
        self, request: Request, query: Annotated[AuditQuery, Query()], principal: Caller
    ) -> Response:
        """Who made and ended keys, replayed, deleted, changed a user: of the tenant, newest first."""
        page = await self._core.audit.list(principal, query.limit, query.after)
        return linked_answer(request, [entry_body(entry) for entry in page.items], page.next_cursor)
