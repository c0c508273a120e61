"""Webhooks after Standard Webhooks: one attempt is one signed POST to the receiver's URL, and its outcome is data.

The body is `{"type": "notification", "timestamp": …, "data": {"id", "user_id", "title", "message"}}`, the same bytes in
every attempt: `timestamp` is when the notification was created. The headers `webhook-id` (the notification's id, by
which receivers know a repeat), `webhook-timestamp` (of the attempt) and `webhook-signature` are those of
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpcore2

from hub.channels.settings import EARLIER
from hub.channels.standard_webhooks import signature
from hub.channels.waits import retry_after
from hub.channels.webhook_guard import (
    GuardedNetwork,
    Resolve,
    SystemResolver,
    Target,
    UnresolvedError,
    UnsafeAddressError,
    parse_url,
)
from hub.channels.webhook_settings import ANY_TENANT, WebhookSettings
from hub.domain.channels import Message
from hub.domain.errors import Violation
from hub.domain.ids import time_of
from hub.domain.notifications import Fault, NewNotification, Outcome, OutcomeKind, Priority
from hub.domain.times import format_time

PROVIDER = "webhook"
ORIGINAL_URL = "Webhook-Original-Url"
_LANES = len(Priority)
"""A worker keeps the channel's concurrency for each priority."""
_ANSWER_BYTES = 64 * 1024
_ANSWER_SECONDS = 2.0
_UNPRINTABLE = re.compile(r"[^!-~]")
_TROUBLE = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    UnresolvedError,
    UnsafeAddressError,
    OSError,
)
"""All that can come between us and an answer; OSError has TimeoutError and TLS failures in it."""


@dataclass(slots=True)
class _Progress:
    """How far a request got; outlives a cancelled attempt."""

    handshake_failed: bool = False
    """Whether it was TLS that did not come about."""
    written: bool = False
    """Whether writing the body has begun: from its first byte on the request may have been taken."""
    status: int | None = None
    """The status of the answer, once it is there."""
    retry_after: str | None = None

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        """Told by httpcore of each step."""
        self.handshake_failed = event.endswith("start_tls.failed")
        self.written = self.written or event.endswith("send_request_body.started")


class WebhookChannel:
    """Webhooks to the URLs that users have as contact points."""

    name = "webhook"
    contact_point: str | None = "webhook"

    def __init__(
        self, settings: WebhookSettings, longest_retry_delay: timedelta, resolve: Resolve | None = None
    ) -> None:
        self.retry = settings.policy(longest_retry_delay)
        self.send_timeout = settings.send_timeout
        self.concurrency = settings.concurrency
        self._settings = settings
        self._keys = settings.keys
        self._sink = parse_url(settings.deliver_to, allow_private=True) if settings.deliver_to else None
        self._system = SystemResolver(_LANES * settings.concurrency)
        guard = GuardedNetwork(resolve or self._system, allow_private=settings.allow_private or self._sink is not None)
        # Nothing here reads proxies from the environment, follows redirects or keeps cookies.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_tls_context(settings),
            network_backend=guard,
            # The worker bounds how many are under way; a second queue here would only cost time.
            max_connections=None,
            max_keepalive_connections=_LANES * settings.concurrency,
            keepalive_expiry=settings.idle_timeout.total_seconds(),
        )

    def check_address(self, address: str) -> str:
        """The URL in canonical form; ValueError with a sentence if it is none, or leads inside by what it says."""
        return parse_url(address, allow_private=self._settings.allow_private).url

    def check_content(self, command: NewNotification) -> Iterable[Violation]:  # noqa: ARG002 - carries anything
        """Nothing: a webhook carries whatever the hub accepts."""
        return ()

    async def send(self, message: Message) -> Outcome:
        """One POST. Without an answer it may have been taken if the body was begun."""
        keys = self._keys.get(message.tenant) or self._keys.get(ANY_TENANT)
        if not keys:
            # Our misconfiguration must not burn webhooks: they wait until somebody has put that right.
            return _outcome(OutcomeKind.TEMPORARY, "NO_SIGNING_SECRET", "There is no secret to sign webhooks with.")
        try:
            # Checked once more: what is connected to must be harmless by itself.
            target = parse_url(message.address or "", allow_private=self._settings.allow_private)
        except UnsafeAddressError as error:
            return _interrupted(_Progress(), error)
        except ValueError:
            return _outcome(OutcomeKind.PERMANENT, "INVALID_ADDRESS", "There is no URL a webhook could be sent to.")
        progress = _Progress()
        try:
            async with asyncio.timeout(self.send_timeout.total_seconds() * EARLIER):
                await self._post(target, message, keys, progress)
        except _TROUBLE as error:
            if progress.status is None:
                return _interrupted(progress, error)
        # Once there is a status it counts, whatever became of the rest of the answer.
        return _answered(progress.status or 0, retry_after(progress.retry_after, datetime.now(UTC)))

    async def aclose(self) -> None:
        """Closes the connections."""
        self._system.close()
        await self._pool.aclose()

    async def _post(self, target: Target, message: Message, keys: Iterable[bytes], progress: _Progress) -> None:
        body = payload(message)
        goal = self._sink or target
        headers = {"Host": goal.authority, **_headers(message, body, keys)}
        if self._sink is not None:
            headers[ORIGINAL_URL] = target.url
        url = httpcore2.URL(scheme=goal.scheme, host=goal.host, port=goal.port, target=goal.path)
        seconds = self.send_timeout.total_seconds()
        timeouts = {
            "connect": self._settings.connect_timeout.total_seconds(),
            "read": seconds,
            "write": seconds,
            "pool": seconds,
        }
        extensions = {"timeout": timeouts, "trace": progress.trace}
        async with self._pool.stream(
            "POST", url, headers=list(headers.items()), content=body, extensions=extensions
        ) as response:
            progress.status = response.status
            found = (value for name, value in response.headers if name.lower() == b"retry-after")
            progress.retry_after = next(found, b"").decode("latin-1") or None
            await _drain(response)


