"""The live feed of one process: the last step of a notification's way, from a change to every open stream."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from hub.core.ports import Hint, Standing, for_ever
from hub.core.standings import ended as ended_credential
from hub.core.tasks import ended
from hub.domain.errors import HubError
from hub.domain.events import Event, EventKind
from hub.domain.notifications import Notification
from hub.domain.paging import Position
from hub.domain.times import now
from hub.live import cursors
from hub.live.cursors import LONGEST_ABSENCE, Progress
from hub.live.healing import Healing
from hub.live.heap import Heap
from hub.live.joint import FeedEndedError
from hub.live.pump import Pump
from hub.live.reading import Reading
from hub.live.sources import HintSource
from hub.live.streams import Stream
from hub.live.topics import Owner, Topic, inbox_kind
from hub.log import get_logger
from hub.store.inbox import InboxStore

log = get_logger(__name__)

HEARTBEAT = timedelta(seconds=15)
_RETRY_SECONDS = 2.0


class LiveFeed:
    """Hints say that something changed; what is told is always read from the store, once for all streams of a user."""

    def __init__(
        self, source: HintSource, inbox: InboxStore, *, heartbeat: timedelta = HEARTBEAT, heap: Heap | None = None
    ) -> None:
        self._source = source
        self._heap = heap
        self._heartbeat = heartbeat.total_seconds()
        self._topics: dict[Owner, Topic] = {}
        self._reading = Reading(inbox, self._spawn)
        self._pump = Pump(self._topics, self._reading, self._look_again)
        self._healing = Healing(self._topics, self._reading, self._pump, self._heartbeat)
        self._group: asyncio.TaskGroup | None = None
        self._context = contextvars.Context()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Streams can be opened inside; leaving ends those that are open."""
        started = asyncio.Event()
        # A task of our own, kept, cancelled and awaited: a TaskGroup here would hand the caller's errors back in a group.
        owner = asyncio.get_running_loop().create_task(self._run(started))
        self._source.listen(self)
        try:
            await started.wait()
            yield
        finally:
            self.drain()
            await ended(owner)
            self._reading.end()

    def drain(self) -> None:
        """Ends every stream and lets none begin: their readers come back elsewhere with their cursors."""
        self._group = None
        for topic in self._topics.values():
            for stream in topic.streams():
                stream.end()

    def open_streams(self) -> int:
        """How many streams are open."""
        return sum(len(list(topic.streams())) for topic in self._topics.values())

    def hints(self, batch: Sequence[Hint]) -> None:
        """What the source says."""
        self._pump.add(batch)

    def reconnected(self) -> None:
        """The source may have lost anything: everybody looks again."""
        for topic in self._topics.values():
            self._look_again(topic)

    async def watch_inbox(
        self, tenant: str, user_id: str, after: Position | None, standing: Standing = for_ever
    ) -> AsyncGenerator[Event]:
        """Events of a user's inbox: a heartbeat at once, then what changed since `after`, then live.

        Raises HubError before the first event, later only UNAUTHENTICATED when the reader's credential ends.
        """
        if self._group is None:
            return
        async with self._joined(Stream(tenant, user_id), standing) as (topic, stream):
            began = now()
            progress = Progress(began, began) if after is None else cursors.decode(after, began)
            stream.begin(progress, behind=after is not None)
            yield await self._first(topic, progress)
            while stream.goes_on():
                for event in await (self._catch_up(topic, stream) if stream.behind else stream.take_some()):
                    # What was ended meanwhile gets nothing more, however much was at hand.
                    if not stream.goes_on():
                        break
                    yield event

    async def watch_notification(
        self, tenant: str, user_id: str, notification_id: UUID, standing: Standing = for_ever
    ) -> AsyncGenerator[Event]:
        """Events of one notification: a heartbeat, its present version, then live; ends when it is removed."""
        if self._group is None:
            return
        async with self._joined(Stream(tenant, user_id, notification_id), standing) as (topic, stream):
            began = now()
            stream.begin(Progress(began, began), behind=False)
            yield await self._first(topic, stream.progress)
            self._pump.look_at(stream.owner, notification_id)
            while stream.goes_on():
                for event in await (self._catch_up(topic, stream) if stream.behind else stream.take_some()):
                    if not stream.goes_on():
                        break
                    yield event
                    if event.kind is EventKind.REMOVED:
                        return

    @asynccontextmanager
    async def _joined(self, stream: Stream, standing: Standing) -> AsyncIterator[tuple[Topic, Stream]]:
        """The stream is told from here on, before anything is read; leaving forgets it."""
        owner = stream.owner
        topic = self._topics.get(owner)
        if topic is None:
            beat_at = asyncio.get_running_loop().time() + self._heartbeat
            topic = self._topics[owner] = Topic(*owner, started=now(), beat_at=beat_at)
        topic.join(stream)
        if self._heap is not None:
            self._heap.opened()
        try:
            await self._source.bind(*owner)
            with standing(stream.refuse):
                yield topic, stream
            if stream.refused:
                raise ended_credential()
        except FeedEndedError:
            return
        finally:
            topic.leave(stream)
            if self._heap is not None:
                self._heap.closed()
            if topic.empty and self._topics.get(owner) is topic:
                del self._topics[owner]
                self._source.unbind(*owner)

    async def _first(self, topic: Topic, progress: Progress) -> Event:
        topic.counts = await self._reading.counts(topic)
        return topic.event(EventKind.HEARTBEAT, progress)

    async def _catch_up(self, topic: Topic, stream: Stream) -> list[Event]:
        """Replays from the stream's place: after an absence, or where it was too slow for its queue."""
        # From here on it is told again: subscribe, then read.
        stream.behind = False
        began, found = now(), None
        try:
            if began - stream.progress.complete <= LONGEST_ABSENCE:
                began, found = await self._reading.changes(topic, stream.progress.since)
            topic.counts = await self._reading.counts(topic)
        except HubError as error:
            log.warning("live_replay_failed", reason=error.reason)
            stream.fall_behind()
            await stream.pause(_RETRY_SECONDS * (0.5 + random.random()))  # noqa: S311 - spreads load, keeps no secret
            return [topic.event(EventKind.HEARTBEAT, stream.progress)]
        # While the list is read out, a reader too slow for its queue falls behind anew.
        stream.replaying = stream.behind
        if found is None:
            stream.begin(Progress(began, began), behind=False)
            return [topic.event(EventKind.RESYNC, stream.progress)]
        events = [event for notification in found if (event := _replayed(topic, stream, notification)) is not None]
        stream.progress = Progress(stream.progress.at, max(stream.progress.complete, began))
        return events

    def _look_again(self, topic: Topic) -> None:
        self._healing.look_again(topic)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        if self._group is None:
            work.close()
            raise FeedEndedError
        # Shared work must not inherit the deadline of whoever happened to ask first.
        self._group.create_task(work, context=self._context.copy())

    async def _run(self, started: asyncio.Event) -> None:
        self._context = contextvars.copy_context()
        async with asyncio.TaskGroup() as group:
            self._group = group
            started.set()
            group.create_task(self._pump.run())
            group.create_task(self._healing.run())
            if self._heap is not None:
                group.create_task(self._heap.run())


def _replayed(topic: Topic, stream: Stream, notification: Notification) -> Event | None:
    kind = inbox_kind(notification)
    if kind is None or not stream.remember(notification):
        return None
    changed = notification.updated_at
    # Oldest change first: up to this one all is told.
    stream.progress = Progress(max(stream.progress.at, changed), max(stream.progress.complete, changed))
    return topic.event(kind, stream.progress, notification)
