"""Who calls: every method of the core takes a principal and decides by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.domain.text import text_fault


class Scope(StrEnum):
    """What a credential may be allowed to do."""

    NOTIFICATIONS_WRITE = "notifications:write"
    NOTIFICATIONS_READ = "notifications:read"
    INBOX = "inbox"
    RECEIPTS = "receipts"
    DEAD_LETTERS = "dead-letters"
    USERS = "users"
    ADMIN = "admin"


def is_tenant(text: str) -> bool:
    """Whether a text can be a tenant's name: whatever is made of it keeps tenants apart by `/` and NUL."""
    return text != "" and "/" not in text and text_fault(text) is None


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: its tenant and scopes, and the user it is if it is an end user."""

    tenant: str
    scopes: frozenset[Scope]
    user_id: str | None = None
    credential: str = ""
    """What it came with: a key's id, `user:<user_id>` for an end user's token, empty where none is needed."""
    expires_at: datetime | None = None
    """When the credential ends by itself."""


ANONYMOUS_LOCAL = Principal(tenant="default", scopes=frozenset(Scope))
"""Who calls a hub that runs without credentials (it then serves loopback only)."""
