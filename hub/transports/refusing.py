"""What REST and GraphQL do alike with a caller for whom there is no place: answered at once, heard again later."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hub.core.admission import Turns

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

PAUSE_SECONDS = (0.5, 1.5)
"""About as long as Retry-After says; spread, or all of them would be heard again in the same moment."""
LONGEST_PAUSE_SECONDS = 2.0
"""How much longer it is at most, while those that were let in still wait to begin."""


def unhurried(send: Send, turns: Turns) -> Send:
    """Sends a refusal, and reads nothing more from this connection until its caller was to come back and can be heard.

    Refusing costs a good part of what a small request costs: callers who ask again at once, whatever they are told, would
    leave no time for what is under way. Whoever waits as told notices nothing.
    """

    async def pausing(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        # All that the caller waits for is out; the server takes the answer for unfinished, and so reads no next request.
        await send({**message, "more_body": True})
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311 - spreads load, keeps no secret
        await turns.calm(LONGEST_PAUSE_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return pausing
