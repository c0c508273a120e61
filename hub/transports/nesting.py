"""How deep and how bushy the JSON of a request may be, told before any parser goes into it."""

from __future__ import annotations

import re

from hub.domain.errors import HubError, Reason

MAX_LEVELS = 32
"""Arrays and objects within one another. A batch with the deepest metadata has 11, GraphQL's variables with it 13."""
MAX_CONTAINERS = 100_000
"""Arrays and objects in all: those are what makes a parser slow, 8 MiB of nothing else for seconds."""

# A string that has no end takes all that is left: the parser says what is wrong with it. Nothing here is tried twice.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def check_nesting(text: str, what: str = "The body") -> None:
    """Raises MALFORMED for JSON that is nested too deeply, TOO_LARGE for too much of it. What is no JSON may pass."""
    if _openings(text) <= MAX_LEVELS:
        return
    level = containers = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        if bracket[0] not in "[{":
            level -= 1
            if level < 0:
                return
            continue
        level += 1
        containers += 1
        if level > MAX_LEVELS:
            raise HubError(Reason.MALFORMED, f"{what} is nested too deeply: at most {MAX_LEVELS} levels are read.")
        if containers > MAX_CONTAINERS:
            raise HubError(Reason.TOO_LARGE, f"{what} may have at most {MAX_CONTAINERS:,} arrays and objects.")


def _openings(text: str) -> int:
    return text.count("[") + text.count("{")
