"""Takes the caller's credential out of a request; what it may do is decided by the core."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from hub.domain.principals import ANONYMOUS_LOCAL, Principal


async def principal_of(_request: Request) -> Principal:
    """Who calls. The hub runs without credentials so far, and then serves loopback only."""
    return ANONYMOUS_LOCAL


Caller = Annotated[Principal, Depends(principal_of)]
