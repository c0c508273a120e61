"""Who calls: the key of a call, in its metadata `authorization`, made a principal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from hub.core.credentials import Credentials, bearer
from hub.domain.errors import HubError
from hub.domain.principals import Principal

Context = grpc.aio.ServicerContext[Any, Any]
"""What grpc.aio hands to a handler beside the request."""

PrincipalOf = Callable[[Context], Awaitable[Principal]]
"""Extracts the caller; raises UNAUTHENTICATED where a credential is wanted and missing or wrong."""


class Callers:
    """Tells who makes a call."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def principal_of(self, context: Context) -> Principal:
        """The caller; UNAUTHENTICATED where a key is wanted and missing or wrong."""
        return await self._credentials.authenticate(_token(context))

    async def principal_if_given(self, context: Context) -> Principal | None:
        """The caller, or None where a key is wanted and missing; a wrong one is UNAUTHENTICATED."""
        try:
            return await self.principal_of(context)
        except HubError:
            if _token(context) is None:
                return None
            raise


def _token(context: Context) -> str | None:
    return bearer(metadata_value(context, "authorization"))


def metadata_value(context: Context, name: str) -> str | None:
    """The first value of that name in the call's metadata."""
    return next((str(value) for key, value in context.invocation_metadata() or () if key == name), None)
