"""API keys: what is known of them, and what a new one must be like."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.domain.checks import LONGEST_AHEAD
from hub.domain.errors import Violation, invalid, invalid_field
from hub.domain.principals import Principal, Scope
from hub.domain.text import label_fault

LONGEST_NAME = 128
LONGEST_OVERLAP = timedelta(days=30)
DEFAULT_OVERLAP = timedelta(hours=24)
_KEY = re.compile(r"hub_[a-z0-9]{1,16}_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{12}", re.ASCII)
_ENVIRONMENT = re.compile(r"[a-z0-9]{1,16}", re.ASCII)
DEFAULT_ENVIRONMENT = "live"


@dataclass(frozen=True, slots=True)
class NewKey:
    """The command that makes a key; times are UTC."""

    name: str
    scopes: frozenset[Scope]
    expires_at: datetime | None = None
    environment: str = DEFAULT_ENVIRONMENT
    """A word in the key that tells people where it belongs: 1 to 16 of `a-z0-9`."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it can be shown: never the secret, never its hash. Times are UTC."""

    id: str
    tenant: str
    name: str
    scopes: frozenset[Scope]
    environment: str
    created_at: datetime
    created_by: str
    """The credential that made it; `cli` for the command line."""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the minute."""

    def stands(self, moment: datetime) -> bool:
        """Whether it opens anything at that time."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)

    @property
    def principal(self) -> Principal:
        """Who calls with it."""
        return Principal(self.tenant, self.scopes, None, self.id, self.expires_at)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that was just made: `secret` is what callers send, and is shown this once."""

    key: ApiKey
    secret: str


def new_secret(environment: str) -> tuple[str, str]:
    """A key's id and what callers send, `hub_<environment>_<id>_<secret>`: 256 bits of chance."""
    identifier = secrets.token_hex(6)
    return identifier, f"hub_{environment}_{identifier}_{secrets.token_urlsafe(32)}"


def is_key_id(text: str) -> bool:
    """Whether a text can be the id of a key."""
    return _ID.fullmatch(text) is not None


def id_in(token: str) -> str | None:
    """The id of what has the form of a key, or None."""
    found = _KEY.fullmatch(token)
    return None if found is None else found[1]


def hash_key(token: str) -> str:
    """What is stored of a key: SHA-256 in hex.

    Keys are random and long, so a plain hash does: there is nothing to guess, and looking up a hash leaks no timing.
    """
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def checked_scopes(names: Iterable[str], field: str = "scopes") -> frozenset[Scope]:
    """Scopes by their names; INVALID_VALUE naming the field for one that does not exist, and for none at all."""
    known = {scope.value: scope for scope in Scope}
    given = list(names)
    if not given or any(name not in known for name in given):
        raise invalid_field(field, f"must be one or more of {', '.join(known)}")
    return frozenset(known[name] for name in given)


def checked_key(command: NewKey, now: datetime) -> NewKey:
    """The command, or INVALID_VALUE naming every field that is wrong."""
    violations = []
    if not command.name.strip() or len(command.name) > LONGEST_NAME:
        violations.append(Violation("name", f"must be 1 to {LONGEST_NAME} characters long"))
    elif fault := label_fault(command.name):
        violations.append(Violation("name", fault))
    if not command.scopes:
        violations.append(Violation("scopes", "must not be empty"))
    if _ENVIRONMENT.fullmatch(command.environment) is None:
        violations.append(Violation("environment", "must be 1 to 16 of a-z and 0-9"))
    if command.expires_at is not None and command.expires_at <= now:
        violations.append(Violation("expires_at", "must lie in the future"))
    elif command.expires_at is not None and command.expires_at > now + LONGEST_AHEAD:
        violations.append(Violation("expires_at", "must lie within ten years"))
    if violations:
        raise invalid(*violations)
    return command


def checked_overlap(overlap: timedelta | None) -> timedelta:
    """How long a rotated key goes on opening doors: 0 to 30 days, one day unless said otherwise."""
    if overlap is None:
        return DEFAULT_OVERLAP
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise invalid_field("overlap_seconds", f"must be 0 to {int(LONGEST_OVERLAP.total_seconds()):,}")
    return overlap
