"""What the rounds of a benchmark showed, by name, and what becomes of rounds that other load disturbed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from tests.bench.machine import DISTURBED, Quiet
from tests.bench.report import figure
from tests.chaos.stage import say

T = TypeVar("T")
_TRIES = 3


@dataclass(slots=True)
class Figures:
    """A value of each round, by name; a name's values stand in the order of the rounds."""

    tries: int = _TRIES
    """How often a run that was disturbed is made."""
    values: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    disturbed: set[str] = field(default_factory=set)
    """Names of runs that were disturbed each time."""

    async def calm(self, name: str, measure: Callable[[], Awaitable[T]]) -> T:
        """The result of a run during which the machine was ours; of the last one if it never was."""
        tries = 0
        while True:
            quiet = Quiet()
            result = await measure()
            tries += 1
            if (others := quiet.others()) <= DISTURBED:
                return result
            if tries == self.tries:
                say(f"    {name}: others took {others:.2f} cores; counted all the same")
                self.disturbed.add(name)
                return result
            say(f"    {name}: others took {others:.2f} cores; again")

    def add(self, name: str, value: float) -> None:
        """Notes a value of the present round."""
        self.values[name].append(value)

    def ratio(self, over: str, under: str) -> list[float]:
        """Of each round, in which both were measured beside each other."""
        return [a / b for a, b in zip(self.values[over], self.values[under], strict=True)]

    def against(self, over: str, unders: Iterable[str], best: Callable[[Iterable[float]], float]) -> list[float]:
        """The ratio to the best of several, in each round."""
        columns = zip(*(self.values[under] for under in unders), strict=True)
        return [a / best(column) for a, column in zip(self.values[over], columns, strict=True)]

    def middle(self, name: str) -> str:
        """The median, readable."""
        return figure(median(self.values[name])) if self.values[name] else "-"
