"""What workers do to documents: claim with a lease, record what became of it, give back. Always many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from pymongo import UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError

from hub.domain.errors import HubError
from hub.domain.notifications import Attempt, Notification
from hub.domain.retry import Budget, Decision
from hub.domain.status import Status, sources
from hub.log import get_logger, named
from hub.store.client import Rows, refusals, translated
from hub.store.documents import NotificationDocument
from hub.store.mapping import Row, attempt_row, to_entity
from hub.store.notifications import Periods
from hub.store.updates import NOW, REMOVE, after, changed, earlier_of, into, literal

log = get_logger(__name__)

KEPT_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """A notification that is ours to send until the lease runs out."""

    notification: Notification
    token: UUID
    budget: Budget
    started_at: datetime
    """When the lease began, by the store's clock."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a claim. Without an attempt nothing was sent, and none is counted."""

    claim: Claim
    decision: Decision
    attempt: Attempt | None
    stamp: UUID = field(default_factory=uuid4)
    """Tells this record, written once more, from another one of the same claim, such as that of its lapse.

    The claim's own token where there is but one such record: then those of one batch can be written together.
    """

    @property
    def mark(self) -> tuple[UUID, UUID]:
        """What tells it from every other one in the store."""
        return self.claim.notification.id, self.stamp


class WorkStore:
    """Every write after the claim is fenced by the claim's token."""

    def __init__(self, periods: Periods) -> None:
        self._periods = periods
        self._rows: Rows = NotificationDocument.get_pymongo_collection()

    async def claim_many(self, notification_ids: Sequence[UUID]) -> list[Claim | None]:
        """Claims what is claimable by compare-and-set; None for what somebody else has, or is not due.

        An id that stands twice is claimed once.
        """
        token = uuid4()
        try:
            claims = await self._claim(notification_ids, token)
        except HubError:
            # A primary that went away may have set the claim and not said so. Asked again under the same token it is
            # ours, and does not lie until its lease runs out.
            claims = await self._claim(notification_ids, token, again=True)
        return [claims.pop(notification_id, None) for notification_id in notification_ids]

    async def _claim(self, notification_ids: Sequence[UUID], token: UUID, *, again: bool = False) -> dict[UUID, Claim]:
        query: Row = {
            "_id": {"$in": list(dict.fromkeys(notification_ids))},
            "status": {"$in": [status.value for status in sources(Status.SENDING)]},
            "deleted_at": None,
            "$expr": {
                "$and": [
                    {"$lte": ["$next_attempt_at", NOW]},
                    {"$or": [{"$eq": ["$expires_at", None]}, {"$gt": ["$expires_at", NOW]}]},
                ]
            },
        }
        fields: Row = {
            "status": Status.SENDING.value,
            "status_reason": None,
            "claim": {"token": token, "started_at": NOW},
            "due": after(self._periods.lease),
            "next_attempt_at": None,
            "budget": {"started_at": {"$ifNull": ["$budget.started_at", NOW]}},
        }
        with translated():
            result = await self._rows.update_many(query, changed(fields))
            if not (result.modified_count or again):
                return {}
            found = await self._rows.find({"_id": query["_id"], "claim.token": token}).to_list()
        return {claim.notification.id: claim for claim in readable_claims(found)}

    async def exist_many(self, notification_ids: Sequence[UUID]) -> list[bool]:
        """For each whether it exists, be it as a tombstone."""
        with translated():
            found = {row["_id"] async for row in self._rows.find({"_id": {"$in": list(notification_ids)}}, {"_id": 1})}
        return [notification_id in found for notification_id in notification_ids]

    async def record_many(self, records: Sequence[Record]) -> list[bool | Exception]:
        """Writes what became of claims; False where the lease was lost and somebody else has written since.

        Where a receipt was faster its status stays, and the attempt alone is noted, which is True as well. Repeating a record that was written is harmless and answers True. One that the server refused has an error of its
        own: STORE_UNREACHABLE if the next try may end better, RefusedWriteError if not.
        """
        return await self._record(records, _alike(records))

    async def _record(self, records: Sequence[Record], groups: Sequence[Sequence[Record]]) -> list[bool | Exception]:
        writes = [UpdateMany(_fence(group), self._outcome(group[0])) for group in groups]
        refused: dict[int, Exception] = {}
        try:
            with translated():
                result = await self._rows.bulk_write(writes, ordered=False)
                if result.matched_count == len(records):
                    return [True] * len(records)
        except BulkWriteError as error:
            if len(groups) < len(records):
                # One that is refused stops those that are written with it: now each has a write, and an error, of its own.
                return await self._record(records, [[record] for record in records])
            refused = refusals(error)
        written = await self._written(records)
        written |= await self._note_overtaken([record for record in records if record.mark not in written])
        return [record.mark in written or refused.get(index, False) for index, record in enumerate(records)]

    async def _note_overtaken(self, records: Sequence[Record]) -> set[tuple[UUID, UUID]]:
        """Notes the attempts of claims whose notification was moved on by a receipt; the marks of those noted."""
        writes = [
            UpdateOne(_overtaken(record.claim), changed(_attempted(record.attempt) | _noted(record)))
            for record in records
            if record.attempt is not None
        ]
        if not writes:
            return set()
        try:
            with translated():
                result = await self._rows.bulk_write(writes, ordered=False)
                if not result.matched_count:
                    return set()
        except BulkWriteError as error:
            # What became of the notification is on record all the same.
            log.warning("attempt_refused", error=named(error))
        return await self._written(records)

    async def _written(self, records: Sequence[Record]) -> set[tuple[UUID, UUID]]:
        """The marks that are in the store."""
        stamps = [record.stamp for record in records]
        ids = [record.claim.notification.id for record in records]
        query: Row = {"_id": {"$in": ids}, "recorded_by": {"$in": stamps}}
        with translated():
            return {(row["_id"], row["recorded_by"]) async for row in self._rows.find(query, {"recorded_by": 1})}

    def _outcome(self, record: Record) -> list[Row]:
        decision = record.decision
        fields = into(decision.status, decision.reason, self._periods.settled_retention)
        fields["recorded_by"] = record.stamp
        if decision.status is Status.RETRYING:
            moment = literal(decision.next_attempt_at)
            fields |= {"next_attempt_at": moment, "due": earlier_of(moment)}
        if decision.status is Status.PENDING:
            # Given back unsent: the sweep may have it at once.
            fields |= {"next_attempt_at": NOW, "due": NOW}
        if record.attempt is not None:
            fields |= _attempted(record.attempt)
        return changed(fields)


