"""Half a million low ones wait, the worker is away, and then comes a high one.

    .venv/bin/python -m tests.chaos.backlog [--waiting 500000]

The first of the backlog are created through the API, one by one and in batches, and so handed over from memory until their
lane is full; the rest is written by the store's own `insert_many`, the one that creates use, as by an API process that died
before its hand-over. The exit code is 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2

from hub.domain.ids import new_id, time_of
from hub.domain.notifications import Notification, Priority
from hub.domain.status import Status
from hub.pipeline.sweep import DEPTH_LIMIT
from hub.store.client import open_store
from hub.store.notifications import NotificationStore, Periods
from tests.chaos.load import command
from tests.chaos.overload import capacity, judge_sampled
from tests.chaos.stage import DATABASE, Sampler, Stage, Verdict, complaints, quantile, say, staged, table, wait_for

SINGLY_SECONDS = 40.0
IN_BATCHES = 20_000
BATCH = 1000
AT_ONCE = 2
MOST_SECONDS = 1.0
LATER_SECONDS = 2.0
"""While the worker and its store work as hard as they can, on a machine of two cores."""
LATER = 20
"""High ones that come while the worker is busy with the backlog."""
HOUR = timedelta(hours=1)


async def batches(client: httpx2.AsyncClient, count: int) -> None:
    """Creates in_app, low, through the API."""
    items = [command("in_app", number, "low") for number in range(BATCH)]
    for _ in range(count // BATCH):
        answer = await client.post("/api/v1/notifications/batch", json={"notifications": items})
        answer.raise_for_status()
        assert not any(result["error"] for result in answer.json()["results"])


def waiting(number: int) -> Notification:
    """A low one that is due at once."""
    identifier = new_id()
    moment = time_of(identifier)
    return Notification(
        id=identifier,
        tenant="default",
        user_id=f"user{number % 500}",
        title="Overload",
        message="One of very many.",
        type="in_app",
        html=None,
        to=None,
        metadata={"priority": "low"},
        priority=Priority.LOW,
        category=None,
        status=Status.PENDING,
        status_reason=None,
        attempts=(),
        scheduled_at=None,
        expires_at=None,
        next_attempt_at=moment,
        created_at=moment,
        updated_at=moment,
        sent_at=None,
        delivered_at=None,
        read_at=None,
        version=1,
        correlation_id="backlog",
    )


async def insert(url: str, count: int) -> None:
    """Writes so many by the store's own insert."""
    periods = Periods(
        timedelta(seconds=5), timedelta(seconds=10), timedelta(minutes=1), HOUR * 24 * 90, HOUR * 49, HOUR * 25
    )
    async with open_store(url, DATABASE, timedelta(seconds=30)) as _:
        store = NotificationStore(periods)

        async def some(starts: AsyncIterator[int]) -> None:
            async for start in starts:
                assert all(await store.insert_many([waiting(start + n) for n in range(min(BATCH, count - start))]))

        starts = _each(range(0, count, BATCH))
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(some(starts))


async def _each(numbers: range) -> AsyncIterator[int]:
    for number in numbers:
        yield number


async def create_high(client: httpx2.AsyncClient, number: int) -> str:
    """A high one, through the API; its id."""
    answer = await client.post("/api/v1/notifications", json=command("in_app", number, "high"))
    answer.raise_for_status()
    return str(answer.json()["id"])


async def delivered_at(stage: Stage, identifier: str) -> datetime:
    """When it was delivered; waits for it."""
    rows: dict[str, Any] = {}

    async def delivered() -> bool:
        rows.update(await stage.found([identifier]))
        return rows[identifier]["delivered_at"] is not None

    await wait_for(delivered, 60)
    moment: datetime = rows[identifier]["delivered_at"]
    return moment


def ready_at(stage: Stage) -> datetime:
    """When the worker last said that it is ready."""
    lines = [json.loads(line) for line in stage.hub.processes["worker"].log_text().splitlines() if line[:1] == "{"]
    return datetime.fromisoformat([line["timestamp"] for line in lines if line["event"] == "ready"][-1])


async def scenario(count: int) -> int:
    """The whole of it; the exit code."""
    verdict = Verdict()
    async with staged() as stage:
        worker = stage.hub.processes["worker"]
        sampler = Sampler(stage)
        client = httpx2.AsyncClient(base_url=stage.hub.base_url, timeout=60)
        async with sampler.looking(), client:
            await worker.stop()
            began = time.monotonic()
            await capacity(stage, SINGLY_SECONDS)
            await batches(client, min(IN_BATCHES, count))
            await insert(stage.mongo.url, max(0, count - await stage.unsettled()))
            # Long enough for the sweep to take up what it will, and for what it may publish again.
            await asyncio.sleep(15)
            waited = await stage.unsettled({"lane": "in_app.low"})
            say(f"{waited:,} low ones wait, {time.monotonic() - began:.0f} s after the first")
            verdict.expect(waited >= count, f"{count:,} low ones wait while the worker is away")
            high = await create_high(client, 0)
            await worker.start()
            first = (await delivered_at(stage, high) - ready_at(stage)).total_seconds()
            later = []
            for number in range(LATER):
                later.append(await create_high(client, number))
                await asyncio.sleep(0.2)
            ends = [(await delivered_at(stage, one) - time_of_text(one)).total_seconds() for one in later]
            left = await stage.unsettled({"lane": "in_app.low"})
        table(
            "High ones (seconds)",
            [
                ("after the worker's return", f"{first:.3f}"),
                (f"{LATER} later ones, p50", f"{quantile(ends, 0.5):.3f}"),
                (f"{LATER} later ones, most", f"{max(ends):.3f}"),
                ("low ones delivered meanwhile", f"{waited - left:,} of {waited:,}"),
            ],
        )
        verdict.expect(first < MOST_SECONDS, f"the high one is delivered within {first:.3f} s of the worker's return")
        late = quantile(ends, 0.95)
        verdict.expect(late < LATER_SECONDS, f"95 % of later ones are delivered within {late:.3f} s of acceptance")
        verdict.expect(left < waited, "the backlog is worked off beside them")
        judge_sampled(verdict, sampler)
        say(f"  (the sweep adds to a lane only while fewer than {DEPTH_LIMIT} messages lie in it)")
        found = complaints(stage.hub)
        verdict.expect(not found, f"no traceback and no error in any log: {found[:3]}")
    return verdict.tell()


def time_of_text(identifier: str) -> datetime:
    """When a notification was created."""
    return time_of(UUID(identifier))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=500_000, help="how many low ones wait (500,000)")
    return asyncio.run(scenario(parser.parse_args().waiting))


if __name__ == "__main__":
    sys.exit(main())
