"""The one access rule: operation, scope, ownership. Protocols only extract the credential."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hub.domain.errors import HubError, Reason, not_found
from hub.domain.notifications import Notification
from hub.domain.principals import Principal, Scope
from hub.domain.status import Status
from hub.domain.times import now


class Operation(StrEnum):
    """Every public operation of the core."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    LIST_OF_USER = "list_of_user"
    INBOX = "inbox"
    UNREAD_COUNT = "unread_count"
    INBOX_COUNTS = "inbox_counts"
    MARK = "mark"
    MARK_ALL = "mark_all"
    UNDO_MARK_ALL = "undo_mark_all"
    WATCH = "watch"
    WATCH_ONE = "watch_one"
    LIST_DEAD_LETTERS = "list_dead_letters"
    REPLAY_DEAD_LETTERS = "replay_dead_letters"
    PURGE_DEAD_LETTERS = "purge_dead_letters"
    DELETE = "delete"
    GET_USER = "get_user"
    UPDATE_USER = "update_user"
    DELETE_USER = "delete_user"
    STATISTICS = "statistics"
    ISSUE_TOKEN = "issue_token"  # noqa: S105 -- an operation's name
    CREATE_KEY = "create_key"
    LIST_KEYS = "list_keys"
    ROTATE_KEY = "rotate_key"
    REVOKE_KEY = "revoke_key"
    LIST_AUDIT = "list_audit"
    HEALTH = "health"
    METRICS = "metrics"
    TAKE_RECEIPT = "take_receipt"
    PROBE = "probe"
    READ_ABOUT = "read_about"
    """The pages that the hub serves, what they are made of, and its contracts: nothing of what callers sent."""


class About(StrEnum):
    """What an operation is about, and so what another tenant's caller meets where it names what is ours."""

    TENANT = "tenant"
    """All that the caller's tenant has: nobody else's is in it."""
    USER = "user"
    """A user by the caller's own name, who need not be known: each tenant has its own, and nothing of them is nothing."""
    ITEM = "item"
    """What is there or not: NOT_FOUND for what is another tenant's, as for what never was."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do it."""

    scope: Scope | None
    """What a key needs; None: nothing."""
    about: About
    end_users: bool = False
    """Whether an end user's token opens it too: for their own, and items of inbox and archive only. The rest is NOT_FOUND."""
    guests: bool = False
    """Whether no credential is needed (of health it then shows the overall word only)."""
    signed: bool = False
    """Whether a provider's signature is what is needed instead: no credential stands for it."""


