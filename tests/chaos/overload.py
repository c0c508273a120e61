"""Ten times what this machine can do, for a minute, while one provider hangs.

    .venv/bin/python -m tests.chaos.overload [--seconds 60]

Measures what the hub can do, offers ten times that over REST, GraphQL and gRPC, and watches from outside: memory of
every process, depth of every queue, probes, and the latency of notifications that have nothing to do with the flood.
Prints what it saw; the exit code is 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc
import httpx2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.store.embedded_child import exited, stopped
from tests.chaos.load import LoadPlan, command
from tests.chaos.sinks import taken
from tests.chaos.stage import (
    BOUNDS,
    SETTLED,
    Sampler,
    Stage,
    Verdict,
    complaints,
    quantile,
    say,
    staged,
    start_load,
    wait_for,
)

TIMES = 10
MOST_MEMORY_MIB = {"api": 600, "relay": 200, "worker": 250, "mongod": 2600, "rabbitmq": 500}
"""The stated bound of each process; see docs/overload.md."""
LANES = {"high lane": ("in_app", "high"), "another channel": ("email", "normal")}
"""What the flood must not slow down. The flood itself is in_app and sms, low."""
MOST_LATENCY_SECONDS = 1.0
PROBE_SECONDS = 2.0
DEADLINE_SECONDS = 16.0
"""The hub's own request timeout, and a second for the way."""
DRAIN_SECONDS = 300.0


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

    async def run(self, client: httpx2.AsyncClient, channel: grpc.aio.Channel) -> None:
        """Until cancelled."""
        while True:
            for path in ("/livez", "/readyz", "/metrics"):
                await self._ask(path, lambda path=path: self._http(client, path))
            await self._ask("grpc.health", lambda: self._grpc(channel))
            await asyncio.sleep(0.5)

    async def _ask(self, name: str, ask: Any) -> None:
        began = time.monotonic()
        good = await ask()
        self.seconds.setdefault(name, []).append(time.monotonic() - began)
        self.bad[name] += not good

    @staticmethod
    async def _http(client: httpx2.AsyncClient, path: str) -> bool:
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
        tasks.append(group.create_task(phase.probes.run(client, channel)))
        yield phase
        for task in tasks:
            task.cancel()


async def generate(stage: Stage, name: str, plans: list[LoadPlan]) -> list[dict[str, Any]]:
    """Runs load generators side by side; what each of them saw."""
    async with AsyncExitStack() as stack:
        running = []
        for number, plan in enumerate(plans):
            paths = [stage.folder / f"{name}-{number}.{kind}" for kind in ("plan", "result", "log")]
            paths[0].write_text(json.dumps(asdict(plan)))
            process = start_load(*paths)
            stack.push_async_callback(stopped, process, 5)
            running.append((process, paths))
        results = []
        for process, (_, result, log) in running:
            if await exited(process):
                raise RuntimeError(log.read_text()[-2000:])
            results.append(json.loads(result.read_text()))
        return results


async def capacity(stage: Stage, seconds: float) -> tuple[float, list[dict[str, Any]]]:
    """Notifications a second that are accepted from callers who wait for their answers."""
    hub = stage.hub
    plan = LoadPlan(hub.http_port, hub.grpc_port, 0, seconds, 64, ["rest"], ["in_app"])
    results = await generate(stage, "capacity", [plan])
    return results[0]["answers"]["accepted"] / seconds, results


async def flood(stage: Stage, rate: float, seconds: float) -> list[dict[str, Any]]:
    """The overload itself: most of it in_app, a tenth of it to the provider that hangs."""
    hub = stage.hub
    types = ["in_app"] * 9 + ["sms"]
    http = LoadPlan(hub.http_port, hub.grpc_port, rate * 0.8, seconds, 1500, ["rest", "graphql"], types)
    rpc = LoadPlan(hub.http_port, hub.grpc_port, rate * 0.2, seconds, 500, ["grpc"], types)
    return await generate(stage, "flood", [http, rpc])


def summed(results: list[dict[str, Any]], name: str) -> float:
    """A number of all generators together."""
    return sum(float(result[name]) for result in results)


def answers_of(results: list[dict[str, Any]]) -> Counter[str]:
    """All answers, by what they said."""
    answers: Counter[str] = Counter()
    for result in results:
        answers.update(result["answers"])
    return answers


