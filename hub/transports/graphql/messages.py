"""What clients may say over graphql-transport-ws: its shape, before anything of it is looked at."""

from __future__ import annotations

from typing import Any

_CLIENTS_SAY = frozenset({"connection_init", "ping", "pong", "subscribe", "complete"})


def fault_of(message: Any) -> str | None:
    """What is wrong with the shape of a message; Strawberry would fall over it."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message must be an object with a type"
    if message["type"] not in _CLIENTS_SAY:
        return "The type is none that clients send"
    if message["type"] in {"subscribe", "complete"} and not (isinstance(message.get("id"), str) and message["id"]):
        return "The id must be a text"
    if message["type"] != "subscribe":
        return None
    payload = message.get("payload")
    if not isinstance(payload, dict) or not _names_a_document(payload):
        return "The payload must be an object with a query or a documentId"
    if not isinstance(payload.get("operationName"), str | None):
        return "The operationName must be a text or null"
    if not all(isinstance(payload.get(name), dict | None) for name in ("variables", "extensions")):
        return "The variables and extensions must be objects or null"
    return None


def _names_a_document(payload: dict[str, Any]) -> bool:
    query, extensions = payload.get("query"), payload.get("extensions")
    if not isinstance(query, str | None):
        return False
    return bool(query) or "documentId" in payload or (isinstance(extensions, dict) and "persistedQuery" in extensions)