RULES: dict[Operation, Rule] = {
    Operation.CREATE: Rule(Scope.NOTIFICATIONS_WRITE, About.USER),
    # One's own inbox item by its id: what clients that keep objects by their ids (Relay) read again.
    Operation.GET: Rule(Scope.NOTIFICATIONS_READ, About.ITEM, end_users=True),
    Operation.LIST: Rule(Scope.NOTIFICATIONS_READ, About.TENANT),
    Operation.LIST_OF_USER: Rule(Scope.NOTIFICATIONS_READ, About.USER),
    Operation.INBOX: Rule(Scope.INBOX, About.USER, end_users=True),
    Operation.UNREAD_COUNT: Rule(Scope.INBOX, About.USER, end_users=True),
    Operation.INBOX_COUNTS: Rule(Scope.INBOX, About.USER, end_users=True),
    Operation.MARK: Rule(Scope.INBOX, About.ITEM, end_users=True),
    Operation.MARK_ALL: Rule(Scope.INBOX, About.USER, end_users=True),
    Operation.UNDO_MARK_ALL: Rule(Scope.INBOX, About.ITEM, end_users=True),
    Operation.WATCH: Rule(Scope.INBOX, About.USER, end_users=True),
    # It goes on beyond the inbox, of which watching the inbox tells all.
    Operation.WATCH_ONE: Rule(Scope.NOTIFICATIONS_READ, About.ITEM),
    Operation.LIST_DEAD_LETTERS: Rule(Scope.DEAD_LETTERS, About.TENANT),
    Operation.REPLAY_DEAD_LETTERS: Rule(Scope.DEAD_LETTERS, About.TENANT),
    Operation.PURGE_DEAD_LETTERS: Rule(Scope.DEAD_LETTERS, About.TENANT),
    Operation.DELETE: Rule(Scope.NOTIFICATIONS_WRITE, About.ITEM),
    Operation.GET_USER: Rule(Scope.USERS, About.ITEM),
    Operation.UPDATE_USER: Rule(Scope.USERS, About.USER),
    Operation.DELETE_USER: Rule(Scope.USERS, About.USER),
    Operation.STATISTICS: Rule(Scope.NOTIFICATIONS_READ, About.TENANT),
    Operation.ISSUE_TOKEN: Rule(Scope.INBOX, About.USER),
    Operation.CREATE_KEY: Rule(Scope.ADMIN, About.TENANT),
    Operation.LIST_KEYS: Rule(Scope.ADMIN, About.TENANT),
    Operation.ROTATE_KEY: Rule(Scope.ADMIN, About.ITEM),
    Operation.REVOKE_KEY: Rule(Scope.ADMIN, About.ITEM),
    Operation.LIST_AUDIT: Rule(Scope.ADMIN, About.TENANT),
    Operation.HEALTH: Rule(Scope.NOTIFICATIONS_READ, About.TENANT, guests=True),
    Operation.METRICS: Rule(Scope.ADMIN, About.TENANT),
    # Providers know nothing of tenants: what they report on is found by its id.
    Operation.TAKE_RECEIPT: Rule(None, About.ITEM, signed=True),
    Operation.PROBE: Rule(None, About.TENANT, end_users=True, guests=True),
    Operation.READ_ABOUT: Rule(None, About.TENANT, end_users=True, guests=True),
}
"""The table: whatever an operation is called in a protocol, who may do it stands here."""

CLAIMS: dict[Status, Rule] = {
    Status.READ: RULES[Operation.MARK],
    Status.CANCELLED: Rule(Scope.NOTIFICATIONS_WRITE, About.ITEM),
    Status.DELIVERED: Rule(Scope.RECEIPTS, About.ITEM),
    Status.FAILED: Rule(Scope.RECEIPTS, About.ITEM),
    Status.PENDING: Rule(Scope.DEAD_LETTERS, About.ITEM),
}
"""The statuses a caller may claim in a status change, each by a rule of its own. Who claims another one is told why
not, if they may read the notification."""


def allow(principal: Principal, operation: Operation, user_id: str | None = None) -> None:
    """Raises PERMISSION_DENIED, or NOT_FOUND where an end user reaches for somebody else's."""
    keep_to(RULES[operation], principal)
    if user_id is not None:
        own(principal, user_id, "The user")


def keep_to(rule: Rule, principal: Principal) -> None:
    """Raises PERMISSION_DENIED unless the rule is for such a caller."""
    if not allows(rule, principal):
        if principal.user_id is not None:
            raise HubError(Reason.PERMISSION_DENIED, "An end user's token opens their own inbox and nothing else.")
        scope = str(rule.scope)
        raise HubError(Reason.PERMISSION_DENIED, f"The credential lacks the scope {scope}.", metadata={"scope": scope})


def allows(rule: Rule, principal: Principal) -> bool:
    """Whether a caller may do what the rule is about; whose it is, is another question."""
    if principal.user_id is not None:
        return rule.end_users and (rule.scope is None or Scope.INBOX in principal.scopes)
    return rule.scope is None or rule.scope in principal.scopes


def own(principal: Principal, user_id: str, what: str) -> None:
    """Raises NOT_FOUND where an end user reaches for what is somebody else's."""
    if principal.user_id is not None and principal.user_id != user_id:
        raise not_found(what)


def reaches(principal: Principal, notification: Notification) -> bool:
    """Whether a notification exists for a caller: an end user has what inbox and archive show, a key its tenant's."""
    if notification.tenant != principal.tenant:
        return False
    if principal.user_id is None:
        return True
    expired = notification.expires_at is not None and notification.expires_at <= now()
    shown = notification.in_inbox or notification.in_archive
    return principal.user_id == notification.user_id and shown and not expired
