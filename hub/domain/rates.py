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
class Wish:
    """What a process asks the store for. Asking twice, or an answer that is lost, takes nothing twice."""

    account: str
    """Under which the store puts down what this process has leased."""
    window: int
    """The window that `used` is about, in seconds since 1970: where it has ended, nothing was used in the present one."""
    used: int
    """What was used in it so far, leased or not."""
    least: int
    """How many units on top of these are of use; with fewer left, none are leased."""
    most: int


@dataclass(frozen=True, slots=True)
class Slice:
    """What the store gave a process of a subject's allowance, and how it stands."""

    window: int
    """When the window began, in seconds since 1970."""
    at: float
    """The store's clock, in seconds since 1970."""
    leased: int
    """All that this process has been given in this window, with what it had used without asking."""
    left: int
    """What the store has left to give in this window."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a subject's allowance, as far as this process knows: others may be using it up."""

    rate: Rate
    left: int
    seconds: float
    """Until the window ends."""
