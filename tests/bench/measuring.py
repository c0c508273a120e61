"""One run of load on one contender: what it took, how fast it was, and what it cost."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hub.store.embedded_child import exited, spawn
from tests.bench.contenders import ROOT, Running, Servers
from tests.bench.figures import Figures
from tests.bench.load import Plan
from tests.bench.machine import Quiet, cpu_seconds

BODY = (
    '{"user_id":"user-%u","title":"Your order is on its way","message":"It left our house this morning and will be'
    ' with you tomorrow.","type":"in_app","metadata":{"at":%t,"order":"A-1029"}}'
)
_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Bench:
    """What all parts share."""

    servers: Servers
    figures: Figures
    seconds: float
    """How long each run is."""
    python: Path
    """Of the peers."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run showed."""

    accepted: int
    accepted_a_second: float
    delivered_a_second: float
    cpu_per_10k: float
    """CPU-seconds of all processes for 10,000 delivered."""
    cpu: Mapping[str, float]
    """The same by process."""
    answer_p50: float
    answer_p99: float
    """Seconds until a create is answered."""
    delivery_p50: float
    delivery_p99: float
    """Seconds from the moment a create was due until its delivery is on record."""
    others: float
    """Cores that others took meanwhile."""


def quantile(values: list[float], part: float) -> float:
    """The smallest value that so large a part does not exceed; 0 of none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))] if ranked else 0.0


async def offer(servers: Servers, plan: Plan) -> dict[str, Any]:
    """Runs a load generator in a process of its own; raises AssertionError unless everything was taken."""
    file, result = servers.folder / "plan.json", servers.folder / "result.json"
    file.write_text(json.dumps(asdict(plan)))
    log = servers.folder / "load.log"
    process = spawn([sys.executable, "-m", "tests.bench.load", str(file), str(result)], log, {"PYTHONPATH": str(ROOT)})
    code = await exited(process)
    if code != 0:
        raise AssertionError(f"the load generator ended with {code}: {log.read_text()[-2000:]}")
    found: dict[str, Any] = json.loads(result.read_text())
    if bad := {status: count for status, count in found["statuses"].items() if not status.startswith("2")}:
        raise AssertionError(f"not all was taken: {bad}: {found['failure']}")
    return found


def plan_for(running: Running, connections: int, seconds: float, rate: float = 0.0, body: str = BODY) -> Plan:
    """Creates for this contender."""
    return Plan(list(running.ports), running.path, body, dict(running.headers), connections, seconds, rate)


async def measured(servers: Servers, running: Running, plan: Plan) -> Run:
    """Offers load and waits until everything is delivered."""
    quiet, before = Quiet(), cpu_seconds(running.pids)
    result = await offer(servers, plan)
    accepted = sum(result["statuses"].values())
    await all_delivered(running)
    after = cpu_seconds(running.pids)
    others = quiet.others()
    moments = await delays(running, result["began"])
    spent = {name: (after[name] - before[name]) / accepted * 10_000 for name in after}
    return Run(
        accepted=accepted,
        accepted_a_second=accepted / (result["ended"] - result["began"]),
        delivered_a_second=accepted / (max(at for _, at in moments) - result["began"]),
        cpu_per_10k=sum(spent.values()),
        cpu=spent,
        answer_p50=quantile(result["latencies"], 0.5),
        answer_p99=quantile(result["latencies"], 0.99),
        delivery_p50=quantile([delay for delay, _ in moments], 0.5),
        delivery_p99=quantile([delay for delay, _ in moments], 0.99),
        others=others,
    )


async def all_delivered(running: Running, settled: str = "delivered") -> None:
    """Waits until nothing is left to do."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    # From the end, where what is not delivered yet lies: a look costs next to nothing until the last one.
    while await running.rows.find_one({"status": {"$ne": settled}}, {"_id": 1}, sort=[("$natural", -1)]):
        if time.monotonic() > deadline:
            left = await running.rows.count_documents({"status": {"$ne": settled}})
            raise AssertionError(f"{running.name}: {left} are not delivered")
        await asyncio.sleep(_LOOK_SECONDS)


async def delays(running: Running, began: float) -> list[tuple[float, float]]:
    """Of every notification that was due since `began`: how long its delivery took, and when it was, by the clock that all on this machine share."""
    rows = running.rows.find({"metadata.at": {"$gte": int(began * 1000)}}, {"delivered_at": 1, "metadata.at": 1})
    found = [(row["delivered_at"].timestamp(), row["metadata"]["at"] / 1000) async for row in rows]
    return [(at - due, at) for at, due in found]
