"""Signatures after Standard Webhooks: those of the webhooks we send, and of the receipts we are sent.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import SecretStr

TOLERANCE = timedelta(minutes=5)
"""How far a sender's clock may be from ours: what is older may have been recorded by somebody and sent again."""
_PREFIX = "whsec_"
_KEY_BYTES = (24, 64)
_MOST_SIGNATURES = 16
_LONGEST_TIMESTAMP = 16


def key_of(secret: SecretStr) -> bytes:
    """The bytes of a secret, `whsec_` and base64; ValueError with a sentence that doesn't quote it."""
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else b""
    except ValueError:
        key = b""
    if not _KEY_BYTES[0] <= len(key) <= _KEY_BYTES[1]:
        raise ValueError("must be made of whsec_ and the base64 of 24 to 64 bytes")
    return key


def signature(key: bytes, identifier: str, timestamp: str, body: bytes) -> str:
    """One signature of a webhook, scheme `v1`: HMAC-SHA256 over id, timestamp and body."""
    digest = hmac.digest(key, f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def is_signed(key: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether one of the signatures is that of the key, over this very body, made within the last minutes."""
    identifier, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not identifier or not _is_fresh(timestamp, now):
        return False
    wanted = signature(key, identifier, timestamp, body).encode()
    given = headers.get("webhook-signature", "").split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
    return any(hmac.compare_digest(wanted, one.encode()) for one in given)


def _is_fresh(timestamp: str, now: datetime) -> bool:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _LONGEST_TIMESTAMP):
        return False
    return abs(now.timestamp() - int(timestamp)) <= TOLERANCE.total_seconds()
