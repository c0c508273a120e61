"""Operations on credentials and the audit trail."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Self

import strawberry

from hub.domain import audit, keys
from hub.domain.errors import invalid_field
from hub.domain.keys import DEFAULT_ENVIRONMENT, checked_scopes
from hub.domain.paging import checked_limit
from hub.transports.graphql.connections import After, PageInfo
from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import field, mutation
from hub.transports.graphql.scalars import JSON


# Neither a key nor an entry has an `id`: to Relay a field of that name is an identity that `node` finds.
@strawberry.type(description="A key of a caller, without its secret.")
class ApiKey:
    """The key as it can be shown."""

    key_id: str = strawberry.field(description="The part of the key that may be shown; `id` in the other protocols.")
    name: str = strawberry.field(description="What it is for, in its owner's words.")
    scopes: list[str] = strawberry.field(description="What it may do, in alphabetical order.")
    environment: str = strawberry.field(description="The word in the key that tells where it belongs.")
    created_at: datetime = strawberry.field(description="When it was made.")
    created_by: str = strawberry.field(description="The credential that made it: a key's id, `cli`, or `anonymous`.")
    expires_at: datetime | None = strawberry.field(description="When it ends by itself; null if it does not.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked; null if it was not.")
    last_used_at: datetime | None = strawberry.field(
        description="When it was last used, to the minute; null if it never was."
    )

    @classmethod
    def of(cls, key: keys.ApiKey) -> Self:
        """From the domain's."""
        return cls(
            key_id=key.id,
            name=key.name,
            scopes=sorted(key.scopes),
            environment=key.environment,
            created_at=key.created_at,
            created_by=key.created_by,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )


@strawberry.type(description="One deed on record.")
class AuditEntry:
    """The entry as it is shown."""

    entry_id: str = strawberry.field(description="A UUIDv7; `id` in the other protocols.")
    at: datetime = strawberry.field(description="When it was begun.")
    actor: str = strawberry.field(description="The credential: a key's id, `user:<user_id>`, `cli`, or `anonymous`.")
    action: str = strawberry.field(description="What was done, such as `key.created`.")
    subject: str | None = strawberry.field(
        description="What it was done to: the id of a key, a notification or a user; null where it was done to many."
    )
    correlation_id: str = strawberry.field(description="Of the request.")
    result: JSON | None = strawberry.field(
        description="Counts by name, empty where nothing is counted; null where it may have been done in part, or not."
    )

    @classmethod
    def of(cls, entry: audit.AuditEntry) -> Self:
        """From the domain's."""
        return cls(
            entry_id=str(entry.id),
            at=entry.at,
            actor=entry.actor,
            action=entry.action.value,
            subject=entry.subject,
            correlation_id=entry.correlation_id,
            result=None if entry.result is None else JSON(dict(entry.result)),
        )


@strawberry.type(description="An entry of the audit trail and its place there.")
class AuditEntryEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="The place in the trail: opaque, the same token in all protocols.")
    node: AuditEntry = strawberry.field(description="The entry.")


@strawberry.type(description="A page of the audit trail, newest first.")
class AuditEntryConnection:
    """Relay's connection."""

    edges: list[AuditEntryEdge] = strawberry.field(description="The entries of the page with their cursors.")
    page_info: PageInfo = strawberry.field(description="What lies on either side.")

    @classmethod
    def of(cls, page: audit.AuditPage, after: str | None) -> Self:
        """From the core's page; before it lies at least the entry it was asked to begin after."""
        pairs = zip(page.cursors, page.items, strict=True)
        return cls(
            edges=[AuditEntryEdge(cursor=cursor, node=AuditEntry.of(item)) for cursor, item in pairs],
            page_info=PageInfo(
                has_next_page=page.has_next,
                has_previous_page=after is not None,
                start_cursor=page.cursors[0] if page.cursors else None,
                end_cursor=page.cursors[-1] if page.cursors else None,
            ),
        )


@strawberry.input(description="The key to make.")
class CreateKeyInput:
    """What it is for, and what it may do."""

    name: str = strawberry.field(description="What it is for: 1 to 128 characters.")
    scopes: list[str] = strawberry.field(
        description="What it may do, one at least: `notifications:write`, `notifications:read`, `inbox`, `receipts`, "
        "`dead-letters`, `users`, `admin`."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it ends by itself, within ten years; never if left out."
    )
    environment: str | None = strawberry.field(
        default=None,
        description="A word in the key that tells where it belongs: 1 to 16 of `a-z0-9`; `live` if left out.",
    )

    def to_domain(self) -> keys.NewKey:
        """As the core takes it."""
        environment = DEFAULT_ENVIRONMENT if self.environment is None else self.environment
        return keys.NewKey(self.name, checked_scopes(self.scopes), self.expires_at, environment)


