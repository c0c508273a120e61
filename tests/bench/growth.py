"""What a notification costs as the store grows: CPU time of hub and mongod from its creation to its delivery."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import cycle
from statistics import median

from tests.bench.callers import Http
from tests.bench.filled import fill
from tests.bench.locked import LockedHub, locked_hub
from tests.bench.machine import Quiet, cpu_seconds
from tests.bench.report import Goal, Row, figure
from tests.bench.tables import table_command
from tests.waiting import until

TENANT = "bench"
SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000), (10_000, 100_000)
USERS = (100, 10_000)
CALLERS = 32
_EACH = 100
"""Notifications of each caller in one measurement."""
_RUNS = 3
_SECONDS = 60


async def cost(hub: LockedHub, callers: Sequence[Http], user_ids: Sequence[str]) -> float:
    """CPU-seconds of 10,000 notifications."""
    users = cycle(user_ids)
    body = {"title": "Your order has been shipped", "message": "Order 4711 is on its way.", "type": "in_app"}
    before = await hub.rows.estimated_document_count()
    used = cpu_seconds(dict(hub.pids))

    async def one(caller: Http) -> None:
        for _ in range(_EACH):
            await caller.post("/api/v1/notifications", {"user_id": next(users), **body})

    await asyncio.gather(*(one(caller) for caller in callers))
    newest = (await hub.rows.find({}, {"_id": 1}).sort("_id", -1).skip(CALLERS * _EACH - 1).limit(1).to_list())[0][
        "_id"
    ]

    async def delivered() -> bool:
        left = {"_id": {"$gte": newest}, "status": {"$ne": "delivered"}}
        return await hub.rows.count_documents(left, limit=1) == 0

    await until(delivered, _SECONDS)
    assert await hub.rows.estimated_document_count() == before + CALLERS * _EACH
    spent = cpu_seconds(dict(hub.pids))
    return sum(spent[name] - used[name] for name in used) / (CALLERS * _EACH) * 10_000


async def costs(users: int, sizes: Sequence[int], runs: int) -> tuple[dict[int, list[float]], bool]:
    """The cost at each size, and whether others disturbed."""
    user_ids = [f"user{number}" for number in range(users)]
    found: dict[int, list[float]] = {}
    quiet = Quiet()
    async with locked_hub(TENANT) as hub:
        callers = [await Http.opened(hub.http_port, hub.key) for _ in range(CALLERS)]
        # The first ones warm up everything.
        await cost(hub, callers, user_ids)
        for size in sizes:
            await fill(hub.rows, TENANT, user_ids, size - await hub.rows.estimated_document_count())
            # What was filled in is on disk, and not written beside what is measured.
            await hub.rows.database.client.admin.command("fsync")
            await cost(hub, callers, user_ids)
            found[size] = [await cost(hub, callers, user_ids) for _ in range(runs)]
            sys.stdout.write(f"{users:,} users, {size:,} in the store: {figure(median(found[size]))} CPU-seconds\n")
        for caller in callers:
            await caller.close()
    return found, quiet.disturbed


async def measured(*, quick: bool) -> list[Row]:
    """Each size and number of users against the least of both."""
    sizes, runs = (QUICK_SIZES, 2) if quick else (SIZES, _RUNS)
    by_users = {users: await costs(users, sizes, runs) for users in USERS}
    least = median(by_users[USERS[0]][0][sizes[0]])
    return [
        Row(
            f"growth-{size}-{users}",
            f"{size:,} in the store, {users:,} users",
            f"CPU-seconds of 10,000 notifications against {sizes[0]:,} and {USERS[0]}",
            Goal("at most", 1.15),
            [value / least for value in values],
            f"{figure(median(values))} s against {figure(least)} s",
            disturbed,
        )
        for users, (found, disturbed) in by_users.items()
        for size, values in found.items()
        if (size, users) != (sizes[0], USERS[0])
    ]


def main(given: Sequence[str]) -> int:
    """The command line."""
    return table_command("growth", __doc__, "without the largest store", lambda quick: measured(quick=quick), given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
