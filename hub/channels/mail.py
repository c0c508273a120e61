"""What goes over SMTP: the address rule, and a notification as an Internet message (RFC 5322)."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import idna

from hub.domain.channels import Message

LOCAL_LENGTH = 64
ADDRESS_LENGTH = 254
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*", re.ASCII)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+$){_LABEL}", re.ASCII)
# Everything Python or a mail reader could take for the end of a line, and the rest of the control characters.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_WORD_BYTES = 45
"""What fits into an encoded word of at most 75 characters, of whole characters only."""
# 7-bit bodies need no extension of the server's.
_POLICY = SMTP.clone(cte_type="7bit")


def canonical_address(text: str) -> str:
    """An e-mail address in canonical form: the domain in lower-case ASCII (IDNA 2008), the local part as it is.

    A conservative part of RFC 5321, section 4.1.2: `local@domain` and nothing around it; no quoted local parts, no
    address literals, no domains of one label. Raises ValueError with a sentence.
    """
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise ValueError("must be an e-mail address such as anna@example.org")
    if not local.isascii():
        raise ValueError("must have only ASCII characters before the @")
    if len(local) > LOCAL_LENGTH or _LOCAL.fullmatch(local) is None:
        raise ValueError(
            "must be a bare e-mail address: before the @ only letters, digits, single dots and !#$%&'*+/=?^_`{|}~-"
        )
    address = f"{local}@{_canonical_domain(domain)}"
    if len(address) > ADDRESS_LENGTH:
        raise ValueError(f"must be at most {ADDRESS_LENGTH} characters long")
    return address


def _canonical_domain(domain: str) -> str:
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True, std3_rules=True).decode()
        except UnicodeError:
            raise ValueError("must have a domain name after the @") from None
    domain = domain.lower()
    if _DOMAIN.fullmatch(domain) is None:
        raise ValueError("must have a full domain name after the @, such as example.org")
    return domain


def one_line(text: str) -> str:
    """A text fit for a header: runs of control characters and line separators become a space."""
    return _CONTROLS.sub(" ", text).strip()


def compose(message: Message, recipient: str, sender: str, sender_name: str) -> bytes:
    """The message as it is sent: lines end with CRLF, all bytes are ASCII; not yet dot-stuffed.

    The Message-ID is made of the notification's id: whoever gets a repeat can tell. `recipient` and `sender` must be
    canonical addresses.
    """
    headers = {
        "From": f"{_phrase(one_line(sender_name))}<{sender}>",
        "To": recipient,
        "Subject": _unstructured(one_line(message.title)),
        "Date": format_datetime(datetime.now(UTC)),
        "Message-ID": f"<{message.id}@{sender.rpartition('@')[2]}>",
        # RFC 3834: keeps holiday responders quiet.
        "Auto-Submitted": "auto-generated",
        "X-Correlation-Id": _unstructured(one_line(message.correlation_id)),
    }
    body = EmailMessage(policy=_POLICY)
    body.set_content(message.text)
    if message.html is not None:
        body.add_alternative(message.html, subtype="html")
    # Written here and not by EmailMessage: of a value such as `=?utf-8?q?=0D=0ABcc:_eve?=` the latter makes two
    # headers, as it decodes what it is given and, before Python 3.12.5, does not look at what it then writes.
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return lines.encode("ascii") + body.as_bytes()


def _unstructured(text: str) -> str:
    """A header's text: as it is, or in encoded words (RFC 2047) where it is not plain ASCII or looks encoded."""
    if text.isascii() and "=?" not in text:
        return text
    words, word = [], b""
    for character in text:
        encoded = character.encode()
        if len(word) + len(encoded) > _WORD_BYTES:
            words.append(word)
            word = b""
        word += encoded
    words.append(word)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words)


def _phrase(name: str) -> str:
    """A display name before an address, with the space between them."""
    if not name:
        return ""
    encoded = _unstructured(name)
    if encoded == name:
        encoded = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{encoded} "
