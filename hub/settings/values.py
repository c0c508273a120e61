"""The kinds of values that settings have: durations, ports, origins, rates."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

import limits
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Slice(BaseModel):
    """Settings of one part, handed to it alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _plain_number(value: object) -> object:
    """The environment has only text: a bare number in it means seconds."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Duration = Annotated[timedelta, BeforeValidator(_plain_number)]
Seconds = Annotated[Duration, Field(gt=timedelta(0))]
"""A duration: a number of seconds, or ISO 8601 such as `PT1H`."""
Port = Annotated[int, Field(ge=0, le=65535)]


def _with_a_port(origin: str) -> str:
    # Only looking at it tells: ValueError for a port beyond 65,535, and for brackets around what is no address.
    _ = urlsplit(origin).port
    return origin


Origin = Annotated[
    str,
    Field(pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?$"),
    AfterValidator(_with_a_port),
]
"""Scheme, host and port of a page, as browsers send them (RFC 6454, section 7); a host beyond ASCII in its `xn--` form."""


LONGEST_WINDOW = timedelta(days=366)
LARGEST_AMOUNT = 1_000_000_000


def _rate(text: str) -> str:
    try:
        (item,) = limits.parse_many(text)
        fits = 0 < item.amount <= LARGEST_AMOUNT and item.get_expiry() <= LONGEST_WINDOW.total_seconds()
    except ValueError:
        fits = False
    if not fits:
        msg = f"must be such as 100/second or 5000 per 2 hours: 1 to {LARGEST_AMOUNT:,}, in a year at most"
        raise ValueError(msg)
    return text


RateText = Annotated[str, AfterValidator(_rate)]
"""How much in which time, as the library `limits` writes it: one limit, not several."""
