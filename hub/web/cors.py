"""Which pages of other origins may call the API with a browser: a list, and never everybody (fetch.spec.whatwg.org, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable

from hub.web.site import Asgi, Receive, Scope, Send

SHARED = ("/api/", "/graphql", "/openapi.json")
"""What pages may call. All else is for people, probes and Prometheus."""
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Correlation-Id"
RESPONSE_HEADERS = (
    "Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Correlation-Id"
)
_KEPT_SECONDS = 600
"""How long a browser may remember what it was told: so long an origin that is taken off the list may still ask."""

Header = tuple[bytes, bytes]


class Cors:
    """An application whose answers pages of listed origins may read; others see it as if this were not there.

    Credentials are never allowed: the API takes them in a header that a page sets itself, and no cookie ever.
    """

    def __init__(self, app: Asgi, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.lower().encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on everything but a preflight of a listed origin."""
        if not self._origins or scope["type"] != "http" or not scope["path"].startswith(SHARED):
            await self._app(scope, receive, send)
            return
        asked = {name: value for name, value in scope["headers"] if name in {b"origin", _ASKED_METHOD}}
        origin = asked.get(b"origin")
        allowed = origin if origin is not None and origin.lower() in self._origins else None
        if allowed is not None and scope["method"] == "OPTIONS" and _ASKED_METHOD in asked:
            await send({"type": "http.response.start", "status": 204, "headers": _preflight(allowed)})
            await send({"type": "http.response.body", "body": b""})
            return

        async def shared(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _merged(message.get("headers", ()), allowed)}
            await send(message)

        await self._app(scope, receive, shared)


_ASKED_METHOD = b"access-control-request-method"


def _preflight(origin: bytes) -> list[Header]:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
        (b"access-control-max-age", str(_KEPT_SECONDS).encode()),
        (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]


def _merged(headers: Iterable[Header], origin: bytes | None) -> list[Header]:
    """The answer's headers and ours. It varies by origin whoever asks, or a cache would give one's answer to another."""
    varies = [value for name, value in headers if name == b"vary"]
    merged = [(name, value) for name, value in headers if name != b"vary"]
    merged.append((b"vary", b", ".join([*varies, b"Origin"])))
    if origin is not None:
        merged.append((b"access-control-allow-origin", origin))
        merged.append((b"access-control-expose-headers", RESPONSE_HEADERS.encode()))
    return merged
