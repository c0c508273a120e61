"""What a document may be before anything of it is validated or run: its limits, and whether it may ask for the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.domain.errors import HubError, Reason
from hub.settings import GraphQLSettings, Settings
from hub.transports.graphql.errors import malformed
from hub.transports.graphql.measure import Measure

_PLAIN = GraphQLSettings()


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of everything; by default as the settings have it."""

    depth: int = _PLAIN.max_depth
    aliases: int = _PLAIN.max_aliases
    directives: int = _PLAIN.max_directives
    cost: int = _PLAIN.max_cost
    introspection: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """As they are set."""
        given = settings.graphql
        return cls(given.max_depth, given.max_aliases, given.max_directives, given.max_cost, settings.introspects)

    def check_shape(self, measure: Measure) -> None:
        """Raises MALFORMED for a document that is refused whatever its variables are."""
        if measure.introspects and not self.introspection:
            raise malformed("The document asks for the schema (__schema or __type); introspection is off here.")
        _check("depth", "It nests fields {found} deep", measure.depth, self.depth)
        _check("aliases", "It has {found} aliases", measure.aliases, self.aliases)
        _check("directives", "It has {found} directives", measure.directives, self.directives)

    def check(self, measure: Measure, variables: Mapping[str, Any] | None, operation_name: str | None) -> None:
        """Raises MALFORMED for a document that is refused, or costs too much with these variables."""
        self.check_shape(measure)
        cost = measure.cost(variables, operation_name)
        _check("cost", "It costs {found}, a point for each object it may return", cost, self.cost)


def _check(limit: str, sentence: str, found: int, at_most: int) -> None:
    if found <= at_most:
        return
    counted = f"{found:,}"
    text = f"The document is beyond the limit of {limit}, {at_most:,}. {sentence.format(found=counted)}."
    metadata = {"limit": limit, "at_most": str(at_most), "found": str(found)}
    raise HubError(Reason.MALFORMED, text, metadata=metadata)
