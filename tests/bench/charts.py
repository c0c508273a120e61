"""Charts of figures beside each other, and of figures over something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bench.report import figure
from tests.svg import COLOURS, GRID, INK, QUIET, bar, line, path, picture, text

_WIDTH, _LABELS, _FIGURES = 760, 230, 90
_BAR, _GAP = 16, 7
_LEFT, _TOP, _BOTTOM, _RIGHT = 60, 46, 250, 600


def bars(title: str, unit: str, values: Mapping[str, Sequence[float]], marked: str = "") -> str:
    """A bar a name: the median of its runs, and a whisker from the least to the most."""
    most = max(max(runs) for runs in values.values()) or 1
    scale = (_WIDTH - _LABELS - _FIGURES) / most
    parts = [text(8, 16, f"{title} ({unit})")]
    for row, (name, runs) in enumerate(values.items()):
        top, middle = 30 + row * (_BAR + _GAP), sorted(runs)[len(runs) // 2]
        level = top + _BAR / 2
        parts += [
            text(_LABELS - 8, level + 4, name, INK, "end"),
            bar(_LABELS, top, middle * scale, _BAR, COLOURS[0] if name == marked else "#9ca3af"),
            line((_LABELS + min(runs) * scale, level), (_LABELS + max(runs) * scale, level), INK),
            text(_LABELS + max(runs) * scale + 6, level + 4, figure(middle), QUIET),
        ]
    return picture(_WIDTH, 36 + len(values) * (_BAR + _GAP), parts)


def lines(title: str, across: str, up: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A line a name, through its points; both scales from zero."""
    right = max(x for points in series.values() for x, _ in points) or 1
    most = max(y for points in series.values() for _, y in points) or 1

    def at(x: float, y: float) -> tuple[float, float]:
        return _LEFT + x / right * (_RIGHT - _LEFT), _BOTTOM - y / most * (_BOTTOM - _TOP)

    parts = [text(8, 16, title), text(8, 34, up, QUIET), text(_RIGHT, _BOTTOM + 30, across, QUIET, "end")]
    for part in (0, 0.25, 0.5, 0.75, 1):
        _, level = at(0, most * part)
        place, _ = at(right * part, 0)
        parts += [
            line((_LEFT, level), (_RIGHT, level), GRID),
            text(_LEFT - 6, level + 4, figure(most * part), QUIET, "end"),
            text(place, _BOTTOM + 16, figure(right * part), QUIET, "middle"),
        ]
    for row, (name, points) in enumerate(series.items()):
        parts += [
            path([at(x, y) for x, y in points], COLOURS[row % len(COLOURS)]),
            text(_RIGHT + 10, _TOP + 16 * row, name, COLOURS[row % len(COLOURS)]),
        ]
    return picture(_WIDTH, _BOTTOM + 40, parts)