def _attempted(attempt: Attempt) -> Row:
    kept = {"$slice": [{"$concatArrays": ["$attempts", literal([attempt_row(attempt)])]}, -KEPT_ATTEMPTS]}
    counted = 0 if attempt.outcome == "throttled" else 1
    return {
        "attempts": kept,
        "attempt_count": attempt.number,
        "budget": {"counted": {"$add": [{"$ifNull": ["$budget.counted", 0]}, counted]}},
    }


def readable_claims(rows: Sequence[Row]) -> list[Claim]:
    """The claims of `sending` rows. One that this version can't read, whoever wrote it, is no other one's trouble."""
    claims = []
    for row in rows:
        try:
            claims.append(to_claim(row))
        except (KeyError, TypeError, ValueError) as error:
            log.error("notification_unreadable", notification_id=str(row["_id"]), error=named(error))  # noqa: TRY400 - the doctor says more
    return claims


def to_claim(row: Row) -> Claim:
    """The claim that a `sending` row is under."""
    used = row["budget"]
    budget = Budget(row["attempt_count"] + 1, used.get("counted", 0), used["started_at"], used.get("earlier", 0))
    return Claim(to_entity(row), row["claim"]["token"], budget, row["claim"]["started_at"])


def _noted(record: Record) -> Row:
    return {"recorded_by": record.stamp, "overtaken": REMOVE}


def _overtaken(claim: Claim) -> Row:
    return {"_id": claim.notification.id, "overtaken.token": claim.token}


def _alike(records: Sequence[Record]) -> list[list[Record]]:
    """Those that write the same, together: parsing an update costs the server more than carrying it out."""
    groups: defaultdict[tuple[UUID, UUID, Decision, Attempt | None], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.claim.token, record.stamp, record.decision, record.attempt].append(record)
    return list(groups.values())


def _fence(group: Sequence[Record]) -> Row:
    ids = [record.claim.notification.id for record in group]
    return {"_id": {"$in": ids}, "claim.token": group[0].claim.token, "status": Status.SENDING.value}
