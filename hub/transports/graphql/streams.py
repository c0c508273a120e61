"""The way from the core's feed to a subscription."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from hub.domain import events
from hub.transports.graphql.schemas import Event


@dataclass(slots=True)
class Taken:
    """What a subscription handed over, once it was parsed, validated, and allowed."""

    feed: AsyncGenerator[events.Event] | None = None


_taking: ContextVar[Taken | None] = ContextVar("taking", default=None)


@contextmanager
def taking() -> Iterator[Taken]:
    """Inside, a subscription that begins hands its feed over, and has no results of its own."""
    taken = Taken()
    token = _taking.set(taken)
    try:
        yield taken
    finally:
        _taking.reset(token)


def events_of(feed: AsyncGenerator[events.Event]) -> AsyncGenerator[Event, None]:
    """The feed's events as the schema's. Closing this closes the feed, at once."""
    taken = _taking.get()
    if taken is None:
        return _each(feed)
    taken.feed = feed
    return _none()


async def _each(feed: AsyncGenerator[events.Event]) -> AsyncGenerator[Event, None]:
    async with aclosing(feed):
        async for event in feed:
            yield Event.of(event)


async def _none() -> AsyncGenerator[Event, None]:
    nothing: tuple[Event, ...] = ()
    for event in nothing:
        yield event
