"""What an inbox's numbers are: walks over one index, at most 1,001 keys for each of them, and as few as may be."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from hub.domain.events import CappedCount, CategoryCounts, InboxCounts
from hub.store.client import Rows
from hub.store.documents import NotificationDocument
from hub.store.mapping import Row

Answer = TypeVar("Answer")

COUNTED = 1000
"""Counts are exact up to here."""
_AT_ONCE = 4
"""Connections that one question may take."""


def unread_items(tenant: str, user_id: str, *, unseen: bool = False, category: str | None = None) -> Row:
    """What is in an inbox, has not expired and counts as unread, or as `unseen` too; each a walk over `counts`."""
    query: Row = {"tenant": tenant, "user_id": user_id, "unread_until": {"$gt": datetime.now(UTC)}}
    if unseen:
        query["seen_at"] = None
    if category is not None:
        query["category"] = category
    return query


async def unread_count(rows: Rows, tenant: str, user_id: str) -> CappedCount:
    """Unread, unexpired items."""
    query = unread_items(tenant, user_id)
    return _capped(await rows.count_documents(query, limit=COUNTED + 1, hint="counts"))


async def inbox_counts(rows: Rows, tenant: str, user_id: str) -> InboxCounts:
    """Unread and unseen items, in one round trip."""
    return _pair(*await _count(rows, [unread_items(tenant, user_id, unseen=unseen) for unseen in (False, True)]))


async def counts_by_category(
    rows: Rows, tenant: str, user_id: str, categories: Sequence[str]
) -> tuple[InboxCounts, list[CategoryCounts]]:
    """Unread and unseen items, and those of each of these categories.

    Up to 1,000 unread, all numbers are one walk's. Beyond, each category is walked by itself, one after another: every
    number held at some moment of the call, not all of them at the same.
    """
    walked = await _walk(rows, tenant, user_id)
    unread, unseen = _sum(walked), _sum(walked, unseen=True)
    if unread > COUNTED:
        return await _counts_of_many(rows, tenant, user_id, categories, unseen)
    return _pair(unread, unseen), [
        CategoryCounts(name, _pair(_sum(walked, category=name), _sum(walked, category=name, unseen=True)))
        for name in categories
    ]


async def _walk(rows: Rows, tenant: str, user_id: str) -> list[Row]:
    """How many are unread of each category, the unseen apart; ends one beyond what is counted."""
    kind = {"category": "$category", "seen": {"$gt": ["$seen_at", None]}}
    found = await rows.aggregate(
        [
            {"$match": unread_items(tenant, user_id)},
            {"$limit": COUNTED + 1},
            # A group by itself goes through another engine, to which each key costs twice as much.
            {"$facet": {"kinds": [{"$group": {"_id": kind, "count": {"$sum": 1}}}]}},
        ],
        hint="counts",
    )
    (answer,) = await found.to_list()
    kinds: list[Row] = answer["kinds"]
    return kinds


def _sum(kinds: Sequence[Row], *, category: str | None = None, unseen: bool = False) -> int:
    return sum(
        kind["count"]
        for kind in kinds
        if category in (None, kind["_id"].get("category")) and not (unseen and kind["_id"]["seen"])
    )


async def _counts_of_many(
    rows: Rows, tenant: str, user_id: str, categories: Sequence[str], unseen: int
) -> tuple[InboxCounts, list[CategoryCounts]]:
    """Of an inbox with more than 1,000 unread, of which at least so many are unseen."""
    unseen_ones = [unread_items(tenant, user_id, unseen=True, category=name) for name in categories]
    unread_ones = [unread_items(tenant, user_id, category=name) for name in categories]
    if unseen > COUNTED:
        unseen_of = await _count_keys(rows, unseen_ones)
        # Where more is unseen than is counted, so much is unread too: no second walk.
        open_ones = [place for place, found in enumerate(unseen_of) if found <= COUNTED]
        unread_of = list(unseen_of)
        found = await _count_side_by_side(rows, [unread_ones[place] for place in open_ones])
        for place, count in zip(open_ones, found, strict=True):
            unread_of[place] = count
    else:
        everything = unread_items(tenant, user_id, unseen=True)
        unseen, *found = await _count_side_by_side(rows, [everything, *unseen_ones, *unread_ones])
        unseen_of, unread_of = found[: len(categories)], found[len(categories) :]
    pairs = [_pair(*pair) for pair in zip(unread_of, unseen_of, strict=True)]
    return _pair(COUNTED + 1, unseen), [
        CategoryCounts(name, pair) for name, pair in zip(categories, pairs, strict=True)
    ]


async def _count_keys(rows: Rows, queries: Sequence[Row]) -> list[int]:
    """Counts each, a few side by side. It costs half where its keys lie side by side, but a command for each."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(query: Row) -> int:
        # Of all commands `count` alone counts keys without reading them.
        command: Row = {"count": NotificationDocument.Settings.name, "query": query, "limit": COUNTED + 1}
        level = {"readConcern": rows.read_concern.document}
        async with slots:
            answer = await rows.database.command(command | level | {"hint": "counts"}, codec_options=rows.codec_options)
        count: int = answer["n"]
        return count

    return await _all([one(query) for query in queries])


async def _count_side_by_side(rows: Rows, queries: Sequence[Row]) -> list[int]:
    """Counts each, in two round trips at the same time."""
    halves = [half for half in (queries[::2], queries[1::2]) if half]
    counts = [0] * len(queries)
    for place, found in enumerate(await _all([_count(rows, half) for half in halves])):
        counts[place::2] = found
    return counts


async def _all(questions: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """All answers, or the first error once none is under way any more."""
    answers: list[Answer] = []
    for answer in await asyncio.gather(*questions, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers


async def _count(rows: Rows, queries: Sequence[Row]) -> list[int]:
    """Counts each, in one round trip; a walk ends where its count does."""
    walks: list[list[Row]] = [
        [{"$match": query}, {"$limit": COUNTED + 1}, {"$group": {"_id": {"$literal": index}, "count": {"$sum": 1}}}]
        for index, query in enumerate(queries)
    ]
    collection = NotificationDocument.Settings.name
    joined = [*walks[0], *({"$unionWith": {"coll": collection, "pipeline": walk}} for walk in walks[1:])]
    found = {row["_id"]: row["count"] async for row in await rows.aggregate(joined, hint="counts")}
    return [found.get(index, 0) for index in range(len(queries))]


def _pair(unread: int, unseen: int) -> InboxCounts:
    # An item that comes in between two walks must not make it seem that something is unseen and read.
    unseen = min(unread, unseen)
    return InboxCounts(_capped(unread), _capped(unseen))


def _capped(count: int) -> CappedCount:
    return CappedCount(min(count, COUNTED), capped=count > COUNTED)
