"""What a document weighs in its collection and in each index, as mongod says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes a document."""

    collection: str
    count: int
    bare: float
    """BSON, before compression."""
    stored: float
    """On disk, without what is free for reuse."""
    indexes: Mapping[str, float]
    """The same by name."""


async def of(rows: Any) -> Weight:
    """Of what a collection holds, once it is on disk."""
    await rows.database.client.admin.command("fsync")
    stats = await rows.database.command("collStats", rows.name)
    count = stats["count"]
    return Weight(
        rows.name,
        count,
        stats["size"] / count,
        (stats["storageSize"] - stats["freeStorageSize"]) / count,
        {name: (size - _reusable(stats, name)) / count for name, size in stats["indexSizes"].items()},
    )


def _reusable(stats: Mapping[str, Any], index: str) -> int:
    return int(stats["indexDetails"][index]["block-manager"]["file bytes available for reuse"])


def table(weights: Sequence[Weight]) -> str:
    """In Markdown."""
    lines = [
        "| collection | documents | BSON | on disk | indexes | each index, bytes a document |",
        "|---|---|---|---|---|---|",
    ]
    for weight in weights:
        names = ", ".join(
            f"{name} {size:.0f}" for name, size in sorted(weight.indexes.items(), key=lambda one: -one[1])
        )
        total = sum(weight.indexes.values())
        lines.append(
            f"| {weight.collection} | {weight.count:,} | {weight.bare:.0f} | {weight.stored:.0f} | {total:.0f} | {names} |"
        )
    return "\n".join(lines)
