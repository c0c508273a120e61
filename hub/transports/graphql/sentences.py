"""What GraphQL says of a wrong request, without the values in it: graphql-core quotes them whole, message and address alike."""

from __future__ import annotations

import re

_VALUE = re.compile(
    # The sentence a variable's fault begins with has a colon of its own behind the word.
    r"((?<!has invalid)(?<!has invalid default) value: |[,;.?] found: ).*",
    re.DOTALL | re.IGNORECASE,
)
"""Values stand at the end of a sentence, and before them there is nothing but names and our own words."""
_ENUM_VALUE = re.compile(r"Value '.*' does not exist in '(\w+)' enum\.", re.DOTALL)
_TOKEN = re.compile(r"\b(Name|Int|Float|String|BlockString|Comment) '.*'", re.DOTALL)
_ESCAPE = re.compile(r"(escape sequence): '.*'", re.DOTALL)
_SYNTAX = "Syntax Error: "


def without_values(message: str) -> str:
    """graphql-core's message with every value of the request cut out; names of fields, arguments and types stay."""
    if message.startswith(_SYNTAX):
        return _ESCAPE.sub(r"\1", _TOKEN.sub(r"\1", message))
    message = _ENUM_VALUE.sub(r"Expected a value of the enum '\1'.", message)
    return _VALUE.sub(_ended, message)


def _ended(found: re.Match[str]) -> str:
    marker = found[1]
    return " value." if marker.startswith(" ") else marker[0] if marker[0] in ".?" else "."
