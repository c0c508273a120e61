"""What no write of the hub ever leaves in one notification, each as a query, and what mends it as an update.

The query finds, and it is the guard of the repair as well: whatever changed meanwhile is matched no more and left alone.
Expressions must not fail on documents of any shape, or one bad document would hide all the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from hub.domain.findings import Code
from hub.domain.notifications import Fault, OutcomeKind
from hub.domain.status import READABLE, SETTLED, STORED, Status
from hub.store.mapping import Row, fault_row
from hub.store.updates import NOW, REMOVE, UNREAD_UNTIL, after, changed, earlier_of, literal, milliseconds
from hub.store.work import KEPT_ATTEMPTS

CLOCK_MARGIN = timedelta(minutes=5)
"""How far the clocks of the hub's machines may be apart without a finding."""
LONGEST_SPAN = timedelta(hours=24)
"""No lease, grace or wait for a worker is ever set as long."""

WAITING = [Status.PENDING.value, Status.RETRYING.value]
"""For a worker."""

LIVING: Row = {"deleted_at": None}
_DELETED: Row = {"deleted_at": {"$ne": None}}
_UNSETTLED: Row = {**LIVING, "status": {"$in": sorted(status.value for status in STORED - SETTLED)}}
_SETTLED: Row = {"status": {"$in": sorted(status.value for status in SETTLED)}}
_DELIVERED: Row = {**LIVING, "status": Status.DELIVERED.value}
_INBOX_ITEM: Row = {**_DELIVERED, "type": "in_app"}
_PRESENT: Row = {"$ne": None}
_KEPT: Row = {"$or": [{"inbox_at": _PRESENT}, {"archived_at": _PRESENT}]}
"""In the inbox or in the archive, until it expires."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One kind: which documents are in it, and the update that gets them out of it, if any is safe."""

    code: Code
    broken: Row
    repair: list[Row] | None = None


def overdue(now: datetime, after_: timedelta) -> Row:
    """What should have been taken up this long ago, though a sweep may find it or have found it.

    What waits for a worker is due again and again as long as it waits: since when, `next_attempt_at` says.
    """
    before = now - after_
    waiting: Row = {**LIVING, "status": {"$in": WAITING}, "next_attempt_at": {"$lt": before}}
    others = [status for status in _UNSETTLED["status"]["$in"] if status not in WAITING]
    for_the_relay: Row = {**LIVING, "status": {"$in": others}, "due": {"$lt": before}}
    wants_out: Row = {**_INBOX_ITEM, **_KEPT, "expires_at": _PRESENT, "due": {"$lt": before}}
    return {"due": {"$lt": now + LONGEST_SPAN}, "$or": [waiting, for_the_relay, wants_out]}


def contradictions(
    now: datetime, lease: timedelta, retention: timedelta, reasons: Mapping[Status, Fault]
) -> list[Contradiction]:
    """All of them, in an order in which repairs may follow one another. `retention` is that of settled notifications."""
    return [
        *_of_the_outbox(now, lease),
        *_of_the_inbox(now),
        Contradiction(Code.DUE_ON_SETTLED, _due_on_settled(), [{"$unset": "due"}]),
        Contradiction(Code.WRONG_LANE, _wrong_lane(), [{"$set": {"lane": _LANE}}]),
        Contradiction(
            Code.SETTLED_WITHOUT_REASON,
            {**LIVING, "status": {"$in": [status.value for status in reasons]}, "status_reason": None},
            changed({"status_reason": _reason(reasons)}),
        ),
        Contradiction(
            Code.SETTLED_WITHOUT_PURGE,
            {"purge_at": None, "$or": [_DELETED, _SETTLED]},
            [{"$set": {"purge_at": after(retention)}}],
        ),
        Contradiction(Code.TOMBSTONE_WITH_CONTENT, _tombstone_with_content(), [{"$set": _BARE}]),
        *_of_the_record(),
    ]


