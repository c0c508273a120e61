"""Whether the process beside this one is alive, for containers of any role: `python -m hub.admin.liveness`.

A running hub touches `HUB_LIVENESS_FILE` while its event loop turns; where it serves HTTP the file says where to ask
as well. This module imports next to nothing: it is started every few seconds in every container.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from pathlib import Path

BEAT_SECONDS = 5.0
"""How often the file is touched."""
STALE_SECONDS = 20.0
"""Older than this means that the event loop stands still."""
_ANSWER_SECONDS = 3.0


def complaint(file: Path) -> str | None:
    """What is wrong with the hub that touches this file; None if it is alive."""
    try:
        age = time.time() - file.stat().st_mtime
        livez = file.read_text(encoding="ascii")
    except OSError as error:
        return f"{file}: {error.strerror}; the hub has not started yet"
    if age > STALE_SECONDS:
        return f"the event loop has not turned for {age:.0f} s"
    return _not_answering(livez) if livez else None


def _not_answering(livez: str) -> str | None:
    # No proxy of the environment stands between a process and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(livez, timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        return f"{livez}: {error}"
    return None


def main() -> int:
    """The exit code, as Docker's HEALTHCHECK reads it: 0 alive, 1 not."""
    named = os.environ.get("HUB_LIVENESS_FILE")
    wrong = complaint(Path(named)) if named else "HUB_LIVENESS_FILE is not set"
    if wrong:
        sys.stderr.write(f"{wrong}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
