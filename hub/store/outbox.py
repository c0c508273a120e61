"""What the sweep reads and moves: everything whose `due` has come, found on one index, tenants taking turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hub.domain.ids import new_id
from hub.domain.notifications import Fault, Notification
from hub.domain.status import STORED, Status, sources
from hub.store.client import Rows, translated
from hub.store.documents import NotificationDocument
from hub.store.mapping import Row, to_entity
from hub.store.notifications import Periods
from hub.store.updates import NOW, REMOVE, after, changed, earlier_of, into
from hub.store.work import Claim, readable_claims

_SAMPLE = 100
"""How many of each line are looked at to find the oldest."""
_MARGIN = timedelta(seconds=2)
"""What clocks may differ, and how long a look may take."""
EXPIRED = Fault("EXPIRED", "Its time passed before it could be sent.")


@dataclass(frozen=True, slots=True)
class Line:
    """One tenant's share of one lane."""

    tenant: str
    lane: str


@dataclass(frozen=True, slots=True)
class Due:
    """One document that wants something done."""

    id: UUID
    line: Line
    status: Status
    expires_at: datetime | None


class OutboxStore:
    """Compare-and-set in every write: two sweeps at once would be slow, not wrong."""

    def __init__(self, periods: Periods) -> None:
        self._periods = periods
        self._rows: Rows = NotificationDocument.get_pymongo_collection()

    async def lines(self, until: datetime | None = None) -> list[Line]:
        """Which tenants have something due, now or `until` then, in which lanes: one seek on the index for each."""
        found: list[Line] = []
        # Without a word on tenants the index would serve the order alone, and the seek be a walk over all that is due later.
        step: Row = {"tenant": {"$gte": ""}}
        with translated():
            while True:
                query: Row = {"due": {"$lte": until or datetime.now(UTC)}, **step}
                order = [("tenant", 1), ("lane", 1), ("due", 1)]
                rows = await self._rows.find(query, _LINE).sort(order).hint("due").limit(1).to_list()
                if not rows:
                    return found
                line = Line(rows[0]["tenant"], rows[0]["lane"])
                found.append(line)
                step = {"$or": [{"tenant": line.tenant, "lane": {"$gt": line.lane}}, {"tenant": {"$gt": line.tenant}}]}

    async def due(self, line: Line, limit: int) -> list[Due]:
        """The longest due of a line."""
        # What a newer version made of a document is that version's to move.
        known: Row = {"status": {"$in": [status.value for status in STORED]}}
        query: Row = {"tenant": line.tenant, "lane": line.lane, "due": {"$lte": datetime.now(UTC)}, **known}
        with translated():
            found = self._rows.find(query, _DUE).sort("due", 1).hint("due").limit(limit)
            return [Due(row["_id"], line, Status(row["status"]), row["expires_at"]) async for row in found]

    async def waiting_since(self) -> dict[str, datetime]:
        """For each lane, since when the oldest work has been waiting for a worker, handed over already or not."""
        oldest: dict[str, datetime] = {}
        moment = datetime.now(UTC)
        # What was handed over is due again in a while, should nobody take it.
        soon = moment + max(self._periods.handover_grace, self._periods.requeue_after) + _MARGIN
        for line in await self.lines(soon):
            for due in ({"$lte": moment}, {"$gt": moment, "$lte": soon}):
                for since in await self._waiting(line, due, moment):
                    oldest[line.lane] = min(since, oldest.get(line.lane, since))
        return oldest

    async def _waiting(self, line: Line, due: Row, moment: datetime) -> list[datetime]:
        """Since when the first of a range have been waiting: what is due earliest has been waiting longest."""
        query: Row = {"tenant": line.tenant, "lane": line.lane, "due": due}
        with translated():
            rows = await self._rows.find(query, _WAITS).sort("due", 1).hint("due").limit(_SAMPLE).to_list()
        since = [row["next_attempt_at"] for row in rows if row["status"] in _WAITING]
        return [one.astimezone(UTC) for one in since if one is not None and one <= moment]

    async def requeued(self, ids: Sequence[UUID]) -> None:
        """Notes that these were published: not again before `requeue_after`, unless they expire earlier."""
        query: Row = {"_id": {"$in": list(ids)}, "status": {"$in": _WAITING}, "due": {"$lte": datetime.now(UTC)}}
        with translated():
            # Nothing that a caller can see changes, so neither does the version.
            later = earlier_of(after(self._periods.requeue_after))
            await self._rows.update_many(query, [{"$set": {"due": later}}])

    async def start_scheduled(self, ids: Sequence[UUID]) -> list[Notification]:
        """Makes pending what waited for its time; they are due at once."""
        fields: Row = {"status": Status.PENDING.value, "next_attempt_at": NOW, "due": NOW}
        return await self._move(ids, {"status": Status.SCHEDULED.value}, fields)

    async def expire(self, ids: Sequence[UUID]) -> list[Notification]:
        """Settles what was not sent in time and is not being sent now."""
        waiting = [status.value for status in sources(Status.EXPIRED) if status is not Status.SENDING]
        guard: Row = {"status": {"$in": waiting}, "$expr": {"$lte": ["$expires_at", NOW]}, "expires_at": {"$ne": None}}
        return await self._move(ids, guard, into(Status.EXPIRED, EXPIRED, self._periods.settled_retention))

    async def leave_inbox(self, ids: Sequence[UUID]) -> list[Notification]:
        """Takes expired items out of their inboxes; their status stays."""
        fields: Row = {"inbox_at": REMOVE, "unread_until": REMOVE, "due": REMOVE}
        return await self._move(ids, {"status": Status.DELIVERED.value}, fields)

    async def lapsed(self, ids: Sequence[UUID]) -> list[Claim]:
        """Claims whose lease ran out."""
        query: Row = {
            "_id": {"$in": list(ids)},
            "status": Status.SENDING.value,
            "$expr": {"$lte": ["$due", NOW]},
            **_LIVING,
        }
        with translated():
            return readable_claims(await self._rows.find(query).to_list())

    async def forget(self, ids: Sequence[UUID]) -> None:
        """Takes what is settled for good out of the outbox."""
        settled = [status.value for status in (Status.SENT, Status.FAILED, Status.CANCELLED, Status.EXPIRED)]
        with translated():
            await self._rows.update_many(
                {"_id": {"$in": list(ids)}, "status": {"$in": settled}}, {"$unset": {"due": 1}}
            )

    async def _move(self, ids: Sequence[UUID], guard: Row, fields: Row) -> list[Notification]:
        stamp = new_id()
        with translated():
            await self._rows.update_many(
                {"_id": {"$in": list(ids)}, **guard, **_LIVING}, changed(fields | {"recorded_by": stamp})
            )
            return [to_entity(row) async for row in self._rows.find({"_id": {"$in": list(ids)}, "recorded_by": stamp})]


_DUE: Row = {"status": 1, "expires_at": 1}
_WAITS: Row = {"status": 1, "next_attempt_at": 1}
_LINE: Row = {"_id": 0, "tenant": 1, "lane": 1}
_LIVING: Row = {"deleted_at": None}
"""A tombstone that a sweep still has in hand stays as it is."""
_WAITING = [Status.PENDING.value, Status.RETRYING.value]
