"""Documents, parsed and validated once: both are a millisecond, and clients send the same few again and again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    parse,
    recommended_rules,
    specified_rules,
    validate,
)

MAX_TOKENS = 1000
"""Some twenty operations with all their fields. Validation is quadratic at worst: this keeps it under 300 ms."""
KEPT_DOCUMENTS = 128
LONGEST_KEPT = 16 * 1024
"""Longer texts carry their input inside: they don't come twice."""


@dataclass(slots=True)
class Document:
    """A document that could be parsed."""

    ast: DocumentNode
    errors: tuple[GraphQLError, ...] | None = None
    """What validation said; None before it was asked."""

    def operation(self, name: str | None) -> OperationType | None:
        """The kind of the operation that would run, or None where it can't be told which that is."""
        found = get_operation_ast(self.ast, name)
        return None if found is None else found.operation

    def is_ambiguous(self, name: str | None) -> bool:
        """Whether there are several operations and none is named; Strawberry would run the first."""
        return name is None and sum(isinstance(d, OperationDefinitionNode) for d in self.ast.definitions) > 1


class Documents:
    """A bounded cache, keyed by the text."""

    def __init__(self) -> None:
        self._kept = lru_cache(maxsize=KEPT_DOCUMENTS)(parsed)

    def parse(self, text: str) -> Document:
        """The document. Raises GraphQLError for what isn't one, is too long or nested too deeply."""
        return self._kept(text) if len(text) <= LONGEST_KEPT else parsed(text)

    def validate(self, text: str, schema: GraphQLSchema) -> list[GraphQLError]:
        """What is wrong with a document that could be parsed, as a list of the caller's own."""
        document = self.parse(text)
        if document.errors is None:
            document.errors = tuple(_validated(document.ast, schema))
        return list(document.errors)


def parsed(text: str) -> Document:
    """The document, past the cache. Raises GraphQLError like `Documents.parse`."""
    return Document(parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_TOKENS))


def _validated(ast: DocumentNode, schema: GraphQLSchema) -> list[GraphQLError]:
    try:
        return validate(schema, ast, (*specified_rules, *recommended_rules), max_errors=20)
    except RecursionError:
        return [GraphQLError("Document is nested too deeply.")]
