"""The way from the core's feed to a subscription."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from hub.domain import events
from hub.transports.graphql.schemas import Event


async def events_of(feed: AsyncGenerator[events.Event]) -> AsyncGenerator[Event, None]:
    """The feed's events as the schema's. Closing this closes the feed, at once."""
    async with aclosing(feed):
        async for event in feed:
            yield Event.of(event)
