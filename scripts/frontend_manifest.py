"""Whether the built pages in hub/web/static belong to their sources, told without node.

frontend/built.json holds one hash over all sources and one over all built files.
Usage: frontend_manifest.py --check | --write   (scripts/build-frontend writes, scripts/check checks)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "frontend" / "built.json"
SOURCES = (
    "frontend/package.json",
    "frontend/package-lock.json",
    "frontend/tsconfig.json",
    "frontend/vite*.config.js",
    "frontend/src/**/*",
    "graphql/operations/*.graphql",
)
BUILT = ("hub/web/static/**/*",)


def digest(patterns: Iterable[str]) -> str:
    """A hash over the names and contents of all files that a pattern fits."""
    files = sorted({path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()})
    total = sha256()
    for path in files:
        content = sha256(path.read_bytes()).hexdigest()
        total.update(f"{content}  {path.relative_to(ROOT).as_posix()}\n".encode())
    return total.hexdigest()


def main() -> int:
    """Writes or checks; the exit code."""
    now = {"sources": digest(SOURCES), "built": digest(BUILT)}
    if sys.argv[1:] == ["--write"]:
        MANIFEST.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
        return 0
    then = json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.exists() else {}
    changed = [name for name in now if now[name] != then.get(name)]
    if "sources" in changed:
        print("frontend/ or graphql/operations/ is not what hub/web/static was built from: run scripts/build-frontend")
    elif changed:
        print("hub/web/static is not what scripts/build-frontend wrote: run it")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
