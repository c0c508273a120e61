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
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

from hub.store.embedded_child import exited, stopped
from tests.chaos.bystanders import Phase, tell_of_phase, watching
from tests.chaos.load import LoadPlan
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
    table,
    wait_for,
)

TIMES = 10
MOST_MEMORY_MIB = {"api": 600, "relay": 200, "worker": 250, "mongod": 2600, "rabbitmq": 500}
"""The stated bound of each process; see docs/overload.md."""
MOST_LATENCY_SECONDS = 1.0
PROBE_SECONDS = 3.0
REFUSAL_SECONDS = 5.0
"""Whose connection was refused before is heard again after at most 3.5."""
DEADLINE_SECONDS = 16.0
"""The hub's own request timeout, and a second for the way."""
DRAIN_SECONDS = 300.0


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
    rpc = LoadPlan(hub.http_port, hub.grpc_port, rate * 0.2, seconds, 64, ["grpc"], types)
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
        verdict.expect(told < REFUSAL_SECONDS, f"{name}: 95 % of refusals are told within {told:.3f} s")
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
