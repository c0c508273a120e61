"""What a browser is told about every page and answer: nothing foreign, nothing inline, no frames, nothing kept."""

from __future__ import annotations

from collections.abc import Mapping

from hub.web.site import Asgi, Receive, Scope, Send

# Where a browser takes a WebSocket to the page's own host and port as 'self' (all current ones do), no `ws:` is needed,
# which would let a page talk to any host.
_SOURCES: Mapping[str, str] = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "img-src": "'self' data:",
    "script-src": "'self'",
    "style-src": "'self'",
    "worker-src": "'self'",
}


def security_headers(**sources: str) -> dict[str, str]:
    """The headers of a page or asset. A page that needs more than all others names it: `style_src="'self' …"`."""
    policy = {**_SOURCES, **{name.replace("_", "-"): value for name, value in sources.items()}}
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


ANSWER_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    # Most answers speak of people, and none is worth keeping.
    (b"cache-control", b"no-store"),
)
"""What goes with everything that says nothing else of its own. No `Strict-Transport-Security`: the hub speaks no https,
over http browsers ignore it (RFC 6797, section 7.2), and whoever ends TLS knows whether all of its host has it."""


class SafeAnswers:
    """An application whose every answer has `ANSWER_HEADERS`, where it does not have its own."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def safe(message: Scope) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                given = {name for name, _ in headers}
                headers += [header for header in ANSWER_HEADERS if header[0] not in given]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, safe)
