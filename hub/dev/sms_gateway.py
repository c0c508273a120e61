"""An SMS provider on loopback that speaks Twilio's Messages API, takes every message and delivers none.

To a hub on this machine that asks for receipts (`StatusCallback`) it says all the same that it did.
"""

from __future__ import annotations

import base64
import secrets
from contextlib import AbstractAsyncContextManager
from urllib.parse import parse_qs

import httpx2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hub.channels.sms_receipts import signature
from hub.dev.captured import Captured, Outbox
from hub.dev.loopback import on_loopback, read_body
from hub.domain.ids import parse_id
from hub.domain.times import format_time, now
from hub.log import get_logger

log = get_logger(__name__)

ACCOUNT_SID = "ACcapture"
AUTH_TOKEN = "capture"  # noqa: S105 - of the local sink only; split roles must agree on it
_BODY_LIMIT = 64 * 1024
_LOOPBACK_URLS = ("http://127.0.0.1:", "http://[::1]:", "http://localhost:")
_REPORT_SECONDS = 5.0
_CREDENTIALS = "Basic " + base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()


def sms_gateway(outbox: Outbox, port: int) -> AbstractAsyncContextManager[int]:
    """Runs the gateway in this event loop and gives its port; 0 picks a free one."""
    return on_loopback(_app(outbox), port)


def _app(outbox: Outbox) -> Starlette:
    async def create(request: Request) -> JSONResponse:
        if request.headers.get("authorization") != _CREDENTIALS or request.path_params["account"] != ACCOUNT_SID:
            return _error(401, 20003, "Authenticate")
        form = parse_qs(
            (await read_body(request, _BODY_LIMIT)).decode(errors="replace"), keep_blank_values=True, max_num_fields=50
        )
        recipient, sender, text = (form.get(field, [""])[0] for field in ("To", "From", "Body"))
        if not recipient:
            return _error(400, 21604, "A 'To' phone number is required.")
        if not text:
            return _error(400, 21602, "Message body is required.")
        message = Captured(
            channel="sms",
            recipient=recipient,
            subject=None,
            text=text,
            html=None,
            headers={"From": sender, **_shown(request)},
            received_at=now(),
            notification_id=parse_id(request.headers.get("idempotency-key", "")),
        )
        outbox.add(message)
        created = _created(message, sender)
        callback = form.get("StatusCallback", [""])[0]
        # Run once the answer is out, as the real one does; a callback to another machine it does not make.
        report = BackgroundTask(_report, callback, created) if callback.startswith(_LOOPBACK_URLS) else None
        return JSONResponse(created, status_code=201, background=report)

    return Starlette(routes=[Route("/2010-04-01/Accounts/{account}/Messages.json", create, methods=["POST"])])


async def _report(callback: str, created: dict[str, object]) -> None:
    """A signed receipt of delivery; one that nobody takes is lost."""
    url = callback.partition("#")[0]
    fields = {"MessageSid": str(created["sid"]), "MessageStatus": "delivered", "To": str(created["to"])}
    headers = {"X-Twilio-Signature": signature(AUTH_TOKEN.encode(), url, fields.items())}
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=_REPORT_SECONDS) as client:
            answer = await client.post(url, data=fields, headers=headers)
        log.info("receipt_sent", status=answer.status_code)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        log.info("receipt_not_taken", error=type(error).__name__)


def _shown(request: Request) -> dict[str, str]:
    names = ("Idempotency-Key", "X-Correlation-Id", "User-Agent")
    return {name: request.headers[name] for name in names if name in request.headers}


def _error(status: int, code: int, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message, "more_info": "", "status": status}, status_code=status)


def _created(message: Captured, sender: str) -> dict[str, object]:
    return {
        "sid": f"SM{secrets.token_hex(16)}",
        "account_sid": ACCOUNT_SID,
        "to": message.recipient,
        "from": sender,
        "body": message.text,
        "status": "queued",
        "date_created": format_time(message.received_at),
        "error_code": None,
        "error_message": None,
    }
