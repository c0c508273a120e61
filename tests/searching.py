"""Marked values, and a search for them in whatever came out, in the spellings they may have on their way."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient

_CONTEXT = 60


def mark() -> str:
    """A value that occurs nowhere by chance; letters and digits alone, so that nothing between need change it."""
    return f"leak{secrets.token_hex(7)}"


@dataclass(slots=True)
class Search:
    """Takes in what came out, and knows what it should not have held."""

    marks: Mapping[str, str]
    """What each stands for, and the value."""
    found: list[str] = field(default_factory=list)
    looked_at: dict[str, int] = field(default_factory=dict)
    """How many bytes were looked at, by place."""

    def look(self, where: str, said: str | bytes, allowed: Collection[str] = ()) -> None:
        """Looks for every mark but those that may be there."""
        data = said.encode(errors="surrogatepass") if isinstance(said, str) else said
        self.looked_at[where] = self.looked_at.get(where, 0) + len(data)
        lowered = data.lower()
        for name, value in self.marks.items():
            if name in allowed:
                continue
            for spelling, written in _spellings(value):
                exact = spelling == "base64"
                at = (data if exact else lowered).find(written if exact else written.lower())
                if at >= 0:
                    around = data[max(0, at - _CONTEXT) : at + len(written) + _CONTEXT]
                    self.found.append(f"{name} ({spelling}) in {where}: {around!r}")
                    break


def _spellings(value: str) -> Iterator[tuple[str, bytes]]:
    yield "plain", value.encode()
    yield "quoted", quote(value, safe="").encode()
    yield "form", quote_plus(value).encode()
    yield "hex", value.encode().hex().encode()
    # As part of something longer: whatever stands before it shifts it by up to two bytes.
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + value.encode()).decode()
        yield "base64", re.sub("=.*", "", coded)[(0, 2, 3)[shift] : -1].encode()


async def every_document(url: str, database: str) -> list[tuple[str, dict[str, Any], bytes]]:
    """Each document of each collection: whose it is, its fields, its bytes."""
    async with AsyncMongoClient[RawBSONDocument](url, document_class=RawBSONDocument, tz_aware=True) as client:
        found: list[tuple[str, dict[str, Any], bytes]] = []
        for name in await client[database].list_collection_names():
            found += [(name, dict(row), bytes(row.raw)) for row in await client[database][name].find().to_list()]
    return found
