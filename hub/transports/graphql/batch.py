"""Creating many notifications at once: each by itself, each with an answer of its own."""

from __future__ import annotations

from typing import Annotated, Self

import strawberry

from hub.core.notifications import Created, NewItem
from hub.domain.errors import HubError
from hub.log import correlation_id
from hub.transports.graphql.context import Info
from hub.transports.graphql.fields import mutation
from hub.transports.graphql.notifications import CreateNotificationInput
from hub.transports.graphql.scalars import JSON
from hub.transports.graphql.schemas import Notification


@strawberry.input(description="Notifications to send.")
class CreateNotificationsInput:
    """What can't be read as one of these refuses the whole call; what is wrong otherwise refuses its item."""

    notifications: list[CreateNotificationInput] = strawberry.field(description="1 to 1,000 of them.")


@strawberry.type(description="One wrong field of an input.")
class Violation:
    """As in the extensions of an error."""

    field: str = strawberry.field(description="Its dotted snake_case path, within the item.")
    message: str = strawberry.field(description="A sentence about it.")


@strawberry.type(description="Why one item was refused, as the extensions of an error would have it.")
class OperationError:
    """The catalogue's entry as data."""

    code: str = strawberry.field(description="The canonical code, such as `INVALID_ARGUMENT`.")
    reason: str = strawberry.field(description="What exactly went wrong, such as `INVALID_VALUE`; stable.")
    message: str = strawberry.field(description="A sentence for people.")
    violations: list[Violation] = strawberry.field(description="The wrong fields, where it is about input.")
    metadata: JSON = strawberry.field(description="More about it, by name; may be empty.")

    @classmethod
    def of(cls, error: HubError) -> Self:
        """From the catalogue's."""
        return cls(
            code=error.code.value,
            reason=error.reason.value,
            message=error.message,
            violations=[Violation(field=v.field, message=v.message) for v in error.violations],
            metadata=JSON(dict(error.metadata)),
        )


@strawberry.type(description="What became of one item: either `notification` or `error` is there.")
class CreateNotificationResult:
    """Not a union: a client that repeats the refused ones needs one selection for both."""

    index: int = strawberry.field(description="The item's place in the input, from 0.")
    notification: Notification | None = strawberry.field(description="The notification, accepted and on disk.")
    error: OperationError | None = strawberry.field(description="Why it was refused.")
    idempotency_replayed: bool = strawberry.field(
        description="Whether an earlier call with the same idempotency key had made it."
    )

    @classmethod
    def of(cls, index: int, outcome: Created | HubError) -> Self:
        """From the core's answer."""
        if isinstance(outcome, HubError):
            return cls(index=index, notification=None, error=OperationError.of(outcome), idempotency_replayed=False)
        return cls(
            index=index,
            notification=Notification.of(outcome.notification),
            error=None,
            idempotency_replayed=outcome.replayed,
        )


@strawberry.type(description="What `createNotifications` did.")
class CreateNotificationsPayload:
    """One result per item."""

    results: list[CreateNotificationResult] = strawberry.field(description="In the order of the input.")


# The payload may be null for the reason that notifications.py gives.
@strawberry.type
class BatchMutations:
    """Part of the mutation type."""

    @mutation("Accepts notifications, each by itself: those without an error are on disk with majority.")
    async def create_notifications(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            CreateNotificationsInput, strawberry.argument(description="The notifications to send.")
        ],
    ) -> CreateNotificationsPayload | None:
        """The core's `create_many`."""
        outcomes = await info.context.core.notifications.create_many(
            info.context.principal,
            [NewItem(item.to_domain(), item.idempotency_key) for item in input.notifications],
            correlation_id=correlation_id(),
        )
        results = [CreateNotificationResult.of(index, outcome) for index, outcome in enumerate(outcomes)]
        return CreateNotificationsPayload(results=results)
