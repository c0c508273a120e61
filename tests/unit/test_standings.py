"""Whoever hangs on a credential is told when it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.core.standings import Standings
from hub.domain.errors import HubError, Reason
from hub.domain.principals import Principal, Scope
from hub.domain.times import now
from tests.waiting import until

KEY = Principal("acme", frozenset(Scope), None, "a1")


def expiring(seconds: float) -> Principal:
    return Principal("acme", frozenset({Scope.INBOX}), "ann", "user:ann", now() + timedelta(seconds=seconds))


async def test_a_revoked_credential_tells_those_who_hang_on_it_and_nobody_else() -> None:
    standings = Standings()
    told: list[str] = []
    with (
        standings.while_standing(KEY, lambda: told.append("a1")),
        standings.while_standing(Principal("acme", KEY.scopes, None, "b2"), lambda: told.append("b2")),
        standings.while_standing(Principal("other", KEY.scopes, None, "a1"), lambda: told.append("other's")),
    ):
        standings.end("acme", "a1")
        assert told == ["a1"]


async def test_who_has_left_is_not_told() -> None:
    standings = Standings()
    told: list[str] = []
    with standings.while_standing(KEY, lambda: told.append("a1")):
        pass
    standings.end("acme", "a1")
    assert told == []
    assert not standings._told


async def test_who_comes_after_the_end_is_told_at_once() -> None:
    standings = Standings()
    told: list[str] = []
    standings.end("acme", "a1")
    with standings.while_standing(KEY, lambda: told.append("a1")):
        await until(lambda: told == ["a1"], 1)


async def test_an_expiry_needs_nobody_to_say_so() -> None:
    standings = Standings()
    told: list[str] = []
    principal = expiring(0.3)
    with standings.while_standing(principal, lambda: told.append("ann")):
        assert standings.stands(principal)
        await until(lambda: told == ["ann"], 2)
    assert not standings.stands(principal)


async def test_one_who_calls_on_is_refused() -> None:
    standings = Standings()
    standings.check(KEY)
    standings.end("acme", "a1")
    with pytest.raises(HubError) as refused:
        standings.check(KEY)
    assert refused.value.reason is Reason.UNAUTHENTICATED
