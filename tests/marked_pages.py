"""Pages of which scripts write parts: each part between two comments, all the rest is people's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_parts(page: Path, parts: Mapping[str, str], script: str) -> None:
    """Replaces the marked parts of a page. Raises SystemExit for one that has no place in it: nothing is written then."""
    text = page.read_text()
    for name, part in parts.items():
        begin, end = f"<!-- {name}: written by {script} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{page.name} has no place for {name}")
        text = f"{before}{begin}{part}\n{end}{after}"
    page.write_text(text)
