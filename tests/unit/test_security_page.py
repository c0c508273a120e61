"""SECURITY.md names tests: each exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_page_names_exists() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))
    }
    named = set(re.findall(r"(?<!\[)`(test_\w+)`", page))
    assert len(named) > 30
    assert named <= defined, sorted(named - defined)
    files = re.findall(r"\[`test_\w+`\]\(([^)]+)\)", page)
    assert len(files) > 5
    assert [path for path in files if not (ROOT / path).is_file()] == []
