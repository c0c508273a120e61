"""`scripts/bench layers`: what each layer of batching buys, by taking one away at a time."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from statistics import median

from tests.bench import report
from tests.bench.ablated import LAYERS
from tests.bench.beside import servers
from tests.bench.contenders import Servers, hub
from tests.bench.figures import Figures
from tests.bench.measuring import measured, plan_for
from tests.bench.report import TIMES, figure
from tests.chaos.stage import say

_ALL = "all of them"
_LOADS = {"64 connections": (64, 0.0), "a fixed 500/s": (64, 500.0)}
_ROLES = ("api", "relay", "worker")
_HEAD = ["without", "CPU-seconds per 10,000", f"{TIMES} all", "mongod commands per 1,000"]


def main(given: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench layers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of short runs, for developers")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    options = parser.parse_args(given)
    figures = Figures(tries=1)
    asyncio.run(_run(figures, 1 if options.quick else 3, 2.0 if options.quick else 4.0))
    tables = "\n\n".join(f"At {load}:\n\n{_table(figures, load)}" for load in _LOADS)
    say(tables)
    if options.write:
        report.write_section("layers", tables, " ".join(["scripts/bench layers", *given]))
    return 0


async def _run(figures: Figures, rounds: int, seconds: float) -> None:
    async with servers() as started:
        for number in range(rounds):
            for layer in (_ALL, *LAYERS):
                say(f"round {number + 1} of {rounds}: {layer}")
                await _measure(started, figures, layer, seconds)


async def _measure(servers: Servers, figures: Figures, layer: str, seconds: float) -> None:
    modules = None if layer == _ALL else dict.fromkeys(_ROLES, ("tests.bench.ablated", layer))
    async with hub(servers, modules=modules) as running:
        await measured(servers, running, plan_for(running, 32, 1))
        for load, (connections, rate) in _LOADS.items():
            before = await _commands(servers)
            run = await measured(servers, running, plan_for(running, connections, seconds, rate))
            calls = (await _commands(servers) - before) / run.accepted * 1000
            figures.add(f"{layer}/{load}/cpu", run.cpu_per_10k)
            figures.add(f"{layer}/{load}/calls", calls)
            say(
                f"  {load}: {run.cpu_per_10k:.2f} CPU-s/10,000, {calls:,.0f} commands per 1,000, others {run.others:.2f}"
            )


async def _commands(servers: Servers) -> int:
    """Inserts, updates and finds that mongod was told so far."""
    found = (await servers.client.admin.command("serverStatus"))["metrics"]["commands"]
    return sum(int(found[name]["total"]) for name in ("insert", "update", "find"))


def _table(figures: Figures, load: str) -> str:
    whole = f"{_ALL}/{load}/cpu"
    lines = [_HEAD, ["---"] * len(_HEAD)]
    for layer in (_ALL, *LAYERS):
        cpu = f"{layer}/{load}/cpu"
        ratio = figure(median(figures.ratio(cpu, whole)))
        name = "nothing" if layer == _ALL else layer
        lines.append([name, figures.middle(cpu), ratio, figures.middle(f"{layer}/{load}/calls")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
