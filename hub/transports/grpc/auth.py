"""Who calls: the key of a call, in its metadata `authorization`, made a principal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from hub.core.credentials import Credentials, bearer
from hub.core.rates import Rates
from hub.domain.errors import HubError
from hub.domain.principals import Principal

Context = grpc.aio.ServicerContext[Any, Any]
"""What grpc.aio hands to a handler beside the request."""

PrincipalOf = Callable[[Context], Awaitable[Principal]]
"""Extracts the caller; raises UNAUTHENTICATED where a credential is wanted and missing or wrong."""


class Callers:
    """Tells who makes a call, and counts it."""

    def __init__(self, credentials: Credentials, rates: Rates) -> None:
        self._credentials = credentials
        self._rates = rates

    async def principal_of(self, context: Context) -> Principal:
        """The caller of an operation, which is counted: asked for once for each.

        Raises UNAUTHENTICATED where a key is wanted and missing or wrong, and RATE_LIMITED.
        """
        principal = await self.uncounted(context)
        await self._rates.operation(principal)
        return principal

    async def uncounted(self, context: Context) -> Principal:
        """The caller of what is no operation by itself; UNAUTHENTICATED where a key is wanted and missing or wrong."""
        return await self._credentials.authenticate(_token(context))

    async def principal_if_given(self, context: Context) -> Principal | None:
        """The caller of what is never limited, or None where a key is wanted and missing; a wrong one is UNAUTHENTICATED."""
        try:
            return await self.uncounted(context)
        except HubError:
            if _token(context) is None:
                return None
            raise


def _token(context: Context) -> str | None:
    return bearer(metadata_value(context, "authorization"))


def metadata_value(context: Context, name: str) -> str | None:
    """The first value of that name in the call's metadata."""
    return next((str(value) for key, value in context.invocation_metadata() or () if key == name), None)
