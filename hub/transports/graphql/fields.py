"""Strawberry's decorators with types: its own give `Any`, which strict checking refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import strawberry

Resolver = TypeVar("Resolver", bound=Callable[..., object])


def field(description: str) -> Callable[[Resolver], Resolver]:
    """A field with a resolver."""
    decorator: Callable[[Resolver], Resolver] = strawberry.field(description=description)
    return decorator


def mutation(description: str) -> Callable[[Resolver], Resolver]:
    """A mutation."""
    decorator: Callable[[Resolver], Resolver] = strawberry.mutation(description=description)
    return decorator


def subscription(description: str) -> Callable[[Resolver], Resolver]:
    """A subscription."""
    decorator: Callable[[Resolver], Resolver] = strawberry.subscription(description=description)
    return decorator
