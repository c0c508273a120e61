"""The command line: `python -m tests.bench.live [--quick] [--only MEASURE …]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from tests.bench.live.measures import MEASURES

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    options = parser.parse_args()
    for name in options.only:
        result = asyncio.run(MEASURES[name](quick=options.quick))
        sys.stdout.write(name + " " + json.dumps(result, indent=1) + "\n")
        sys.stdout.flush()
