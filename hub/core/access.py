"""The one access rule: operation, scope, ownership. Protocols only extract the credential."""

from __future__ import annotations

from enum import StrEnum

from hub.domain.errors import HubError, Reason, not_found
from hub.domain.principals import Principal, Scope
from hub.domain.status import Status


class Operation(StrEnum):
    """Every public operation of the core."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    LIST_OF_USER = "list_of_user"
    INBOX = "inbox"
    UNREAD_COUNT = "unread_count"
    MARK = "mark"
    MARK_ALL = "mark_all"
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


SCOPES: dict[Operation, Scope] = {
    Operation.CREATE: Scope.NOTIFICATIONS_WRITE,
    Operation.GET: Scope.NOTIFICATIONS_READ,
    Operation.LIST: Scope.NOTIFICATIONS_READ,
    Operation.LIST_OF_USER: Scope.NOTIFICATIONS_READ,
    Operation.INBOX: Scope.INBOX,
    Operation.UNREAD_COUNT: Scope.INBOX,
    Operation.MARK: Scope.INBOX,
    Operation.MARK_ALL: Scope.INBOX,
    Operation.WATCH: Scope.INBOX,
    Operation.WATCH_ONE: Scope.NOTIFICATIONS_READ,
    Operation.LIST_DEAD_LETTERS: Scope.DEAD_LETTERS,
    Operation.REPLAY_DEAD_LETTERS: Scope.DEAD_LETTERS,
    Operation.PURGE_DEAD_LETTERS: Scope.DEAD_LETTERS,
    Operation.DELETE: Scope.NOTIFICATIONS_WRITE,
    Operation.GET_USER: Scope.USERS,
    Operation.UPDATE_USER: Scope.USERS,
    Operation.DELETE_USER: Scope.USERS,
    Operation.STATISTICS: Scope.NOTIFICATIONS_READ,
    Operation.ISSUE_TOKEN: Scope.INBOX,
    Operation.CREATE_KEY: Scope.ADMIN,
    Operation.LIST_KEYS: Scope.ADMIN,
    Operation.ROTATE_KEY: Scope.ADMIN,
    Operation.REVOKE_KEY: Scope.ADMIN,
    Operation.LIST_AUDIT: Scope.ADMIN,
}

CLAIMS: dict[Status, Scope] = {
    Status.READ: Scope.INBOX,
    Status.CANCELLED: Scope.NOTIFICATIONS_WRITE,
    Status.DELIVERED: Scope.RECEIPTS,
    Status.FAILED: Scope.RECEIPTS,
    Status.PENDING: Scope.DEAD_LETTERS,
}
"""The statuses a caller may claim in a status change, each by its own scope."""


def allow(principal: Principal, operation: Operation, user_id: str | None = None) -> None:
    """Raises PERMISSION_DENIED, or NOT_FOUND where an end user reaches for somebody else's."""
    require(principal, SCOPES[operation])
    if user_id is not None:
        own(principal, user_id, "The user")


def require(principal: Principal, scope: Scope) -> None:
    """Raises PERMISSION_DENIED unless the credential has the scope."""
    if scope not in principal.scopes:
        raise HubError(Reason.PERMISSION_DENIED, f"The credential lacks the scope {scope}.", metadata={"scope": scope})


def tenant_wide(principal: Principal) -> None:
    """Raises PERMISSION_DENIED for an end user: this is about everybody's."""
    if principal.user_id is not None:
        raise HubError(Reason.PERMISSION_DENIED, "An end user sees their own notifications only.")


def own(principal: Principal, user_id: str, what: str) -> None:
    """Raises NOT_FOUND where an end user reaches for what is somebody else's."""
    if principal.user_id is not None and principal.user_id != user_id:
        raise not_found(what)
