"""Rate limits: one limiter behind all three protocols, which asks the store for slices and not for single operations.

docs/decisions/0009 says how far that can be wrong, and what happens while the store is away.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from hub.core.allowances import Allowance
from hub.core.deadlines import deadline
from hub.core.tasks import checkpoint
from hub.domain.errors import HubError, Reason
from hub.domain.principals import Principal
from hub.domain.rates import Quota, Rate, Slice, Wish
from hub.log import get_logger

log = get_logger(__name__)

MOST_SUBJECTS = 20_000
"""Allowances that a process remembers of each limit, about 320 bytes apiece; the one that was not used for longest goes."""
_MOST_LOW = 1000
PATIENCE = timedelta(seconds=2)
"""How long an operation waits for a slice before the process goes by its own count."""
_ASK_AGAIN_SECONDS = 1.0
_SHORTEST_WAIT = timedelta(milliseconds=1)
_COST_OF_A_UNIT = 100

Run = Callable[[], Coroutine[None, None, None]]
OnRefusal = Callable[[str], None]
"""Told the name of the limit."""


class SliceStore(Protocol):
    """Where processes lease slices from."""

    async def lease(self, rate: Rate, tenant: str, subject: str, wish: Wish) -> Slice:
        """Puts down what was used and leases what is wished on top. Raises STORE_UNREACHABLE; it may have been done then."""
        ...


class StoreClock:
    """The store's clock as this process knows it: its own calendar until the store has told."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic, calendar: Callable[[], float] = time.time) -> None:
        self.ticks = ticks
        self._ahead = calendar() - ticks()

    def now(self) -> float:
        """Seconds since 1970. Behind the store's by a part of a round trip, never before it."""
        return self.ticks() + self._ahead

    def told(self, at: float) -> None:
        """The store has just said what time it is."""
        self._ahead = at - self.ticks()


_quotas: ContextVar[dict[str, Quota] | None] = ContextVar("hub_quotas", default=None)


@contextmanager
def metered() -> Iterator[dict[str, Quota]]:
    """Gathers, by the limits' names, what is left of those that are met inside; of several subjects the scarcest."""
    met: dict[str, Quota] = {}
    token = _quotas.set(met)
    try:
        yield met
    finally:
        _quotas.reset(token)


@dataclass(frozen=True, slots=True)
class Charge:
    """Units that were taken."""

    allowance: Allowance | None = None
    window: int = 0
    units: int = 0

    def give_back(self) -> None:
        """Nothing came of what they were taken for; without effect once their window has ended."""
        if self.allowance is not None and self.allowance.window == self.window:
            self.allowance.used -= self.units


NO_CHARGE = Charge()


def _nothing(_name: str) -> None:
    pass


