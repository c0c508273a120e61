"""Every kind of credential that somebody may come with, and who it makes of them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from hub.domain.keys import ApiKey, hash_key, new_secret
from hub.domain.principals import Principal, Scope
from hub.domain.times import now
from hub.store.api_keys import ApiKeyStore

OURS = "acme"
THEIRS = "other"
SECRET = "a secret that is as long as SHA-512 wants it to be, and a few more"
ISSUER = AUDIENCE = "notification-hub"
USER = "ann"
"""Whose inbox it is all about."""


@dataclass(frozen=True)
class Caller:
    """Who comes with what; `principal` is None where nobody is to be let in."""

    name: str
    token: str | None
    principal: Principal | None = None

    def __str__(self) -> str:
        return self.name


@dataclass
class IdentityProvider:
    """Serves the public half of its key on loopback."""

    private: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def public_pem(self) -> bytes:
        kind, encoding = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding.PEM
        return self.private.public_key().public_bytes(encoding, kind)

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**json.loads(RSAAlgorithm.to_jwk(self.private.public_key())), "kid": "one", "use": "sig"}]}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        body = json.dumps(self.jwks).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def claims(user_id: str = USER, tenant: str = OURS, **other: Any) -> dict[str, Any]:
    moment = int(time.time())
    own = {"iss": ISSUER, "aud": AUDIENCE, "sub": user_id, "tenant": tenant, "iat": moment, "exp": moment + 600}
    return {name: value for name, value in {**own, **other}.items() if value is not None}


def signed(given: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", key_id: str | None = None) -> str:
    return jwt.encode(given, key, algorithm, headers=None if key_id is None else {"kid": key_id})


def forged_hs256(given: dict[str, Any], secret: bytes) -> str:
    """By hand: the library refuses to take a public key for a secret, an attacker does not."""
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    head = {"alg": "HS256", "typ": "JWT", "kid": "one"}
    parts = [jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (head, given)]
    said = b".".join(parts)
    return b".".join([said, jwt.utils.base64url_encode(algorithm.sign(said, secret))]).decode()


async def key(store: ApiKeyStore, tenant: str, scopes: set[Scope], **other: Any) -> tuple[str, ApiKey]:
    identifier, secret = new_secret("test")
    made = ApiKey(identifier, tenant, "matrix", frozenset(scopes), "test", now(), "cli")
    made = replace(made, **other)
    await store.insert(made, hash_key(secret))
    return secret, made


SCOPE_NAMES = [f"the scope {scope} alone" for scope in Scope]
LET_IN = [*SCOPE_NAMES, "all scopes", "another tenant's key", "the user", "the user by the provider", "another user"]
LET_IN += ["another tenant's user of that name"]
REFUSED = [
    "nobody",
    "garbage",
    "an unknown key",
    "an expired key",
    "a revoked key",
    "a key's id and hash",
    "an expired token",
    "a token for another audience",
    "a token for several audiences",
    "a token by another issuer",
    "a token by another secret",
    "a token by the hub's secret that names another algorithm",
    "an unsigned token",
    "an unsigned token with the old signature",
    "HS256 by the provider's public key",
    "HS256 by the provider's JWKS",
    "a token by another key of the provider's id",
    "ES256 with a key of its own in the header",
    "a token without a tenant",
    "a token without an expiry",
    "a token without a user",
    "a token that lives too long",
    "a token that is not valid yet",
    "a token for what can't be a user",
]


async def callers(store: ApiKeyStore, provider: IdentityProvider) -> dict[str, Caller]:
    """All of them, by name."""
    found = [Caller(name, token) for name, token in (await _refused(store, provider)).items()]
    for scope, name in zip(Scope, SCOPE_NAMES, strict=True):
        found.append(Caller(name, (await key(store, OURS, {scope}))[0], Principal(OURS, frozenset({scope}))))
    everything = frozenset(Scope)
    found.append(Caller("all scopes", (await key(store, OURS, set(Scope)))[0], Principal(OURS, everything)))
    found.append(
        Caller("another tenant's key", (await key(store, THEIRS, set(Scope)))[0], Principal(THEIRS, everything))
    )
    inbox = frozenset({Scope.INBOX})
    by_provider = signed(claims(), provider.private, "RS256", "one")
    found.append(Caller("the user", signed(claims()), Principal(OURS, inbox, USER)))
    found.append(Caller("the user by the provider", by_provider, Principal(OURS, inbox, USER)))
    found.append(Caller("another user", signed(claims("bob")), Principal(OURS, inbox, "bob")))
    elsewhere = signed(claims(tenant=THEIRS))
    found.append(Caller("another tenant's user of that name", elsewhere, Principal(THEIRS, inbox, USER)))
    return {caller.name: caller for caller in found}


async def _refused(store: ApiKeyStore, provider: IdentityProvider) -> dict[str, str | None]:
    expired, _ = await key(store, OURS, set(Scope), expires_at=now() - timedelta(seconds=1))
    revoked, made = await key(store, OURS, set(Scope))
    await store.revoke(OURS, made.id)
    moment = int(time.time())
    right = signed(claims())
    _head, said, signature = right.split(".")
    unsigned = jwt.encode(claims(), "", "none")
    return {
        "nobody": None,
        "garbage": "garbage",
        "an unknown key": new_secret("test")[1],
        "an expired key": expired,
        "a revoked key": revoked,
        "a key's id and hash": f"{made.id}.{hash_key(revoked)}",
        "an expired token": signed(claims(iat=moment - 900, exp=moment - 300)),
        "a token for another audience": signed(claims(aud="someone-else")),
        "a token for several audiences": signed(claims(aud=[AUDIENCE, "someone-else"])),
        "a token by another issuer": signed(claims(iss="someone-else")),
        "a token by another secret": signed(claims(), SECRET[::-1]),
        "a token by the hub's secret that names another algorithm": signed(claims(), SECRET, "HS384"),
        "an unsigned token": unsigned,
        "an unsigned token with the old signature": f"{unsigned.split('.')[0]}.{said}.{signature}",
        "HS256 by the provider's public key": forged_hs256(claims(), provider.public_pem),
        "HS256 by the provider's JWKS": forged_hs256(claims(), json.dumps(provider.jwks).encode()),
        "a token by another key of the provider's id": signed(
            claims(), rsa.generate_private_key(65537, 2048), "RS256", "one"
        ),
        "ES256 with a key of its own in the header": _self_made(),
        "a token without a tenant": signed(claims(tenant=None)),  # type: ignore[arg-type]  # left out
        "a token without an expiry": signed(claims(exp=None)),
        "a token without a user": signed(claims(sub=None)),
        "a token that lives too long": signed(claims(exp=moment + 90_000)),
        "a token that is not valid yet": signed(claims(iat=moment + 300, nbf=moment + 300)),
        "a token for what can't be a user": signed(claims("an/n")),
    }


def _self_made() -> str:
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(private.public_key()))
    return jwt.encode(claims(), private, "ES256", headers={"kid": "one", "jwk": jwk})