async def latencies(stage: Stage, watch: Watch) -> list[float]:
    """Seconds from acceptance to delivery, by the hub's own record."""
    found = await stage.found(watch.ids)
    ends = {i: row.get("delivered_at") or row.get("sent_at") for i, row in found.items()}
    return [(ends[i] - found[i]["created_at"]).total_seconds() for i in found if ends[i] is not None]


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under a title, in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    say(f"\n{title}")
    for row in rows:
        say("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


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


def judge_flood(verdict: Verdict, results: list[dict[str, Any]], rate: float, seconds: float) -> None:
    """Prints what became of the flood, and judges how it was answered."""
    answers = answers_of(results)
    offered, held_up = summed(results, "offered"), summed(results, "held_up")
    refused = answers["overloaded"]
    slowest = {name: value for result in results for name, value in result["slowest"].items()}
    mean = summed(results, "refused_seconds") / refused if refused else 0.0
    table(
        "Flood",
        [
            (
                "offered a second",
                f"{offered / seconds:,.0f} ({offered / seconds / rate:.1f} times the capacity)",
            ),
            ("of these held up", f"{held_up:,.0f} (no connection was free)"),
            *((name, f"{count:,}") for name, count in answers.most_common()),
            *((f"slowest answer, {name}", f"{seconds:.2f} s") for name, seconds in slowest.items()),
            ("mean time of a refusal", f"{mean:.3f} s"),
        ],
    )
    verdict.expect(refused > 0, "load is shed: some is refused with OVERLOADED")
    verdict.expect(not summed(results, "silent_refusals"), "every refusal says when to come back")
    verdict.expect(set(answers) <= {"accepted", "overloaded"}, f"nothing but accepted and refused: {dict(answers)}")
    late = max(slowest.values())
    verdict.expect(late < DEADLINE_SECONDS, f"no answer takes longer than the deadline: {late:.1f} s")


def judge_sampled(verdict: Verdict, sampler: Sampler) -> None:
    """Prints and judges memory and queues."""
    rows = [("", "at the start", "most", "bound")]
    for name, peak in sampler.memory.items():
        bound = MOST_MEMORY_MIB[name]
        rows.append((name, f"{peak.first:.0f}", f"{peak.most:.0f}", str(bound)))
        verdict.expect(peak.most <= bound, f"{name} stays within {bound} MiB: {peak.most:.0f}")
    table("Memory (MiB resident)", rows)
    deep = [("", "most", "bound")]
    for queue, peak in sampler.depths.items():
        if peak.most:
            deep.append((queue, f"{peak.most:,.0f}", f"{BOUNDS[queue]:,}"))
        verdict.expect(peak.most <= BOUNDS[queue], f"{queue} stays within {BOUNDS[queue]:,} messages: {peak.most:,.0f}")
    table("Queues (messages ready)", deep)


async def judge_accepted(verdict: Verdict, stage: Stage, accepted: dict[str, list[str]]) -> None:
    """Everything accepted is delivered, by our record and by the provider's."""
    sinks = taken(stage.taken)
    rows = [("", "accepted", "delivered", "unsettled", "taken by the provider", "taken twice")]
    for kind, ids in accepted.items():
        found = await stage.found(ids)
        good = sum(row["status"] in {"sent", "delivered"} for row in found.values())
        unsettled = sum(row["status"] not in SETTLED for row in found.values())
        took = set(sinks.get(kind, ids))
        doubled = len(sinks.get(kind, [])) - len(set(sinks.get(kind, [])))
        rows.append((kind, f"{len(ids):,}", f"{good:,}", str(unsettled), f"{len(took & set(ids)):,}", str(doubled)))
        verdict.expect(good == len(ids), f"all accepted of {kind} are delivered: {good:,} of {len(ids):,}")
        verdict.expect(set(ids) <= took, f"the provider of {kind} took all that was accepted")
    table("Accepted and delivered", rows)


async def scenario(seconds: float) -> int:
    """The whole of it; the exit code."""
    verdict = Verdict()
    async with staged() as stage:
        sampler = Sampler(stage)
        async with sampler.looking():
            say("measuring what the machine can do …")
            rate, results = await capacity(stage, max(5.0, seconds / 8))
            await wait_for(lambda: settled(stage), DRAIN_SECONDS)
            say(f"capacity: {rate:,.0f} creates a second\nquiet …")
            async with watching(stage) as quiet:
                await asyncio.sleep(max(5.0, seconds / 6))
            stage.hang.touch()
            say(f"flood of {TIMES} times that, and the SMS gateway hangs …")
            async with watching(stage) as flooded:
                results += (flooding := await flood(stage, rate * TIMES, seconds))
            stage.hang.unlink()
            say("draining …")
            drained = await wait_for(lambda: settled(stage), DRAIN_SECONDS)
            say(f"all settled {drained:.0f} s after the flood")
        judge_flood(verdict, flooding, rate, seconds)
        await tell_of_phase(stage, "Quiet", quiet)
        seen = await tell_of_phase(stage, "Flooded", flooded)
        judge_phase(verdict, flooded, seen)
        judge_sampled(verdict, sampler)
        accepted: dict[str, list[str]] = {}
        for result in results:
            for kind, ids in result["accepted"].items():
                accepted.setdefault(kind, []).extend(ids)
        for watch in (*quiet.watches.values(), *flooded.watches.values()):
            accepted.setdefault(watch.kind, []).extend(watch.ids)
        await judge_accepted(verdict, stage, accepted)
        found = complaints(stage.hub)
        verdict.expect(not found, f"no traceback and no error in any log: {found[:3]}")
    return verdict.tell()


def judge_phase(verdict: Verdict, flooded: Phase, seen: dict[str, list[float]]) -> None:
    """What has nothing to do with the flood keeps its latency, and probes answer."""
    for name, ends in seen.items():
        watch = flooded.watches[name]
        late = quantile(ends, 0.95)
        verdict.expect(len(ends) == len(watch.ids) > 0, f"{name}: all that was accepted is delivered")
        verdict.expect(late < MOST_LATENCY_SECONDS, f"{name}: 95 % delivered within {late:.3f} s of acceptance")
        told = quantile(watch.refusals, 0.95)
        verdict.expect(told < PROBE_SECONDS, f"{name}: 95 % of refusals are told within {told:.3f} s")
        verdict.expect(set(watch.answers) <= {201, 503}, f"{name}: answers were {dict(watch.answers)}")
    for name, seconds in flooded.probes.seconds.items():
        late = quantile(seconds, 0.95)
        verdict.expect(late < PROBE_SECONDS, f"{name} answers within {PROBE_SECONDS:.0f} s: {late:.2f} s (95 %)")
        verdict.expect(not flooded.probes.bad[name], f"{name} never says that the process is unwell")


async def settled(stage: Stage) -> bool:
    """Whether nothing is left to be done."""
    return await stage.unsettled() == 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the flood lasts (60)")
    return asyncio.run(scenario(parser.parse_args().seconds))


if __name__ == "__main__":
    sys.exit(main())
