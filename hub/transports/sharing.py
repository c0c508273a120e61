"""What many streams carry is made once: each protocol's rendering of an event, kept while the event lasts."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from hub.domain.events import Event

Rendering = TypeVar("Rendering")


class Renderings(Generic[Rendering]):
    """By event and by how it is rendered.

    An event belongs to one user's streams, and it is the very object that counts, not what it says: no rendering can reach
    a stream that was not handed this event. It goes with the last stream that has yet to send it, whose queues are bounded.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[Event], dict[Hashable, Rendering]]] = {}

    def __len__(self) -> int:
        """How many events have renderings."""
        return len(self._kept)

    def get(self, event: Event, how: Hashable = None) -> Rendering | None:
        """What was kept of it."""
        found = self._kept.get(id(event))
        return None if found is None else found[1].get(how)

    def keep(self, event: Event, rendering: Rendering, how: Hashable = None) -> None:
        """Keeps it for the others."""
        key = id(event)
        if key not in self._kept:
            self._kept[key] = (weakref.ref(event, lambda _: self._kept.pop(key, None)), {})
        self._kept[key][1][how] = rendering

    def made(self, event: Event, make: Callable[[Event], Rendering]) -> Rendering:
        """What was kept, or is made now."""
        found = self.get(event)
        if found is None:
            found = make(event)
            self.keep(event, found)
        return found
