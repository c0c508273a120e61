"""What is said to the server, noted while a test runs, and what the server says of how it does that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import monitoring
from pymongo.asynchronous.database import AsyncDatabase

Row = dict[str, Any]

WRITES = {"update": "updates", "delete": "deletes"}
"""Commands that carry many statements, of which only one can be explained at a time."""
LOOKING = {"find", "aggregate", "count", "distinct", "findAndModify", *WRITES}
"""Commands that have to find something."""
_OF_THE_CONNECTION = {"lsid", "txnNumber", "writeConcern", "readConcern", "maxTimeMS", "ordered"}


class Commands(monitoring.CommandListener):
    """Notes every command that a client opened after its registration sends to a collection of one database."""

    def __init__(self, database: str) -> None:
        self._database = database
        self.said: list[Row] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Copies it: the driver may go on with its own."""
        if event.database_name == self._database and event.command_name in LOOKING | {"insert", "getMore"}:
            self.said.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing more to note."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing more to note."""

    def counts(self, collection: str | None = None) -> Counter[str]:
        """How many of each kind, of one collection or of all."""
        kinds = [(next(iter(command)), command) for command in self.said]
        return Counter(kind for kind, command in kinds if collection in {None, command[kind]})


@contextmanager
def listening(database: str) -> Iterator[Commands]:
    """What clients say that are opened inside."""
    before = list(monitoring._LISTENERS.command_listeners)
    commands = Commands(database)
    monitoring.register(commands)
    try:
        yield commands
    finally:
        monitoring._LISTENERS.command_listeners[:] = before


@dataclass(frozen=True, slots=True)
class Explained:
    """How the server does one command."""

    command: Row
    stages: frozenset[str]
    keys: int
    documents: int
    found: int
    """What came out of its plans: each key or document examined beyond it was looked at in vain."""


def statements(command: Row) -> list[Row]:
    """The command, or each of the statements that it carries, as `explain` takes it; none where nothing is looked for."""
    kind = next(iter(command))
    if kind not in LOOKING:
        return []
    plain = {name: value for name, value in command.items() if name not in _OF_THE_CONNECTION and name[0] != "$"}
    if kind not in WRITES:
        return [plain]
    return [plain | {WRITES[kind]: [statement]} for statement in plain[WRITES[kind]]]


async def explained(database: AsyncDatabase[Row], statement: Row) -> Explained:
    """Runs it once more without its effects."""
    # A plan shows the far ends of its ranges, which no date of Python's can be.
    options = CodecOptions[Row](
        uuid_representation=UuidRepresentation.STANDARD, datetime_conversion=DatetimeConversion.DATETIME_AUTO
    )
    plan = await database.command("explain", statement, verbosity="executionStats", codec_options=options)
    runs = list(_below(plan, "executionStats"))
    return Explained(
        statement,
        frozenset(stage for winner in _below(plan, "winningPlan") for stage in _below(winner, "stage"))
        | {"$sort" for stage in plan.get("stages", ()) if "$sort" in stage},
        keys=sum(run["totalKeysExamined"] for run in runs),
        documents=sum(run["totalDocsExamined"] for run in runs),
        found=sum(max(run["nReturned"], run["executionStages"].get("nWouldModify", 0)) for run in runs),
    )


def _below(plan: Any, name: str) -> Iterator[Any]:
    """Every value of that name, at whatever depth."""
    inner = plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list) else ()
    if isinstance(plan, dict) and name in plan:
        yield plan[name]
    for value in inner:
        yield from _below(value, name)
