"""A chart of a run: accepted and delivered per second, the faults marked beneath. An SVG that stands alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tests.chaos.evidence import Evidence, Injection
from tests.chaos.report import delivered
from tests.svg import COLOURS, QUIET, bar, line, path, picture, text

_WIDTH, _RIGHT, _LEFT = 960, 770, 46
_HEIGHT, _TOP, _LANE = 260, 30, 13
_COLOURS = dict(zip(("accepted", "delivered"), COLOURS, strict=False))


class Chart:
    """The scales of one run."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._start = evidence.began
        self._seconds = max(1, int((evidence.quiet_at or evidence.healed_at) - evidence.began) + 2)
        moments = {
            "accepted": [at for wish in evidence.wishes for at, _ in wish.answers[:1]],
            "delivered": [arrived for _, arrived in delivered(evidence)],
        }
        self._counts = {name: self._per_second(found) for name, found in moments.items()}
        self._most = max(1, *(max(counts) for counts in self._counts.values()))
        self._faults = sorted(evidence.injections, key=lambda one: one.at)
        self._names = sorted({one.name for one in self._faults})

    def svg(self) -> str:
        """The whole picture."""
        total = _HEIGHT + 46 + _LANE * len(self._names)
        title = f"Seed {self._evidence.seed}, {self._evidence.transport}: notifications a second"
        parts = [text(_LEFT, 14, title), *self._axes(), *self._healed(total), *self._lines(), *self._lanes()]
        return picture(_WIDTH, total, parts)

    def _axes(self) -> Iterator[str]:
        for count in (0, self._most / 2, self._most):
            level = self._y(count)
            yield line((_LEFT, level), (_RIGHT, level))
            yield text(_LEFT - 6, level + 4, f"{count:.0f}", QUIET, "end")
        for second in range(0, self._seconds, 10):
            yield text(self._x(self._start + second), _HEIGHT + 14, f"{second} s", QUIET, "middle")

    def _healed(self, bottom: int) -> Iterator[str]:
        x = self._x(self._evidence.healed_at)
        yield line((x, 22), (x, bottom - 6), "#9ca3af", ' stroke-dasharray="3 3"')
        yield text(x + 3, 30, "healed", QUIET)

    def _lines(self) -> Iterator[str]:
        for row, (name, counts) in enumerate(self._counts.items()):
            points = [(self._x(self._start + second + 0.5), self._y(count)) for second, count in enumerate(counts)]
            yield path(points, _COLOURS[name])
            yield text(_RIGHT + 10, 40 + 16 * row, name, _COLOURS[name])

    def _lanes(self) -> Iterator[str]:
        for row, name in enumerate(self._names):
            top = _HEIGHT + 28 + _LANE * row
            yield text(_RIGHT + 10, top + 9, name, "#374151")
            yield from (self._mark(one, top) for one in self._faults if one.name == name)

    def _mark(self, fault: Injection, top: int) -> str:
        x, width = self._x(fault.at), max(3.0, self._x(fault.healed_at) - self._x(fault.at))
        return bar(x, top, width, 9, "#f59e0b", ' opacity="0.8"')

    def _x(self, moment: float) -> float:
        return _LEFT + (moment - self._start) / self._seconds * (_RIGHT - _LEFT)

    def _y(self, count: float) -> float:
        return _HEIGHT - count / self._most * (_HEIGHT - _TOP)

    def _per_second(self, moments: Iterable[float]) -> Sequence[int]:
        counted = Counter(int(moment - self._start) for moment in moments)
        return [counted[second] for second in range(self._seconds)]
