"""What the feed reads from the store: bounded in time, and never once for each stream."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from hub.domain.events import InboxCounts
from hub.domain.notifications import Notification
from hub.live.joint import Joint, Spawn
from hub.live.topics import Topic
from hub.store.client import store_deadline
from hub.store.inbox import InboxStore, Latest, Trace

MOST_CHANGES = 1000
"""More than these are not replayed: the reader lists afresh."""
MOST_TRACES = 10_000
_SECONDS = 5.0
"""How long one read may take."""


class Reading:
    """Every method raises HubError while the store is away, and FeedEndedError once the feed has stopped."""

    def __init__(self, inbox: InboxStore, spawn: Spawn) -> None:
        self._inbox = inbox
        self._spawn = spawn
        self._counts: weakref.WeakKeyDictionary[Topic, Joint[None, InboxCounts]] = weakref.WeakKeyDictionary()
        self._changes: weakref.WeakKeyDictionary[Topic, Joint[datetime, tuple[datetime, list[Notification]]]] = (
            weakref.WeakKeyDictionary()
        )

    def end(self) -> None:
        """The feed has stopped."""
        for counts in list(self._counts.values()):
            counts.end()
        for changes in list(self._changes.values()):
            changes.end()

    async def known_until(self) -> datetime:
        """Up to when all changes show in what is read after this; it lies back where the replica set lags."""
        with store_deadline(_SECONDS):
            return await self._inbox.known_until()

    async def counts(self, topic: Topic) -> InboxCounts:
        """What is unread and what unseen, read after this was asked; shared by all who ask at the same time."""
        joint = self._counts.get(topic)
        if joint is None:
            joint = self._counts[topic] = Joint(self._spawn, partial(self._count, topic.tenant, topic.user_id))
        return await joint.ask(None)

    async def changes(self, topic: Topic, since: datetime) -> tuple[datetime, list[Notification] | None]:
        """Until when it is complete, and what changed in an inbox, oldest change first; None if it is too much.

        Shared like the counts.
        """
        joint = self._changes.get(topic)
        if joint is None:
            joint = self._changes[topic] = Joint(self._spawn, partial(self._changed, topic.tenant, topic.user_id))
        until, found = await joint.ask(since)
        if len(found) > MOST_CHANGES and found[0].updated_at <= since:
            # Too much for somebody who came along and has been away for longer.
            until, found = await self._changed(topic.tenant, topic.user_id, [since])
        mine = [notification for notification in found if notification.updated_at > since]
        return until, mine if len(mine) <= MOST_CHANGES else None

    async def traces(self, tenant: str, user_ids: Sequence[str], since: datetime) -> list[Trace] | None:
        """What changed in many inboxes; None if it is too much."""
        with store_deadline(_SECONDS):
            found = await self._inbox.traces(tenant, user_ids, since, MOST_TRACES + 1)
        return found if len(found) <= MOST_TRACES else None

    async def latest(self, tenant: str, notification_ids: Sequence[UUID]) -> list[Latest]:
        """Notifications and tombstones as they stand."""
        with store_deadline(_SECONDS):
            return await self._inbox.latest(tenant, notification_ids)

    async def _count(self, tenant: str, user_id: str, _asked: Sequence[None]) -> InboxCounts:
        with store_deadline(_SECONDS):
            return await self._inbox.counts(tenant, user_id)

    async def _changed(
        self, tenant: str, user_id: str, since: Sequence[datetime]
    ) -> tuple[datetime, list[Notification]]:
        with store_deadline(_SECONDS):
            until = await self._inbox.known_until()
            return until, await self._inbox.changed_since(tenant, user_id, min(since), MOST_CHANGES + 1)
