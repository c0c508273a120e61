"""Who is at work, by the heartbeats in the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hub.store.client import Rows, store_deadline, translated, with_majority
from hub.store.documents import HeartbeatDocument
from hub.store.examination.walk import STEP_SECONDS
from hub.store.mapping import Row
from hub.store.updates import after

_RELAYING = frozenset({"all", "relay"})


@dataclass(frozen=True, slots=True)
class AtWork:
    """What the processes heard of lately do between them."""

    relays: bool
    broker_away: bool
    """Whether one of them has lost its broker."""
    channels: frozenset[str]
    """The channels that somebody works for."""


async def at_work(within: timedelta) -> AtWork:
    """Those heard of within this time, by the store's clock."""
    heartbeats: Rows = with_majority(HeartbeatDocument.get_pymongo_collection())
    query: Row = {"$expr": {"$gte": ["$beat_at", after(-within)]}}
    with store_deadline(STEP_SECONDS), translated():
        beats = await heartbeats.find(query, {"role": 1, "broker": 1, "channels": 1}).to_list()
    return AtWork(
        relays=any(beat["role"] in _RELAYING for beat in beats),
        broker_away=any(beat["broker"] is False for beat in beats),
        channels=frozenset(channel for beat in beats for channel in beat["channels"]),
    )
