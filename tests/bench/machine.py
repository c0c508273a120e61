"""The machine that figures were seen on, and whether it was ours alone meanwhile."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic

import psutil

from hub import __version__

DISTURBED = 0.2
"""Cores that others may take during a run, on average, the hypervisor among them. Beyond it the run doesn't count."""
_GIB = 1024**3


def machine() -> str:
    """In a few words, as the page has it."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    memory = psutil.virtual_memory().total / _GIB
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux {platform.release().partition('-')[0]}"


def versions() -> str:
    """Of what was measured, and the day."""
    names = ("pymongo", "beanie", "aio-pika", "fastapi", "uvicorn", "grpcio", "strawberry-graphql")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{datetime.now(UTC):%Y-%m-%d}, hub {__version__}, Python {platform.python_version()}, {packages}"


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """What each of these processes has used so far, and all that it started."""
    return {name: sum(_seconds(process) for process in _family(psutil.Process(pid))) for name, pid in pids.items()}


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def _our_seconds() -> dict[int, float]:
    return {process.pid: _seconds(process, ended=True) for process in _family(psutil.Process())}


def _family(first: psutil.Process) -> list[psutil.Process]:
    return [first, *first.children(recursive=True)]


def _seconds(process: psutil.Process, *, ended: bool = False) -> float:
    """Of one process; with those of its children that have ended, if wanted."""
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + (times.children_user + times.children_system if ended else 0))
    return 0.0


@dataclass(slots=True)
class Quiet:
    """How many cores others took since this was made: neither this process nor any that it started."""

    _began: float = field(default_factory=monotonic)
    _busy: float = field(default_factory=_busy_seconds)
    _ours: dict[int, float] = field(default_factory=_our_seconds)

    def others(self) -> float:
        """On average, in cores."""
        passed = monotonic() - self._began
        ours = sum(seconds - self._ours.get(pid, 0.0) for pid, seconds in _our_seconds().items())
        return max(0.0, _busy_seconds() - self._busy - ours) / max(passed, 0.001)

    @property
    def disturbed(self) -> bool:
        """Whether that was too much for a figure to mean anything."""
        return self.others() > DISTURBED
