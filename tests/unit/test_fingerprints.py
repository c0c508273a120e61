"""Fingerprints outlive upgrades: a field that a newer version adds changes none of what was made without it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from hub.core.creation import fingerprint
from hub.domain.notifications import NewNotification
from hub.domain.paging import Filter
from hub.domain.status import Status

COMMAND = NewNotification("user123", "Hello", "Hello there", "email", to="a@example.com", metadata={"priority": "high"})
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class NewerCommand(NewNotification):
    """Of a version with a field that this one does not know."""

    colour: str | None = None


@dataclass(frozen=True, slots=True)
class NewerFilter(Filter):
    """Likewise."""

    colour: str | None = None


def newer(command: NewNotification, colour: str | None = None) -> NewerCommand:
    given: dict[str, Any] = {f.name: getattr(command, f.name) for f in fields(command)}
    return NewerCommand(**given, colour=colour)


def test_a_command_means_the_same_to_a_version_with_more_fields() -> None:
    assert fingerprint(newer(COMMAND)) == fingerprint(COMMAND)
    assert fingerprint(newer(COMMAND, colour="red")) != fingerprint(COMMAND)


def test_a_filter_means_the_same_to_a_version_with_more_fields() -> None:
    some: dict[str, Any] = {"status": Status.SENT, "unread": True, "created_after": MOMENT}
    given: dict[str, Any]
    for given in ({}, some):
        assert NewerFilter(**given).fingerprint() == Filter(**given).fingerprint()
        assert NewerFilter(**given, colour="red").fingerprint() != Filter(**given).fingerprint()


def test_every_field_of_a_command_counts() -> None:
    others = [
        replace(COMMAND, user_id="user124"),
        replace(COMMAND, title="Hello!"),
        replace(COMMAND, message="Hello there!"),
        replace(COMMAND, type="sms"),
        replace(COMMAND, html="<p>"),
        replace(COMMAND, to=None),
        replace(COMMAND, metadata={}),
        replace(COMMAND, metadata={"priority": "low"}),
        replace(COMMAND, scheduled_at=MOMENT),
        replace(COMMAND, expires_at=MOMENT),
    ]
    assert len({fingerprint(one) for one in [COMMAND, *others]}) == len(others) + 1


def test_every_field_of_a_filter_counts() -> None:
    filters = [
        Filter(),
        Filter(status=Status.SENT),
        Filter(status=Status.FAILED),
        Filter(type="sent"),
        Filter(category="sent"),
        Filter(category="None"),
        Filter(unread=True),
        Filter(unread=False),
        Filter(user_id="sent"),
        Filter(created_after=MOMENT),
        Filter(created_before=MOMENT),
        Filter(reason="sent"),
    ]
    assert len({one.fingerprint() for one in filters}) == len(filters)
