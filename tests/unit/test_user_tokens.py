"""Tokens of end users: what they must say, how they must be signed, and what the hub issues itself."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hub.core.credentials import Door
from hub.core.user_tokens import TokenRules, UserTokens
from hub.domain.errors import HubError, Reason
from hub.domain.principals import Principal, Scope
from hub.domain.times import now

SECRET = "a secret of thirty-two characters"
RULES = TokenRules("us", "hub", "tenant", timedelta(minutes=15), SECRET)
BACK_OFFICE = Principal("acme", frozenset({Scope.INBOX}), None, "k1")
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC: dict[str, Any] = {"r1": RSA_KEY.public_key(), "e1": EC_KEY.public_key()}


class Provider:
    algorithms: tuple[str, ...] = ("RS256", "ES256")

    async def find(self, key_id: str | None) -> Any:
        return PUBLIC.get(key_id or "")


TOKENS = UserTokens(RULES, Provider())


def claims(**changes: Any) -> dict[str, Any]:
    moment = int(now().timestamp())
    plain = {"iss": "us", "aud": "hub", "sub": "ann", "tenant": "acme", "iat": moment, "exp": moment + 600}
    return {name: value for name, value in (plain | changes).items() if value is not None}


def signed(key: Any = SECRET, algorithm: str = "HS256", key_id: str | None = None, **changes: Any) -> str:
    headers = {} if key_id is None else {"kid": key_id}
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


@pytest.mark.parametrize(
    ("key", "algorithm", "key_id"), [(SECRET, "HS256", None), (RSA_KEY, "RS256", "r1"), (EC_KEY, "ES256", "e1")]
)
async def test_a_good_one_opens_its_users_inbox_until_it_expires(key: Any, algorithm: str, key_id: str | None) -> None:
    token = signed(key, algorithm, key_id)
    principal = await TOKENS.verify(token)
    assert principal is not None
    assert (principal.tenant, principal.user_id, principal.scopes) == ("acme", "ann", frozenset({Scope.INBOX}))
    assert principal.credential == "user:ann"
    assert principal.expires_at is not None
    assert timedelta(seconds=590) < principal.expires_at - now() <= timedelta(seconds=600)
    assert await Door(None, None, TOKENS).authenticate(token) == principal


MOMENT = int(now().timestamp())


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": MOMENT - 60},
        {"iat": MOMENT + 600, "exp": MOMENT + 1200},
        {"nbf": MOMENT + 600},
        {"exp": None},
        {"iat": None},
        {"aud": None},
        {"iss": None},
        {"sub": None},
        {"tenant": None},
        {"aud": "somebody else"},
        {"aud": ["hub"]},
        {"iss": "somebody else"},
        {"sub": ""},
        {"sub": "not a user id"},
        {"tenant": ""},
        {"tenant": "a/b"},
        {"tenant": 7},
        {"exp": MOMENT + 90_000},
    ],
    ids=str,
)
async def test_one_that_says_anything_else_opens_nothing(changes: dict[str, Any]) -> None:
    assert await TOKENS.verify(signed(**changes)) is None


def unsigned() -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims())
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), ""])


def signed_with_what_is_public() -> str:
    """The old trick: the provider's public key taken for our secret."""
    pem = PUBLIC["r1"].public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256", "typ": "JWT", "kid": "r1"}, claims())
    )
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = algorithm.sign(f"{head}.{body}".encode(), pem)
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "token",
    [
        unsigned(),
        signed_with_what_is_public(),
        signed("another secret of thirty-two chars"),
        signed(RSA_KEY, "RS256", "unknown"),
        signed(RSA_KEY, "RS256"),
        signed(RSA_KEY, "RS256", "e1"),
        signed(RSA_KEY, "PS256", "r1"),
        signed(SECRET * 2, "HS512"),
        signed()[:-2],
        "a.b.c",
        "..",
        "\ud800.b.c",
    ],
)
async def test_one_that_is_not_signed_as_it_must_be_opens_nothing(token: str) -> None:
    assert await TOKENS.verify(token) is None


async def test_without_a_secret_nothing_signed_with_one_is_good() -> None:
    tokens = UserTokens(TokenRules("us", "hub", "tenant", timedelta(minutes=15), None), Provider())
    assert await tokens.verify(signed()) is None
    assert await tokens.verify(signed(RSA_KEY, "RS256", "r1")) is not None


async def test_what_the_hub_issues_is_good_and_as_long_as_asked_for() -> None:
    issued = TOKENS.issue(BACK_OFFICE, "ann", timedelta(seconds=90))
    principal = await TOKENS.verify(issued.token)
    assert principal is not None
    assert (principal.tenant, principal.user_id, principal.expires_at) == ("acme", "ann", issued.expires_at)
    assert timedelta(seconds=85) < issued.expires_at - now() <= timedelta(seconds=90)
    assert TOKENS.issue(BACK_OFFICE, "ann").expires_at - now() > timedelta(minutes=14)


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-1), timedelta(hours=24, seconds=1)])
def test_none_is_issued_for_no_time_or_too_long(lifetime: timedelta) -> None:
    with pytest.raises(HubError) as refused:
        TOKENS.issue(BACK_OFFICE, "ann", lifetime)
    assert [violation.field for violation in refused.value.violations] == ["lifetime_seconds"]


def test_an_end_user_gets_none_by_themselves_nor_a_key_without_the_scope() -> None:
    for principal in (
        Principal("acme", frozenset({Scope.INBOX}), "ann", "user:ann"),
        Principal("acme", frozenset(Scope) - {Scope.INBOX}, None, "k2"),
    ):
        with pytest.raises(HubError) as refused:
            TOKENS.issue(principal, "ann")
        assert refused.value.reason is Reason.PERMISSION_DENIED


def test_a_hub_without_a_secret_says_that_it_issues_none() -> None:
    tokens = UserTokens(TokenRules("us", "hub", "tenant", timedelta(minutes=15), None), None)
    with pytest.raises(HubError) as refused:
        tokens.issue(BACK_OFFICE, "ann")
    assert refused.value.reason is Reason.TOKENS_NOT_ISSUED
