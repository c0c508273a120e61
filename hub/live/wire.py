"""Hints on the broker: ids only, never content; one message holds many hints, of many users."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hub.core.ports import AllRead, AllSeen, Change, Hint, Undone
from hub.domain.events import InboxPosition

VERSION = 1
_HINTS_PER_MESSAGE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class UnreadableError(Exception):
    """No message of ours, or one of a later version of the hub."""


def routing_key(tenant: str, user_id: str) -> str:
    """What a user's hints are routed by: tells whoever looks at the broker neither name."""
    return hashlib.sha256(f"{tenant}\0{user_id}".encode()).hexdigest()[:32]


def messages(hints: Iterable[Hint]) -> Iterator[tuple[list[str], bytes]]:
    """Routing keys and bodies of as few messages as can be; what is said twice is sent once."""
    unique = list(dict.fromkeys(hints))
    for start in range(0, len(unique), _HINTS_PER_MESSAGE):
        by_user: defaultdict[tuple[str, str], list[Hint]] = defaultdict(list)
        for hint in unique[start : start + _HINTS_PER_MESSAGE]:
            by_user[hint.tenant, hint.user_id].append(hint)
        keys = [routing_key(tenant, user_id) for tenant, user_id in by_user]
        first, *others = (_part(*owner, mine) for owner, mine in by_user.items())
        yield keys, _dumped({"v": VERSION, **first} | ({"o": others} if others else {}))


def encode(tenant: str, user_id: str, hints: Iterable[Hint]) -> bytes:
    """The body of a message about one user."""
    return _dumped({"v": VERSION, **_part(tenant, user_id, hints)})


def decode(body: bytes) -> list[Hint]:
    """The hints of a message. Raises UnreadableError."""
    try:
        message = json.loads(body)
        if message["v"] != VERSION:
            raise UnreadableError
        # Of other users, since one message is for many: older processes read the first one's, and find the rest later.
        return [hint for part in (message, *message.get("o", ())) for hint in _read(part)]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise UnreadableError from None


def _dumped(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _part(tenant: str, user_id: str, hints: Iterable[Hint]) -> dict[str, Any]:
    part: dict[str, Any] = {"t": tenant, "u": user_id, "n": [], "a": []}
    for hint in hints:
        match hint:
            case Change():
                part["n"].append(hint.notification_id.hex)
            case AllRead():
                part["a"].append(_mark(hint))
                if hint.marked_at is not None:
                    part.setdefault("m", {})[str(len(part["a"]) - 1)] = _moment(hint.marked_at)
            # Older processes pass over what they don't know, and find the changes by looking again.
            case AllSeen():
                moment = None if hint.marked_at is None else _moment(hint.marked_at)
                part.setdefault("s", []).append([*_mark(hint), moment])
            case Undone():
                part["x"] = 1
    return part


def _read(part: dict[str, Any]) -> Iterator[Hint]:
    tenant, user_id = str(part["t"]), str(part["u"])
    for text in part["n"]:
        yield Change(tenant, user_id, UUID(text))
    marked = part.get("m", {})
    for index, (*place, category) in enumerate(part["a"]):
        yield AllRead(tenant, user_id, _position(*place), category, _time(marked.get(str(index))))
    for *place, category, moment in part.get("s", ()):
        yield AllSeen(tenant, user_id, _position(*place), category, _time(moment))
    if part.get("x"):
        yield Undone(tenant, user_id)


def _mark(mark: AllRead | AllSeen) -> list[int | str | None]:
    return [_moment(mark.up_to.delivered_at), mark.up_to.id.hex, mark.category]


def _moment(time: datetime) -> int:
    return (time - _EPOCH) // _MILLISECOND


def _time(moment: int | None) -> datetime | None:
    return None if moment is None else _EPOCH + moment * _MILLISECOND


def _position(moment: int, identifier: str) -> InboxPosition:
    return InboxPosition(_EPOCH + moment * _MILLISECOND, UUID(identifier))
