"""The command line of a benchmark that is one table of the page."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

import uvloop

from tests.bench.report import Row, markdown, plain, write_section

Measure = Callable[[bool], Awaitable[list[Row]]]
"""Takes whether to be quick."""


def table_command(name: str, about: str | None, quick: str, measured: Measure, given: Sequence[str]) -> int:
    """Measures and prints, and writes if told so; 0, or 1 where a row misses its goal."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {name}", description=about)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args(given)

    async def found() -> list[Row]:
        return await measured(options.quick)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(found())
    sys.stdout.write(f"{plain(rows)}\n")
    if options.write:
        write_section(name, markdown(rows), f"scripts/bench {name} --write")
    return 0 if all(row.holds for row in rows) else 1
