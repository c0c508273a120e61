"""`scripts/bench queueing`: a model of the pipeline's queues against the hub itself, at three loads; and what a notification weighs.

The model knows what each step takes by the size of its batch, measured one step at a time while the hub is under that load.
Nothing in it is fitted to the latency that it is to predict.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

from hub.core import delivery
from hub.core.creation import BATCH_SIZE
from hub.pipeline.relay import APART_SECONDS, IDS_PER_MESSAGE
from tests.bench import steps, weights
from tests.bench.beside import servers
from tests.bench.contenders import TENANT, Running, Servers, hub
from tests.bench.load import Plan
from tests.bench.machine import DISTURBED, machine, versions
from tests.bench.measuring import Run, measured, offer, plan_for, quantile
from tests.bench.report import TIMES, figure
from tests.bench.simulated import Model, Predicted, Service, predict
from tests.bench.steps import Seen, fitted
from tests.chaos.stage import say
from tests.marked_pages import write_parts

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
RATES = (100, 300, 600)
USERS = 20_000
STEPS = "steps"
"""The database in which steps are measured by themselves, and their vhost: the hub beside takes nothing from there."""
_TICK = 0.001
_SPELL = 0.05
"""About as long as the steps of one batch are measured after each other."""
_SIMULATED_SECONDS = 300.0
_MILLISECONDS = 1000
FULL = "as fast as it goes"
STEPS_OF_THE_WAY = ("request", "enter", "insert", "publish", "carry", "claim", "record", "stamp")


@dataclass(frozen=True, slots=True)
class Load:
    """A load that was offered, and what each step took meanwhile."""

    run: Run
    seen: Mapping[str, Seen]
    lone: Sequence[float]
    """Seconds until a lone caller had his answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """All that one run of this bench showed."""

    loads: Mapping[int, Sequence[Load]]
    """By rate."""
    full: Run
    """As fast as it goes."""
    counted: tuple[int, float]
    """How many notifications an hour had when it was counted for statistics, and the seconds that took."""
    weights: Sequence[weights.Weight]


async def found(rounds: int, seconds: float) -> Found:
    """All loads in turns, and the steps beside them: what else the machine does strikes both alike."""
    loads: dict[int, list[Load]] = {rate: [] for rate in RATES}
    async with servers() as started, hub(started) as running:
        await started.rabbit.create_vhost(STEPS)
        say(FULL)
        await offer(started, _plan(running, 0, 3.0))
        full = await measured(started, running, _plan(running, 0, seconds))
        for number in range(rounds):
            for rate in RATES:
                say(f"round {number + 1} of {rounds}: {rate} a second")
                loads[rate].append(await _load(started, running, _plan(running, rate, seconds)))
        hour = await steps.counted(started.mongo.url, running.rows.database.name, TENANT)
        await steps.reserve(started.mongo.url, STEPS, USERS)
        weighed = [await weights.of(running.rows), await weights.of(started.client[STEPS]["idempotency_keys"])]
    return Found(loads, full, hour, weighed)


def _plan(running: Running, rate: float, seconds: float) -> Plan:
    return replace(plan_for(running, 64, seconds, rate), users=USERS, scattered=True)


async def _load(servers: Servers, running: Running, plan: Plan) -> Load:
    enough = asyncio.Event()
    key = running.headers["Authorization"].removeprefix("Bearer ")
    async with asyncio.TaskGroup() as group:
        offered = group.create_task(measured(servers, running, plan))
        seen = group.create_task(steps.measure(servers.mongo.url, servers.rabbit.url_of(STEPS), STEPS, enough))
        lone = group.create_task(steps.lone(running.ports[0], key, enough))
        run = await offered
        enough.set()
    return Load(run, seen.result(), lone.result())


def model_of(loads: Sequence[Load], full: Run) -> Model:
    """From what the steps took while these loads were offered."""
    seen = steps.joined([load.seen for load in loads])
    services = {name: fitted(values) for name, values in seen.items()}
    # Requests take turns for the API's one thread, and for nothing else that a lone caller waits for.
    turn = max(0.0, full.cpu["api"] / 10_000 - services["insert"].each)
    lone = median(seconds for load in loads for seconds in load.lone)
    enter = max(turn, lone - median(seen["insert"][1]))
    return Model(
        request=Service(turn), enter=Service(enter), **services,
        insert_most=BATCH_SIZE, message_most=IDS_PER_MESSAGE, work_most=delivery._BATCH,
        publish_apart=APART_SECONDS, record_apart=delivery._APART_SECONDS, spell=_SPELL, tick=_TICK,
    )  # fmt: skip


