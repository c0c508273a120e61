"""Who calls: the credential of a call, made a principal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from hub.domain.principals import ANONYMOUS_LOCAL, Principal

Context = grpc.aio.ServicerContext[Any, Any]
"""What grpc.aio hands to a handler beside the request."""

PrincipalOf = Callable[[Context], Awaitable[Principal]]
"""Extracts the caller; raises UNAUTHENTICATED where a credential is wanted and missing or wrong."""


async def principal_of(_context: Context) -> Principal:
    """The caller of a hub without credentials, which serves loopback only."""
    return ANONYMOUS_LOCAL
