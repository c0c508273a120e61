"""`scripts/bench peers`: the hub beside what one would build from parts and beside the raw limits of the machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from tests.bench import charts, report
from tests.bench.apart import embedded, slow_providers
from tests.bench.contenders import HUB, PEERS, Servers, peers_python
from tests.bench.figures import Figures
from tests.bench.measuring import Bench
from tests.bench.report import Row
from tests.bench.rows import rows
from tests.bench.sections import CONNECTIONS, delivery, entries, modes
from tests.chaos.stage import say
from tests.servers import MongoServer, RabbitServer

_SECTIONS = {
    "delivery": delivery,
    "entries": entries,
    "modes": modes,
    "providers": slow_providers,
    "embedded": embedded,
}
_CHART = "bench-peers-{}.svg"


def main(given: Sequence[str]) -> int:
    """The command line."""
    options = _arguments(given)
    figures = asyncio.run(_run(options))
    found = rows(figures)
    say(f"\n{report.plain(found)}")
    if options.keep:
        options.keep.write_text(json.dumps(figures.values, indent=1))
    if options.write:
        command = " ".join(["scripts/bench peers", *given])
        pictures = _charts(figures)
        report.write_section("peers", _page(found, pictures), command, pictures)
    return 0 if all(row.holds for row in found) else 1


async def _run(options: argparse.Namespace) -> Figures:
    figures = Figures(tries=1 if options.quick else 3)
    rounds, seconds = (1, 2.0) if options.quick else (options.rounds, options.seconds)
    async with servers() as started:
        bench = Bench(started, figures, seconds, peers_python())
        for number in range(rounds):
            for name in options.only:
                say(f"round {number + 1} of {rounds}: {name}")
                await _SECTIONS[name](bench)
    return figures


@asynccontextmanager
async def servers() -> AsyncIterator[Servers]:
    """A mongod, a broker and a folder; at the end nothing is left."""
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    try:
        async with MongoServer(cache_gb=1.0) as mongo, RabbitServer() as rabbit:
            options: dict[str, Any] = {"uuidRepresentation": "standard", "tz_aware": True}
            async with AsyncMongoClient[dict[str, Any]](mongo.url, **options) as client:
                yield Servers(mongo, rabbit, client, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _charts(figures: Figures) -> dict[str, str]:
    """Who delivers how much, and at what cost."""
    found = {}
    for connections in CONNECTIONS:
        for what, title, unit in (
            ("delivered_a_second", "Delivered", "a second"),
            ("cpu_per_10k", "CPU of API, worker, broker and mongod", "seconds for 10,000"),
        ):
            runs = {name: figures.values[f"{name}/{connections} {what}"] for name in (HUB, *PEERS)}
            if all(runs.values()):
                file = _CHART.format(f"{what.partition('_')[0]}-{connections}")
                found[file] = charts.bars(f"{title}, {connections} connections", unit, runs, HUB)
    return found


def _page(found: Sequence[Row], pictures: dict[str, str]) -> str:
    missed = ", ".join(row.what + ": " + row.measure for row in found if not row.holds)
    images = "\n".join(f"![{name}](images/{name})" for name in pictures)
    return f"{report.markdown(found)}\n\nNot reached: {missed or 'nothing'}.\n\n{images}"


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of short runs, for developers")
    parser.add_argument("--write", action="store_true", help="write table and charts into docs/performance.md")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--seconds", type=float, default=5, help="how long each run is (default: 5)")
    parser.add_argument("--only", nargs="+", choices=list(_SECTIONS), default=list(_SECTIONS), help="default: all")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep all figures there, as JSON")
    return parser.parse_args(given)
