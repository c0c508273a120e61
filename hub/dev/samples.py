"""Made-up addresses, so that the first notification for an unknown user arrives somewhere: in the local sinks."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

_DOMAIN = "example.test"
"""Reserved for tests (RFC 2606): nothing sent to it ever leaves."""
_LONGEST_LOCAL = 64
_KEPT_OF_LONG = 40
_PLAIN_IN_PATHS = ":@+=~"
_PLAIN = re.compile(r"[A-Za-z0-9_+~|-]", re.ASCII)
# Some of North America's area codes; with 555-01xx behind them these are numbers kept for fiction.
# fmt: off
_AREAS = (
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234,
    239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 301, 302, 303, 304, 305, 307, 308, 309, 310, 312,
    313, 314, 315, 316, 317, 318, 319, 320, 321,
)
# fmt: on


class SampleContactPoints:
    """For each user id one e-mail address, one phone number and one URL, always the same."""

    def sample(self, contact_point: str, user_id: str) -> str | None:
        """An address that the local sinks take, or None for a contact point they don't play."""
        match contact_point:
            case "email":
                return f"{_local_part(user_id)}@{_DOMAIN}"
            case "phone":
                return _phone(user_id)
            case "webhook":
                # Of a name that leads nowhere, by the same rule as anybody's; the sink is told of it in a header.
                return f"https://hooks.{_DOMAIN}/{quote(user_id, safe=_PLAIN_IN_PATHS)}"
            case _:
                return None


def _local_part(user_id: str) -> str:
    """The user id with what a local part can't hold as `=XX`, as in quoted-printable; different ids stay different."""
    encoded = re.sub(r"[^A-Za-z0-9_+~|.-]|^\.|\.$|(?<=\.)\.", lambda found: f"={ord(found[0]):02X}", user_id)
    if len(encoded) <= _LONGEST_LOCAL:
        return encoded
    # Cut where no `=XX` and no dot can be halved or left at the end.
    head = "".join(character for character in encoded[:_KEPT_OF_LONG] if _PLAIN.match(character))
    return f"{head}-{hashlib.sha256(user_id.encode()).hexdigest()[:20]}"


def _phone(user_id: str) -> str:
    number = int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:8])
    area = _AREAS[number // 100 % len(_AREAS)]
    return f"+1{area}55501{number % 100:02d}"