def _of_the_outbox(now: datetime, lease: timedelta) -> list[Contradiction]:
    set_going: list[Row] = [{"$set": {"due": _due_again(lease)}}]
    return [
        Contradiction(Code.UNSETTLED_WITH_PURGE, {**_UNSETTLED, "purge_at": _PRESENT}, [{"$unset": "purge_at"}]),
        Contradiction(
            Code.CLAIM_LEFT_BEHIND,
            {**LIVING, "status": {"$ne": Status.SENDING.value}, "claim": _PRESENT},
            [{"$unset": "claim"}],
        ),
        Contradiction(
            Code.SENDING_WITHOUT_CLAIM,
            {**LIVING, "status": Status.SENDING.value, "$or": [{"claim": None}, {"budget.started_at": None}]},
            _claim_of_a_vanished_worker(lease),
        ),
        Contradiction(Code.STUCK, {**_UNSETTLED, "due": None}, set_going),
        Contradiction(Code.ASLEEP, _asleep(now), set_going),
    ]


def _due_again(lease: timedelta) -> Row:
    """Now, but never before its schedule, its next attempt or the end of its lease, nor after it expires."""
    waits_for = {
        "$switch": {
            "branches": [
                {
                    "case": {"$eq": ["$status", Status.SENDING.value]},
                    "then": {"$add": ["$claim.started_at", milliseconds(lease)]},
                },
                {"case": {"$eq": ["$status", Status.SCHEDULED.value]}, "then": "$scheduled_at"},
            ],
            "default": "$next_attempt_at",
        }
    }
    moment = {"$max": [NOW, waits_for]}
    return {"$cond": [{"$eq": ["$status", Status.SENDING.value]}, moment, earlier_of(moment)]}


def _claim_of_a_vanished_worker(lease: timedelta) -> list[Row]:
    """Nobody knows whether it was sent: the relay will find a lease that ran out, and record just that."""
    return [
        {
            "$set": {
                "claim": {
                    "token": {"$ifNull": ["$claim.token", literal(uuid4())]},
                    "started_at": {"$ifNull": ["$claim.started_at", "$updated_at"]},
                },
                "budget": {"started_at": {"$ifNull": ["$budget.started_at", "$updated_at"]}},
                "due": {"$ifNull": ["$due", {"$max": [NOW, {"$add": ["$updated_at", milliseconds(lease)]}]}]},
            }
        }
    ]


def _asleep(now: datetime) -> Row:
    planned = {"$cond": [{"$eq": [{"$type": "$next_attempt_at"}, "date"]}, {"$max": ["$next_attempt_at", now]}, now]}
    latest = {"$add": [planned, milliseconds(LONGEST_SPAN)]}
    return {**_UNSETTLED, "due": {"$gt": now + LONGEST_SPAN}, "$expr": {"$gt": ["$due", latest]}}


def _of_the_inbox(now: datetime) -> list[Contradiction]:
    for_ever_or_later: Row = {"$or": [{"expires_at": None}, {"expires_at": {"$gt": now + CLOCK_MARGIN}}]}
    unexpected = {"$ne": [_or_null("unread_until"), {"$cond": [_UNREAD, UNREAD_UNTIL, None]}]}
    in_inbox: Row = {"inbox_at": _PRESENT, "expires_at": _PRESENT}
    # Once it has left there, nothing shows that it did.
    in_archive: Row = {"archived_at": _PRESENT, "expires_at": {"$gt": now + CLOCK_MARGIN}}
    # Every item of an inbox that expires has to leave it: the sweep sees to it when it is due.
    leaves = {"$cond": [{"$ne": [_or_null("expires_at"), None]}, "$expires_at", REMOVE]}
    return [
        Contradiction(
            Code.INBOX_STRAY,
            {"inbox_at": _PRESENT, "$nor": [{**_INBOX_ITEM, "archived_at": None}]},
            changed({"inbox_at": REMOVE, "unread_until": REMOVE}),
        ),
        Contradiction(
            Code.INBOX_MISSING,
            {**_INBOX_ITEM, "inbox_at": None, "archived_at": None, "delivered_at": _PRESENT, **for_ever_or_later},
            changed({"inbox_at": "$delivered_at", "unread_until": _unread_until("delivered_at"), "due": leaves}),
        ),
        Contradiction(
            Code.INBOX_WITHOUT_END,
            {**_INBOX_ITEM, "due": None, "$or": [in_inbox, in_archive]},
            [{"$set": {"due": "$expires_at"}}],
        ),
        Contradiction(
            Code.UNREAD_MARK,
            {"$or": [{"inbox_at": None}, _INBOX_ITEM], "$expr": unexpected},
            changed({"unread_until": _unread_until("inbox_at")}),
        ),
    ]


