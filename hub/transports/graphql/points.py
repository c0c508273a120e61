"""What a document may cost: a point for each object that it may return, as a sum that variables complete.

The parts that don't depend on variables are added up once; what is left is shared where a fragment is, so that neither
its size nor its evaluation grows beyond the document's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 10**9
"""Where numbers stop growing: whatever is there is far beyond every limit."""

Variables = Mapping[str, Any]
Amount = int | Callable[[Variables], int]
"""How often something comes, known at once or only with the variables."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """A fixed number, and others that come so and so often."""

    fixed: int = 0
    parts: tuple[tuple[Amount, Points], ...] = ()

    def value(self, variables: Variables, known: dict[Points, int] | None = None) -> int:
        """The number, at most `MOST`; each shared part is evaluated once."""
        known = {} if known is None else known
        if self not in known:
            total = self.fixed
            for amount, points in self.parts:
                often = amount if isinstance(amount, int) else amount(variables)
                total += often * points.value(variables, known)
            known[self] = min(total, MOST)
        return known[self]


NOTHING = Points()


def summed(addends: list[Points]) -> Points:
    """All of them. What has parts stays a part, so that what is shared stays shared."""
    fixed = sum(addend.fixed for addend in addends if not addend.parts)
    parts = tuple((1, addend) for addend in addends if addend.parts)
    if not fixed and len(parts) == 1:
        return parts[0][1]
    return Points(min(fixed, MOST), parts)


def times(amount: Amount, points: Points) -> Points:
    """The points so and so often."""
    if not points.fixed and not points.parts:
        return NOTHING
    if isinstance(amount, int) and not points.parts:
        return Points(min(amount * points.fixed, MOST))
    return points if amount == 1 else Points(0, ((amount, points),))
