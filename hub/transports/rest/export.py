"""Writes the OpenAPI document out, for `python -m hub export-schema openapi` and the drift check."""

from __future__ import annotations

import json
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

from hub.core.app import Core
from hub.settings import Settings
from hub.transports.rest.app import build


def openapi_json() -> str:
    """The document as deterministic, readable JSON. Needs no store, no server and no environment."""
    nothing: Any = SimpleNamespace(**dict.fromkeys(field.name for field in fields(Core)))
    # Left as they are by default: the document says nothing of settings, nor does the environment of it.
    document = build(nothing, Settings.model_construct()).openapi()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
