"""The command line of the measures of the live feed."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.live.measures import MEASURES
from tests.bench.live.report import body, charts, rows
from tests.bench.machine import Quiet
from tests.bench.report import plain, write_section


def main(given: Sequence[str]) -> int:
    """The command line: `scripts/bench live [--quick] [--write] [--only MEASURE …] [--keep FILE]`."""
    parser = argparse.ArgumentParser(prog="scripts/bench live")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES), metavar="MEASURE")
    parser.add_argument("--keep", type=Path, help="results as JSON; what it holds already of others is taken over")
    options = parser.parse_args(given)
    kept: dict[str, Any] = json.loads(options.keep.read_text()) if options.keep and options.keep.exists() else {}
    for name in options.only:
        quiet = Quiet()
        result = asyncio.run(MEASURES[name](quick=options.quick))
        kept[name] = {"result": result, "disturbed": quiet.disturbed, "others": quiet.others()}
        if options.keep:
            options.keep.write_text(json.dumps(kept, indent=1))
    results = {name: kept[name]["result"] for name in kept}
    disturbed = {name: kept[name]["disturbed"] for name in kept}
    found = rows(results, disturbed)
    sys.stdout.write(plain(found) + "\n")
    if options.write:
        write_section("live", body(results, disturbed), "scripts/bench live --write", charts(results))
    return 0 if all(row.holds for row in found) else 1
