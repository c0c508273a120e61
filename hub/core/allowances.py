"""What one process has of one subject's allowance: the sums behind a rate limit, without a clock and without a store.

A unit that is used was either leased from the store before (`held`), or is owed to it (`unpaid`). A process never owes
more than a slice, and never holds more than one: that is all by which processes together can be wrong. Only while the
store is away does each go by its own count.
"""

from __future__ import annotations

import asyncio

from hub.domain.rates import Rate


class Allowance:
    """Of one subject, in one window."""

    __slots__ = ("_lock", "held", "pool", "rate", "subject", "tenant", "unpaid", "used", "window")

    def __init__(self, rate: Rate, tenant: str, subject: str, window: int) -> None:
        self.rate = rate
        self.tenant = tenant
        self.subject = subject
        self._lock: asyncio.Lock | None = None
        self.begin(window)

    def begin(self, window: int) -> None:
        """A new window: what was held of the last one is void."""
        self.window = window
        self.held = 0
        self.unpaid = 0
        self.used = 0
        self.pool: int | None = None
        """What the store had left when it was asked last, which can only become less; None before it was asked."""

    @property
    def free(self) -> int:
        """What may be used without asking. Below zero where more is owed than a slice."""
        credit = self.rate.slice if self.pool is None else min(self.rate.slice, self.pool)
        return self.held + credit - self.unpaid

    @property
    def left(self) -> int:
        """What may be had in this window at most. Never more than the amount without what this process has used."""
        known = self.rate.amount - self.used if self.pool is None else self.held + self.pool - self.unpaid
        return max(0, known)

    @property
    def is_low(self) -> bool:
        """Whether the store should be asked before what is free is used up."""
        return self.pool != 0 and 2 * self.free < self.rate.slice

    def take(self, units: int) -> bool:
        """Uses what is free; False if that is too little, and then nothing is used."""
        if units > self.free:
            return False
        self.use(units)
        return True

    def use(self, units: int) -> None:
        """Uses units whatever is free, which may be owed then."""
        self.used += units
        leased = min(units, self.held)
        self.held -= leased
        self.unpaid += units - leased

    def give_back(self, units: int) -> None:
        """Units that were used turn out not to have been needed."""
        self.used -= units
        owed = min(units, self.unpaid)
        self.unpaid -= owed
        self.held += units - owed

    def wish(self, units: int) -> tuple[int, int]:
        """What must be leased so that so many can be used, and what should be."""
        least = max(0, units - self.held)
        return least, max(least, self.rate.slice - self.held)

    def receive(self, paid: int, granted: int, pool: int) -> None:
        """The store has put `paid` to the account of what was owed, and gives `granted` on top."""
        self.unpaid -= paid
        self.held += granted
        self.pool = pool

    @property
    def lock(self) -> asyncio.Lock:
        """One question at a time. Most subjects never ask: it is made for those that do."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock
