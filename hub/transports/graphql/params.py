"""What an HTTP request asks for, checked before GraphQL sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.transports.graphql.errors import malformed
from hub.transports.graphql.trusted import TrustedDocuments, text_of
from hub.transports.graphql.wire import load_json


@dataclass(frozen=True, slots=True)
class Params:
    """A well-formed GraphQL request."""

    query: str
    """The text of the document, whether it was sent or only named."""
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


def from_body(body: bytes, trusted: TrustedDocuments | None) -> Params:
    """From the body of a POST. Raises what `from_mapping` does, or TOO_LARGE for too much JSON."""
    try:
        value = load_json(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise malformed("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise malformed(f"The body is not JSON: {error.msg}.") from None
    if isinstance(value, list):
        raise malformed("Batches are not supported: send one request at a time.")
    if not isinstance(value, dict):
        raise malformed("The body must be a JSON object.")
    return from_mapping(value, trusted)


def from_query(query: Mapping[str, str], trusted: TrustedDocuments | None) -> Params:
    """From the query string of a GET. Raises what `from_mapping` does, or TOO_LARGE for too much JSON."""
    values: dict[str, Any] = dict(query)
    for name in ("variables", "extensions"):
        if name not in values:
            continue
        try:
            values[name] = load_json(values[name], name) if values[name] else None
        except json.JSONDecodeError as error:
            raise malformed(f"{name} is not JSON: {error.msg}.") from None
    return from_mapping(values, trusted)


def from_mapping(values: Mapping[str, Any], trusted: TrustedDocuments | None) -> Params:
    """From the members of a request; others than these are ignored, as the draft has it.

    Raises MALFORMED, and what `text_of` does for a document that is not trusted.
    """
    for name in ("variables", "extensions"):
        if not isinstance(values.get(name), dict | None):
            raise malformed(f"{name} must be an object or null.")
    query = text_of(values, trusted)
    operation_name = values.get("operationName")
    if not isinstance(operation_name, str | None):
        raise malformed("operationName must be a text or null.")
    return Params(query, values.get("variables"), operation_name or None)
