"""JSON as it comes and goes, and which media type an answer has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from pydantic import TypeAdapter
from strawberry.types import ExecutionResult

from hub.transports.nesting import check_nesting

JSON_TYPE = "application/json"
GRAPHQL_TYPE = "application/graphql-response+json"
EVENTS_TYPE = "text/event-stream"
HTML_TYPE = "text/html"

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def load_json(text: str, what: str = "The body") -> Any:
    """The value. Raises JSONDecodeError for everything that is no JSON, MALFORMED or TOO_LARGE for too many brackets."""
    check_nesting(text, what)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # A number of thousands of digits, NaN.
        raise json.JSONDecodeError("The JSON can't be read", "", 0) from None


def dump_json(value: object) -> str:
    """Compact JSON that can always be encoded: what UTF-8 has no bytes for stays an escape, as it came."""
    try:
        # Three times as fast, which counts where an answer has megabytes.
        return _JSON.dump_json(value).decode()
    except ValueError:
        # A lone surrogate, or nested more deeply than pydantic likes.
        pass
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def body_of(result: ExecutionResult) -> dict[str, Any]:
    """The response map: without `data` where nothing was executed (GraphQL specification, section 7.1)."""
    errors = [error.formatted for error in result.errors or ()]
    if result.data is None and all("path" not in error for error in errors):
        return {"errors": errors}
    return {"data": result.data, **({"errors": errors} if errors else {})}


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def ranked(accept: str, offers: Sequence[str]) -> list[str]:
    """Those of `offers` that a client accepts, the best first (RFC 9110, section 12.5.1).

    What is named goes before what a wildcard covers, and what is named first before what is named later.
    """
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    keys: dict[str, tuple[float, int, int, int]] = {}
    for index, offer in enumerate(offers):
        matches = [
            (specificity, -position, quality)
            for position, (media, quality) in enumerate(ranges)
            if (specificity := _specificity(media, offer))
        ]
        if matches and (best := max(matches))[2] > 0:
            keys[offer] = (-best[2], -best[0], -best[1], index)
    return sorted(keys, key=keys.__getitem__)


def _media_range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media, float(value)
            except ValueError:
                return media, 0.0
    return media, 1.0


def _specificity(media: str, offer: str) -> int:
    """How closely a range describes an offer; 0 if it doesn't."""
    if media == offer:
        return 3
    if media == offer.partition("/")[0] + "/*":
        return 2
    return 1 if media == "*/*" else 0
