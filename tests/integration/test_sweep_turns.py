"""Who comes first when a lane has room for a few only: a slow provider's lane is nearly full nearly all the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pymongo import AsyncMongoClient

from hub.domain.notifications import Lane, Priority
from hub.domain.principals import Principal, Scope
from hub.pipeline import sweep as sweep_module
from tests.assembly import Assembly, Timing, assembled

LANE = Lane("in_app", Priority.NORMAL)
TIMING = Timing(handover_grace=timedelta(milliseconds=1), requeue_after=timedelta(minutes=5))


@pytest.fixture
async def hub(mongo_url: str, run_id: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Assembly]:
    monkeypatch.setattr(sweep_module, "DEPTH_LIMIT", 3)
    name = f"hub_test_{run_id}_turns"
    async with assembled(mongo_url, name, running="", forgetful=True, timing=TIMING) as made:
        yield made
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        await client.drop_database(name)


async def backlog(hub: Assembly, tenant: str, size: int) -> set[UUID]:
    principal = Principal(tenant, frozenset(Scope))
    return {n.id for n in await asyncio.gather(*(hub.created(principal=principal) for _ in range(size)))}


async def taken(hub: Assembly) -> set[UUID]:
    """One message, as a worker would take it."""
    async with hub.transport.consume(LANE, 1) as messages:
        message = await anext(messages)
        await message.acknowledge()
        return set(message.ids)


async def rounds_until_begun(hub: Assembly, wanted: set[UUID]) -> int:
    """How many messages are taken, with a sweep after each, until all that are wanted have come."""
    left, rounds = set(wanted), 0
    while left:
        left -= await taken(hub)
        rounds += 1
        await hub.sweep.sweep()
    return rounds


async def test_a_tenant_with_one_need_not_wait_for_another_with_many(hub: Assembly) -> None:
    await backlog(hub, "bulk", 400)
    await asyncio.sleep(0.01)
    await hub.sweep.sweep()
    assert await hub.transport.depth(LANE) == 3
    mine = await backlog(hub, "quiet", 1)
    await asyncio.sleep(0.01)
    # Three messages lie there already; those of 400 would be twenty.
    assert await rounds_until_begun(hub, mine) <= 5


async def test_nobody_is_last_for_ever_where_there_are_more_tenants_than_room(
    hub: Assembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "IDS_PER_MESSAGE", 2)
    monkeypatch.setattr(sweep_module, "DEPTH_LIMIT", 1)
    others = [await backlog(hub, f"tenant{n}", 20) for n in range(6)]
    await asyncio.sleep(0.01)
    # The first of each: with two at a time, six tenants have had their turn after three rounds or little more.
    seen: list[UUID] = []
    await hub.sweep.sweep()
    for _ in range(12):
        while await hub.transport.depth(LANE):
            seen += await taken(hub)
        await hub.sweep.sweep()
    assert all(ids & set(seen) for ids in others)


async def test_what_can_not_be_moved_is_not_looked_at_again_and_again(
    hub: Assembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that ran out, of a channel that only another version has: its relays know what is to be done."""
    monkeypatch.setattr(sweep_module, "SHARE", 1)
    notification = await hub.created()
    strange = {
        "type": "pigeon", "status": "sending", "claim": {"token": uuid4(), "started_at": notification.created_at},
        "due": notification.created_at,
    }  # fmt: skip
    await hub.rows.update_one({"_id": notification.id}, {"$set": strange})
    assert not await hub.sweep.sweep()
    assert (await hub.row(notification))["status"] == "sending"
