"""Takes the caller's credential out of a request; what it may do is decided by the core.

A route asks for it before anything of the request is read; handlers find who was let in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from hub.core.credentials import Credentials, bearer
from hub.domain.errors import HubError
from hub.domain.principals import Principal


async def principal_of(request: Request, credentials: Credentials) -> Principal:
    """Who calls. Raises UNAUTHENTICATED where a key is wanted and missing or wrong."""
    return await credentials.authenticate(_token(request))


async def principal_if_any(request: Request, credentials: Credentials) -> Principal | None:
    """Who calls; None where a key is wanted and none was given. A wrong one is refused here too."""
    try:
        return await principal_of(request, credentials)
    except HubError:
        if _token(request) is None:
            return None
        raise


def _token(request: Request) -> str | None:
    # Two headers are one with a comma (RFC 9110, section 5.3), which is nobody's key: none of them is picked out.
    return bearer(", ".join(request.headers.getlist("authorization")))


# Coroutines, though they wait for nothing: FastAPI takes a plain function to a thread and back, at every request.
async def _caller(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


async def _guest(request: Request) -> Principal | None:
    principal: Principal | None = request.state.principal
    return principal


Caller = Annotated[Principal, Depends(_caller)]
"""A handler with such a parameter is for callers with a credential."""
Guest = Annotated[Principal | None, Depends(_guest)]
"""A handler with such a parameter is for everybody, and tells those with a credential more."""

ADMISSION: dict[Callable[..., object], Callable[[Request, Credentials], Awaitable[Principal | None]]] = {
    _caller: principal_of,
    _guest: principal_if_any,
}
"""What a route does before it reads the request, by what its handler depends on."""
COUNTED = frozenset({principal_of})
"""Who is let in so is also counted by the rate limits; what everybody may ask for, health, is not limited."""
