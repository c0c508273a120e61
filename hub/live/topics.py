"""A user's open streams in this process, and how a change becomes one event that all of them share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from hub.core.ports import AllRead, AllSeen, Undone
from hub.domain.events import CappedCount, Event, EventKind, InboxCounts, InboxPosition
from hub.domain.notifications import Notification
from hub.live import cursors
from hub.live.cursors import Progress
from hub.live.streams import Stream, Told
from hub.store.inbox import Latest, Trace

CLOCKS_DIFFER = timedelta(seconds=2)
"""By how much the store's clock may be ahead of ours."""
MARKING = timedelta(seconds=10)
"""How long a mark-all may take; shorter than the overlap, so that the next look still finds its items."""

Owner = tuple[str, str]
"""Tenant and user."""
_IN_APP = "in_app"


@dataclass(frozen=True, slots=True)
class _Marked:
    """Changes of many items that were told in one event."""

    kind: EventKind
    up_to: InboxPosition | None
    category: str | None
    until: datetime


class Topic:
    """All streams of one user. Reads nothing itself."""

    def __init__(self, tenant: str, user_id: str, *, started: datetime, beat_at: float) -> None:
        self.tenant = tenant
        self.user_id = user_id
        nothing = CappedCount(0, capped=False)
        self.counts = InboxCounts(nothing, nothing)
        """As last read."""
        self.progress = Progress(started, started)
        """Until when everything was handed to its streams."""
        self.beat_at = beat_at
        """When its next heartbeat is due, by the loop's clock."""
        self.stale = False
        """Hints may have been lost: it has to look again at once."""
        self._inbox: set[Stream] = set()
        self._single: defaultdict[UUID, set[Stream]] = defaultdict(set)
        self._known: dict[UUID, tuple[int, datetime]] = {}
        self._marked: list[_Marked] = []

    @property
    def empty(self) -> bool:
        """Whether nobody watches any more."""
        return not self._inbox and not self._single

    @property
    def watched(self) -> set[UUID]:
        """Notifications that have streams of their own."""
        return set(self._single)

    @property
    def has_inbox_streams(self) -> bool:
        """Whether anyone watches the inbox as a whole."""
        return bool(self._inbox)

    def streams(self) -> Iterator[Stream]:
        """Every stream of this user."""
        yield from list(self._inbox)
        for streams in list(self._single.values()):
            yield from list(streams)

    def join(self, stream: Stream) -> None:
        """From now on the stream is told."""
        (self._inbox if stream.only is None else self._single[stream.only]).add(stream)

    def leave(self, stream: Stream) -> None:
        """From now on it is not."""
        if stream.only is None:
            self._inbox.discard(stream)
            return
        self._single[stream.only].discard(stream)
        if not self._single[stream.only]:
            del self._single[stream.only]

    def concerns(self, latest: Latest) -> bool:
        """Whether any stream may have to be told."""
        notification = latest.notification
        if notification.id in self._single:
            return True
        return bool(self._inbox) and inbox_kind(notification) is not None and not self._knows(notification)

    def tell(self, latest: Latest, *, found: bool) -> None:
        """Hands a version to the streams of the inbox, if it means anything to them."""
        notification = latest.notification
        kind = inbox_kind(notification)
        if kind is None or not self._inbox or self._knows(notification):
            return
        self._known[notification.id] = (notification.version, notification.updated_at)
        progress = Progress(notification.updated_at, self.progress.complete)
        self._hand(self._inbox, Told(self.event(kind, progress, notification), progress, found))

    def tell_single(self, latest: Latest) -> None:
        """Hands a version to the streams of this notification."""
        notification = latest.notification
        if single := self._single.get(notification.id):
            kind = EventKind.REMOVED if latest.deleted else EventKind.CHANGED
            progress = Progress(notification.updated_at, self.progress.complete)
            self._hand(single, Told(self.event(kind, progress, notification), progress))

    def tell_of_many(self, mark: AllRead | AllSeen | Undone, read_at: datetime) -> None:
        """One event for however many items; looking again shall not tell each of them once more."""
        progress = Progress(max(read_at, self.progress.at), self.progress.complete)
        if isinstance(mark, Undone):
            # Which items these were can't be said in one event: the readers list afresh.
            event = self.event(EventKind.RESYNC, progress)
        else:
            kind = EventKind.ALL_READ if isinstance(mark, AllRead) else EventKind.ALL_SEEN
            event = replace(
                self.event(kind, progress, up_to=mark.up_to), category=mark.category, marked_at=mark.marked_at
            )
        self._marked.append(_Marked(event.kind, event.up_to, event.category, read_at + CLOCKS_DIFFER))
        self._hand(self._inbox, Told(event, progress))

    def tell_resync(self, traces: Iterable[Trace], started: datetime) -> None:
        """Too much at once: the readers list afresh. Counts as having told of all of it."""
        self._known |= {trace.id: (trace.version, trace.updated_at) for trace in traces}
        progress = Progress(started, started)
        self._hand(self._inbox, Told(self.event(EventKind.RESYNC, progress), progress))

    def beat(self) -> None:
        """A heartbeat to everybody."""
        told = Told(self.event(EventKind.HEARTBEAT, self.progress), self.progress)
        for stream in self.streams():
            stream.offer(told)

    def unknown(self, traces: Iterable[Trace], started: datetime) -> list[Trace]:
        """Those whose present version nobody here was told of, neither singly nor by a mark-all, and somebody must be.

        What a mark-all, or its undoing, has just changed waits for its own event; if that is lost, for the next time.
        """
        # Those that are replaying find it by themselves.
        floors = [stream.floor for stream in self._inbox if not stream.replaying]
        if not floors:
            return []
        since = min(floors)
        marking = started - MARKING
        return [
            trace
            for trace in traces
            if trace.updated_at > since
            and self._known.get(trace.id, (0,))[0] < trace.version
            and not (trace.told_as is not None and trace.updated_at > marking)
            and not any(_covers(mark, trace) for mark in self._marked)
        ]

    def looked_again(self, started: datetime) -> None:
        """Everything that changed until `started` was told; what lies before the overlap can be forgotten."""
        self.progress = Progress(started, started)
        self._known = {i: known for i, known in self._known.items() if known[1] > self.progress.since}
        self._marked = [mark for mark in self._marked if mark.until > self.progress.since]

    def event(
        self,
        kind: EventKind,
        progress: Progress,
        notification: Notification | None = None,
        up_to: InboxPosition | None = None,
    ) -> Event:
        """An event with the counts as last read."""
        cursor = cursors.encode(self.tenant, self.user_id, progress)
        return Event(kind, cursor, self.counts, notification, up_to)

    def end(self, notification_id: UUID) -> None:
        """Ends the streams of a notification that left nothing behind, not even a tombstone."""
        for stream in self._single.get(notification_id, ()):
            stream.end()

    def _knows(self, notification: Notification) -> bool:
        return self._known.get(notification.id, (0,))[0] >= notification.version

    @staticmethod
    def _hand(streams: Iterable[Stream], told: Told) -> None:
        for stream in streams:
            stream.offer(told)


def inbox_kind(notification: Notification) -> EventKind | None:
    """What a version means to those who watch the inbox; None if it never was there."""
    if notification.in_inbox:
        return EventKind.CHANGED
    if notification.type == _IN_APP and notification.delivered_at is not None:
        return EventKind.REMOVED
    return None


def _covers(mark: _Marked, trace: Trace) -> bool:
    if trace.told_as is not mark.kind or trace.inbox_at is None or trace.updated_at > mark.until:
        return False
    if mark.up_to is None:
        return True
    of_these = mark.category in (None, trace.category)
    return of_these and (trace.inbox_at, trace.id) <= (mark.up_to.delivered_at, mark.up_to.id)
