"""The keys of an identity provider, from a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from hub.core import jwks
from hub.core.jwks import JwksKeys
from hub.core.user_tokens import TokenRules, UserTokens
from hub.domain.errors import HubError, Reason
from hub.domain.times import now

RULES = TokenRules("idp", "hub", "tenant", timedelta(minutes=15), None)


class Provider:
    """Serves its keys, counts the questions, may be broken."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.asked = 0
        self.broken = False

    def rotate(self, key_id: str) -> None:
        self.keys[key_id] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def document(self) -> bytes:
        self.asked += 1
        found: list[dict[str, Any]] = [
            json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": key_id, "use": "sig"}
            for key_id, key in self.keys.items()
        ]
        return b"{}" if self.broken else json.dumps({"keys": found}).encode()

    def token(self, key_id: str) -> str:
        moment = int(now().timestamp())
        claims = {"iss": "idp", "aud": "hub", "sub": "ann", "tenant": "acme", "iat": moment, "exp": moment + 60}
        return jwt.encode(claims, self.keys[key_id], "RS256", headers={"kid": key_id})


@pytest.fixture
def provider() -> Provider:
    found = Provider()
    found.rotate("one")
    return found


@pytest.fixture
def url(provider: Provider) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = provider.document()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    server.shutdown()
    server.server_close()
    thread.join()


def verifying(url: str) -> UserTokens:
    return UserTokens(RULES, JwksKeys(url, ("RS256", "ES256")))


async def test_a_token_of_the_provider_opens_and_the_keys_are_fetched_once(provider: Provider, url: str) -> None:
    tokens = verifying(url)
    found = await asyncio.gather(*(tokens.verify(provider.token("one")) for _ in range(20)))
    assert {None if one is None else one.user_id for one in found} == {"ann"}
    assert provider.asked == 1


async def test_however_many_tokens_name_unknown_keys_the_provider_is_asked_once_in_a_while(
    provider: Provider, url: str
) -> None:
    tokens = verifying(url)
    stranger = Provider()
    stranger.rotate("another")
    for _ in range(50):
        assert await tokens.verify(stranger.token("another")) is None
    assert provider.asked == 1


async def test_a_new_key_is_found_and_one_taken_back_is_lost(
    provider: Provider, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_AT_MOST_EVERY_SECONDS", 0.0)
    tokens = verifying(url)
    assert await tokens.verify(provider.token("one")) is not None
    old = provider.token("one")
    del provider.keys["one"]
    provider.rotate("two")
    assert await tokens.verify(provider.token("two")) is not None
    assert await tokens.verify(old) is None


async def test_while_the_provider_is_away_known_keys_go_on(
    provider: Provider, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_AT_MOST_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "FRESH_SECONDS", 0.0)
    tokens = verifying(url)
    assert await tokens.verify(provider.token("one")) is not None
    provider.broken = True
    assert await tokens.verify(provider.token("one")) is not None
    assert provider.asked == 2


async def test_where_none_was_ever_fetched_it_is_nobodys_fault(provider: Provider, url: str) -> None:
    provider.broken = True
    with pytest.raises(HubError) as refused:
        await verifying(url).verify(provider.token("one"))
    assert refused.value.reason is Reason.IDENTITY_PROVIDER_UNREACHABLE
