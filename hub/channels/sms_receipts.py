"""Receipts of an SMS provider: status callbacks in the shape of Twilio's, signed as its documentation has it.

Each message is sent with a callback URL of its own, which holds the notification's id and the number of the attempt and
is signed together with what is reported: no look-up by the provider's id is needed, so no index, and a report can't be
too early for its message to be known.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from hub.domain.ids import parse_id
from hub.domain.receipts import Callback, Receipt, unsigned
from hub.domain.status import Status

NOTIFICATION_ID, ATTEMPT = "notification_id", "attempt"
_REPEAT = "#rc=5&rp=ct,rt,5xx"
"""Has Twilio repeat what failed or was answered 503; who knows no such thing drops a URL's fragment."""
_MOST_FIELDS = 100
_ATTEMPT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_CODE = re.compile(r"[0-9]{1,8}", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}

MEANINGS = {
    "delivered": Status.DELIVERED,
    "read": Status.DELIVERED,
    "undelivered": Status.FAILED,
    "failed": Status.FAILED,
    "canceled": Status.FAILED,
}
"""All other words, such as `queued` and `sent`, tell nothing that the hub does not know."""


class SmsReceipts:
    """Makes callback URLs, and reads what is sent to them."""

    def __init__(self, url: str, auth_token: str) -> None:
        self._url = url
        self._key = auth_token.encode()

    def callback_url(self, notification_id: UUID, attempt: int) -> str:
        """Where the provider reports on one attempt."""
        return f"{self._url}?{urlencode({NOTIFICATION_ID: str(notification_id), ATTEMPT: attempt})}{_REPEAT}"

    def read(self, callback: Callback) -> Receipt | None:
        """The receipt. The URL is the one that was set, whatever proxies made of it on the way."""
        try:
            fields = parse_qsl(callback.body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise unsigned() from None
        given = callback.headers.get("x-twilio-signature", "").encode()
        wanted = [signature(self._key, url, fields).encode() for url in _spellings(self._url, callback.query)]
        if not any(hmac.compare_digest(one, given) for one in wanted):
            raise unsigned()
        return _receipt(dict(parse_qsl(callback.query, max_num_fields=_MOST_FIELDS)), dict(fields))


def signature(key: bytes, url: str, fields: Iterable[tuple[str, str]]) -> str:
    """Twilio's signature: HMAC-SHA1 over the URL and the form's fields, sorted, each once, without anything between.

    https://www.twilio.com/docs/usage/security#validating-requests
    """
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha1)).decode()


def _spellings(url: str, query: str) -> Iterator[str]:
    """One URL in all the ways it may have been signed: with and without the scheme's own port, and the fragment."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = _DEFAULT_PORTS[parts.scheme]
    ports = {"", f":{default}"} if parts.port in {None, default} else {f":{parts.port}"}
    for port in sorted(ports):
        for fragment in ("", _REPEAT):
            yield f"{parts.scheme}://{host}{port}{parts.path}{'?' if query else ''}{query}{fragment}"


def _receipt(about: dict[str, str], report: dict[str, str]) -> Receipt | None:
    """What a signed report says; None where it is of no message of ours, or of nothing final."""
    status = MEANINGS.get(report.get("MessageStatus", report.get("SmsStatus", "")).lower())
    notification_id = parse_id(about.get(NOTIFICATION_ID, ""))
    if status is None or notification_id is None:
        return None
    attempt, code = about.get(ATTEMPT, ""), report.get("ErrorCode", "")
    return Receipt(
        notification_id,
        status,
        attempt=int(attempt) if _ATTEMPT.fullmatch(attempt) else None,
        code=code if status is Status.FAILED and _CODE.fullmatch(code) else None,
    )
