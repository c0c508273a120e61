"""What goes in and out of access, as `schemas` and `answers` have it of all else."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from hub.domain import audit, keys
from hub.domain.audit import Action
from hub.domain.keys import DEFAULT_ENVIRONMENT, LONGEST_NAME, LONGEST_OVERLAP, checked_scopes
from hub.domain.paging import DEFAULT_LIMIT
from hub.domain.principals import Scope
from hub.domain.times import format_time
from hub.transports.rest.answers import Answer, Cursor, Id, Time, TimeOrNull, time_or_null
from hub.transports.rest.schemas import Input, Limit, QueryText
from hub.transports.rest.schemas import Time as InputTime

_MOST_SECONDS = 2**31 - 1
"""What GraphQL and gRPC can say at most; beyond every limit of the core."""
_SCOPE: dict[str, Any] = {"type": "string", "enum": [scope.value for scope in Scope]}
_EXAMPLE_KEY_ID = "5f0c8a1e9b3d"

KeyId = Annotated[str, Path(description="The id of a key.", json_schema_extra={"examples": [_EXAMPLE_KEY_ID]})]


class NewKey(Input):
    """A key to make."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "shop", "scopes": ["notifications:write"], "expires_at": "2030-01-31T08:00:00.000Z"}]
        }
    )

    name: str = Field(
        description="What it is for, in its owner's words.",
        json_schema_extra={"minLength": 1, "maxLength": LONGEST_NAME, "examples": ["shop"]},
    )
    scopes: list[str] = Field(
        description="What it may do, one at least.", json_schema_extra={"minItems": 1, "items": _SCOPE}
    )
    expires_at: InputTime = Field(None, description="When it ends by itself, within ten years; never if left out.")
    environment: str | None = Field(
        None,
        description=f"A word in the key that tells where it belongs; `{DEFAULT_ENVIRONMENT}` if left out.",
        json_schema_extra={"pattern": "^[a-z0-9]{1,16}$", "examples": ["live"]},
    )

    def command(self) -> keys.NewKey:
        """The command as the core takes it."""
        environment = DEFAULT_ENVIRONMENT if self.environment is None else self.environment
        return keys.NewKey(self.name, checked_scopes(self.scopes), self.expires_at, environment)


class Rotation(Input):
    """How to rotate a key."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_seconds": 3600}]})

    overlap_seconds: int | None = Field(
        None,
        description="For how long the old key goes on; one day if left out.",
        json_schema_extra={"minimum": 0, "maximum": int(LONGEST_OVERLAP.total_seconds())},
    )

    def overlap(self) -> timedelta | None:
        """The overlap as the core takes it."""
        return span(self.overlap_seconds)


class NewToken(Input):
    """A token to issue."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lifetime_seconds": 900}]})

    lifetime_seconds: int | None = Field(
        None,
        description="For how long it opens the inbox; as `HUB_AUTH__TOKEN_LIFETIME` says if left out.",
        json_schema_extra={"minimum": 1, "maximum": 86_400},
    )

    def lifetime(self) -> timedelta | None:
        """The lifetime as the core takes it."""
        return span(self.lifetime_seconds)


class AuditQuery(BaseModel):
    """The query parameters of the audit trail."""

    limit: Limit = Field(DEFAULT_LIMIT, description="Items on a page.")
    after: QueryText = Field(None, description="`next_cursor` of the page before.")


class ApiKey(Answer):
    """A key of a caller, without its secret."""

    id: str = Field(description="The part of the key that may be shown.", examples=[_EXAMPLE_KEY_ID])
    name: str = Field(description="What it is for, in its owner's words.", examples=["shop"])
    scopes: list[Scope] = Field(description="What it may do, in alphabetical order.")
    environment: str = Field(description="The word in the key that tells where it belongs.", examples=["live"])
    created_at: Time = Field(description="When it was made.")
    created_by: str = Field(
        description="The credential that made it: a key's id, `cli`, or `anonymous`.", examples=["cli"]
    )
    expires_at: TimeOrNull = Field(description="When it ends by itself.")
    revoked_at: TimeOrNull = Field(description="When it was revoked.")
    last_used_at: TimeOrNull = Field(description="When it was last used, to the minute.")


class Keys(Answer):
    """The keys of a tenant."""

    items: list[ApiKey] = Field(description="Newest first; at most 1,000.")


class IssuedKey(Answer):
    """A key that was just made."""

    key: ApiKey = Field(description="The key as the list shows it.")
    secret: str = Field(description="What callers send: `hub_<environment>_<id>_<secret>`, shown this once.")


class IssuedToken(Answer):
    """A token that was just issued."""

    token: str = Field(description="A JWT: what the user's browser or app sends as its credential.")
    expires_at: Time = Field(description="When it ends.")


class AuditEntry(Answer):
    """One deed on record."""

    id: Id = Field(description="Made by the hub; the same in all protocols.")
    at: Time = Field(description="When it was begun.")
    actor: str = Field(
        description="The credential: a key's id, `user:<user_id>`, `cli`, or `anonymous`.", examples=[_EXAMPLE_KEY_ID]
    )
    action: Action = Field(description="What was done.")
    subject: str | None = Field(
        description="What it was done to: the id of a key, a notification or a user; null where it was done to many.",
        examples=["0a1b2c3d4e5f"],
    )
    correlation_id: str = Field(description="Of the request.", examples=["5f2b8c1d9e3a4b60"])
    result: dict[str, int] | None = Field(
        description="Counts by name, empty where nothing is counted; null where it may have been done in part, or not."
    )


class AuditPage(Answer):
    """A page of the audit trail, newest first."""

    items: list[AuditEntry] = Field(description="At most `limit`.")
    next_cursor: Cursor | None = Field(description="`after` of the next page; null at the end.")


def span(seconds: int | None) -> timedelta | None:
    """A span of so many seconds; JSON's integers have no bounds, and those of a span are the core's to say."""
    return None if seconds is None else timedelta(seconds=max(-_MOST_SECONDS, min(seconds, _MOST_SECONDS)))


def key_body(key: keys.ApiKey) -> dict[str, Any]:
    """A key as callers see it."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "environment": key.environment,
        "created_at": format_time(key.created_at),
        "created_by": key.created_by,
        "expires_at": time_or_null(key.expires_at),
        "revoked_at": time_or_null(key.revoked_at),
        "last_used_at": time_or_null(key.last_used_at),
    }


def issued_key_body(issued: keys.IssuedKey) -> dict[str, Any]:
    """A key with its secret."""
    return {"key": key_body(issued.key), "secret": issued.secret}


def entry_body(entry: audit.AuditEntry) -> dict[str, Any]:
    """An entry of the audit trail as callers see it."""
    return {
        "id": str(entry.id),
        "at": format_time(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "correlation_id": entry.correlation_id,
        "result": entry.result,
    }
