"""SMS over HTTP in the shape of Twilio's Messages API: one attempt is one POST, and its outcome is data."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import phonenumbers
import stamina

from hub.channels.segments import count_segments
from hub.channels.settings import EARLIER
from hub.channels.sms_receipts import SmsReceipts
from hub.channels.sms_settings import SmsSettings
from hub.channels.waits import retry_after
from hub.domain.channels import Message
from hub.domain.errors import Violation
from hub.domain.notifications import Fault, NewNotification, Outcome, OutcomeKind
from hub.domain.receipts import ReceiptReader

PROVIDER = "twilio"
MOST_SEGMENTS = 10
_BODY_LIMIT = 64 * 1024
_UNSENT_RETRIES = 3
_NUMBER = re.compile(r"\+[0-9 ().\-/]{5,40}", re.ASCII)
_UNPRINTABLE = re.compile(r"[^!-~]")
_SID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class _UnsentError(Exception):
    """The connection broke before the first byte of the body: nobody can have taken anything."""


@dataclass(slots=True)
class _Progress:
    """How far a request got; outlives a cancelled attempt."""

    written: bool = False
    """Whether writing the body has begun.

    Its last byte can't be waited for: what was handed to the kernel arrives even if the connection then breaks on our
    side, and httpcore reports no write error but goes on to read. A request whose body was never begun is incomplete,
    as its Content-Length is above zero; from the first byte on it may have been taken.
    """
    status: int | None = None
    """The status of the answer, once it is there."""
    headers: Mapping[str, str] | None = None

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Told by httpcore of each step; a proxy's CONNECT has steps of the same name."""
        if event.endswith("send_request_body.started"):
            request = info.get("request")
            self.written = self.written or getattr(request, "method", b"POST") == b"POST"


class SmsChannel:
    """SMS through one provider."""

    name = "sms"
    contact_point: str | None = "phone"

    def __init__(self, settings: SmsSettings, longest_retry_delay: timedelta) -> None:
        self.retry = settings.policy(longest_retry_delay)
        self.send_timeout = settings.send_timeout
        self.concurrency = settings.concurrency
        self._settings = settings
        token = settings.auth_token.get_secret_value()
        self._receipts = None if settings.receipt_url is None else SmsReceipts(settings.receipt_url, token)
        self.receipts: ReceiptReader | None = self._receipts
        self._client = httpx2.AsyncClient(
            auth=httpx2.BasicAuth(settings.account_sid, token),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "notification-hub"},
            timeout=httpx2.Timeout(
                settings.send_timeout.total_seconds(), connect=settings.connect_timeout.total_seconds()
            ),
            # The worker bounds how many are under way; a second queue here would only cost time.
            limits=httpx2.Limits(
                max_connections=None,
                max_keepalive_connections=3 * settings.concurrency,
                keepalive_expiry=settings.idle_timeout.total_seconds(),
            ),
            follow_redirects=False,
            trust_env=not settings.local,
        )

    def check_address(self, address: str) -> str:
        """The number in E.164; ValueError with a sentence if it is none."""
        if not address.startswith("+"):
            raise ValueError("must be a phone number with its country code, beginning with +")
        try:
            number = phonenumbers.parse(address, None) if _NUMBER.fullmatch(address) else None
        except phonenumbers.NumberParseException:
            number = None
        if number is None or number.extension or not phonenumbers.is_valid_number(number):
            raise ValueError("must be a valid phone number such as +12025550123")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    def check_content(self, command: NewNotification) -> Iterable[Violation]:
        """A message of more than ten segments is too much."""
        segments = count_segments(command.message)
        if segments > MOST_SEGMENTS:
            return (Violation("message", f"takes {segments} SMS segments, must take at most {MOST_SEGMENTS}"),)
        return ()

    async def send(self, message: Message) -> Outcome:
        """One message (its `message` alone). Without an answer it may have been taken if the body was begun."""
        if message.address is None:
            return _outcome(OutcomeKind.PERMANENT, "INVALID_ADDRESS", "There is no number a message could be sent to.")
        progress = _Progress()
        body = b""
        try:
            async with asyncio.timeout(self.send_timeout.total_seconds() * EARLIER):
                body = await self._post(message, progress)
        except (httpx2.TransportError, _UnsentError, OSError) as error:
            if progress.status is None:
                return _interrupted(progress, error)
        # Once there is a status it counts, whatever became of the rest of the answer.
        return _answered(progress.status or 0, progress.headers or {}, _json_object(body))

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _post(self, message: Message, progress: _Progress) -> bytes:
        """The answer's body; a connection that broke before anything was sent is replaced on the spot."""
        async for attempt in stamina.retry_context(
            on=_UnsentError, attempts=_UNSENT_RETRIES, timeout=None, wait_initial=0.01, wait_max=0.1, wait_jitter=0.05
        ):
            with attempt:
                try:
                    return await self._post_once(message, progress)
                except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
                    if progress.written:
                        raise
                    raise _UnsentError from None
        raise AssertionError("stamina either returns or raises")

    async def _post_once(self, message: Message, progress: _Progress) -> bytes:
        form = {"To": message.address, "From": self._settings.sender, "Body": message.text}
        if self._receipts is not None:
            form["StatusCallback"] = self._receipts.callback_url(message.id, message.attempt)
        # Where a provider knows this header a repeat is no second message; Twilio's own ignores it.
        correlation_id = _UNPRINTABLE.sub("", message.correlation_id)
        headers = {"Idempotency-Key": str(message.id), "X-Correlation-Id": correlation_id}
        async with self._client.stream(
            "POST", self._settings.messages_url, data=form, headers=headers, extensions={"trace": progress.trace}
        ) as response:
            progress.status, progress.headers = response.status_code, response.headers
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _BODY_LIMIT:
                    break
            return bytes(body)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _outcome(kind: OutcomeKind, code: str, sentence: str, wait: timedelta | None = None) -> Outcome:
    return Outcome(kind, PROVIDER, error=Fault(code, sentence), retry_after=wait)


