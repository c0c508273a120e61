"""The sweep: finds on one index what the hand-over missed and what has fallen due, and sets it going."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from hub.broker.connection import BrokerAwayError
from hub.core.delivery import Delivery
from hub.core.ports import Announcer, Change
from hub.core.tasks import checkpoint
from hub.domain.errors import HubError
from hub.domain.notifications import Lane, Notification, Priority
from hub.domain.status import Status
from hub.log import get_logger
from hub.pipeline.transport import Transport
from hub.store.leases import LeaseStore
from hub.store.outbox import Due, Line, OutboxStore

log = get_logger(__name__)

IDS_PER_MESSAGE = 20
DEPTH_LIMIT = 100
"""Messages a lane may hold before the sweep leaves the rest in the store: about 2,000 ids."""
SHARE = 500
"""How much of one tenant's backlog one turn takes up, so that tenants take turns."""
_DUTY = "sweep"
_TERM = timedelta(seconds=10)


class Sweep:
    """One process sweeps at a time; a second one would only do the same work again."""

    def __init__(
        self,
        outbox: OutboxStore,
        leases: LeaseStore,
        transport: Transport,
        delivery: Delivery,
        announcer: Announcer,
        interval: timedelta,
    ) -> None:
        self._outbox = outbox
        self._leases = leases
        self._transport = transport
        self._delivery = delivery
        self._announcer = announcer
        self._interval = interval.total_seconds()
        self._owner = secrets.token_hex(8)
        self._passes = 0

    async def run(self) -> None:
        """Sweeps until cancelled, and lets the next one take over at once."""
        try:
            while True:
                checkpoint()
                if not await self._turn():
                    await asyncio.sleep(self._interval)
        finally:
            await self._leave()

    async def sweep(self) -> bool:
        """One pass over everything due; True if there is certainly more to do at once."""
        self._passes += 1
        by_lane: defaultdict[Lane, list[Line]] = defaultdict(list)
        for line in await self._outbox.lines():
            lane = parse_lane(line.lane)
            if lane is not None:
                by_lane[lane].append(line)
        more = [await self._sweep_lane(lane, lines) for lane, lines in by_lane.items()]
        return any(more)

    async def _turn(self) -> bool:
        try:
            if not await self._leases.take(_DUTY, self._owner, _TERM):
                return False
            async with asyncio.timeout(_TERM.total_seconds()):
                return await self.sweep()
        except HubError:
            return False
        except TimeoutError:
            return True
        except Exception:
            # A defect in here must not stop what everything rests on; it is loud, and the next turn tries again.
            log.exception("sweep_failed")
            return False

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(1):
                await self._leases.give_back(_DUTY, self._owner)
        except (HubError, TimeoutError):
            log.debug("sweep_lease_left_behind")

    async def _sweep_lane(self, lane: Lane, lines: Sequence[Line]) -> bool:
        """Everything due in a lane; the tenants share its room, and another one is the first each time."""
        room = await self._room(lane)
        share = max(1, SHARE // len(lines))
        more = False
        first = self._passes % len(lines)
        for done, line in enumerate([*lines[first:], *lines[:first]]):
            # What somebody leaves goes to those after them. Without a part of their own, those after a tenant with a
            # backlog would wait until all of that is done: the lane of a slow provider is full nearly all the time.
            part = math.ceil(room / (len(lines) - done))
            published, all_moved = await self._sweep_line(lane, line, share, part)
            room -= published
            # What waits for room, or can't be moved, would be read in vain again.
            more = more or (all_moved and room > 0)
        return more

    async def _sweep_line(self, lane: Lane, line: Line, share: int, room: int) -> tuple[int, bool]:
        """How many were published, and whether a full share was due and all of it moved on: then there may be more."""
        try:
            found = await self._outbox.due(line, share)
            published, left = await self._handle(lane, found, room)
            return published, len(found) == share and not left
        except HubError:
            raise
        except Exception:
            # A document that can't be dealt with must not hold up anybody else's.
            log.exception("sweep_of_line_failed", tenant=line.tenant, lane=line.lane)
            return 0, False

    async def _room(self, lane: Lane) -> int:
        """How many more ids the lane may hold."""
        try:
            return max(0, DEPTH_LIMIT - await self._transport.depth(lane)) * IDS_PER_MESSAGE
        except BrokerAwayError:
            return 0

    async def _handle(self, lane: Lane, found: Sequence[Due], room: int) -> tuple[int, int]:
        """Moves on what was found; returns how many ids were published, and how many stay as they were."""
        by_status: defaultdict[Status, list[Due]] = defaultdict(list)
        for due in found:
            by_status[due.status].append(due)
        waiting = [*by_status[Status.SCHEDULED], *by_status[Status.PENDING], *by_status[Status.RETRYING]]
        expired = await self._expire(waiting)
        await self._start(by_status[Status.SCHEDULED])
        sending = by_status[Status.SENDING]
        lapsed = await self._lapse(sending)
        await self._tidy(by_status)
        ready = [due for due in waiting if due.id not in expired]
        published = await self._publish(lane, ready[:room])
        return published, len(ready) - published + len(sending) - lapsed

    async def _expire(self, waiting: Sequence[Due]) -> set[object]:
        mortal = [due.id for due in waiting if due.expires_at is not None]
        if not mortal:
            return set()
        gone = await self._outbox.expire(mortal)
        self._announce(gone)
        return {notification.id for notification in gone}

    async def _start(self, scheduled: Sequence[Due]) -> None:
        if scheduled:
            self._announce(await self._outbox.start_scheduled([due.id for due in scheduled]))

    async def _lapse(self, sending: Sequence[Due]) -> int:
        if not sending:
            return 0
        claims = await self._outbox.lapsed([due.id for due in sending])
        log.info("leases_lapsed", count=len(claims))
        return await self._delivery.lapse(claims)

    async def _tidy(self, by_status: dict[Status, list[Due]]) -> None:
        """Expired inbox items leave the inbox; anything else that is settled has no business in the outbox."""
        delivered = by_status.pop(Status.DELIVERED, [])
        if delivered:
            self._announce(await self._outbox.leave_inbox([due.id for due in delivered]))
        settled = [due.id for status, dues in by_status.items() if status not in _UNSETTLED for due in dues]
        if settled:
            await self._outbox.forget(settled)

    async def _publish(self, lane: Lane, ready: Sequence[Due]) -> int:
        published = []
        try:
            for start in range(0, len(ready), IDS_PER_MESSAGE):
                ids = [due.id for due in ready[start : start + IDS_PER_MESSAGE]]
                if not await self._transport.publish(lane, ids):
                    break
                published += ids
        except BrokerAwayError:
            log.debug("sweep_transport_away", lane=str(lane))
        if published:
            await self._outbox.requeued(published)
        return len(published)

    def _announce(self, notifications: Sequence[Notification]) -> None:
        self._announcer.announce([Change(n.tenant, n.user_id, n.id) for n in notifications])


_UNSETTLED = {Status.SCHEDULED, Status.PENDING, Status.RETRYING, Status.SENDING}


def parse_lane(text: str) -> Lane | None:
    """A lane from its text, or None for one of a newer version; the channel's name may hold dots, the priority never."""
    channel, _, priority = text.rpartition(".")
    try:
        return Lane(channel, Priority(priority))
    except ValueError:
        return None
