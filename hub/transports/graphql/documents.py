"""Documents, parsed, measured and validated once: each is a millisecond, and clients send the same few again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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

from hub.domain.errors import HubError
from hub.settings import Settings
from hub.transports.graphql.limits import Limits
from hub.transports.graphql.measure import Measure, measured
from hub.transports.graphql.trusted import VARIABLE, TrustedDocuments

MAX_TOKENS = 1000
"""Some twenty operations with all their fields. Validation is quadratic at worst: this keeps it under 300 ms."""
KEPT_DOCUMENTS = 128
LONGEST_KEPT = 16 * 1024
"""Longer texts carry their input inside: they don't come twice."""


@dataclass(slots=True)
class Document:
    """A document that could be parsed."""

    ast: DocumentNode
    text: str
    """Whoever keeps the text keeps this one: clients send the same, and each would have a copy of its own."""
    errors: tuple[GraphQLError, ...] | None = None
    """What validation said; None before it was asked."""
    measure: Measure | None = None
    """What was counted of it; None before."""

    def operation(self, name: str | None) -> OperationType | None:
        """The kind of the operation that would run, or None where it can't be told which that is."""
        found = get_operation_ast(self.ast, name)
        return None if found is None else found.operation

    def is_ambiguous(self, name: str | None) -> bool:
        """Whether there are several operations and none is named; Strawberry would run the first."""
        return name is None and sum(isinstance(d, OperationDefinitionNode) for d in self.ast.definitions) > 1


class Documents:
    """A bounded cache, keyed by the text; and which documents may be run."""

    def __init__(self, limits: Limits | None = None, trusted: TrustedDocuments | None = None) -> None:
        self.limits = limits or Limits()
        self.trusted = trusted
        # Trusted ones all come again.
        kept = KEPT_DOCUMENTS + (0 if trusted is None else len(trusted.texts))
        self._kept = lru_cache(maxsize=kept)(parsed)

    @classmethod
    def of(cls, settings: Settings) -> Documents:
        """As they are set; ValueError with a sentence for a manifest that can't be used."""
        path = settings.graphql.trusted_documents
        return cls(Limits.of(settings), None if path is None else TrustedDocuments.read(path))

    def parse(self, text: str) -> Document:
        """The document. Raises GraphQLError for what isn't one, is too long or nested too deeply."""
        return self._kept(text) if len(text) <= LONGEST_KEPT else parsed(text)

    def measure(self, document: Document, schema: GraphQLSchema) -> Measure:
        """How large a document is; its `cost` is what whoever runs it can be charged."""
        if document.measure is None:
            document.measure = measured(schema, document.ast)
        return document.measure

    def refusal(
        self, text: str, variables: Mapping[str, Any] | None, operation_name: str | None, schema: GraphQLSchema
    ) -> HubError | None:
        """Why a document that could be parsed is not even validated; None if it is within the limits."""
        try:
            self.limits.check(self.measure(self.parse(text), schema), variables, operation_name)
        except HubError as error:
            return error
        return None

    def validate(self, text: str, schema: GraphQLSchema) -> list[GraphQLError]:
        """What is wrong with a document that could be parsed, as a list of the caller's own."""
        document = self.parse(text)
        if document.errors is None:
            document.errors = tuple(_validated(document.ast, schema, hide=not self.limits.introspection))
        return list(document.errors)

    def check_trusted(self, schema: GraphQLSchema) -> None:
        """ValueError with a sentence for a trusted document that could never be run."""
        for identifier, text in {} if self.trusted is None else self.trusted.texts.items():
            try:
                self.limits.check_shape(self.measure(self.parse(text), schema))
                wrong = [error.message for error in self.validate(text, schema)]
            except (GraphQLError, HubError) as error:
                wrong = [error.message]
            if wrong:
                msg = f"{VARIABLE}: the document {identifier} can't be run: {wrong[0]}"
                raise ValueError(msg)


def parsed(text: str) -> Document:
    """The document, past the cache. Raises GraphQLError like `Documents.parse`."""
    return Document(parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_TOKENS), text)


def _validated(ast: DocumentNode, schema: GraphQLSchema, *, hide: bool) -> list[GraphQLError]:
    try:
        # Whoever may not ask for the schema is not led to its names either ("Did you mean …").
        rules = (*specified_rules, *recommended_rules)
        return validate(schema, ast, rules, max_errors=20, hide_suggestions=hide)
    except RecursionError:
        return [GraphQLError("Document is nested too deeply.")]
