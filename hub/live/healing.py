"""Heartbeats, and looking again: what finds the changes whose hints were lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from hub.core.tasks import checkpoint
from hub.domain.errors import HubError
from hub.live.cursors import LONGEST_ABSENCE
from hub.live.joint import FeedEndedError
from hub.live.pump import Pending, Pump
from hub.live.reading import MOST_CHANGES, Reading
from hub.live.topics import Owner, Topic
from hub.log import get_logger
from hub.store.inbox import Trace

log = get_logger(__name__)

_USERS_PER_READ = 200
_BEATS_AT_ONCE = 5
"""Each costs a rendering: what happens meanwhile shall not wait for more of them than these."""


class Healing:
    """Before each heartbeat, and whenever hints may have been lost, topics look again: one read for many users."""

    def __init__(self, topics: Mapping[Owner, Topic], reading: Reading, pump: Pump, heartbeat: float) -> None:
        self._topics = topics
        self._reading = reading
        self._pump = pump
        self._heartbeat = heartbeat
        self._awake = asyncio.Event()

    def look_again(self, topic: Topic) -> None:
        """As soon as can be, and until it has succeeded."""
        topic.stale = True
        self._awake.set()

    async def run(self) -> None:
        """Until cancelled. A store that is away delays no heartbeat for longer than one read may take."""
        clock = asyncio.get_running_loop().time
        while True:
            checkpoint()
            try:
                await self._wait()
                beating = [topic for topic in self._topics.values() if topic.beat_at <= clock()]
                stale = [topic for topic in self._topics.values() if topic.stale and topic.beat_at > clock()]
                await self._heal([*beating, *stale])
                await self._beat(beating)
            except FeedEndedError:
                return
            except Exception:
                # A defect in here must not silence every stream; it is loud, and the next round tries again.
                log.exception("live_healing_failed")
                await asyncio.sleep(1)

    async def _beat(self, topics: Sequence[Topic]) -> None:
        clock = asyncio.get_running_loop().time
        for start in range(0, len(topics), _BEATS_AT_ONCE):
            for topic in topics[start : start + _BEATS_AT_ONCE]:
                topic.beat()
                topic.beat_at = clock() + self._heartbeat
            # Those who are told of it now go first, and so does all that has come in.
            await asyncio.sleep(0)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(min(1.0, self._heartbeat / 10)):
                await self._awake.wait()
        except TimeoutError:
            return
        self._awake.clear()

    async def _heal(self, topics: Iterable[Topic]) -> None:
        by_tenant: defaultdict[str, list[Topic]] = defaultdict(list)
        for topic in topics:
            by_tenant[topic.tenant].append(topic)
        try:
            for tenant, group in by_tenant.items():
                for start in range(0, len(group), _USERS_PER_READ):
                    await self._look(tenant, group[start : start + _USERS_PER_READ])
        except HubError as error:
            # Those that remain are as they were: they look again with their next heartbeat, or sooner if stale.
            log.warning("live_healing_failed", reason=error.reason)

    async def _look(self, tenant: str, topics: Sequence[Topic]) -> None:
        for topic in topics:
            topic.stale = False
        try:
            # Not simply now: what a majority does not have yet must be looked for again.
            started = await self._reading.known_until()
            traces = await self._traces(tenant, [topic for topic in topics if topic.has_inbox_streams])
            if traces is None:
                await self._one_by_one(tenant, topics)
                return
            await self._tell(topics, traces, started)
        except HubError:
            for topic in topics:
                topic.stale = True
            raise
        for topic in topics:
            topic.looked_again(started)

    async def _traces(self, tenant: str, topics: Sequence[Topic]) -> Mapping[str, list[Trace]] | None:
        by_user: defaultdict[str, list[Trace]] = defaultdict(list)
        if not topics:
            return by_user
        since = min(topic.progress.since for topic in topics)
        found = await self._reading.traces(tenant, [topic.user_id for topic in topics], since)
        if found is None:
            return None
        for trace in found:
            by_user[trace.user_id].append(trace)
        return by_user

    async def _one_by_one(self, tenant: str, topics: Sequence[Topic]) -> None:
        if len(topics) > 1:
            for topic in topics:
                await self._look(tenant, [topic])
            return
        topic, started = topics[0], await self._reading.known_until()
        topic.counts = await self._reading.counts(topic)
        topic.tell_resync([], started)
        topic.looked_again(started)

    async def _tell(self, topics: Sequence[Topic], traces: Mapping[str, list[Trace]], started: datetime) -> None:
        batch: dict[Owner, Pending] = {}
        for topic in topics:
            since = topic.progress.since
            recent = [trace for trace in traces.get(topic.user_id, ()) if trace.updated_at > since]
            unknown = topic.unknown(recent, started)
            pending = Pending(singles=topic.watched)
            if len(unknown) > MOST_CHANGES or started - topic.progress.complete > LONGEST_ABSENCE:
                topic.counts = await self._reading.counts(topic)
                topic.tell_resync(unknown, started)
            else:
                pending.ids = {trace.id for trace in unknown}
            if pending.ids or pending.singles:
                batch[topic.tenant, topic.user_id] = pending
        await self._pump.deliver(batch, found=True)
