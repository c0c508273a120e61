"""The pump: takes hints in batches, reads what they are about once, and tells the streams."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from uuid import UUID

from hub.core.ports import AllRead, AllSeen, Change, Hint, Undone
from hub.core.tasks import checkpoint, for_each
from hub.domain.errors import HubError
from hub.domain.times import now
from hub.live.joint import FeedEndedError
from hub.live.reading import Reading
from hub.live.topics import Owner, Topic
from hub.log import get_logger
from hub.store.inbox import Latest

log = get_logger(__name__)

_IDS_PER_READ = 500
_REMEMBERED = 10_000
"""Hints that wait at most; with more, every topic looks again instead."""
_PAUSES = (0.2, 0.5, 1.0, 2.0)


@dataclass(slots=True)
class Pending:
    """What is to be read and told for one user."""

    ids: set[UUID] = field(default_factory=set)
    singles: set[UUID] = field(default_factory=set)
    """For the streams of one notification alone."""
    marks: list[AllRead | AllSeen | Undone] = field(default_factory=list)


class Pump:
    """Several hints of one notification become one read and one event, that of the latest version."""

    def __init__(self, topics: Mapping[Owner, Topic], reading: Reading, look_again: Callable[[Topic], None]) -> None:
        self._topics = topics
        self._reading = reading
        self._look_again = look_again
        self._pending: dict[Owner, Pending] = {}
        self._size = 0
        self._awake = asyncio.Event()

    def add(self, hints: Iterable[Hint]) -> None:
        """Notes what changed, of the users who are watched here. Never blocks; bounded."""
        for hint in hints:
            owner = (hint.tenant, hint.user_id)
            if owner not in self._topics:
                continue
            if self._size >= _REMEMBERED:
                self._overflow()
                return
            pending = self._pending.setdefault(owner, Pending())
            if isinstance(hint, Change):
                pending.ids.add(hint.notification_id)
            else:
                self._add_mark(pending, hint)
            self._size += 1
            self._awake.set()

    def look_at(self, owner: Owner, notification_id: UUID) -> None:
        """Reads one notification for the streams that watch it alone."""
        if owner in self._topics:
            self._pending.setdefault(owner, Pending()).singles.add(notification_id)
            self._awake.set()

    async def run(self) -> None:
        """Tells what comes in until cancelled. Whatever could not be read is tried again."""
        failures = 0
        while True:
            checkpoint()
            await self._awake.wait()
            self._awake.clear()
            batch, self._pending, self._size = self._pending, {}, 0
            try:
                await self.deliver(batch)
                failures = 0
            except HubError as error:
                log.warning("live_read_failed", reason=error.reason)
                self._put_back(batch)
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
            except FeedEndedError:
                return
            except Exception:
                # A defect in here must not end every stream; it is loud, and looking again finds what was missed.
                log.exception("live_pump_failed")
                self._look_again_at(batch)

    async def deliver(self, batch: Mapping[Owner, Pending], *, found: bool = False) -> None:
        """Reads and tells. Raises HubError while the store is away; repeating it repeats no event."""
        rows: defaultdict[Owner, list[Latest]] = defaultdict(list)
        for tenant, ids in self._by_tenant(batch).items():
            for chunk in _chunks(ids):
                await self._read(tenant, chunk, rows)
        await for_each(batch, partial(self._tell, batch, rows, found=found))

    async def _read(self, tenant: str, ids: Mapping[UUID, Owner], rows: Mapping[Owner, list[Latest]]) -> None:
        gone = set(ids)
        for latest in await self._reading.latest(tenant, list(ids)):
            rows[tenant, latest.notification.user_id].append(latest)
            gone.discard(latest.notification.id)
        for notification_id in gone:
            if (topic := self._topics.get(ids[notification_id])) is not None:
                topic.end(notification_id)

    async def _tell(
        self, batch: Mapping[Owner, Pending], rows: Mapping[Owner, list[Latest]], owner: Owner, *, found: bool
    ) -> None:
        topic = self._topics.get(owner)
        if topic is None:
            return
        marks = batch[owner].marks
        latest = sorted(filter(topic.concerns, rows[owner]), key=lambda row: row.notification.updated_at)
        if not latest and not marks:
            return
        # Not sooner than the notifications, or an event could carry a count that knows nothing of it.
        read_at = now()
        topic.counts = await self._reading.counts(topic)
        # What was read knows of these marks already, and of what was changed after them.
        for mark in marks:
            topic.tell_of_many(mark, read_at)
        for row in latest:
            if row.notification.id in batch[owner].ids:
                topic.tell(row, found=found)
            topic.tell_single(row)

    def _by_tenant(self, batch: Mapping[Owner, Pending]) -> Mapping[str, dict[UUID, Owner]]:
        ids: defaultdict[str, dict[UUID, Owner]] = defaultdict(dict)
        for owner, pending in batch.items():
            ids[owner[0]].update(dict.fromkeys(pending.ids | pending.singles, owner))
        return ids

    def _add_mark(self, pending: Pending, mark: AllRead | AllSeen | Undone) -> None:
        # Its items are told of by this one event; those that have streams of their own are read all the same.
        pending.singles |= self._topics[mark.tenant, mark.user_id].watched
        pending.marks.append(mark)

    def _overflow(self) -> None:
        log.warning("live_hints_dropped", count=self._size)
        self._pending, self._size = {}, 0
        for topic in self._topics.values():
            self._look_again(topic)

    def _look_again_at(self, owners: Iterable[Owner]) -> None:
        for owner in owners:
            if (topic := self._topics.get(owner)) is not None:
                self._look_again(topic)

    def _put_back(self, batch: Mapping[Owner, Pending]) -> None:
        for (tenant, user_id), pending in batch.items():
            self.add(Change(tenant, user_id, notification_id) for notification_id in pending.ids)
            self.add(pending.marks)
            for notification_id in pending.singles:
                self.look_at((tenant, user_id), notification_id)


def _chunks(ids: Mapping[UUID, Owner]) -> Iterable[dict[UUID, Owner]]:
    items = iter(ids.items())
    while chunk := dict(islice(items, _IDS_PER_READ)):
        yield chunk
