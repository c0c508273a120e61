"""Where hints of changes come from: what the feed asks of RabbitMQ and of change streams alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hub.core.ports import Hint

BIND_SECONDS = 2.0
"""How long a new stream waits until hints of its user certainly arrive."""


class HintSink(Protocol):
    """Who listens: the feed of this process. Neither method blocks or raises."""

    def hints(self, batch: Sequence[Hint]) -> None:
        """Something changed."""
        ...

    def reconnected(self) -> None:
        """From now on hints arrive; until now any number of them may have been lost."""
        ...


class HintSource(Protocol):
    """Hints of what any process changed, for the users asked for. It may lose some and repeat some."""

    def listen(self, sink: HintSink) -> None:
        """From now on, tell this one."""
        ...

    async def bind(self, tenant: str, user_id: str) -> None:
        """Asks for a user's hints, and returns once everything announced from now on arrives.

        Bounded: if the source is away it returns all the same, and `reconnected` follows later.
        """
        ...

    def unbind(self, tenant: str, user_id: str) -> None:
        """Nobody here watches that user any more."""
        ...


class Deaf:
    """The sink of a source that nobody listens to yet."""

    def hints(self, batch: Sequence[Hint]) -> None:
        """Drops them."""

    def reconnected(self) -> None:
        """Nobody has missed anything."""
