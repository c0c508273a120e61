"""Everything the hub declares on the broker, as data, in one place. Names carry a version: arguments are immutable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

from hub.domain.notifications import Lane, Priority

LANE_LIMIT = 2000
"""Messages a work queue holds at most; the broker refuses more, and the rest waits in MongoDB."""

DELIVERY_LIMIT = 5
"""How often a message may come back from workers that vanished before it goes to the dead letters.

Attempts are counted in the document, and what is lost here the sweep finds there. A message that the driver can't read
costs whoever gets it the connection: it must not do so for long. (-1 is no limit on RabbitMQ 4.x, and zero on 3.10.)
"""

_FOURTEEN_DAYS_MS = 14 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue."""

    name: str
    arguments: dict[str, str | int] = field(default_factory=dict)


DEAD_LETTERS = Queue(
    "hub.dead.v1",
    {
        "x-queue-type": "quorum",
        "x-max-length": 100_000,
        "x-overflow": "drop-head",
        "x-message-ttl": _FOURTEEN_DAYS_MS,
    },
)
"""For operators who look there: what was given up, and what could not be decoded. The documents are the truth."""


def work_queue(lane: Lane) -> Queue:
    """The queue of a lane. Publishing beyond its limit is refused by the broker, which is our back-pressure."""
    return Queue(
        f"hub.work.{lane}.v1",
        {
            "x-queue-type": "quorum",
            "x-max-length": LANE_LIMIT,
            "x-overflow": "reject-publish",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD_LETTERS.name,
        },
    )


def lanes(channels: Iterable[str]) -> list[Lane]:
    """Every lane of these channels."""
    return [Lane(channel, priority) for channel, priority in product(channels, Priority)]


def queues(channels: Iterable[str]) -> list[Queue]:
    """Every queue of a hub with these channels."""
    return [DEAD_LETTERS, *(work_queue(lane) for lane in lanes(channels))]
