"""Documents as MongoDB judges them: the declared fields of a model as a `$jsonSchema`, so that nothing has to be read."""

from __future__ import annotations

from datetime import datetime
from types import UnionType
from typing import Any, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel

from hub.domain.notifications import OutcomeKind, Priority
from hub.domain.status import STORED
from hub.store.documents import NotificationDocument
from hub.store.mapping import Row

_TYPES: dict[Any, list[str]] = {
    str: ["string"],
    int: ["int", "long"],
    float: ["double", "int", "long"],
    bool: ["bool"],
    datetime: ["date"],
    UUID: ["binData"],
    bytes: ["binData"],
    dict: ["object"],
    type(None): ["null"],
}


def schema_of(model: type[BaseModel]) -> Row:
    """What a document of this model looks like; fields with a default may be absent, unknown ones are no fault."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    required = [name for name, field in fields.items() if field.is_required()]
    properties = {name: _schema(field.annotation) for name, field in fields.items()}
    # MongoDB refuses to require nothing.
    return {"bsonType": ["object"], "properties": properties} | ({"required": required} if required else {})


def notification_schema() -> Row:
    """What `hub.store.mapping` and the claims can read: the document's fields, and the words that stand for something."""
    schema = schema_of(NotificationDocument)
    properties = schema["properties"]
    properties["status"]["enum"] = sorted(status.value for status in STORED)
    properties["priority"]["enum"] = [priority.value for priority in Priority]
    properties["attempts"]["items"]["properties"]["outcome"]["enum"] = [kind.value for kind in OutcomeKind]
    return schema


def _schema(annotation: Any) -> Row:
    if get_origin(annotation) in (Union, UnionType):
        merged: Row = {"bsonType": []}
        for part in (_schema(argument) for argument in get_args(annotation)):
            merged |= part | {"bsonType": merged["bsonType"] + part["bsonType"]}
        return merged
    if get_origin(annotation) is list:
        return {"bsonType": ["array"], "items": _schema(get_args(annotation)[0])}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return schema_of(annotation)
    return {"bsonType": list(_TYPES[get_origin(annotation) or annotation])}
