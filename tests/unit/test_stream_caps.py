"""Counts of open streams: per end user, in total, and given back whatever happens."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from hub.core.standings import Standings
from hub.core.stream_caps import StreamCaps
from hub.domain.errors import HubError, Reason
from hub.domain.principals import Principal, Scope

ANN = Principal("acme", frozenset({Scope.INBOX}), "ann")
ANN_ELSEWHERE = Principal("other", frozenset({Scope.INBOX}), "ann")
BOB = Principal("acme", frozenset({Scope.INBOX}), "bob")
KEY = Principal("acme", frozenset(Scope), None, "a key")


def refusal(caps: StreamCaps, principal: Principal) -> Reason:
    """Why another stream is refused, beforehand and when it is to be counted."""
    with pytest.raises(HubError) as asked:
        caps.check(principal)
    with pytest.raises(HubError) as held, caps.hold(principal):
        pass
    assert asked.value.reason is held.value.reason
    assert held.value.retry_after is not None
    return held.value.reason


def test_an_end_user_has_so_many_and_others_theirs() -> None:
    caps = StreamCaps(per_user=2, in_total=100)
    with ExitStack() as ours:
        for _ in range(2):
            ours.enter_context(caps.hold(ANN))
        assert refusal(caps, ANN) is Reason.TOO_MANY_STREAMS
        for other in (BOB, ANN_ELSEWHERE, KEY):
            with caps.hold(other):
                pass
    caps.check(ANN)


def test_keys_of_callers_are_bound_by_the_total_alone() -> None:
    caps = StreamCaps(per_user=1, in_total=3)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(caps.hold(KEY))
        assert refusal(caps, KEY) is Reason.OVERLOADED
        assert refusal(caps, ANN) is Reason.OVERLOADED
    assert caps.open == 0


def test_what_fails_gives_its_place_back() -> None:
    caps = StreamCaps(per_user=1, in_total=1)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="on the way"), caps.hold(ANN):
            raise RuntimeError("on the way")
    assert caps.open == 0
    assert not caps._of_user


async def test_a_feed_holds_a_place_while_its_stream_is_open() -> None:
    caps, standings = StreamCaps(per_user=1, in_total=10), Standings()
    first = caps.standing(ANN, standings)
    late = caps.standing(ANN, standings)
    with first(lambda: None):
        with pytest.raises(HubError) as begun:
            caps.standing(ANN, standings)
        # It was let in while there was room, and comes too late all the same.
        with pytest.raises(HubError) as held, late(lambda: None):
            pass
    assert [begun.value.reason, held.value.reason] == [Reason.TOO_MANY_STREAMS] * 2
    with late(lambda: None):
        assert caps.open == 1


async def test_whoever_holds_a_place_hears_of_the_credentials_end() -> None:
    caps, standings = StreamCaps(), Standings()
    told = []
    with caps.standing(KEY, standings)(lambda: told.append("ended")):
        standings.end("acme", "a key")
        assert told == ["ended"]
