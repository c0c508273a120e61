"""Which credentials still stand: whoever hangs on one that ends is told, so that open streams end with it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub.domain.errors import HubError, Reason
from hub.domain.principals import Principal
from hub.domain.times import now

_LONGEST_TIMER_SECONDS = 3600.0
OnEnd = Callable[[], None]


class Standings:
    """Ends come by themselves (expiry) or from whoever learns of them (revocation: `end`)."""

    def __init__(self) -> None:
        self._told: defaultdict[str, set[OnEnd]] = defaultdict(set)
        self._ended: set[str] = set()

    @contextmanager
    def while_standing(self, principal: Principal, on_end: OnEnd) -> Iterator[None]:
        """Calls `on_end` once, in the event loop, when the credential ends inside the block; at once if it has."""
        key = (principal.tenant, principal.credential)
        name = "/".join(key)
        timer: asyncio.TimerHandle | None = None

        def look() -> None:
            nonlocal timer
            if self.stands(principal):
                timer = self._timer(principal, look)
            else:
                on_end()

        if principal.expires_at is not None:
            timer = self._timer(principal, look)
        if principal.credential:
            self._told[name].add(on_end)
        if name in self._ended:
            asyncio.get_running_loop().call_soon(on_end)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            self._told[name].discard(on_end)
            if not self._told[name]:
                del self._told[name]

    def stands(self, principal: Principal) -> bool:
        """Whether the credential has neither ended nor expired, as far as this process knows."""
        if f"{principal.tenant}/{principal.credential}" in self._ended:
            return False
        return principal.expires_at is None or now() < principal.expires_at

    def check(self, principal: Principal) -> None:
        """Raises UNAUTHENTICATED for a credential that has ended since it was let in."""
        if not self.stands(principal):
            raise ended()

    def end(self, tenant: str, credential: str) -> None:
        """A credential is revoked."""
        name = f"{tenant}/{credential}"
        self._ended.add(name)
        for on_end in list(self._told.get(name, ())):
            on_end()

    @staticmethod
    def _timer(principal: Principal, look: OnEnd) -> asyncio.TimerHandle:
        assert principal.expires_at is not None  # noqa: S101 - tells the type checker
        left = (principal.expires_at - now()).total_seconds()
        # A timer runs by another clock than the calendar: it looks again instead of trusting that the two agree.
        return asyncio.get_running_loop().call_later(min(max(left, 0.0), _LONGEST_TIMER_SECONDS) + 0.001, look)


def ended() -> HubError:
    """What whoever hangs on an ended credential is told."""
    return HubError(Reason.UNAUTHENTICATED, "The credential has expired or was revoked.")