def page_of(seen: Found) -> str:
    """The tables, in Markdown."""
    models = {rate: model_of(loads, seen.full) for rate, loads in seen.loads.items()}
    return "\n\n".join(
        [_loads(seen, models), _services(models), _costs(seen), _full(seen), weights.table(seen.weights)]
    )


def _services(models: Mapping[int, Model]) -> str:
    heads = " | ".join(f"at {rate}/s" for rate in models)
    lines = [
        f"| ms: fixed, each item (p99 of what was seen, against this line) | {heads} |",
        f"|---|{'---|' * len(models)}",
    ]
    rows = {name: [getattr(model, name) for model in models.values()] for name in STEPS_OF_THE_WAY}
    lines += [f"| {name} | {' | '.join(map(_service, services))} |" for name, services in rows.items()]
    return "\n".join(lines)


def _service(service: Service) -> str:
    if len(service.factors) == 1:
        return _ms(service.fixed)
    worst = quantile(list(service.factors), 0.99)
    return f"{_ms(service.fixed)} {service.each * _MILLISECONDS:+.3f} ({figure(worst)} {TIMES})"


def _loads(seen: Found, models: Mapping[int, Model]) -> str:
    heads = [f"{part} {what}" for part in ("p50", "p99") for what in ("predicted", "measured", "off by")]
    lines = [f"| load | {' | '.join(heads)} | items an insert, predicted |", f"|---|{'---|' * 7}"]
    for rate, loads in seen.loads.items():
        runs = [load.run for load in loads]
        said = predict(models[rate], rate, _SIMULATED_SECONDS)
        lines.append(f"| {rate}/s{_disturbed(runs)} | {' | '.join(_compared(said, runs))} |")
    return "\n".join(lines)


def _compared(said: Predicted, runs: Sequence[Run]) -> list[str]:
    cells = []
    for part, values in ((0.5, [run.delivery_p50 for run in runs]), (0.99, [run.delivery_p99 for run in runs])):
        predicted, real = quantile(list(said.delays), part), fmean(values)
        cells += [f"{_ms(predicted)} ms", f"{_ms(real)} ms", f"{(predicted / real - 1) * 100:+.0f} %"]
    return [*cells, figure(said.insert_size)]


def _costs(seen: Found) -> str:
    """CPU-seconds per 10,000: where batches are small, and where they are large."""
    names = sorted(seen.full.cpu)
    lines = [f"| CPU-seconds per 10,000 | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    by_load = {f"{rate}/s": [load.run for load in loads] for rate, loads in seen.loads.items()} | {FULL: [seen.full]}
    for name, runs in by_load.items():
        cells = [figure(fmean(run.cpu[process] for run in runs)) for process in names]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _full(seen: Found) -> str:
    number, seconds = seen.counted
    return (
        f"As fast as it goes, 64 connections{_disturbed([seen.full])}: {seen.full.accepted_a_second:,.0f} accepted and "
        f"{seen.full.delivered_a_second:,.0f} delivered a second. Counting an hour of {number:,} anew for statistics: "
        f"{seconds / number * 1_000_000:.1f} \N{MICRO SIGN}s each."
    )


def _disturbed(runs: Sequence[Run]) -> str:
    others = fmean(run.others for run in runs)
    return f", disturbed: others took {others:.1f} cores" if others > DISTURBED else ""


def _ms(seconds: float) -> str:
    return f"{seconds * _MILLISECONDS:.2f}" if seconds < _TICK else f"{seconds * _MILLISECONDS:.1f}"


def main(given: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench queueing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--write", action="store_true", help="write docs/scale.md")
    options = parser.parse_args(given)
    rounds, seconds = (1, 4.0) if options.quick else (3, 6.0)
    page = page_of(asyncio.run(found(rounds, seconds)))
    sys.stdout.write(f"{page}\n")
    if options.write:
        command = " ".join(["scripts/bench queueing", *given])
        write_parts(PAGE, {"queueing": f"`{command}`; {machine()}; {versions()}.\n\n{page}"}, "scripts/bench")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
