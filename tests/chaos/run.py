"""One run: start everything, let clients and faults loose on it, heal it, wait until it is quiet, and gather the evidence."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pymongo
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from hub import __version__
from hub.core.tasks import ended
from hub.domain.status import SETTLED
from tests.chaos.clients import Clients
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Fate
from tests.chaos.providers import read_ledger
from tests.chaos.speakers import RestSpeaker
from tests.chaos.watchers import PROTOCOLS, Watcher
from tests.chaos.world import DATABASE, REQUEST_SECONDS, SETTLE_SECONDS, Plan, World

PATIENCE_SECONDS = REQUEST_SECONDS + 3.0
"""The hub's own deadline, and what a loaded machine may add."""
CATCH_UP_SECONDS = 40.0
"""A watcher whose hint was lost learns of a change before its next heartbeat but one."""
_WATCHED = ["user-0", "user-1"]
"""Those who are watched, in each protocol."""
_WARM_UP_SECONDS = 2.0
_UNSETTLED = {"$nin": [status.value for status in SETTLED]}

Say = Callable[[str], None]
Mongo = AsyncMongoClient[dict[str, Any]]


async def run(plan: Plan, folder: Path, say: Say) -> Evidence:
    """The evidence of one run. Everything it starts has ended when it returns."""
    world = World(plan, folder)
    evidence = Evidence(plan.seed, plan.transport, time.time())
    async with world.running(), AsyncExitStack() as stack:
        say("everything runs")
        store: Mongo = await stack.enter_async_context(
            AsyncMongoClient(world.store.url, tz_aware=True, uuidRepresentation="standard", timeoutMS=10_000)
        )
        evidence.versions = await _versions(store)
        clients = Clients(evidence, world.apis, [f"user-{n}" for n in range(plan.users)], PATIENCE_SECONDS)
        stack.push_async_callback(clients.aclose)
        lists = [RestSpeaker(api.url, PATIENCE_SECONDS) for api in world.apis]
        for one in lists:
            stack.push_async_callback(one.aclose)
        watchers = [
            Watcher(protocol, user, world.apis, lists, plan.seed) for protocol in PROTOCOLS for user in _WATCHED
        ]
        evidence.transcripts = [watcher.transcript for watcher in watchers]
        tasks = [asyncio.get_running_loop().create_task(watcher.run()) for watcher in watchers]
        tasks.append(asyncio.get_running_loop().create_task(world.watch_over()))
        try:
            await _torment(world, clients, evidence, watchers, say)
            await _quiet(store, evidence, say)
            await _caught_up(store, watchers, say)
        finally:
            for task in tasks:
                await ended(task)
        evidence.stored = await _stored(store)
        await world.stop()
        evidence.taken = [one for ledger in world.ledgers for one in read_ledger(ledger)]
        evidence.complaints = [*world.complaints, *world.tracebacks()]
    return evidence


async def _torment(world: World, clients: Clients, evidence: Evidence, watchers: list[Watcher], say: Say) -> None:
    async with asyncio.timeout(30):
        await asyncio.gather(*(watcher.connected.wait() for watcher in watchers))
    for watcher in watchers:
        watcher.transcript.began = time.time()
    fate = Fate(world, world.plan.seed)
    evidence.injections = fate.injections
    evidence.began = time.time()
    async with asyncio.TaskGroup() as group:
        group.create_task(clients.run(world.plan.rate))
        await asyncio.sleep(_WARM_UP_SECONDS)
        await fate.run(world.plan.seconds)
        say(f"healed after {len(fate.injections)} faults")
        evidence.healed_at = time.time()
        await asyncio.sleep(_WARM_UP_SECONDS)
        clients.stop()


async def _quiet(store: Mongo, evidence: Evidence, say: Say) -> None:
    """Waits until nothing is left to do, while the promise allows."""
    began, left = time.time(), -1
    while time.time() - began < SETTLE_SECONDS:
        try:
            left = await store[DATABASE]["notifications"].count_documents({"status": _UNSETTLED})
        except PyMongoError:
            left = -1  # nobody knows
        if left == 0:
            evidence.quiet_at = time.time()
            say(f"quiet {evidence.quiet_at - evidence.healed_at:.1f} s after it was healed")
            return
        await asyncio.sleep(0.2)
    say(f"not quiet: {left} are not settled")


async def _caught_up(store: Mongo, watchers: list[Watcher], say: Say) -> None:
    """Gives watchers the time that the promise gives; what they have missed by then, they have missed."""
    query = {"type": "in_app", "user_id": {"$in": _WATCHED}, "delivered_at": {"$ne": None}}
    rows = await store[DATABASE]["notifications"].find(query, {"user_id": 1, "version": 1}).to_list()
    began, behind = time.time(), 0
    while time.time() - began < CATCH_UP_SECONDS:
        behind = sum(_behind(watcher, rows) for watcher in watchers)
        if not behind:
            return
        await asyncio.sleep(0.5)
    say(f"{behind} versions were not seen")


def _behind(watcher: Watcher, rows: list[dict[str, Any]]) -> int:
    seen = {(sight.notification_id, sight.version) for sight in watcher.transcript.sights}
    mine = [row for row in rows if row["user_id"] == watcher.transcript.user_id]
    return sum((str(row["_id"]), row["version"]) not in seen for row in mine)


async def _stored(store: Mongo) -> list[dict[str, Any]]:
    rows = store[DATABASE].get_collection("notifications", read_concern=ReadConcern("majority"))
    return await rows.find().to_list()


async def _versions(store: Mongo) -> dict[str, str]:
    server = (await store.server_info())["version"]
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "hub": __version__,
        "MongoDB": server,
        "pymongo": pymongo.version,
        "aio-pika": version("aio-pika"),
        "Python": platform.python_version(),
    }
