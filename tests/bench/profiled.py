"""A hub under Python's profiler: `python -m tests.bench.profiled run --role api`, for those who look where the time goes.

The profile is written to the folder that BENCH_PROFILES names, one file a role, once the process ends in order.
"""

from __future__ import annotations

import cProfile
import os
import sys
import time
from pathlib import Path

from hub.__main__ import main


def profiled() -> int:
    """Runs the command line under the profiler; its exit code."""
    folder = Path(os.environ.pop("BENCH_PROFILES"))
    # The time of a thread: what others do on the machine is none of ours.
    profile = cProfile.Profile(time.thread_time)
    code = profile.runcall(main)
    profile.dump_stats(folder / f"{sys.argv[-1]}.prof")
    return code


if __name__ == "__main__":
    sys.exit(profiled())
