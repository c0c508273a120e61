"""`/metrics` for Prometheus; where callers need keys, it takes one with the scope `admin`."""

from __future__ import annotations

import json
from collections.abc import Callable

from hub.web.site import Asgi, Receive, Scope, Send

Allow = Callable[[str | None], str | None]
"""Given the `Authorization` header: None, or the sentence of a refusal."""


def app(exposition: Callable[[], bytes], content_type: str, allow: Allow) -> Asgi:
    """Answers GET and HEAD with the present values."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        headers = dict(scope["headers"])
        refusal = allow(headers.get(b"authorization", b"").decode("latin-1") or None)
        if refusal is None:
            status, kind, body = 200, content_type, exposition()
        else:
            problem = {"title": "Unauthenticated", "status": 401, "detail": refusal, "code": "UNAUTHENTICATED"}
            status, kind, body = 401, "application/problem+json", json.dumps(problem).encode()
        fields = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        if refusal is not None:
            fields.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return answer