class Limiter:
    """One limit, for any number of subjects."""

    def __init__(
        self,
        rate: Rate,
        store: SliceStore,
        clock: StoreClock,
        on_refusal: OnRefusal = _nothing,
        most_subjects: int = MOST_SUBJECTS,
        patience: timedelta = PATIENCE,
    ) -> None:
        self.rate = rate
        self._store = store
        self._clock = clock
        self._on_refusal = on_refusal
        self._most_subjects = most_subjects
        self._patience = patience
        self._allowances: OrderedDict[tuple[str, str], Allowance] = OrderedDict()
        self._low: dict[tuple[str, str], Allowance] = {}
        self._any_low = asyncio.Event()
        self._ask_at: float | None = None
        """While the store is away: when to ask it again."""

    def __len__(self) -> int:
        return len(self._allowances)

    async def take(self, tenant: str, subject: str, units: int = 1) -> Charge:
        """Counts so many units, the whole amount at most. Raises RATE_LIMITED, and then none is counted."""
        units = min(units, self.rate.amount)
        allowance = self._allowance(tenant, subject)
        while not allowance.take(units):
            if allowance.left < units:
                raise self._refusal(allowance)
            if self._alone():
                allowance.used += units
                break
            await self._refill(allowance, units)
            self._turn(allowance)
        self._look_after(allowance)
        self._note(allowance)
        return Charge(allowance, allowance.window, units)

    async def run(self) -> None:
        """Leases more for whoever is about to run out, so that nobody has to wait for it; until cancelled."""
        while True:
            checkpoint()
            await self._any_low.wait()
            self._any_low.clear()
            while self._low:
                checkpoint()
                _, allowance = self._low.popitem()
                self._turn(allowance)
                if allowance.is_low and not self._alone():
                    await self._refill(allowance, 0)

    def _allowance(self, tenant: str, subject: str) -> Allowance:
        key = (tenant, subject)
        allowance = self._allowances.get(key)
        if allowance is None:
            allowance = self._allowances[key] = Allowance(self.rate, tenant, subject, self._window())
            if len(self._allowances) > self._most_subjects:
                self._allowances.popitem(last=False)
        else:
            self._allowances.move_to_end(key)
            self._turn(allowance)
        return allowance

    def _window(self) -> int:
        return int(self._clock.now() // self.rate.seconds) * self.rate.seconds

    def _turn(self, allowance: Allowance) -> None:
        """Begins a new window where the last one has ended."""
        window = self._window()
        if window > allowance.window:
            allowance.begin(window)

    def _alone(self) -> bool:
        """Whether the store is away. Once in a second somebody is told that it is not, and finds out."""
        if self._ask_at is None:
            return False
        ticks = self._clock.ticks()
        if ticks < self._ask_at:
            return True
        self._ask_at = ticks + _ASK_AGAIN_SECONDS
        return False

    async def _refill(self, allowance: Allowance, units: int) -> None:
        async with allowance.lock:
            # Whoever waited here finds what the one before has leased.
            if allowance.free < units or (not units and allowance.is_low):
                await self._lease(allowance, units)

    async def _lease(self, allowance: Allowance, units: int) -> None:
        wish = allowance.wish(units)
        try:
            async with deadline(self._patience):
                found = await self._store.lease(self.rate, allowance.tenant, allowance.subject, wish)
        except HubError as error:
            if self._ask_at is None:
                log.warning("rate_limits_by_own_count", limit=self.rate.name, reason=error.reason)
            self._ask_at = self._clock.ticks() + _ASK_AGAIN_SECONDS
            return
        self._ask_at = None
        self._clock.told(found.at)
        if allowance.window == wish.window != found.window:
            # This process took another window for the present one.
            allowance.begin(found.window)
        if allowance.window == found.window:
            allowance.receive(found)

    def _look_after(self, allowance: Allowance) -> None:
        """Has it filled up in the background, if there is little left, and with it what is owed settled."""
        if allowance.is_low and len(self._low) < _MOST_LOW:
            self._low[allowance.tenant, allowance.subject] = allowance
            self._any_low.set()

    def _note(self, allowance: Allowance) -> None:
        met = _quotas.get()
        if met is not None:
            earlier = met.get(self.rate.name)
            if earlier is None or allowance.left < earlier.left:
                met[self.rate.name] = Quota(self.rate, allowance.left, self._left_of(allowance))

    def _left_of(self, allowance: Allowance) -> float:
        return max(0.0, allowance.window + self.rate.seconds - self._clock.now())

    def _refusal(self, allowance: Allowance) -> HubError:
        self._on_refusal(self.rate.name)
        self._look_after(allowance)
        self._note(allowance)
        rate = self.rate
        return HubError(
            Reason.RATE_LIMITED,
            f"The limit of this {rate.name} is {rate.amount:,} in {rate.seconds:,} s, and what is left of it is not enough;"
            " nothing of this was done.",
            metadata={"limit": rate.name},
            retry_after=max(_SHORTEST_WAIT, timedelta(seconds=self._left_of(allowance))),
        )


class Rates:
    """The limits of callers and of recipients, where there are any."""

    def __init__(self, credentials: Limiter | None = None, recipients: Limiter | None = None) -> None:
        self._credentials = credentials
        self._recipients = recipients

    @property
    def limits(self) -> tuple[Rate, ...]:
        """Those that are set."""
        return tuple(limiter.rate for limiter in (self._credentials, self._recipients) if limiter is not None)

    @property
    def runs(self) -> tuple[Run, ...]:
        """What a process does for them in the background."""
        return tuple(limiter.run for limiter in (self._credentials, self._recipients) if limiter is not None)

    async def operation(self, principal: Principal, units: int = 1) -> None:
        """Counts operations against their caller's credential. Raises RATE_LIMITED: nothing may be done then."""
        if self._credentials is not None:
            await self._credentials.take(principal.tenant, principal.credential, units)

    async def recipient(self, tenant: str, user_id: str) -> Charge:
        """Counts a notification against whom it is for. Raises RATE_LIMITED."""
        return NO_CHARGE if self._recipients is None else await self._recipients.take(tenant, user_id)


def units_of_cost(cost: int) -> int:
    """What an operation counts that costs so many points: one for each hundred, at least one."""
    return max(1, -(-cost // _COST_OF_A_UNIT))