def _interrupted(progress: _Progress, error: Exception) -> Outcome:
    """No status came."""
    timed_out = isinstance(error, TimeoutError | httpx2.TimeoutException)
    what = "did not answer in time" if timed_out else "was lost"
    if progress.written:
        return _outcome(OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN", f"The provider {what} after the request was sent.")
    if timed_out:
        return _outcome(OutcomeKind.TEMPORARY, "CONNECT_TIMEOUT", "The provider could not be reached in time.")
    return _outcome(OutcomeKind.TEMPORARY, "CONNECT_FAILED", "The provider could not be reached.")


def _answered(status: int, headers: Mapping[str, str], answer: dict[str, Any]) -> Outcome:
    """What an answer means; its text is never copied, as it quotes the number."""
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, section 15.3; a strange answer is no reason to send it twice
        sid = answer.get("sid")
        known = isinstance(sid, str) and _SID.fullmatch(sid) is not None
        return Outcome(OutcomeKind.ACCEPTED, PROVIDER, provider_id=sid if known else None)
    wait = retry_after(headers.get("retry-after"), datetime.now(UTC))
    number = answer.get("code")
    shown = f"{status}, code {number}" if isinstance(number, int) else f"{status}"
    match status:
        case 429:
            return _outcome(OutcomeKind.THROTTLED, "THROTTLED", f"The provider asked for a pause ({shown}).", wait)
        case 401 | 403:
            # Our misconfiguration must not burn messages: they wait until somebody has put that right.
            sentence = f"The provider did not accept the hub's credentials ({shown})."
            return _outcome(OutcomeKind.TEMPORARY, "AUTHENTICATION_FAILED", sentence)
        case 504:
            # A gateway's timeout: what stands behind it may well have taken the message.
            return _outcome(OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN", f"The provider's gateway gave up ({shown}).")
        case 408 | 425:
            return _outcome(OutcomeKind.TEMPORARY, "PROVIDER_UNAVAILABLE", f"The provider was not ready ({shown}).")
        case _ if 400 <= status < 500:  # noqa: PLR2004 - RFC 9110, section 15.5
            return _outcome(OutcomeKind.PERMANENT, "MESSAGE_REFUSED", f"The provider refused the message ({shown}).")
        case _ if status >= 500:  # noqa: PLR2004 - RFC 9110, section 15.6
            return _outcome(OutcomeKind.TEMPORARY, "PROVIDER_UNAVAILABLE", f"The provider failed ({shown}).", wait)
        case _:
            # Redirects are not followed: the credentials belong to the host that is set.
            sentence = f"The provider gave an answer that fits no Messages API ({shown}); is the base URL right?"
            return _outcome(OutcomeKind.TEMPORARY, "UNEXPECTED_ANSWER", sentence)
