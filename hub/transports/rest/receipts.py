"""Receipts, in REST only: it is providers who call, each in the form and with the signature of its own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from hub.core.app import Core
from hub.domain.receipts import Callback
from hub.transports.rest.openapi import NO_KEY, operation
from hub.transports.rest.requests import read_body, with_body_limit
from hub.transports.rest.schemas import Input

RECEIPT_BYTES = 64 * 1024
"""Of a receipt; they are a few hundred bytes long."""
_TAG = "receipts"
_BODY: dict[str, Any] = {
    "required": True,
    "description": "`sms`: a form, as Twilio sends status callbacks. `email`: JSON.",
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {"type": "object"},
            "example": {"MessageSid": "SM0123456789abcdef0123456789abcdef", "MessageStatus": "delivered"},
        },
        "application/json": {
            "schema": {"type": "object"},
            "example": {
                "type": "bounced",
                "message_id": "<0198d0c2-7c1e-7b3a-9f0e-3a5b6c7d8e9f@example.org>",
                "at": "2026-01-01T08:00:00Z",
            },
        },
    },
}


class ReceiptQuery(Input):
    """What the hub puts into the URLs it gives to providers; signed with the rest, and read by the channel alone."""

    notification_id: str | None = Field(None, description="`sms`: the notification it is about.")
    attempt: str | None = Field(None, description="`sms`: the attempt it is about.")


class ReceiptRoutes:
    """Each handler parses, makes one call and maps the answer."""

    def __init__(self, core: Core) -> None:
        self._core = core.receipts

    def add_to(self, router: APIRouter) -> None:
        """The route. Not below `/api/v1`: its form is the providers', not this API's."""
        described = operation(
            "takeReceipt", "Take a receipt", _TAG, "It is done, or there was nothing to do.",
            problems=(400, 403, 404, 413), security=NO_KEY,
        )  # fmt: skip
        described["openapi_extra"]["requestBody"] = _BODY
        router.add_api_route(
            "/receipts/{provider}",
            self.take,
            methods=["POST"],
            status_code=204,
            route_class_override=with_body_limit(router.route_class, RECEIPT_BYTES),
            **described,
        )

    async def take(
        self,
        request: Request,
        provider: Annotated[str, Path(description="The channel: `sms` or `email`.")],
        query: Annotated[ReceiptQuery, Query()],  # noqa: ARG002 - described and checked; the signature covers its bytes
    ) -> Response:
        """A provider reports that a message has arrived, or never will. Wants no key but the provider's signature.

        May be repeated and come in any order. A report on a message that is unknown or settled otherwise is answered
        204 as well; 503 `NOT_SETTLED` asks to repeat it later.
        """
        body = await read_body(request, RECEIPT_BYTES)
        # Starlette gives names in lower-case; of a header that came twice the last one counts.
        callback = Callback(request.scope["query_string"].decode("latin-1"), dict(request.headers), body)
        await self._core.take(provider, callback)
        return Response(status_code=204)
