"""E-mail over SMTP: one attempt is one mail over a pooled connection, and its outcome tells how far it got."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable
from datetime import timedelta

import aiosmtplib
import stamina

from hub.channels.email_receipts import EmailReceipts
from hub.channels.email_settings import EmailSettings, Security
from hub.channels.mail import canonical_address, compose
from hub.channels.settings import EARLIER
from hub.channels.smtp import Mail, Pool, Progress, RefusedError, Stage, StaleError
from hub.channels.standard_webhooks import key_of
from hub.domain.channels import Message
from hub.domain.errors import Violation
from hub.domain.notifications import Fault, NewNotification, Outcome, OutcomeKind
from hub.domain.receipts import ReceiptReader

PROVIDER = "smtp"
_STALE_RETRIES = 3
_AUTHENTICATION = frozenset({530, 534, 535, 538})
"""Replies that complain of our credentials (RFC 4954, section 6), wherever they turn up."""
# How well-known servers name what they took: Postfix, Exim, Sendmail, then Amazon and Google.
_QUEUE_IDS = (
    re.compile(r"\bqueued as ([\w.=+/-]{4,128})(?![\w.=+/@-])", re.ASCII | re.IGNORECASE),
    re.compile(r"\bid=([\w.=+/-]{4,128})(?![\w.=+/@-])", re.ASCII | re.IGNORECASE),
    re.compile(r"^(?:2\.\d+\.\d+ )?([\w.=+/-]{8,128}) message accepted", re.ASCII | re.IGNORECASE),
    re.compile(r"^(?:2\.\d+\.\d+ )?ok:? +(?:\d{10} )?([\w.=+/-]{8,128})(?: - gsmtp)?$", re.ASCII | re.IGNORECASE),
)


class EmailChannel:
    """E-mail through one SMTP server."""

    name = "email"
    contact_point: str | None = "email"

    def __init__(self, settings: EmailSettings, longest_retry_delay: timedelta) -> None:
        self.retry = settings.policy(longest_retry_delay)
        self.send_timeout = settings.send_timeout
        self.concurrency = settings.concurrency
        self._settings = settings
        secret = settings.receipt_secret
        self.receipts: ReceiptReader | None = None if secret is None else EmailReceipts(key_of(secret))
        self._pool = Pool(settings, _tls_context(settings))

    def check_address(self, address: str) -> str:
        """The address with its domain in lower-case ASCII; ValueError with a sentence if it is none."""
        return canonical_address(address)

    def check_content(self, command: NewNotification) -> Iterable[Violation]:  # noqa: ARG002 - carries anything
        """Nothing: mail carries whatever the hub accepts."""
        return ()

    async def send(self, message: Message) -> Outcome:
        """One mail. What is certainly not taken is told from what may have been by whether the final dot was sent."""
        try:
            mail = self._compose(message)
        except ValueError:
            return _outcome(OutcomeKind.PERMANENT, "INVALID_ADDRESS", "There is no address a mail could be sent to.")
        progress = Progress()
        try:
            async with asyncio.timeout(self.send_timeout.total_seconds() * EARLIER):
                reply = await self._submit(mail, progress)
        except RefusedError as refusal:
            return _refused(refusal)
        except (aiosmtplib.SMTPException, StaleError, OSError, ValueError) as error:
            # OSError has TimeoutError and TLS failures in it; ValueError is what undecodable challenges raise.
            return _interrupted(progress.stage, error)
        if reply.code // 100 != 2:  # noqa: PLR2004 - RFC 5321, section 4.2.1: 2yz is "done"
            return _outcome(OutcomeKind.AMBIGUOUS, "UNEXPECTED_REPLY", f"The server ended with a reply {reply.code}.")
        return Outcome(OutcomeKind.ACCEPTED, PROVIDER, provider_id=queue_id(reply.message))

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._pool.aclose()

    def _compose(self, message: Message) -> Mail:
        if message.address is None:
            raise ValueError("has no address")
        # Checked once more: what reaches an envelope or a header must be harmless by itself.
        recipient = canonical_address(message.address)
        sender = self._settings.sender_address
        return Mail(sender, recipient, compose(message, recipient, sender, self._settings.sender_name))

    async def _submit(self, mail: Mail, progress: Progress) -> aiosmtplib.SMTPResponse:
        """The final reply; a pooled connection that turns out to be gone is replaced on the spot."""
        async for attempt in stamina.retry_context(
            on=StaleError, attempts=_STALE_RETRIES, timeout=None, wait_initial=0.01, wait_max=0.1, wait_jitter=0.05
        ):
            with attempt:
                async with self._pool.connection(progress) as connection:
                    return await connection.submit(mail, progress)
        raise AssertionError("stamina either returns or raises")


def queue_id(reply: str) -> str | None:
    """The server's own name for a mail it took, if its last line gives one in a known way; never an address."""
    line = reply.rpartition("\n")[2].strip()
    found = next((match for pattern in _QUEUE_IDS if (match := pattern.search(line))), None)
    return found[1].rstrip(".") if found and re.search(r"\d", found[1]) else None


