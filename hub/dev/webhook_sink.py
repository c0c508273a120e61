"""A receiver of webhooks on loopback that stands for all of them: it checks each signature and shows what came."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.channels.webhook import ORIGINAL_URL
from hub.dev.captured import Captured, Outbox
from hub.dev.loopback import on_loopback, read_body
from hub.domain.ids import parse_id
from hub.domain.times import now

_KEY = b"notification hub, capture"
SECRET = "whsec_" + base64.b64encode(_KEY).decode()
"""Of the local sink only; split roles must agree on it."""
_BODY_LIMIT = 1024 * 1024


def webhook_sink(outbox: Outbox, port: int) -> AbstractAsyncContextManager[int]:
    """Runs the sink in this event loop and gives its port; 0 picks a free one."""
    return on_loopback(_app(outbox), port)


def _app(outbox: Outbox) -> Starlette:
    async def receive(request: Request) -> Response:
        body = await read_body(request, _BODY_LIMIT)
        if not _signed(request, body):
            return Response(status_code=401)
        data = _data(body)
        if data is None:
            return Response(status_code=400)
        outbox.add(
            Captured(
                channel="webhook",
                recipient=request.headers.get(ORIGINAL_URL, ""),
                subject=str(data.get("title", "")),
                text=str(data.get("message", "")),
                html=None,
                headers=_shown(request),
                received_at=now(),
                notification_id=parse_id(request.headers.get("webhook-id", "")),
            )
        )
        return Response(status_code=204)

    return Starlette(routes=[Route("/{path:path}", receive, methods=["POST"])])


def _signed(request: Request, body: bytes) -> bool:
    """Reckoned here as any receiver would, not by the code that signs."""
    identifier, timestamp = (request.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp"))
    digest = hmac.new(_KEY, f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    given = request.headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(expected, signature) for signature in given)


def _data(body: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    data = event.get("data") if isinstance(event, dict) else None
    return data if isinstance(data, dict) else None


def _shown(request: Request) -> dict[str, str]:
    names = (
        "Webhook-Id",
        "Webhook-Timestamp",
        "Webhook-Signature",
        "Content-Type",
        "X-Correlation-Id",
        "User-Agent",
    )
    return {name: request.headers[name] for name in names if name in request.headers}
