"""Child processes that do not outlive this one, not even after a kill -9: below the embedded MongoDB."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Runs in a Python of its own between us and the child, which then takes its place (same pid). A `preexec_fn` would run
# our code in a fork of a process with threads, where a lock held by another thread is never released.
# prctl(1) is PR_SET_PDEATHSIG; it survives execv. A parent that died before it was set is noticed by getppid.
_LAUNCHER = """
import os, signal, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

_POLL_SECONDS = 0.02


def spawn(argv: Sequence[str], output: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start `argv` (its first item an absolute path) with stdout and stderr appended to `output`.

    The child is told to end (SIGTERM) as soon as the *thread* that started it is gone, as Linux defines it: call this
    from the main thread. Its session is its own, so that a Ctrl-C at the terminal reaches us alone and we stop it in order.
    """
    command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *argv]
    with output.open("ab") as sink:
        return subprocess.Popen(  # noqa: S603 -- argv is ours
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=env, start_new_session=True
        )


async def stopped(process: subprocess.Popen[bytes], grace_seconds: float) -> int:
    """Ask a child to end, kill it after the grace, and give its exit code (negative: the signal that ended it)."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(grace_seconds):
            return await exited(process)
    except TimeoutError:
        process.kill()
        return await exited(process)


async def exited(process: subprocess.Popen[bytes]) -> int:
    """Wait for a child to end and give its exit code."""
    # Polled: the loops in use differ in how they watch children, and nothing here is in a hurry.
    while (code := process.poll()) is None:  # noqa: ASYNC110 -- see above
        await asyncio.sleep(_POLL_SECONDS)
    return code
