"""What a notification costs in commands to the store, and that each of them is done by an index. No seconds are measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo import AsyncMongoClient, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from hub.bootstrap import Hub, build
from hub.core.access import Operation
from hub.core.tasks import ended
from hub.domain.notifications import Notification
from hub.domain.status import Status
from hub.settings import Settings
from hub.store.documents import NotificationDocument
from tests.assembly import Assembly, ScriptedChannel, assembled
from tests.driver_commands import Commands, Explained, Row, explained, listening, statements
from tests.integration.every_operation import NOT_HERE, Scenario, crowd
from tests.waiting import until

CALLERS = 128
EACH = 8


@asynccontextmanager
async def dropped(mongo_url: str, name: str) -> AsyncIterator[str]:
    yield name
    async with AsyncMongoClient[Row](mongo_url) as client:
        await client.drop_database(name)


class TestCounts:
    @pytest.fixture
    async def hub(self, mongo_url: str, run_id: str) -> AsyncIterator[tuple[Assembly, Commands]]:
        async with dropped(mongo_url, f"hub_test_{run_id}_calls") as database:
            with listening(database) as commands:
                # Without a sweep, which looks around all the time: what is handed over at once needs none.
                async with assembled(mongo_url, database, ScriptedChannel(), running="relay worker") as hub:
                    yield hub, commands

    async def test_concurrent_creates_share_inserts_and_deliveries_their_writes(
        self, hub: tuple[Assembly, Commands]
    ) -> None:
        assembly, commands = hub
        commands.said.clear()

        async def caller() -> list[Notification]:
            return [await assembly.created() for _ in range(EACH)]

        made = [item for found in await asyncio.gather(*(caller() for _ in range(CALLERS))) for item in found]
        assert len(made) == CALLERS * EACH
        assert commands.counts("notifications")["insert"] <= len(made) / 8
        delivered = {"status": Status.DELIVERED.value}

        async def all_delivered() -> bool:
            return await assembly.rows.count_documents(delivered) == len(made)

        await until(all_delivered, 30)
        counts = commands.counts()
        # Looking whether they are there is not the hub's doing.
        del counts["aggregate"]
        # Created, claimed, read, recorded: each in batches.
        assert set(counts) <= {"insert", "update", "find", "getMore"}
        assert sum(counts.values()) <= len(made) / 8

    async def test_a_lone_one_takes_an_insert_a_claim_a_look_and_a_record(self, hub: tuple[Assembly, Commands]) -> None:
        assembly, commands = hub
        commands.said.clear()
        made = await assembly.created()
        await until(lambda: bool(assembly.announcements.hints), 10)
        assert commands.counts() == {"insert": 1, "update": 2, "find": 1}
        assert (await assembly.get(made)).status is Status.DELIVERED


# ------------------------------------------------------------------------------------------------------------- indexes
IN_VAIN = 60
"""Keys and documents that a command may look at beyond what it returns or changes: seeks, and what a filter sorts out."""


@asynccontextmanager
async def running(mongo_url: str, database: str) -> AsyncIterator[Hub]:
    """A whole hub as the composition root builds it, relaying, sweeping and working."""
    settings = Settings.model_validate(
        {
            "mongo": {"url": mongo_url, "database": database},
            "pipeline": {"sweep_interval": 0.05, "handover_grace": 0.2},
            "dev": {"capture": False},
        }
    )
    async with build(settings) as hub, asyncio.TaskGroup() as group:
        tasks = [group.create_task(run()) for run in (*hub.relay_runs, hub.worker.run)]
        yield hub
        for task in tasks:
            await ended(task)


def wasteful(found: Explained) -> str | None:
    """What is wrong with how the server does a command, if anything."""
    if found.stages & {"COLLSCAN", "SORT", "$sort"}:
        return ", ".join(sorted(found.stages & {"COLLSCAN", "SORT", "$sort"}))
    looked = max(found.keys, found.documents)
    return None if looked <= 2 * found.found + IN_VAIN else f"looks at {looked} for {found.found}"


async def problems(database: AsyncDatabase[Row], said: list[Row]) -> list[tuple[str, Row]]:
    """What is wrong with these commands, each explained once on the data as they are now."""
    found = []
    # The same command with other values is done the same way.
    for statement in {shape(one): one for command in said for one in statements(command)}.values():
        if statement[next(iter(statement))] in SMALL or takes_any(statement):
            continue
        try:
            fault = wasteful(await explained(database, statement))
        except OperationFailure as error:
            fault = f"refused ({error.code})"
        if fault:
            found.append((fault, statement))
    return found


def takes_any(statement: Row) -> bool:
    """Whether it takes the first few, whichever they are: all it looks at is what it returns. Change streams begin at now."""
    return (statement.get("filter") == {} and "limit" in statement) or "$changeStream" in str(statement.get("pipeline"))


def shape(statement: Any) -> str:
    """A statement without its values."""
    if isinstance(statement, dict):
        return f"{{{','.join(f'{name}:{shape(value)}' for name, value in statement.items())}}}"
    if isinstance(statement, list):
        return f"[{','.join(sorted({shape(value) for value in statement}))}]"
    return statement if isinstance(statement, str) else type(statement).__name__


SMALL = {"leases", "heartbeats", "api_keys"}
"""Collections with a document for each duty, process or key: there is nothing to grow."""


SOUGHT = [index for index in NotificationDocument.Settings.indexes if "expireAfterSeconds" not in index.document]
"""Those that commands need; of the others the server itself makes use."""


@dataclass(frozen=True, slots=True)
class Said:
    """All that a whole hub said to its database while everything was done once."""

    database: AsyncDatabase[Row]
    commands: list[Row]
    done: set[Operation]


@pytest.fixture(scope="module")
async def said(mongo_url: str, run_id: str) -> AsyncIterator[Said]:
    async with dropped(mongo_url, f"hub_test_{run_id}_walk") as database:
        with listening(database) as commands:
            async with running(mongo_url, database) as hub:
                scenario = Scenario(hub.core)
                await crowd(await scenario.delivered(user_id="template"))
                done = await scenario.go()
        async with AsyncMongoClient[Row](mongo_url) as client:
            yield Said(client[database], commands.said, done)


class TestIndexes:
    async def test_every_command_of_every_operation_is_done_by_an_index(self, said: Said) -> None:
        assert said.done | NOT_HERE.keys() == set(Operation)
        assert not said.done & NOT_HERE.keys()
        found = await problems(said.database, said.commands)
        assert found == [], "\n".join(map(str, found))

    @pytest.mark.parametrize("index", SOUGHT, ids=lambda index: index.document["name"])
    async def test_an_index_that_is_missing_is_missed(self, index: IndexModel, said: Said) -> None:
        rows = said.database["notifications"]
        await rows.drop_index(index.document["name"])
        try:
            # What insists on it by name is refused.
            assert await problems(said.database, said.commands)
        finally:
            await rows.create_indexes([index])
