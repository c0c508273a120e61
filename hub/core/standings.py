"""Which credentials still stand: whoever hangs on one that ends is told, so that open streams end with it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager

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

    def while_standing(self, principal: Principal, on_end: OnEnd) -> AbstractContextManager[None]:
        """Calls `on_end` once, in the event loop, when the credential ends inside the block; at once if it has."""
        return _Watch(self, principal, on_end)

    def tell(self, principal: Principal, on_end: OnEnd) -> None:
        """For `while_standing` alone: from now on this one is told of a revocation; soon, if there was one."""
        if principal.credential:
            self._told[_name(principal)].add(on_end)
        if _name(principal) in self._ended:
            asyncio.get_running_loop().call_soon(on_end)

    def tell_no_more(self, principal: Principal, on_end: OnEnd) -> None:
        """For `while_standing` alone."""
        name = _name(principal)
        self._told[name].discard(on_end)
        if not self._told[name]:
            del self._told[name]

    def stands(self, principal: Principal) -> bool:
        """Whether the credential has neither ended nor expired, as far as this process knows."""
        if _name(principal) in self._ended:
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


class _Watch(AbstractContextManager[None]):
    """One who is told. A generator would be shorter, and ten thousand of them ten megabytes."""

    __slots__ = ("_on_end", "_principal", "_standings", "_timer")

    def __init__(self, standings: Standings, principal: Principal, on_end: OnEnd) -> None:
        self._standings = standings
        self._principal = principal
        self._on_end = on_end
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._wait()
        self._standings.tell(self._principal, self._on_end)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._standings.tell_no_more(self._principal, self._on_end)

    def _wait(self) -> None:
        if self._principal.expires_at is None:
            return
        left = (self._principal.expires_at - now()).total_seconds()
        # A timer runs by another clock than the calendar: it looks again instead of trusting that the two agree.
        seconds = min(max(left, 0.0), _LONGEST_TIMER_SECONDS) + 0.001
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        if self._standings.stands(self._principal):
            self._wait()
        else:
            self._on_end()


def _name(principal: Principal) -> str:
    return f"{principal.tenant}/{principal.credential}"


def ended() -> HubError:
    """What whoever hangs on an ended credential is told."""
    return HubError(Reason.UNAUTHENTICATED, "The credential has expired or was revoked.")
