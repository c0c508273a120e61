"""How many live streams may be open: in this process, and for one end user, whatever the protocol."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from datetime import timedelta

from hub.core.ports import Standing
from hub.core.standings import Standings
from hub.domain.errors import HubError, Reason
from hub.domain.principals import Principal

PER_USER = 20
IN_TOTAL = 20_000
_COME_BACK = timedelta(seconds=10)
"""Streams last: there is little use in coming back at once."""


class StreamCaps:
    """Counts what is open. Keys of callers are bound by the total alone: one of them may watch for many users."""

    def __init__(self, per_user: int = PER_USER, in_total: int = IN_TOTAL, what: str = "streams") -> None:
        self._per_user = per_user
        self._in_total = in_total
        self._what = what
        self._of_user: Counter[tuple[str, str]] = Counter()
        self.open = 0

    def check(self, principal: Principal) -> None:
        """Raises OVERLOADED or TOO_MANY_STREAMS where `hold` would."""
        self.check_total()
        if principal.user_id is not None and self._of_user[principal.tenant, principal.user_id] >= self._per_user:
            text = f"A user may have at most {self._per_user:,} {self._what} open; close another one first."
            raise HubError(Reason.TOO_MANY_STREAMS, text, retry_after=_COME_BACK)

    def check_total(self) -> None:
        """Raises OVERLOADED where the process has no room, whoever asks."""
        if self.open >= self._in_total:
            text = f"This process has as many {self._what} open as it may; nothing was opened."
            raise HubError(Reason.OVERLOADED, text, retry_after=_COME_BACK)

    def hold(self, principal: Principal) -> AbstractContextManager[None]:
        """Counts one while the block lasts. Entering it raises OVERLOADED or TOO_MANY_STREAMS."""
        return _Place(self, principal)

    def count(self, principal: Principal, difference: int) -> None:
        """For `hold` alone: one more, or one less."""
        self.open += difference
        if principal.user_id is not None:
            owner = (principal.tenant, principal.user_id)
            self._of_user[owner] += difference
            if not self._of_user[owner]:
                del self._of_user[owner]

    def standing(self, principal: Principal, standings: Standings) -> Standing:
        """What a feed holds while a stream is open: its place here, and an ear for the end of the credential.

        Raises at once what holding it would raise now, so that a refusal comes before anything is begun.
        """
        self.check(principal)
        return lambda on_end: _Place(self, principal, standings.while_standing(principal, on_end))


class _Place(AbstractContextManager[None]):
    """One open stream. A generator would be shorter, and ten thousand of them ten megabytes."""

    __slots__ = ("_caps", "_principal", "_standing")

    def __init__(
        self, caps: StreamCaps, principal: Principal, standing: AbstractContextManager[None] | None = None
    ) -> None:
        self._caps = caps
        self._principal = principal
        self._standing = standing

    def __enter__(self) -> None:
        self._caps.check(self._principal)
        if self._standing is not None:
            self._standing.__enter__()
        self._caps.count(self._principal, 1)

    def __exit__(self, *_: object) -> None:
        self._caps.count(self._principal, -1)
        if self._standing is not None:
            self._standing.__exit__(None, None, None)
