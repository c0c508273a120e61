"""Who has nothing to do with a flood: a few notifications a second in other lanes, and whoever probes the process."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.chaos.load import command
from tests.chaos.stage import Stage, quantile, table

LANES = {"high lane": ("in_app", "high"), "another channel": ("email", "normal")}
"""What the flood must not slow down. The flood itself is in_app and sms, low."""


@dataclass(slots=True)
class Watch:
    """One lane, a few notifications a second, by a client that comes back when it is told to."""

    kind: str
    priority: str
    ids: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """Seconds from the first try to the acceptance."""
    refusals: list[float] = field(default_factory=list)
    """Seconds that each refusal took."""
    tries: int = 0
    answers: Counter[int] = field(default_factory=Counter)

    async def run(self, client: httpx2.AsyncClient) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(sys.maxsize):
                group.create_task(self._create(client, number))
                await asyncio.sleep(0.25)

    async def _create(self, client: httpx2.AsyncClient, number: int) -> None:
        began = time.monotonic()
        body = command(self.kind, number, self.priority)
        headers = {"Idempotency-Key": f"{self.kind}-{self.priority}-{began}-{number}"}
        while True:
            self.tries += 1
            asked = time.monotonic()
            answer = await client.post("/api/v1/notifications", json=body, headers=headers)
            self.answers[answer.status_code] += 1
            if answer.status_code == 201:
                self.ids.append(answer.json()["id"])
                self.waits.append(time.monotonic() - began)
                return
            self.refusals.append(time.monotonic() - asked)
            # With jitter, as every client should.
            await asyncio.sleep(float(answer.headers.get("retry-after", 1)) * random.uniform(0.5, 1.0))


@dataclass(slots=True)
class Probes:
    """How the process answers whoever decides about its life."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    bad: Counter[str] = field(default_factory=Counter)

    async def run(self, base_url: str, channel: grpc.aio.Channel) -> None:
        """Until cancelled. Each time over a new connection, as those do who decide about a process's life."""
        while True:
            for path in ("/livez", "/readyz", "/metrics"):
                await self._ask(path, lambda path=path: self._http(base_url, path))
            await self._ask("grpc.health", lambda: self._grpc(channel))
            await asyncio.sleep(0.5)

    async def _ask(self, name: str, ask: Any) -> None:
        began = time.monotonic()
        good = await ask()
        self.seconds.setdefault(name, []).append(time.monotonic() - began)
        self.bad[name] += not good

    @staticmethod
    async def _http(base_url: str, path: str) -> bool:
        async with httpx2.AsyncClient(base_url=base_url, timeout=30) as client:
            return (await client.get(path)).status_code == 200

    @staticmethod
    async def _grpc(channel: grpc.aio.Channel) -> bool:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@dataclass(slots=True)
class Phase:
    """What was seen of the others while the machine was quiet, or flooded."""

    watches: dict[str, Watch]
    probes: Probes


@asynccontextmanager
async def watching(stage: Stage) -> AsyncIterator[Phase]:
    """Creates and probes beside whatever else goes on."""
    phase = Phase({name: Watch(*lane) for name, lane in LANES.items()}, Probes())
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=stage.hub.base_url, timeout=30))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(stage.hub.grpc_target))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [group.create_task(watch.run(client)) for watch in phase.watches.values()]
        tasks.append(group.create_task(phase.probes.run(stage.hub.base_url, channel)))
        yield phase
        for task in tasks:
            task.cancel()


async def latencies(stage: Stage, watch: Watch) -> list[float]:
    """Seconds from acceptance to delivery, by the hub's own record."""
    found = await stage.found(watch.ids)
    ends = {i: row.get("delivered_at") or row.get("sent_at") for i, row in found.items()}
    return [(ends[i] - found[i]["created_at"]).total_seconds() for i in found if ends[i] is not None]


async def tell_of_phase(stage: Stage, title: str, phase: Phase) -> dict[str, list[float]]:
    """Prints what was seen in a phase; the latencies by lane."""
    seen = {name: await latencies(stage, watch) for name, watch in phase.watches.items()}
    rows: list[tuple[str, ...]] = [
        ("", "accepted", "tries", "wait p50", "wait p95", "refused p95", "delivered", "p50", "p95", "max")
    ]
    for name, watch in phase.watches.items():
        waits, ends = watch.waits, seen[name]
        parts = [quantile(waits, 0.5), quantile(waits, 0.95), quantile(watch.refusals, 0.95)]
        ended = [quantile(ends, 0.5), quantile(ends, 0.95), max(ends, default=0.0)]
        rows.append(
            (
                name,
                str(len(watch.ids)),
                str(watch.tries),
                *(f"{part:.3f}" for part in parts),
                str(len(ends)),
                *(f"{part:.3f}" for part in ended),
            )
        )
    table(f"{title}: others' notifications (seconds to be accepted, then to be delivered)", rows)
    probes: list[tuple[str, ...]] = [("", "asked", "bad", "p50", "p95", "max")]
    for name, seconds in phase.probes.seconds.items():
        parts = [quantile(seconds, 0.5), quantile(seconds, 0.95), max(seconds)]
        probes.append((name, str(len(seconds)), str(phase.probes.bad[name]), *(f"{part:.3f}" for part in parts)))
    table(f"{title}: probes (seconds)", probes)
    return seen
