"""The command line of the benchmarks; `scripts/bench` calls it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from tests.bench import beside, growth, layers, pages, queueing
from tests.bench.live import command as live

BENCHES: dict[str, Callable[[Sequence[str]], int]] = {
    "peers": beside.main,
    "layers": layers.main,
    "live": live.main,
    "pages": pages.main,
    "growth": growth.main,
    "queueing": queueing.main,
}
"""What each is called, and what runs it: takes the arguments after its name, of which `--quick` and `--write` are
everybody's; answers 0, or 1 where a row misses its goal."""


def main(given: Sequence[str]) -> int:
    """Runs the one that is named, or all of them."""
    if given and given[0] in BENCHES:
        return BENCHES[given[0]](given[1:])
    if given and given[0] not in {"--quick", "--write"}:
        sys.stdout.write(f"usage: scripts/bench [{' | '.join(BENCHES)}] [--quick] [--write] …\n")
        return 0 if given[0] in {"--help", "-h"} else 2
    return max((bench(given) for bench in BENCHES.values()), default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
