"""Planted defects: each breaks one promise, so that a run can show that the checker would have noticed.

python -m tests.chaos.defects NAME run --role api
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import aio_pika
from pymongo import WriteConcern

from hub.__main__ import main
from hub.domain.errors import HubError
from hub.domain.notifications import Lane, Notification
from hub.live import cursors
from hub.live.healing import Healing
from hub.live.topics import Topic
from hub.pipeline import wire
from hub.pipeline.rabbit import RabbitTransport
from hub.pipeline.topology import work_queue
from hub.store import keys, notifications, work
from hub.store.client import Rows, translated
from hub.store.mapping import Row
from hub.store.notifications import NotificationStore
from hub.store.outbox import OutboxStore
from hub.store.work import Record


@dataclass(frozen=True, slots=True)
class Defect:
    """How to plant it, and the run in which it must show: only these faults, and how patient the hub is with its store."""

    plant: Callable[[], None]
    faults: tuple[str, ...]
    kinds: frozenset[str]
    """Violations of these kinds count as noticed."""
    store_seconds: float = 3.0
    rate: float = 40.0
    users: int = 8


def _acknowledge_before_the_write() -> None:
    write = NotificationStore.insert_many
    tasks: set[asyncio.Task[None]] = set()

    async def insert_many(self: NotificationStore, new: Sequence[Notification]) -> list[bool | Exception]:
        async def later() -> None:
            await asyncio.sleep(0.3)
            await write(self, new)

        task = asyncio.get_running_loop().create_task(later())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return [True] * len(new)

    NotificationStore.insert_many = insert_many  # type: ignore[method-assign,assignment]  # that is the defect


def _weaker_write_concern() -> None:
    began = NotificationStore.__init__

    def weakened(self: NotificationStore, periods: notifications.Periods) -> None:
        began(self, periods)
        self._rows = self._rows.with_options(write_concern=WriteConcern(w=1))

    kept = keys.KeyStore.__init__

    def weakened_keys(self: keys.KeyStore, retention: object) -> None:
        kept(self, retention)  # type: ignore[arg-type]  # handed on as it came
        self._rows = self._rows.with_options(write_concern=WriteConcern(w=1))

    NotificationStore.__init__ = weakened  # type: ignore[method-assign]  # that is the defect
    keys.KeyStore.__init__ = weakened_keys  # type: ignore[method-assign]  # that is the defect


def _repeat_answered_from_what_is_rolled_back() -> None:
    """It looks before it writes, and believes what one server says."""
    reserve = keys.KeyStore.reserve_many

    async def reserve_many(
        self: keys.KeyStore, wanted: Sequence[keys.Reservation]
    ) -> list[keys.Reservation | Exception]:
        with translated():
            found = self._rows.find({"_id": {"$in": [one.hash for one in wanted]}})
            known = {row["_id"]: row async for row in found}
        missing = [one for one in wanted if one.hash not in known]
        try:
            answers: Sequence[keys.Reservation | Exception] = await reserve(self, missing) if missing else []
        except HubError as error:
            answers = [error] * len(missing)
        fresh = dict(zip([one.hash for one in missing], answers, strict=True))
        return [keys._reserved(one, known[one.hash]) if one.hash in known else fresh[one.hash] for one in wanted]

    def local(rows: Rows) -> Rows:
        return rows

    keys.KeyStore.reserve_many = reserve_many  # type: ignore[method-assign]  # that is the defect
    notifications.with_majority = local  # type: ignore[attr-defined]  # imported there, and replaced there


def _relay_without_confirms() -> None:
    """It publishes into the blue and believes that it arrived: out of the outbox it goes."""

    async def publish(self: RabbitTransport, lane: Lane, ids: Sequence[UUID]) -> bool:
        connection = self._consuming
        if connection is None:
            return True
        channel = await connection[0].channel(publisher_confirms=False)
        message = aio_pika.Message(wire.encode(ids))
        await channel.default_exchange.publish(message, work_queue(lane).name, mandatory=False)
        await channel.close()
        return True

    async def requeued(self: OutboxStore, ids: Sequence[UUID]) -> None:
        await self._rows.update_many({"_id": {"$in": list(ids)}, "claim": None}, {"$unset": {"due": 1}})

    RabbitTransport.publish = publish  # type: ignore[method-assign]  # that is the defect
    OutboxStore.requeued = requeued  # type: ignore[method-assign]  # that is the defect


def _status_write_without_compare_and_set() -> None:
    def unfenced(group: Sequence[Record]) -> Row:
        return {"_id": {"$in": [record.claim.notification.id for record in group]}}

    work._fence = unfenced


def _watcher_without_overlap() -> None:
    """A plain "newer than the last one that I told of", and only when a connection was lost."""

    def since(self: cursors.Progress) -> datetime:
        return self.at

    async def look(_self: Healing, _tenant: str, topics: Sequence[Topic]) -> None:
        for topic in topics:
            if topic.stale:
                for stream in topic.streams():
                    stream.fall_behind()
            topic.stale = False

    cursors.Progress.since = property(since)  # type: ignore[assignment,method-assign]  # that is the defect
    Healing._look = look  # type: ignore[method-assign,assignment]  # likewise


DEFECTS: dict[str, Defect] = {
    "acknowledge-before-the-write": Defect(_acknowledge_before_the_write, ("kill -9 api",), frozenset({"lost"})),
    "weaker-write-concern": Defect(
        _weaker_write_concern, ("isolate and kill the primary",), frozenset({"lost"}), store_seconds=1.0
    ),
    "repeat-from-a-rolled-back-write": Defect(
        _repeat_answered_from_what_is_rolled_back,
        ("isolate and kill the primary",),
        frozenset({"lost", "untrue"}),
        store_seconds=0.7,
    ),
    "relay-without-confirms": Defect(_relay_without_confirms, ("wipe of the broker",), frozenset({"lost"})),
    "status-without-compare-and-set": Defect(
        _status_write_without_compare_and_set, ("freeze worker",), frozenset({"untrue"})
    ),
    "watcher-without-overlap": Defect(
        _watcher_without_overlap,
        ("kill -9 worker", "wipe of the broker", "network of the broker"),
        frozenset({"unseen"}),
        rate=120.0,
        users=2,
    ),
}


if __name__ == "__main__":
    DEFECTS[sys.argv[1]].plant()
    sys.exit(main(sys.argv[2:]))
