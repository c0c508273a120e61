"""A hub without one of its layers of batching: `python -m tests.bench.ablated LAYER run --role api`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from hub.__main__ import main
from hub.core import creation, delivery
from hub.live import wire
from hub.pipeline import relay
from hub.store import work
from hub.store.work import Record


def _inserts() -> None:
    creation.BATCH_SIZE = 1


def _hand_over() -> None:
    relay.IDS_PER_MESSAGE = 1


def _claims_and_records() -> None:
    delivery._BATCH = 1


def _records_alike() -> None:
    def each(records: Sequence[Record]) -> list[list[Record]]:
        return [[record] for record in records]

    work._alike = each


def _hints() -> None:
    wire._HINTS_PER_MESSAGE = 1


def _apart() -> None:
    delivery._APART_SECONDS = relay.APART_SECONDS = 0.0


LAYERS: dict[str, Callable[[], None]] = {
    "concurrent creates share an insert": _inserts,
    "one broker message carries many ids": _hand_over,
    "claims and outcomes are written in batches": _claims_and_records,
    "outcomes that are alike are one update": _records_alike,
    "one message carries the hints of many users": _hints,
    "hand-overs and outcomes keep some milliseconds apart": _apart,
}
"""What each layer is, and what takes it away."""


if __name__ == "__main__":
    LAYERS[sys.argv.pop(1)]()
    sys.exit(main())
