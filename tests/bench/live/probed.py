"""A hub that notes when its feed takes an event up: `python -m tests.bench.live.probed run …`, otherwise `python -m hub run …`.

Into the file that BENCH_PROBE names goes a line for each: `hint ID NS` when the process has heard that a notification changed,
`made ID NS` when the event has been made of what was read, just before it is handed to any stream; and `collected GENERATION NS`
with how long the garbage collector has stopped the process.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterable

from hub.__main__ import main
from hub.core.ports import Change, Hint
from hub.domain.notifications import Notification
from hub.live.pump import Pump
from hub.live.topics import Topic


def plant(path: str) -> None:
    """Wraps the two places."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    add, event = Pump.add, Topic.event

    def noted(self: Pump, hints: Iterable[Hint]) -> None:
        at, hints = time.monotonic_ns(), list(hints)
        lines = [f"hint {hint.notification_id} {at}\n" for hint in hints if isinstance(hint, Change)]
        os.write(file, "".join(lines).encode())
        add(self, hints)

    def made(self: Topic, *args: object, **kwargs: object) -> object:
        found = next((one for one in args if isinstance(one, Notification)), None)
        if found is not None:
            os.write(file, f"made {found.id} {time.monotonic_ns()}\n".encode())
        return event(self, *args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    began = 0

    def collecting(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.monotonic_ns()
        elif info["generation"] == 2:
            os.write(file, f"collected {info['generation']} {time.monotonic_ns() - began}\n".encode())

    gc.callbacks.append(collecting)
    Pump.add = noted  # type: ignore[method-assign]  # that is the probe
    Topic.event = made  # type: ignore[method-assign,assignment]  # that is the probe


if __name__ == "__main__":
    plant(os.environ["BENCH_PROBE"])
    sys.exit(main())
