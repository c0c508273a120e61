"""Keyset paging: opaque cursors, the same token in all three protocols, bound to list and filter."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from uuid import UUID

from hub.domain.errors import HubError, Reason, Violation, invalid, invalid_field
from hub.domain.notifications import Notification
from hub.domain.status import Status

DEFAULT_LIMIT = 20
LARGEST_LIMIT = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class ListKind(IntEnum):
    """Which order a cursor is a place in."""

    NOTIFICATIONS = 1
    USER_NOTIFICATIONS = 2
    INBOX = 3
    DEAD_LETTERS = 4
    EVENTS = 5
    AUDIT = 6


@dataclass(frozen=True, slots=True)
class Filter:
    """What every list can be narrowed by; `status` is the one callers see (`read` covers `sent` and `delivered`).

    `created_after` and `created_before` are exclusive; `reason` is the code of `status_reason`. An inbox shows what is
    `archived` only if that is asked for, and then alone; in other lists None means both.
    """

    status: Status | None = None
    type: str | None = None
    category: str | None = None
    unread: bool | None = None
    user_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    reason: str | None = None
    archived: bool | None = None

    def fingerprint(self) -> bytes:
        """Four bytes that differ between filters."""
        # Only what is set: a field that a later version adds spoils none of the cursors given out before.
        given = {f.name: str(value) for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).digest()[:4]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: the time it is ordered by, then the id."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page: `limit` items after or before a cursor, from the front or (`backwards`) from the back."""

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    before: str | None = None
    backwards: bool = False
    exact_ends: bool = False
    """Whether `has_previous` (forwards) or `has_next` (backwards) must be looked up too."""
    each_cursor: bool = True
    """Whether every item's cursor is wanted, or only that of the last one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Items newest first, a cursor for each (or for the last alone), and whether there is more on either side."""

    items: tuple[Notification, ...]
    cursors: tuple[str, ...]
    has_next: bool
    has_previous: bool

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins, or None at the end."""
        return self.cursors[-1] if self.has_next and self.cursors else None


def checked_limit(field: str, value: int) -> int:
    """A page size from 1 to 100, or INVALID_VALUE naming `field`."""
    if not 1 <= value <= LARGEST_LIMIT:
        raise invalid_field(field, f"must be 1 to {LARGEST_LIMIT}")
    return value


def connection_request(
    first: int | None, last: int | None, after: str | None, before: str | None, *, exact_ends: bool = True
) -> PageRequest:
    """A page as Relay's connections ask for it: exactly one of `first` and `last`, 1 to 100."""
    if first is not None and last is not None:
        raise invalid(Violation("first", "must not be given together with last"))
    if first is not None:
        return PageRequest(checked_limit("first", first), after, before, exact_ends=exact_ends)
    if last is not None:
        return PageRequest(checked_limit("last", last), after, before, backwards=True, exact_ends=exact_ends)
    raise invalid(Violation("first", "or last must be given"))


# A token's bytes: kind, the filter's fingerprint, milliseconds since 1970, the id, and a seal over all of it
# together with tenant and user, so that a spoiled or foreign token is told from a good one.
_HEAD, _PLACE = struct.Struct(">B4s"), struct.Struct(">q16s")
_SEAL_BYTES = 6
_LAYOUT = struct.Struct(f">B4sq16s{_SEAL_BYTES}s")


def encode_cursor(kind: ListKind, owner: tuple[str, str | None], filters: Filter, position: Position) -> str:
    """The token of a place; `owner` is the tenant and, for a user's lists, the user."""
    return encode_cursors(kind, owner, filters, (position,))[0]


def encode_cursors(
    kind: ListKind, owner: tuple[str, str | None], filters: Filter, positions: Iterable[Position]
) -> tuple[str, ...]:
    """The tokens of places in one list: what they have in common is worked out once."""
    head, seal = _HEAD.pack(kind, filters.fingerprint()), _seal_of(owner)
    tokens = []
    for position in positions:
        milliseconds = (position.at - _EPOCH) // _MILLISECOND
        body = head + _PLACE.pack(milliseconds, position.id.bytes)
        sealed = seal.copy()
        sealed.update(body)
        tokens.append(base64.urlsafe_b64encode(body + sealed.digest()[:_SEAL_BYTES]).rstrip(b"=").decode())
    return tuple(tokens)


def decode_cursor(
    token: str,
    kinds: tuple[ListKind, ...],
    owner: tuple[str, str | None],
    filters: Filter | None,
    field: str = "after",
) -> Position:
    """The place a token stands for, or INVALID_CURSOR; `filters` None accepts a token of any filter."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        kind, fingerprint, milliseconds, identifier, seal = _LAYOUT.unpack(raw)
        at = _EPOCH + milliseconds * _MILLISECOND
    except (binascii.Error, struct.error, ValueError, OverflowError, OSError):
        raise invalid_cursor(field) from None
    good = (
        seal == _seal(owner, raw[: -len(seal)])
        and base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token
        and kind in kinds
        and (filters is None or fingerprint == filters.fingerprint())
    )
    if not good:
        raise invalid_cursor(field)
    return Position(at, UUID(bytes=identifier))


def invalid_cursor(field: str) -> HubError:
    """The refusal of a token that was not given out for this list and filter."""
    return invalid_field(field, "is not a cursor of this list and filter", Reason.INVALID_CURSOR)


def _seal(owner: tuple[str, str | None], body: bytes) -> bytes:
    seal = _seal_of(owner)
    seal.update(body)
    return seal.digest()[:_SEAL_BYTES]


def _seal_of(owner: tuple[str, str | None]) -> hashlib._Hash:
    tenant, user_id = owner
    return hashlib.sha256(f"{tenant}\0{user_id or ''}\0".encode())