def _tls_context(settings: EmailSettings) -> ssl.SSLContext | None:
    if settings.security is Security.NONE:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError:
        raise ValueError("HUB_CHANNELS__EMAIL__CA_FILE: is no readable PEM file of certificates.") from None


def _outcome(kind: OutcomeKind, code: str, sentence: str) -> Outcome:
    return Outcome(kind, PROVIDER, error=Fault(code, sentence))


def _kind(code: int, enhanced: str) -> OutcomeKind:
    """4yz is passing, 5yz is final (RFC 5321, section 4.2.1); 4.7.x is policy: greylisting and rate limits."""
    if code // 100 == 5:  # noqa: PLR2004 - as above
        return OutcomeKind.PERMANENT
    return OutcomeKind.THROTTLED if enhanced.startswith("4.7.") else OutcomeKind.TEMPORARY


def _refused(refusal: RefusedError) -> Outcome:
    """A reply of refusal to one of our commands."""
    if refusal.code in _AUTHENTICATION:
        return _unauthenticated(refusal.code)
    what = {"MAIL": "SENDER", "RCPT": "RECIPIENT"}.get(refusal.stage, "MESSAGE")
    shown = f"{refusal.code} {refusal.enhanced}".rstrip()
    sentence = f"The server refused the {what.lower()} ({shown})."
    return _outcome(_kind(refusal.code, refusal.enhanced), f"{what}_REFUSED", sentence)


def _unauthenticated(code: int) -> Outcome:
    # Our misconfiguration must not burn mail: it waits until somebody has put that right.
    sentence = f"The server did not accept the hub's credentials ({code})."
    return _outcome(OutcomeKind.TEMPORARY, "AUTHENTICATION_FAILED", sentence)


def _interrupted(stage: Stage, error: Exception) -> Outcome:
    """No reply to the mail as such: what that means is a matter of the stage it happened in."""
    timed_out = isinstance(error, TimeoutError)
    if stage is Stage.SUBMITTED:
        what = "did not answer in time" if timed_out else "was lost"
        return _outcome(OutcomeKind.AMBIGUOUS, "OUTCOME_UNKNOWN", f"The server {what} after the whole mail was sent.")
    if stage is Stage.WAITING:
        return _outcome(OutcomeKind.THROTTLED, "NO_FREE_CONNECTION", "All connections to the server were in use.")
    if stage is Stage.CONNECTING:
        return _not_connected(error)
    code, what = ("TIMEOUT", "did not answer in time") if timed_out else ("CONNECTION_LOST", "was lost")
    return _outcome(OutcomeKind.TEMPORARY, code, f"The server {what} before the whole mail was sent.")


def _not_connected(error: Exception) -> Outcome:
    """Whatever keeps us from a session is about us and the server, not about this mail: never permanent."""
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return _unauthenticated(error.code)
        case aiosmtplib.SMTPResponseException():
            throttled = error.code // 100 == 4 and error.message.startswith("4.7.")  # noqa: PLR2004
            kind = OutcomeKind.THROTTLED if throttled else OutcomeKind.TEMPORARY
            return _outcome(kind, "SERVER_UNAVAILABLE", f"The server refused the session ({error.code}).")
        case TimeoutError():
            return _outcome(OutcomeKind.TEMPORARY, "CONNECT_TIMEOUT", "The server could not be reached in time.")
        case ssl.SSLError() | aiosmtplib.SMTPConnectError(__cause__=ssl.SSLError()):
            return _outcome(OutcomeKind.TEMPORARY, "TLS_FAILED", "No trusted TLS session with the server came about.")
        case OSError():
            return _outcome(OutcomeKind.TEMPORARY, "CONNECT_FAILED", "The server could not be reached.")
        case _:
            return _outcome(
                OutcomeKind.TEMPORARY, "NOT_OFFERED", "The server does not offer the TLS or log-in that is set."
            )
