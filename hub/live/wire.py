"""Hints on the broker: ids only, never content; one message holds many hints of one user."""

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


def messages(hints: Iterable[Hint]) -> Iterator[tuple[str, bytes]]:
    """Routing keys and bodies of as few messages as can be; what is said twice is sent once."""
    by_user: defaultdict[tuple[str, str], dict[Hint, None]] = defaultdict(dict)
    for hint in hints:
        by_user[hint.tenant, hint.user_id][hint] = None
    for (tenant, user_id), unique in by_user.items():
        mine = list(unique)
        for start in range(0, len(mine), _HINTS_PER_MESSAGE):
            yield routing_key(tenant, user_id), encode(tenant, user_id, mine[start : start + _HINTS_PER_MESSAGE])


def encode(tenant: str, user_id: str, hints: Iterable[Hint]) -> bytes:
    """The body of a message."""
    message: dict[str, Any] = {"v": VERSION, "t": tenant, "u": user_id, "n": [], "a": []}
    for hint in hints:
        match hint:
            case Change():
                message["n"].append(hint.notification_id.hex)
            case AllRead():
                message["a"].append(_mark(hint))
                if hint.marked_at is not None:
                    message.setdefault("m", {})[str(len(message["a"]) - 1)] = _moment(hint.marked_at)
            # Older processes pass over what they don't know, and find the changes by looking again.
            case AllSeen():
                moment = None if hint.marked_at is None else _moment(hint.marked_at)
                message.setdefault("s", []).append([*_mark(hint), moment])
            case Undone():
                message["x"] = 1
    return json.dumps(message, separators=(",", ":")).encode()


def decode(body: bytes) -> list[Hint]:
    """The hints of a message. Raises UnreadableError."""
    try:
        message = json.loads(body)
        if message["v"] != VERSION:
            raise UnreadableError
        tenant, user_id = str(message["t"]), str(message["u"])
        changes = [Change(tenant, user_id, UUID(text)) for text in message["n"]]
        marked = message.get("m", {})
        read = [
            AllRead(tenant, user_id, _position(*place), category, _time(marked.get(str(index))))
            for index, (*place, category) in enumerate(message["a"])
        ]
        seen = [
            AllSeen(tenant, user_id, _position(*place), category, _time(moment))
            for *place, category, moment in message.get("s", ())
        ]
        undone = [Undone(tenant, user_id)] if message.get("x") else []
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise UnreadableError from None
    return [*changes, *read, *seen, *undone]


def _mark(mark: AllRead | AllSeen) -> list[int | str | None]:
    return [_moment(mark.up_to.delivered_at), mark.up_to.id.hex, mark.category]


def _moment(time: datetime) -> int:
    return (time - _EPOCH) // _MILLISECOND


def _time(moment: int | None) -> datetime | None:
    return None if moment is None else _EPOCH + moment * _MILLISECOND


def _position(moment: int, identifier: str) -> InboxPosition:
    return InboxPosition(_EPOCH + moment * _MILLISECOND, UUID(identifier))
