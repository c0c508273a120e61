"""Tokens of end users: short-lived JWTs (RFC 7519) that open exactly one user's inbox in one tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import jwt

from hub.core import access
from hub.core.access import Operation
from hub.domain.checks import check_user_id, is_user_id
from hub.domain.errors import HubError, Reason, invalid_field
from hub.domain.principals import Principal, Scope, is_tenant
from hub.domain.times import now

LONGEST_LIFETIME = timedelta(hours=24)
"""Of any token, whoever issued it."""
_SHORTEST_LIFETIME = timedelta(seconds=1)
_LEEWAY = timedelta(seconds=10)
"""By how much the clocks of issuers may differ from ours."""
_REQUIRED = ["exp", "iat", "aud", "iss", "sub"]
_OURS = "HS256"


class SigningKeys(Protocol):
    """The public keys of an identity provider."""

    algorithms: tuple[str, ...]

    async def find(self, key_id: str | None) -> Any:
        """The key of that id (RFC 7517, section 4.5), None if there is none; UNAVAILABLE if it can't be told."""
        ...


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What tokens must say, and how the hub's own are signed."""

    issuer: str
    audience: str
    tenant_claim: str
    lifetime: timedelta
    secret: str | None
    """For HS256; None: the hub issues none."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that was just made. `expires_at` is UTC."""

    token: str
    expires_at: datetime


class UserTokens:
    """Verifies tokens, and issues them where there is a secret to sign with."""

    def __init__(self, rules: TokenRules, provider: SigningKeys | None) -> None:
        self._rules = rules
        self._provider = provider

    async def verify(self, token: str) -> Principal | None:
        """The end user a token is for; None for whatever is wrong with it (no caller is told what)."""
        try:
            key, algorithms = await self._key_of(jwt.get_unverified_header(token))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                leeway=_LEEWAY,
                options={"require": _REQUIRED, "strict_aud": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return self._principal(claims)

    def issue(self, principal: Principal, user_id: str, lifetime: timedelta | None = None) -> IssuedToken:
        """A token for a user of the caller's tenant; for keys with the scope `inbox`, not for end users themselves."""
        access.allow(principal, Operation.ISSUE_TOKEN, check_user_id(user_id))
        if self._rules.secret is None:
            raise HubError(Reason.TOKENS_NOT_ISSUED, "This hub issues no tokens: HUB_AUTH__TOKEN_SECRET is not set.")
        span = self._rules.lifetime if lifetime is None else lifetime
        if not _SHORTEST_LIFETIME <= span <= LONGEST_LIFETIME:
            raise invalid_field("lifetime_seconds", f"must be 1 to {int(LONGEST_LIFETIME.total_seconds()):,}")
        begun = now().replace(microsecond=0)
        expires_at = begun + span
        claims = {
            "iss": self._rules.issuer,
            "aud": self._rules.audience,
            "sub": user_id,
            self._rules.tenant_claim: principal.tenant,
            "iat": begun,
            "exp": expires_at,
        }
        return IssuedToken(jwt.encode(claims, self._rules.secret, algorithm=_OURS), expires_at)

    async def _key_of(self, header: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """The key and the only algorithms it is good for: a public key must never do as a secret."""
        algorithm = header.get("alg")
        if algorithm == _OURS:
            return self._rules.secret, [_OURS]
        if self._provider is not None and algorithm in self._provider.algorithms:
            return await self._provider.find(header.get("kid")), list(self._provider.algorithms)
        return None, []

    def _principal(self, claims: Mapping[str, Any]) -> Principal | None:
        user_id, tenant = claims["sub"], claims.get(self._rules.tenant_claim)
        if not isinstance(tenant, str) or not is_tenant(tenant) or not is_user_id(user_id):
            return None
        if claims["exp"] - claims["iat"] > LONGEST_LIFETIME.total_seconds():
            return None
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        return Principal(tenant, frozenset({Scope.INBOX}), user_id, f"user:{user_id}", expires_at)
