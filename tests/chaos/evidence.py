"""What a run of chaos leaves behind: everything the checker judges, and nothing it would have to ask a live hub for.

All moments are seconds since the epoch by this machine's clock, which every process of a run shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Row = dict[str, Any]


class Ending(StrEnum):
    """How one try of a request ended."""

    DONE = "done"
    REFUSED = "refused"
    """A documented error that passes: the client tries again."""
    DENIED = "denied"
    """A documented error that does not pass, such as ILLEGAL_TRANSITION."""
    BROKEN = "broken"
    """The connection failed before there was an answer."""
    SILENT = "silent"
    """No answer within the deadline and a margin."""
    WRONG = "wrong"
    """An answer that is not documented: INTERNAL, no reason, no Retry-After, no such status."""


@dataclass(slots=True)
class Try:
    """One request and what came back."""

    protocol: str
    api: int
    began: float
    ended: float
    ending: Ending
    said: str = ""
    """The reason of an error."""


@dataclass(slots=True)
class Wish:
    """One notification that a client wants, under one idempotency key, however many tries in whatever protocol."""

    key: str
    user_id: str
    type: str
    tries: list[Try] = field(default_factory=list)
    answers: list[tuple[float, str]] = field(default_factory=list)
    """When a try was answered with success, and with which id."""


@dataclass(slots=True)
class Claim:
    """A status that a client claimed: `cancelled` or `read`."""

    notification_id: str
    status: str
    tries: list[Try] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether it was answered with success."""
        return any(one.ending is Ending.DONE for one in self.tries)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that a provider took."""

    notification_id: str
    channel: str
    began: float
    """When the request for it began."""
    at: float
    """When it was on the provider's disk."""
    forced: bool
    """The provider cut the connection then, so that a repeat is its own doing."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A version of a notification that a watcher was shown."""

    at: float
    connection: int
    notification_id: str
    version: int
    listed: bool
    """Read from the list, as `resync` asks."""


@dataclass(slots=True)
class Transcript:
    """All that one watcher saw, over all of its connections."""

    name: str
    user_id: str
    began: float
    sights: list[Sight] = field(default_factory=list)
    connections: int = 0
    resyncs: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    """How its connections ended."""


@dataclass(slots=True)
class Injection:
    """One fault, from when it struck until what it had broken was whole again."""

    name: str
    target: str
    at: float
    healed_at: float = 0.0


@dataclass(slots=True)
class Evidence:
    """A run as it was."""

    seed: int
    transport: str
    began: float
    wishes: list[Wish] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    transcripts: list[Transcript] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)
    stored: list[Row] = field(default_factory=list)
    """Every notification in the store at the end, read with majority, as documents."""
    taken: list[Taken] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What no process may do: tracebacks in logs, ends that nobody caused, stops that were not clean."""
    healed_at: float = 0.0
    quiet_at: float | None = None
    """When everything due was settled; None if that did not happen in time."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of what took part."""
