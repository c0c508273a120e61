"""What a benchmark found: rows with goals and spread, as a table for the terminal and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from tests.bench.machine import machine, versions
from tests.marked_pages import write_parts

TIMES = "\N{MULTIPLICATION SIGN}"
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to be."""

    kind: Literal["at least", "at most"]
    value: float
    unit: str = TIMES

    def holds(self, seen: float) -> bool:
        """Whether a figure reaches it."""
        return seen >= self.value if self.kind == "at least" else seen <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.kind == 'at least' else '≤'} {figure(self.value)} {self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: a value of each run, in the unit of its goal."""

    name: str
    """Short; what `--only` takes."""
    what: str
    measure: str
    goal: Goal
    values: Sequence[float]
    seen: str = ""
    """The figures behind the ratio."""
    disturbed: bool = False
    """Other load on the machine spoiled too many runs."""

    @property
    def middle(self) -> float:
        """The median of the runs."""
        return median(self.values)

    @property
    def holds(self) -> bool:
        """Whether the median reaches the goal."""
        return bool(self.values) and self.goal.holds(self.middle)

    def cells(self) -> list[str]:
        """As a line of the table."""
        if not self.values:
            return [self.what, self.measure, str(self.goal), "not measured", self.seen, "no"]
        spread = f"{figure(self.middle)} {self.goal.unit} ({figure(min(self.values))} to {figure(max(self.values))})"
        verdict = ("yes" if self.holds else "**no**") + (", disturbed" if self.disturbed else "")
        return [self.what, self.measure, str(self.goal), spread, self.seen, verdict]


HEAD = ["what", "measure", "goal", "median (least to most)", "figures", "reached"]


def figure(value: float) -> str:
    """A number with three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def markdown(rows: Iterable[Row]) -> str:
    """The table as the page has it."""
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(rows: Sequence[Row]) -> str:
    """The table for a terminal, and which rows miss their goals."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    table = "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    missed = [row.name for row in rows if not row.holds]
    return f"{table}\n\n" + (f"{len(missed)} of {len(rows)} miss: {', '.join(missed)}" if missed else "all reached")


def write_section(name: str, body: str, command: str, charts: dict[str, str] | None = None) -> None:
    """Writes a marked part of docs/performance.md, with the machine, the versions and the command that made it.

    Charts are written beside it: `body` refers to them as `images/<name>`.
    """
    for file, svg in (charts or {}).items():
        (IMAGES / file).write_text(svg)
    head = f"`{command}`; {machine()}; {versions()}."
    write_parts(PAGE, {name: f"{head}\n\n{body}"}, "scripts/bench")
