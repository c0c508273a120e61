"""What carries ids from the relay to the workers. It may lose everything it holds: the store gives it back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from hub.core.ports import DeadLetter
from hub.domain.notifications import Lane


@dataclass(frozen=True, slots=True)
class Handed:
    """One message as a worker gets it; acknowledged after everything in it was dealt with."""

    ids: tuple[UUID, ...]
    acknowledge: Callable[[], Awaitable[None]]


class Transport(Protocol):
    """Spreads work over the workers. RabbitMQ and the in-process one pass the same conformance suite."""

    async def publish(self, lane: Lane, ids: Sequence[UUID]) -> bool:
        """Hands over ids in one message; False if the lane is full. Raises BrokerAwayError."""
        ...

    async def depth(self, lane: Lane) -> int:
        """Messages that wait in a lane. Raises BrokerAwayError."""
        ...

    def consume(self, lane: Lane, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Handed]]:
        """Messages of a lane, at most `prefetch` unacknowledged; goes on by itself after an interruption.

        Leaving the context gives back what was not acknowledged.
        """
        ...

    def bury(self, letter: DeadLetter) -> None:
        """Copies what was given up to the dead-letter queue; never blocks and never raises."""
        ...

    @property
    def connected(self) -> bool:
        """Whether work can be handed over now."""
        ...
