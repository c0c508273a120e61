"""The contract as a file: `python -m hub.transports.graphql.export > graphql/schema.graphql`."""

from __future__ import annotations

import sys
from datetime import timedelta

from graphql import build_schema as schema_from_text
from graphql import lexicographic_sort_schema, print_schema

from hub.transports.graphql.documents import Documents
from hub.transports.graphql.schema import Schema, build_schema


def sdl(schema: Schema | None = None) -> str:
    """The schema in SDL, sorted, so that only what changed shows in a diff.

    Sorted here and nowhere else: Strawberry's own `sort_schema` breaks unions and defaults of enums.
    """
    text = (schema or build_schema(Documents(), timedelta(seconds=1))).as_str()
    return print_schema(lexicographic_sort_schema(schema_from_text(text))) + "\n"


if __name__ == "__main__":
    sys.stdout.write(sdl())
