"""Keyset queries behind every list; each walks one index from a place on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions

from hub.domain.ids import first_id_after, first_id_at
from hub.domain.notifications import Notification
from hub.domain.paging import Filter, ListKind, Position
from hub.domain.status import READABLE, Status
from hub.store.client import Rows, translated
from hub.store.documents import NotificationDocument
from hub.store.mapping import Row, to_entity
from hub.store.notifications import VISIBLE


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list between two places: newer ones come before older ones, `after` and `before` are exclusive."""

    kind: ListKind
    tenant: str
    user_id: str | None
    filters: Filter
    after: Position | None = None
    before: Position | None = None


class ListStore:
    """Reads lists."""

    def __init__(self) -> None:
        # Times without a time zone: the driver would spend a quarter of reading a page on adding it.
        self._rows: Rows = NotificationDocument.get_pymongo_collection().with_options(
            codec_options=CodecOptions(uuid_representation=UuidRepresentation.STANDARD)
        )

    async def find(self, query: ListQuery, limit: int, *, backwards: bool = False) -> list[Notification]:
        """Up to `limit` items, newest first, or from the far end oldest first if `backwards`."""
        direction = 1 if backwards else -1
        order = [("_id", direction)]
        if query.kind is ListKind.INBOX:
            order.insert(0, (_place_field(query), direction))
        with translated():
            found = self._rows.find(_selection(query)).sort(order).limit(limit)
            return list(map(to_entity, await found.to_list()))


def _selection(query: ListQuery) -> Row:
    clauses: list[Row] = [{"tenant": query.tenant}, VISIBLE, *filter_clauses(query.filters)]
    if query.user_id is not None:
        clauses.append({"user_id": query.user_id})
    if query.kind is ListKind.INBOX:
        clauses += [_ARCHIVE if query.filters.archived else {"inbox_at": {"$exists": True}}, _unexpired()]
    if query.kind is ListKind.DEAD_LETTERS:
        clauses.append({"status": Status.FAILED.value})
    for place, operator in ((query.after, "$lt"), (query.before, "$gt")):
        if place is not None:
            clauses.append(_beyond(query, place, operator))
    return {"$and": clauses}


_ARCHIVE: Row = {"type": "in_app", "status": Status.DELIVERED.value}
"""Of what is archived: what would be in the inbox."""


def _place_field(query: ListQuery) -> str:
    """What an inbox is ordered by; in the archive an item has the place that it had there."""
    return "delivered_at" if query.filters.archived else "inbox_at"


def _unexpired() -> Row:
    return {"$or": [{"expires_at": None}, {"expires_at": {"$gt": datetime.now(UTC)}}]}


def _beyond(query: ListQuery, place: Position, operator: str) -> Row:
    if query.kind is not ListKind.INBOX:
        return {"_id": {operator: place.id}}
    field = _place_field(query)
    return {
        # The first clause alone bounds the index; the second settles ties.
        field: {f"{operator}e": place.at},
        "$or": [{field: {operator: place.at}}, {"_id": {operator: place.id}}],
    }


def filter_clauses(filters: Filter) -> list[Row]:
    """A filter as clauses; creation times are ranges of ids."""
    clauses: list[Row] = []
    if filters.status is not None:
        clauses.append(_status_clause(filters.status))
    for name in ("type", "category", "user_id"):
        value = getattr(filters, name)
        if value is not None:
            clauses.append({name: value})
    if filters.reason is not None:
        clauses.append({"status_reason.code": filters.reason})
    if filters.unread is not None:
        clauses.append({"read_at": None if filters.unread else {"$ne": None}})
    if filters.archived is not None:
        clauses.append({"archived_at": {"$exists": filters.archived}})
    if filters.created_after is not None:
        clauses.append({"_id": {"$gte": first_id_after(filters.created_after)}})
    if filters.created_before is not None:
        clauses.append({"_id": {"$lt": first_id_at(filters.created_before)}})
    return clauses


def _status_clause(status: Status) -> Row:
    """The status callers see: `read` covers those beneath it."""
    readable = [s.value for s in READABLE]
    if status is Status.READ:
        return {"status": {"$in": readable}, "read_at": {"$ne": None}}
    if status in READABLE:
        return {"status": status.value, "read_at": None}
    return {"status": status.value}
