"""What REST and GraphQL say alike of rate limits, in every answer to what was counted: `RateLimit` and `RateLimit-Policy`.

draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4: lists of structured fields (RFC 9651).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from hub.core.rates import metered
from hub.domain.rates import Quota

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

RATE_LIMIT = "RateLimit"
RATE_LIMIT_POLICY = "RateLimit-Policy"


class Metered:
    """An ASGI application whose answers say what is left of the limits that they met."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Passes everything that is no request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with metered() as met:

            async def telling(message: Message) -> None:
                if met and message["type"] == "http.response.start":
                    message = {**message, "headers": [*message.get("headers", ()), *fields(met.values())]}
                await send(message)

            await self._app(scope, receive, telling)


def fields(quotas: Iterable[Quota]) -> list[tuple[bytes, bytes]]:
    """The two header fields."""
    found = list(quotas)
    left = ", ".join(f'"{quota.rate.name}";r={quota.left};t={math.ceil(quota.seconds)}' for quota in found)
    policy = ", ".join(f'"{quota.rate.name}";q={quota.rate.amount};w={quota.rate.seconds}' for quota in found)
    return [(RATE_LIMIT.lower().encode(), left.encode()), (RATE_LIMIT_POLICY.lower().encode(), policy.encode())]
