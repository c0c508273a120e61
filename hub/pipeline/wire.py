"""The message on the broker: ids only, never content; one may carry many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

VERSION = 1


class NewerVersionError(Exception):
    """A message of a later version of the hub: acknowledged and left to the sweep."""


class UndecodableError(Exception):
    """No message of ours: poison."""


def encode(ids: Sequence[UUID]) -> bytes:
    """The body of a message."""
    return json.dumps({"v": VERSION, "ids": [i.hex for i in ids]}, separators=(",", ":")).encode()


def decode(body: bytes) -> tuple[UUID, ...]:
    """The ids of a message. Raises NewerVersionError or UndecodableError."""
    try:
        message = json.loads(body)
        version = message["v"]
        # `true` is an integer to Python and to nobody else.
        if type(version) is not int or version < 1:
            raise UndecodableError
        if version > VERSION:
            raise NewerVersionError
        if not isinstance(message["ids"], list):
            raise UndecodableError
        return tuple(UUID(text) for text in message["ids"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UndecodableError from None
