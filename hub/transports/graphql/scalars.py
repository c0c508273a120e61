"""Scalars of the schema: how times and free-form objects are written and read."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from hub.domain.times import format_time, parse_time

JSON = NewType("JSON", dict[str, Any])


def _time(value: Any) -> datetime:
    """Raises ValueError, which GraphQL turns into a coercion error."""
    if not isinstance(value, str):
        msg = "must be a text"
        raise ValueError(msg)  # noqa: TRY004 - what coercion expects
    return parse_time(value)


def _as_it_is(value: Any) -> Any:
    """The core decides what metadata may hold, so that all protocols refuse it in the same words."""
    return value


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment: RFC 3339 with an offset on the way in; UTC with milliseconds and `Z` on the way out.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=format_time,
        parse_value=_time,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="A JSON object.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=_as_it_is,
        parse_value=_as_it_is,
    ),
}
