"""The notifications, walked by ranges of their ids: each is looked at once, nothing is loaded, and no answer is long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from hub.domain.findings import Code, Found
from hub.domain.ids import first_id_at
from hub.domain.notifications import Fault
from hub.domain.status import Status
from hub.store.client import Rows, store_deadline, translated, with_majority
from hub.store.documents import NotificationDocument
from hub.store.examination.contradictions import WAITING, contradictions, overdue
from hub.store.examination.shapes import notification_schema
from hub.store.mapping import Row

RANGE = 5_000
"""Documents of one step: what a step finds stays far below MongoDB's 16 MiB, whatever it is."""
STEP_SECONDS = 60.0
_REPAIR_TURNS = 3
"""A repair may uncover what another one mends."""
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
_LATE = "overdue"
_Ids = Mapping[Code, Sequence[object]]


class Kind(NamedTuple):
    """What overdue ones have in common."""

    type: str
    lane: str
    waits: bool
    """For a worker; else for the relay alone."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """Notifications of one kind whose time is long past."""

    kind: Kind
    ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What one range of ids held."""

    first: UUID
    last: UUID
    scanned: int
    found: tuple[Found, ...]
    overdue: tuple[Overdue, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the examination goes by: the store's own time, and the spans of this installation's settings."""

    now: datetime
    lease: timedelta
    settled_retention: timedelta
    overdue_after: timedelta
    reasons: Mapping[Status, Fault]
    """What stands in for a reason that is missing."""
    examples: int
    repair: bool


class Walk:
    """One pass over all notifications made before it began; read with majority."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._rows: Rows = NotificationDocument.get_pymongo_collection()
        self._durable = with_majority(self._rows)
        self._readable: Row = {"$jsonSchema": notification_schema()}
        self._kinds = contradictions(terms.now, terms.lease, terms.settled_retention, terms.reasons)
        self._late = overdue(terms.now, terms.overdue_after)
        self._beyond = first_id_at(terms.now + timedelta(days=1))

    async def strangers(self) -> Found:
        """Documents whose id is none that the hub could have made by now."""
        query: Row = {"$or": [{"_id": {"$not": {"$gte": _FIRST}}}, {"_id": {"$not": {"$lt": self._beyond}}}]}
        with store_deadline(STEP_SECONDS), translated():
            count = await self._durable.count_documents(query)
            some = await self._durable.find(query, {"_id": 1}).limit(self._terms.examples).to_list()
        return Found(Code.UNREADABLE, count, tuple(str(row["_id"]) for row in some))

    async def still_late(self, ids: Sequence[UUID]) -> dict[UUID, int]:
        """Those of them that are overdue still, with their versions: whoever takes one up changes it."""
        query: Row = {"_id": {"$in": list(ids)}, **self._late}
        with store_deadline(STEP_SECONDS), translated():
            return {row["_id"]: row["version"] async for row in self._durable.find(query, {"version": 1})}

    async def steps(self) -> AsyncIterator[Step]:
        """Looks at range after range, in the order of time."""
        last = _FIRST
        while True:
            with store_deadline(STEP_SECONDS), translated():
                span = await self._next(last)
                if span is None:
                    return
                step = await self._step(*span)
            last = step.last
            yield step

    async def _next(self, last: UUID) -> tuple[UUID, UUID] | None:
        end = first_id_at(self._terms.now)
        query: Row = {"_id": {"$gt": last, "$lt": end}}
        beginning = await self._durable.find_one(query, {"_id": 1}, sort=[("_id", 1)])
        if beginning is None:
            return None
        ends = await self._durable.find(query, {"_id": 1}).sort("_id", 1).skip(RANGE - 1).limit(1).to_list()
        return beginning["_id"], ends[0]["_id"] if ends else UUID(int=end.int - 1)

    async def _step(self, first: UUID, last: UUID) -> Step:
        span: Row = {"_id": {"$gte": first, "$lte": last}}
        scanned = await self._durable.count_documents(span)
        facets = await self._look(span)
        before = _ids_of(facets)
        repaired, left = await self._repair(span, before) if self._terms.repair else ({}, before)
        found = [
            self._found(code, before.get(code, []), repaired.get(code, 0), left.get(code, []))
            for code in before.keys() | left.keys()
        ]
        late = [Overdue(Kind(**row["_id"]), tuple(row["ids"])) for row in facets.get(_LATE, [])]
        return Step(first, last, scanned, tuple(found), tuple(late))

    def _found(self, code: Code, before: Sequence[object], repaired: int, left: Sequence[object]) -> Found:
        count = max(len(before), repaired, len(left))
        some = (before or left)[: self._terms.examples]
        return Found(code, count, tuple(str(each) for each in some), repaired, len(left))

    async def _look(self, span: Row) -> dict[str, list[Row]]:
        """The ids of every kind. What can't be read is found for that alone."""
        together: Row = {"$group": {"_id": None, "ids": {"$push": "$_id"}}}
        unreadable: list[Row] = [{"$match": span}, {"$match": {"$nor": [self._readable]}}, together]
        kind_of: Row = {"type": "$type", "lane": "$lane", "waits": {"$in": ["$status", WAITING]}}
        facets: dict[str, list[Row]] = {kind.code.value: [{"$match": kind.broken}, together] for kind in self._kinds}
        facets[_LATE] = [{"$match": self._late}, {"$group": {"_id": kind_of, "ids": {"$push": "$_id"}}}]
        # Only what is of any kind comes as far as being sorted by kinds.
        any_kind: Row = {"$or": [self._late, *(kind.broken for kind in self._kinds)]}
        stages: list[Row] = [{"$match": {**span, **any_kind}}, {"$match": self._readable}, {"$facet": facets}]
        (answer,) = await (await self._durable.aggregate(stages)).to_list()
        answer[Code.UNREADABLE.value] = await (await self._durable.aggregate(unreadable)).to_list()
        return {name: groups for name, groups in answer.items() if groups}

    async def _repair(self, span: Row, found: _Ids) -> tuple[dict[Code, int], _Ids]:
        """Mends what can be mended, each by its own query once more; how many of each kind were, and what is left."""
        repaired: dict[Code, int] = {}
        for _ in range(_REPAIR_TURNS):
            mendable = [kind for kind in self._kinds if kind.code in found and kind.repair is not None]
            if not mendable:
                break
            for kind in mendable:
                guard: Row = {"$and": [span, self._readable, kind.broken]}
                result = await self._rows.update_many(guard, kind.repair or [])
                repaired[kind.code] = repaired.get(kind.code, 0) + result.modified_count
            found = _ids_of(await self._look(span))
        return repaired, found


def _ids_of(facets: Mapping[str, list[Row]]) -> _Ids:
    return {Code(name): groups[0]["ids"] for name, groups in facets.items() if name != _LATE}