def _or_null(field: str) -> Row:
    return {"$ifNull": [f"${field}", None]}


_UNREAD: Row = {"$and": [{"$ne": [_or_null("inbox_at"), None]}, {"$eq": [_or_null("read_at"), None]}]}


def _unread_until(present: str) -> Row:
    """What `unread_until` has to be in an inbox, or in none, as the field `present` says."""
    unread = {"$and": [{"$ne": [_or_null(present), None]}, {"$eq": [_or_null("read_at"), None]}]}
    return {"$cond": [unread, UNREAD_UNTIL, REMOVE]}


def _due_on_settled() -> Row:
    for_good = [s.value for s in (Status.SENT, Status.FAILED, Status.CANCELLED, Status.EXPIRED)]
    nowhere: Row = {"inbox_at": None, "archived_at": None}
    stays: Row = {**_DELIVERED, "$or": [nowhere, {"expires_at": None}, {"type": {"$ne": "in_app"}}]}
    return {"due": _PRESENT, "$or": [_DELETED, {"status": {"$in": for_good}}, stays]}


_LANE: Row = {"$concat": ["$type", ".", "$priority"]}


def _wrong_lane() -> Row:
    texts = {"$and": [{"$eq": [{"$type": f"${name}"}, "string"]} for name in ("type", "priority")]}
    return {"$expr": {"$and": [texts, {"$ne": ["$lane", {"$cond": [texts, _LANE, ""]}]}]}}


def _reason(reasons: Mapping[Status, Fault]) -> Row:
    branches = [
        {"case": {"$eq": ["$status", status.value]}, "then": literal(fault_row(fault))}
        for status, fault in reasons.items()
    ]
    return {"$switch": {"branches": branches, "default": None}}


_BARE: Row = {
    "title": "",
    "message": "",
    "html": None,
    "to": None,
    "metadata": literal({}),
    "attempts": [],
    "claim": REMOVE,
}
"""What a tombstone is without; the queries know about its inbox and outbox already."""


def _tombstone_with_content() -> Row:
    texts: list[Row] = [{name: {"$ne": ""}} for name in ("title", "message")]
    values: list[Row] = [{name: _PRESENT} for name in ("html", "to", "claim")]
    return {**_DELETED, "$or": [*texts, *values, {"metadata": {"$ne": {}}}, {"attempts": {"$ne": []}}]}


def _of_the_record() -> list[Contradiction]:
    """What only the record itself could tell: nothing is made up for it."""
    no_time = [{"status": Status.SENT.value, "sent_at": None}, {"status": Status.DELIVERED.value, "delivered_at": None}]
    taken = [OutcomeKind.ACCEPTED.value, OutcomeKind.DELIVERED.value]
    last = {"$arrayElemAt": [_if_array("$attempts.outcome"), -1]}
    count = {"$cond": [{"$in": [{"$type": "$attempt_count"}, ["int", "long"]]}, {"$min": ["$attempt_count", 2**30]}, 0]}
    numbers = _if_array("$attempts.number")
    expected = {
        "$range": [{"$add": [{"$subtract": [count, {"$min": [count, KEPT_ATTEMPTS]}]}, 1]}, {"$add": [count, 1]}]
    }
    readable = [status.value for status in READABLE]
    return [
        Contradiction(Code.SENT_WITHOUT_TIME, {**LIVING, "$or": no_time}),
        Contradiction(
            Code.SENT_WITHOUT_ATTEMPT,
            {**LIVING, "status": {"$in": readable}, "$expr": {"$not": [{"$in": [last, taken]}]}},
        ),
        Contradiction(Code.ATTEMPTS_OUT_OF_ORDER, {**LIVING, "$expr": {"$ne": [numbers, expected]}}),
    ]


def _if_array(path: str) -> Row:
    return {"$cond": [{"$isArray": [path]}, path, []]}