@strawberry.type(description="What `createKey` made.")
class CreateKeyPayload:
    """The key and its secret."""

    key: ApiKey = strawberry.field(description="The key as `keys` shows it.")
    secret: str = strawberry.field(description="What callers send: `hub_<environment>_<id>_<secret>`, shown this once.")


@strawberry.input(description="Which key to replace.")
class RotateKeyInput:
    """The old key, and how long it goes on."""

    key_id: str = strawberry.field(description="The id of the key.")
    overlap_seconds: int | None = strawberry.field(
        default=None, description="For how long it goes on, 0 to 2,592,000 (30 days); one day if left out."
    )


@strawberry.type(description="What `rotateKey` made.")
class RotateKeyPayload:
    """The new key and its secret."""

    key: ApiKey = strawberry.field(description="The new one: name, scopes, environment and end of the one it replaces.")
    secret: str = strawberry.field(description="What callers send: `hub_<environment>_<id>_<secret>`, shown this once.")


@strawberry.input(description="Which key to end.")
class RevokeKeyInput:
    """One key."""

    key_id: str = strawberry.field(description="The id of the key.")


@strawberry.type(description="What `revokeKey` ended.")
class RevokeKeyPayload:
    """The key that has ended."""

    key: ApiKey = strawberry.field(description="The key as it is now.")


@strawberry.input(description="Whom to let in.")
class IssueUserTokenInput:
    """One user, and for how long."""

    user_id: str = strawberry.field(description="The user whose inbox it opens.")
    lifetime_seconds: int | None = strawberry.field(
        default=None,
        description="For how long, 1 to 86,400; as the hub is set up (`HUB_AUTH__TOKEN_LIFETIME`) if left out.",
    )


@strawberry.type(description="What `issueUserToken` issued.")
class IssueUserTokenPayload:
    """The token."""

    token: str = strawberry.field(description="A JWT: what the user's browser or app sends as its credential.")
    expires_at: datetime = strawberry.field(description="When it ends.")


def _span(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


@strawberry.type
class AccessQueries:
    """Part of the query type."""

    @field("Every key of the tenant, newest first, those that ended in the last 90 days included: 1,000 at most.")
    async def keys(self, info: Info) -> list[ApiKey]:
        """The core's list."""
        return [ApiKey.of(key) for key in await info.context.core.keys.list(info.context.principal)]

    @field("The audit trail, newest first: who made and ended keys, replayed, deleted, changed a user.")
    async def audit_entries(
        self,
        info: Info,
        first: Annotated[int | None, strawberry.argument(description="That many entries, 1 to 100.")] = None,
        after: After = None,
    ) -> AuditEntryConnection:
        """The core's audit trail."""
        if first is None:
            raise invalid_field("first", "must be given")
        limit = checked_limit("first", first)
        return AuditEntryConnection.of(await info.context.core.audit.list(info.context.principal, limit, after), after)


# Payloads may be null for the reason that notifications.py gives.
@strawberry.type
class AccessMutations:
    """Part of the mutation type."""

    @mutation("Makes a key of the caller's tenant. Its secret is in this answer and nowhere else.")
    async def create_key(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            CreateKeyInput, strawberry.argument(description="The key to make.")
        ],
    ) -> CreateKeyPayload | None:
        """The core's create."""
        issued = await info.context.core.keys.create(info.context.principal, input.to_domain())
        return CreateKeyPayload(key=ApiKey.of(issued.key), secret=issued.secret)

    @mutation("Makes a key like another one, which goes on for the overlap and then ends; NOT_FOUND if it has ended.")
    async def rotate_key(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            RotateKeyInput, strawberry.argument(description="Which key, and its overlap.")
        ],
    ) -> RotateKeyPayload | None:
        """The core's rotation."""
        overlap = _span(input.overlap_seconds)
        issued = await info.context.core.keys.rotate(info.context.principal, input.key_id, overlap)
        return RotateKeyPayload(key=ApiKey.of(issued.key), secret=issued.secret)

    @mutation(
        "Ends a key: requests with it are refused within two seconds, its streams end within five. May be repeated."
    )
    async def revoke_key(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            RevokeKeyInput, strawberry.argument(description="Which key.")
        ],
    ) -> RevokeKeyPayload | None:
        """The core's revocation."""
        revoked = await info.context.core.keys.revoke(info.context.principal, input.key_id)
        return RevokeKeyPayload(key=ApiKey.of(revoked))

    @mutation("Issues a short-lived token that opens one user's inbox and nothing else: read, watch, mark.")
    def issue_user_token(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            IssueUserTokenInput, strawberry.argument(description="Whom to let in, and for how long.")
        ],
    ) -> IssueUserTokenPayload | None:
        """The core's issue."""
        lifetime = _span(input.lifetime_seconds)
        issued = info.context.core.tokens.issue(info.context.principal, input.user_id, lifetime)
        return IssueUserTokenPayload(token=issued.token, expires_at=issued.expires_at)
