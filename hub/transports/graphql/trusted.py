"""Trusted documents: an allow-list by id, as Relay's compiler writes it.

GraphQL over HTTP, appendix "Persisted Documents"; each is also known by `sha256:` and the hash of its text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from hub.domain.errors import HubError, Reason
from hub.transports.graphql.errors import malformed

VARIABLE = "HUB_GRAPHQL__TRUSTED_DOCUMENTS"
_PREFIX = "sha256:"


class TrustedDocuments:
    """The documents that may be run, and no other."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)
        self._known = {_PREFIX + hash_of(text): text for text in texts.values()} | self.texts

    @classmethod
    def read(cls, path: Path) -> TrustedDocuments:
        """Reads a manifest `{"<id>": "<text>"}`; ValueError with a sentence if it can't be used."""
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"{VARIABLE} can't be read: {error.strerror}."
            raise ValueError(msg) from None
        except (ValueError, RecursionError) as error:
            msg = f"{VARIABLE} must be a JSON object of documents by id ({type(error).__name__})."
            raise ValueError(msg) from None
        if not isinstance(manifest, dict) or not manifest or not all(map(_is_text, [*manifest, *manifest.values()])):
            msg = f"{VARIABLE} must be a JSON object of at least one document, each a text by its id."
            raise ValueError(msg)
        return cls(manifest)

    def text(self, identifier: str) -> str:
        """The document with this id. Raises NOT_FOUND."""
        found = self._known.get(identifier)
        if found is None:
            raise HubError(Reason.NOT_FOUND, "No trusted document has this documentId.")
        return found


def text_of(values: Mapping[str, Any], trusted: TrustedDocuments | None) -> str:
    """The document that a request wants to be run: its text, or what its id stands for.

    Raises MALFORMED, PERMISSION_DENIED for a text where only trusted documents are run, NOT_FOUND for an unknown id.
    """
    query, named = values.get("query"), _identifier(values)
    if trusted is None:
        if values.get("documentId") is not None or (named is not None and not query):
            raise malformed("Documents are not known by ids here: send the text as query, without documentId.")
        if not _is_text(query):
            raise malformed("query must be a text.")
        return str(query)
    if query:
        text = "Only trusted documents are run here: send documentId in place of query."
        raise HubError(Reason.PERMISSION_DENIED, text)
    if named is None:
        raise malformed("documentId must be a text.")
    return trusted.text(named)


def _identifier(values: Mapping[str, Any]) -> str | None:
    """`documentId`, or what clients of Apollo's persisted queries send in its place."""
    identifier = values.get("documentId")
    if identifier is not None:
        if not _is_text(identifier):
            raise malformed("documentId must be a text.")
        return str(identifier)
    persisted = (values.get("extensions") or {}).get("persistedQuery")
    hashed = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    return f"{_PREFIX}{hashed}" if _is_text(hashed) else None


def manifest_of(texts: Sequence[str]) -> str:
    """A manifest of these documents, by the hashes of their texts."""
    return json.dumps({hash_of(text): text for text in texts}, indent=2, ensure_ascii=False) + "\n"


def hash_of(text: str) -> str:
    """SHA-256 of a document's text, hex."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
