"""`/metrics` for Prometheus; where callers need keys, it takes one with the scope `admin`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hub.domain.errors import HubError
from hub.web.site import Asgi, Receive, Scope, Send

Admit = Callable[[str | None], Awaitable[None]]
"""Given the `Authorization` header; raises a `HubError` where the caller may not see them."""
Refusal = Callable[[HubError], Asgi]
"""How refusals look over HTTP: not for this page to say."""


def app(exposition: Callable[[], bytes], content_type: str, admit: Admit, refusal: Refusal) -> Asgi:
    """Answers GET and HEAD with the present values."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await admit(_authorization(scope))
        except HubError as error:
            await refusal(error)(scope, receive, send)
            return
        body = exposition()
        fields = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return answer


def _authorization(scope: Scope) -> str | None:
    # Two headers are one with a comma (RFC 9110, section 5.3), which is nobody's key: none of them is picked out.
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    return b", ".join(given).decode("latin-1") or None