def payload(message: Message) -> bytes:
    """The body: compact JSON in UTF-8, the same in every attempt."""
    data = {"id": str(message.id), "user_id": message.user_id, "title": message.title, "message": message.text}
    event = {"type": "notification", "timestamp": format_time(time_of(message.id)), "data": data}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _headers(message: Message, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    identifier, timestamp = str(message.id), str(int(datetime.now(UTC).timestamp()))
    return {
        "Content-Type": "application/json",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "notification-hub",
        "Webhook-Id": identifier,
        "Webhook-Timestamp": timestamp,
        # One for each valid secret, so that receivers can change over whenever they like.
        "Webhook-Signature": " ".join(signature(key, identifier, timestamp, body) for key in keys),
        "X-Correlation-Id": _UNPRINTABLE.sub("", message.correlation_id),
    }


async def _drain(response: httpcore2.Response) -> None:
    """Lets a short answer come to its end, so that the connection can be used again; nobody looks at it.

    A long or slow one costs its sender the connection.
    """
    seen = 0
    async with asyncio.timeout(_ANSWER_SECONDS), aclosing(response.aiter_stream()) as chunks:
        async for chunk in chunks:
            seen += len(chunk)
            if seen > _ANSWER_BYTES:
                return


def _tls_context(settings: WebhookSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except OSError:
            raise ValueError("HUB_CHANNELS__WEBHOOK__CA_FILE: is no readable PEM file of certificates.") from None
    return context


def _outcome(kind: OutcomeKind, code: str, sentence: str, wait: timedelta | None = None) -> Outcome:
    return Outcome(kind, PROVIDER, error=Fault(code, sentence), retry_after=wait)


def _interrupted(progress: _Progress, error: Exception) -> Outcome:
    """No answer: what that means is a matter of how far the request got."""
    if progress.written:
        return _outcome(OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN", "The receiver did not answer the whole request.")
    match error:
        case UnsafeAddressError():
            sentence = "The URL leads to a private, local or reserved address."
            return _outcome(OutcomeKind.PERMANENT, "UNSAFE_ADDRESS", sentence)
        case UnresolvedError():
            return _outcome(OutcomeKind.TEMPORARY, "NAME_NOT_RESOLVED", "The receiver's name has no address just now.")
        case httpcore2.ConnectTimeout() | TimeoutError():
            return _outcome(OutcomeKind.TEMPORARY, "CONNECT_TIMEOUT", "The receiver could not be reached in time.")
        case _ if progress.handshake_failed:
            return _outcome(OutcomeKind.TEMPORARY, "TLS_FAILED", "No trusted TLS session with the receiver came about.")
        case _:
            return _outcome(OutcomeKind.TEMPORARY, "CONNECT_FAILED", "The receiver could not be reached.")


def _answered(status: int, wait: timedelta | None) -> Outcome:
    """What a status says; of the rest of the answer nothing is kept, as anything might be in it."""
    match status:
        case _ if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, section 15.3
            # Delivered, not accepted: whoever answered is the receiver itself, and no later receipt will come.
            return Outcome(OutcomeKind.DELIVERED, PROVIDER)
        case _ if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110, section 15.4
            # It could point anywhere, and what was signed for one is not for another.
            sentence = f"The receiver redirects ({status}), and redirects are not followed."
            return _outcome(OutcomeKind.PERMANENT, "REDIRECT_REFUSED", sentence)
        case 410:
            return _outcome(OutcomeKind.PERMANENT, "GONE", "The receiver wants no more webhooks (410).")
        case 429:
            return _outcome(OutcomeKind.THROTTLED, "THROTTLED", "The receiver asked for a pause (429).", wait)
        case 504:
            # A gateway's timeout: what stands behind it may well have taken the webhook.
            return _outcome(OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN", "The receiver's gateway gave up (504).")
        case _ if 400 <= status < 500:  # noqa: PLR2004 - RFC 9110, section 15.5
            # Standard Webhooks tries again for everything but 410: a receiver being set up or moved answers 401 or 404.
            return _outcome(OutcomeKind.TEMPORARY, "REFUSED", f"The receiver refused the webhook ({status}).")
        case _:
            return _outcome(OutcomeKind.TEMPORARY, "RECEIVER_FAILED", f"The receiver failed ({status}).", wait)
