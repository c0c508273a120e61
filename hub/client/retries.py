"""How long the client waits before it tries again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling waits with jitter, so that many clients of a hub that restarts do not come back at once."""

    first: timedelta = timedelta(milliseconds=100)
    longest: timedelta = timedelta(seconds=5)

    def wait(self, failures: int, asked: timedelta | None = None) -> float:
        """Seconds to wait after so many failures in a row (1 and up); never less than the hub `asked` for."""
        longest = self.longest.total_seconds()
        # The exponent is bounded: a watch may fail for days.
        step = min(longest, self.first.total_seconds() * 2.0 ** min(failures - 1, 30))
        jittered = random.uniform(step / 2, step)  # noqa: S311 - no secret
        return jittered if asked is None else asked.total_seconds() + jittered
