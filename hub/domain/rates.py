"""How much may be done in a while, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass

import limits

SLICES = 20


@dataclass(frozen=True, slots=True)
class Rate:
    """So much in each window. Windows begin at multiples of their length since 1970, by the store's clock."""

    name: str
    """What is counted by: `credential` or `recipient`."""
    amount: int
    seconds: int
    """How long a window is."""

    @classmethod
    def parse(cls, name: str, text: str) -> Rate:
        """From such as `100/second` or `5000 per 2 hours`; ValueError for what is none."""
        item = limits.parse(text)
        return cls(name, item.amount, item.get_expiry())

    @property
    def slice(self) -> int:
        """What a process has of it at once without asking for more; 0 for amounts so small that each unit is asked for."""
        return self.amount // SLICES


@dataclass(frozen=True, slots=True)
class Slice:
    """What the store gave a process of a subject's allowance, and how it stands."""

    window: int
    """When the window began, in seconds since 1970."""
    at: float
    """The store's clock, in seconds since 1970."""
    granted: int
    left: int
    """What the store has left to give in this window."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a subject's allowance, as far as this process knows: others may be using it up."""

    rate: Rate
    left: int
    seconds: float
    """Until the window ends."""
