"""The command line of the kill matrix; `scripts/chaos` calls it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.chaos.chart import Chart
from tests.chaos.checker import Verdict, check, too_many_doubled
from tests.chaos.defects import DEFECTS
from tests.chaos.evidence import Evidence
from tests.chaos.report import Table
from tests.chaos.run import run
from tests.chaos.world import ROLES, ROOT, Plan, folder_of_run
from tests.marked_pages import write_parts

_SHOWN = 12
_PAGE = ROOT / "docs" / "guarantees.md"


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stdout.flush()


async def one_run(plan: Plan, keep: Path | None) -> tuple[Evidence, Verdict]:
    """Runs a plan and says what became of it."""
    say(
        f"seed {plan.seed}, {plan.transport}, {plan.seconds:g} s of faults"
        + (f", planted: {plan.defect}" if plan.defect else "")
    )
    with folder_of_run(keep) as folder:
        evidence = await run(plan, folder, lambda text: say(f"  {text}"))
        (folder / "evidence.json").write_text(json.dumps(asdict(evidence), default=str, indent=1))
    verdict = check(evidence)
    n = verdict.numbers
    say(
        f"  accepted {n['accepted']:,} of {n['wanted']:,}, taken {n['taken']:,}, lost {n['lost']}, untrue {n['untrue']}, unseen"
        f" {n['unseen']}, doubled {n['doubled']} ({n['doubled by the provider']} more by the provider itself), sent though"
        f" ended by attempts begun before {n['sent though ended, by attempts begun before']}"
    )
    if len(verdict.violations):
        shown = [f"    {violation.kind}: {violation.text}" for violation in verdict.violations[:_SHOWN]]
        more = len(verdict.violations) - len(shown)
        sys.stdout.write("\n".join([*shown, *([f"    and {more} more"] if more else []), ""]))
    return evidence, verdict


async def matrix(options: argparse.Namespace) -> bool:
    """All seeds on all transports; whether every promise was kept."""
    good = True
    pages: dict[str, str] = {}
    for transport in options.transports:
        table = Table()
        for seed in options.seeds:
            plan = Plan(seed, options.seconds, transport, faults=tuple(options.faults), rate=options.rate)
            keep = options.keep and options.keep / f"{transport}-{seed}"
            table.add(*await one_run(plan, keep))
        verdicts = [verdict for _, verdict in table.runs]
        if too_many_doubled(verdicts):
            say("too many messages were doubled")
            good = False
        good = good and not any(verdict.violations for verdict in verdicts)
        sys.stdout.write(f"\n{table.text()}\n\n{table.summary()}\n\n")
        pages[transport] = page(table, options.seconds)
        if options.write:
            (ROOT / "docs" / "images" / f"chaos-{transport}.svg").write_text(Chart(table.runs[0][0]).svg())
    if options.write:
        write_parts(_PAGE, pages, "scripts/chaos")
    return good


PLANTED_RUNS = 5
"""How often a planted defect has a chance to show."""


async def planted(options: argparse.Namespace) -> bool:
    """Each planted defect in a run of its own; whether the checker noticed every one."""
    missed = []
    lines = ["| planted defect | faults that show it | noticed as | at seed |", "| --- | --- | --- | ---: |"]
    for name in options.planted:
        defect = DEFECTS[name]
        found: dict[str, int] = {}
        seed = options.seed
        # Some need two things to fall together, which a seed may never draw.
        for seed in range(options.seed, options.seed + PLANTED_RUNS):
            plan = Plan(
                seed, options.seconds, "rabbitmq", name, defect.faults, defect.rate, defect.users, defect.store_seconds
            )
            keep = options.keep and options.keep / f"{name}-{seed}"
            _, verdict = await one_run(plan, keep)
            found = {kind: len(verdict.of_kind(kind)) for kind in sorted(defect.kinds)}
            if any(found.values()):
                break
        else:
            missed.append(name)
        shown = ", ".join(f"{count} {kind}" for kind, count in found.items() if count) or "**not noticed**"
        lines.append(f"| {name} | {', '.join(defect.faults)} | {shown} | {seed} |")
        say(f"  {name}: {shown}")
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    if options.write:
        write_parts(_PAGE, {"planted": "\n".join(lines)}, "scripts/chaos")
    return not missed


def page(table: Table, seconds: float) -> str:
    """What goes into docs/guarantees.md."""
    versions = table.runs[0][0].versions
    seeds = ", ".join(str(evidence.seed) for evidence, _ in table.runs)
    transport = table.runs[0][0].transport
    head = ", ".join(f"{name} {value}" for name, value in versions.items() if name != "date")
    return (
        f"{versions['date']}; {head}; seeds {seeds}, {seconds:g} s of faults each.\n\n"
        f"{table.markdown()}\n\n{table.summary()}\n\n![Accepted and delivered, faults marked](images/chaos-{transport}.svg)"
    )


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos", description="Torments a whole installation and checks its promises."
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="so many runs, each with the next seed (default: 1)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="the first seed; the same seed draws the same faults"
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long faults strike in each run (default: 60)")
    parser.add_argument("--transports", nargs="+", choices=list(ROLES), default=list(ROLES), help="default: both")
    parser.add_argument(
        "--faults", nargs="+", default=[], metavar="NAME", help="only these faults, by their names in the table"
    )
    parser.add_argument("--rate", type=float, default=40, help="notifications wanted a second (default: 40)")
    parser.add_argument("--planted", nargs="*", choices=list(DEFECTS), metavar="DEFECT", help="plant these defects (none named: all), each of which the checker must notice")  # fmt: skip
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and ledgers there")
    parser.add_argument("--write", action="store_true", help="write tables and charts into docs/guarantees.md")
    options = parser.parse_args(given)
    options.seeds = range(options.seed, options.seed + options.seeds)
    if options.planted == []:
        options.planted = list(DEFECTS)
    return options


def main() -> int:
    options = arguments()
    good = asyncio.run(matrix(options) if options.planted is None else planted(options))
    say(
        "every promise was kept"
        if good and options.planted is None
        else "noticed, every one"
        if good
        else "RED: see above"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
