"""Reads what `tests.formats.record` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bson import json_util
from bson.binary import UuidRepresentation

Row = dict[str, Any]

FOLDER = Path(__file__).parent
_OPTIONS = json_util.JSONOptions(
    json_mode=json_util.JSONMode.RELAXED,
    uuid_representation=UuidRepresentation.STANDARD,
    tz_aware=True,
    tzinfo=UTC,
)
_FAR = datetime(9000, 1, 1, tzinfo=UTC)
_TTL_FIELDS = {"notifications": "purge_at", "idempotency_keys": "expires_at", "inbox_operations": "expires_at"}


def write(file: Path, content: Mapping[str, Any]) -> None:
    """Writes a file of recorded things, MongoDB's types included."""
    file.write_text(json_util.dumps(content, indent=1, json_options=_OPTIONS, ensure_ascii=False) + "\n")


def read(version: str, name: str) -> Row:
    """Everything in a file, as it was."""
    content: Row = json_util.loads((FOLDER / version / f"{name}.json").read_text(), json_options=_OPTIONS)
    return content


def documents(version: str, *, at: datetime | None = None) -> dict[str, dict[str, Row]]:
    """Documents by collection and by what each is an example of; none of them is MongoDB's to remove yet.

    With `at` they are as they would be had they been recorded at that moment.
    """
    content = read(version, "documents")
    recorded_at = content.pop("recorded_at")
    for collection, rows in content.items():
        for name, row in rows.items():
            if at is not None:
                rows[name] = _moved(row, at - recorded_at)
            if (field := _TTL_FIELDS.get(collection)) in row:
                rows[name][field] = datetime.now(UTC) + timedelta(days=1)
    return content


def _moved(value: Any, by: timedelta) -> Any:
    match value:
        case datetime():
            return value if value > _FAR else value + by
        case dict():
            return {name: _moved(inner, by) for name, inner in value.items()}
        case list():
            return [_moved(inner, by) for inner in value]
        case _:
            return value


def text(version: str, name: str) -> Row:
    """A file of plain JSON."""
    content: Row = json.loads((FOLDER / version / f"{name}.json").read_text())
    return content
