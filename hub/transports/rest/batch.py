"""The batch: each of its items is read and answered by itself, so that one that is wrong spoils no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError, WrapValidator

from hub.core.notifications import MOST_ITEMS, Created, NewItem
from hub.domain.errors import HubError, invalid
from hub.transports.rest.answers import Answer, Notification, Violation, notification_body
from hub.transports.rest.errors import violations_of
from hub.transports.rest.schemas import Input, NewNotification, key_schema

BATCH_BYTES = 8 * 1024 * 1024
_WHOLE = "item"
"""The field that is named where the item itself is what is wrong."""


class BatchItem(NewNotification):
    """A notification of a batch, with an idempotency key of its own."""

    idempotency_key: str | None = Field(
        None,
        description="Makes a repeat return the first result, as the header does for a single one.",
        json_schema_extra=key_schema(),
    )

    def item(self) -> NewItem:
        """The item as the core takes it."""
        return NewItem(self.command(), self.idempotency_key)


def _as_it_is(item: Any, _validate: object) -> Any:
    """An item is read when the batch is taken apart; here it is only described."""
    return item


class NewBatch(Input):
    """Notifications to create, each by itself: there is no all or nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "notifications": [
                        {
                            "user_id": "user123",
                            "title": "Welcome!",
                            "message": "Welcome to our platform",
                            "type": "email",
                            "idempotency_key": "welcome-user123",
                        }
                    ]
                }
            ]
        }
    )

    notifications: list[Annotated[BatchItem, WrapValidator(_as_it_is)]] = Field(
        description="What is wrong with one of them is answered as its error.", min_length=1, max_length=MOST_ITEMS
    )

    def items(self) -> list[NewItem | HubError]:
        """The items as the core takes them."""
        return [_read(item) for item in self.notifications]


class OperationError(Answer):
    """Why an item was refused, as its own create would have been; programs decide by `reason`."""

    code: str = Field(description="Canonical code, named as gRPC names it.", examples=["INVALID_ARGUMENT"])
    reason: str = Field(description="What exactly; the same in all protocols.", examples=["INVALID_VALUE"])
    message: str = Field(description="A sentence for people.")
    violations: list[Violation] = Field(description="The wrong fields, named from the item on.")
    metadata: dict[str, str] = Field(description="Particulars of the reason.")


class CreateNotificationResult(Answer):
    """What became of one item: either `notification` or `error`."""

    index: int = Field(description="Which item, from 0.", examples=[0])
    notification: Notification | None = Field(description="The notification; on disk.")
    error: OperationError | None = Field(description="Why there is none.")
    idempotency_replayed: bool = Field(description="Whether an earlier call with the same key made it.")


class BatchResults(Answer):
    """What became of a batch."""

    results: list[CreateNotificationResult] = Field(description="One for each item, in their order.")


def results_body(results: Sequence[Created | HubError]) -> dict[str, Any]:
    """The answer to a batch as callers see it."""
    return {"results": [_result_body(index, result) for index, result in enumerate(results)]}


def _result_body(index: int, result: Created | HubError) -> dict[str, Any]:
    if isinstance(result, HubError):
        return {"index": index, "notification": None, "error": _error_body(result), "idempotency_replayed": False}
    return {
        "index": index,
        "notification": notification_body(result.notification),
        "error": None,
        "idempotency_replayed": result.replayed,
    }


def _error_body(error: HubError) -> dict[str, Any]:
    return {
        "code": error.code,
        "reason": error.reason,
        "message": _clean(error.message),
        "violations": [{"field": _clean(v.field), "message": _clean(v.message)} for v in error.violations],
        "metadata": {name: _clean(text) for name, text in error.metadata.items()},
    }


def _clean(text: str) -> str:
    """What is echoed may hold lone surrogates, which no UTF-8 has: question marks stand for them."""
    return text.encode(errors="replace").decode()


def _read(item: Any) -> NewItem | HubError:
    try:
        return BatchItem.model_validate(item).item()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return invalid(*violations_of([{**fault, "loc": (_WHOLE, *fault["loc"])} for fault in found]))
