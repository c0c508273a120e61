"""What every resolver is handed: the core, the caller, and the loaders of this one operation."""

from __future__ import annotations

from dataclasses import dataclass

import strawberry

from hub.core.app import Core
from hub.domain.principals import Principal
from hub.transports.graphql.loaders import Loaders


@dataclass(frozen=True, slots=True)
class Context:
    """Of one operation; a socket's operations share core and principal, never the loaders."""

    core: Core
    principal: Principal
    loaders: Loaders

    @classmethod
    def fresh(cls, core: Core, principal: Principal) -> Context:
        """A context with loaders of its own."""
        return cls(core, principal, Loaders(core, principal))


Info = strawberry.Info[Context, None]
