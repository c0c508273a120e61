"""What one process has of one subject's allowance: the sums behind a rate limit, without a clock and without a store.

What is used was either leased from the store before, or is owed to it. A process never owes more than a slice, and never
holds more than one unused: that is all by which processes together can be wrong. Only while the store is away does each
go by its own count.
"""

from __future__ import annotations

import asyncio
import secrets

from hub.domain.rates import Rate, Slice, Wish


class Allowance:
    """Of one subject, in one window."""

    __slots__ = ("_account", "_lock", "leased", "pool", "rate", "subject", "tenant", "used", "window")

    def __init__(self, rate: Rate, tenant: str, subject: str, window: int) -> None:
        self.rate = rate
        self.tenant = tenant
        self.subject = subject
        self._account: str | None = None
        self._lock: asyncio.Lock | None = None
        self.begin(window)

    def begin(self, window: int) -> None:
        """A new window: what was leased in the last one is void."""
        self.window = window
        self.leased = 0
        """What the store has put down to this process, used or not."""
        self.used = 0
        self.pool: int | None = None
        """What the store had left when it was asked last, which can only become less; None before it was asked."""

    @property
    def free(self) -> int:
        """What may be used without asking. Below zero where more is owed than a slice."""
        credit = self.rate.slice if self.pool is None else min(self.rate.slice, self.pool)
        return self.leased - self.used + credit

    @property
    def left(self) -> int:
        """What may be had in this window at most. Never more than the amount without what this process has used."""
        known = self.rate.amount if self.pool is None else self.leased + self.pool
        return max(0, known - self.used)

    @property
    def is_low(self) -> bool:
        """Whether the store should be asked before what is free is used up."""
        return self.pool != 0 and 2 * self.free < self.rate.slice

    def take(self, units: int) -> bool:
        """Uses what is free; False if that is too little, and then nothing is used."""
        if units > self.free:
            return False
        self.used += units
        return True

    def wish(self, units: int) -> Wish:
        """What to ask the store for, so that so many units can be used."""
        if self._account is None:
            self._account = secrets.token_hex(6)
        return Wish(self._account, self.window, self.used, units, max(units, self.rate.slice))

    def receive(self, found: Slice) -> None:
        """The store's answer, for this window."""
        self.leased = found.leased
        self.pool = found.left

    @property
    def lock(self) -> asyncio.Lock:
        """One question at a time. Most subjects never ask: it is made for those that do."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock
