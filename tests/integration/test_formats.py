"""The present code on what other versions left: documents, messages, cursors and keys, recorded in `tests/formats`."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from pymongo import AsyncMongoClient

from hub.core.dead_letters import Selection
from hub.core.ports import AllRead, Change
from hub.domain.errors import HubError, Reason
from hub.domain.events import InboxPosition
from hub.domain.ids import new_id
from hub.domain.notifications import OutcomeKind
from hub.domain.paging import Filter, ListKind, PageRequest, decode_cursor
from hub.domain.status import Status
from hub.domain.times import now
from hub.live import cursors
from hub.live import wire as live_wire
from hub.live.rabbit import EXCHANGE
from hub.pipeline import wire
from hub.pipeline.topology import queues
from hub.store.heartbeats import HeartbeatStore
from hub.store.mapping import to_entity
from hub.store.users import UserStore
from tests.assembly import ACCEPTED, ME, Assembly, ScriptedChannel, Timing, assembled
from tests.formats import recorded
from tests.waiting import until

Row = dict[str, Any]
Assemble = Callable[..., AbstractAsyncContextManager[Assembly]]

VERSIONS = sorted(path.name for path in recorded.FOLDER.iterdir() if path.name.startswith("v"))
USER = "user123"
MINUTE = timedelta(minutes=1)
WAITING = ("pending", "keyed", "retrying", "replayed", "sending")
"""Examples of what is under way and due at once, or has lost its worker."""
STATUS = {
    "keyed": Status.PENDING,
    "deleted": None,
    "replayed": Status.PENDING,
    "all_read": Status.READ,
    "unread_again": Status.DELIVERED,
    "expiring": Status.DELIVERED,
}
"""What examples show whose name does not say it."""
ABSENT = {
    "notifications": (
        "claim",
        "recorded_by",
        "read_operation",
        "purge_at",
        "inbox_at",
        "unread_until",
        "deleted_at",
        "seen_at",
        "archived_at",
        "operation",
        "operation_version",
        "operation_saw",
    ),
    "users": ("contact_points", "locale", "timezone"),
}
"""Fields with a meaning for their absence, as were they added after the document was written."""


@pytest.fixture(scope="module")
async def database(mongo_url: str, run_id: str) -> AsyncIterator[str]:
    name = f"hub_test_{run_id}_formats"
    yield name
    async with AsyncMongoClient[Row](mongo_url) as client:
        await client.drop_database(name)


@pytest.fixture
def hub_with(mongo_url: str, database: str) -> Assemble:
    patient = timedelta(hours=24)
    in_app = ScriptedChannel("in_app", give_up_after=patient)
    others = [ScriptedChannel(name, usually=ACCEPTED, give_up_after=patient) for name in ("email", "sms")]
    return partial(assembled, mongo_url, database, in_app, *others)


async def fill(hub: Assembly, documents: Mapping[str, Mapping[str, Row]]) -> None:
    for collection, rows in documents.items():
        await hub.store.database[collection].insert_many(rows.values())


def id_of(row: Row) -> str:
    return str(row["_id"])


# ------------------------------------------------------------------------------------------ what lies on the broker


def test_messages_are_still_written_and_read_as_recorded() -> None:
    work = recorded.text("v1", "messages")["work"]
    ids = tuple(UUID(text) for text in work["ids"])
    assert wire.decode(work["body"].encode()) == ids
    assert wire.encode(ids) == work["body"].encode()


def test_hints_are_still_written_and_read_as_recorded() -> None:
    hint = recorded.text("v1", "messages")["hint"]
    identifier = UUID(hint["notification_id"])
    place = InboxPosition(datetime.fromisoformat(hint["delivered_at"]), identifier)
    hints: list[Change | AllRead] = [Change("default", USER, identifier), AllRead("default", USER, place, "welcome")]
    assert live_wire.decode(hint["body"].encode()) == hints
    assert live_wire.encode("default", USER, hints) == hint["body"].encode()
    assert live_wire.routing_key("default", hint["user_id"]) == hint["routing_key"]
    assert hint["exchange"] == EXCHANGE


def test_queues_of_a_name_are_declared_as_recorded() -> None:
    """Arguments can't be changed: the broker refuses a queue that is declared otherwise than it was made."""
    present = {queue.name: asdict(queue) for queue in queues(["email"])}
    for queue in recorded.text("v1", "messages")["queues"]:
        assert present.get(queue["name"], queue) == queue


# ------------------------------------------------------------------------------------------------------- documents


@pytest.mark.parametrize("version", VERSIONS)
class TestDocuments:
    """Of an older version, or of this one as it was recorded."""

    async def test_callers_see_all_of_it(self, hub_with: Assemble, version: str) -> None:
        async with hub_with(running="") as hub:
            documents = recorded.documents(version)
            await fill(hub, documents)
            for name, row in documents["notifications"].items():
                status = STATUS[name] if name in STATUS else Status(name)
                if status is None:
                    with pytest.raises(HubError) as gone:
                        await hub.notifications.get(ME, id_of(row))
                    assert gone.value.reason is Reason.NOT_FOUND
                    continue
                seen = await hub.notifications.get(ME, id_of(row))
                assert (seen.shown_status, seen.title, seen.version) == (status, row["title"], row["version"]), name
                assert len(seen.attempts) == len(row["attempts"])
            assert (await hub.inbox.unread_count(ME, USER)).count == 3
            assert [n.id for n in await letters(hub)] == [documents["notifications"]["failed"]["_id"]]
            user = await UserStore(hub.timing.periods).get("default", USER)
            assert user is not None
            assert (user.contact_points["email"], user.locale) == ("ann@example.com", "de-DE")
            (beat,) = await HeartbeatStore(hub.outbox).alive(timedelta(days=36_500))
            assert (beat.role, beat.outcomes[0].failures) == ("worker", 2)

    async def test_a_user_without_what_was_added_later_is_a_user(self, hub_with: Assemble, version: str) -> None:
        documents = recorded.documents(version)
        strip(documents)
        async with hub_with(running="") as hub:
            await fill(hub, {"users": documents["users"]})
            store = UserStore(hub.timing.periods)
            user = await store.get("default", USER)
            assert user is not None
            assert (user.contact_points, user.locale, user.timezone) == ({}, None, None)
            assert await store.delete("default", USER) == 0

    async def test_lists_go_on_where_a_cursor_stands(self, hub_with: Assemble, version: str) -> None:
        tokens = recorded.read(version, "cursors")
        async with hub_with(running="") as hub:
            await fill(hub, recorded.documents(version))
            for token in tokens["lists"]:
                given = token["filter"]
                filters = Filter(**given | ({"status": Status(given["status"])} if "status" in given else {}))
                page = await getattr(hub, token["list"])(USER, filters, after=token["after"], limit=100)
                assert [str(item.id) for item in page.items] == token["then"], token
        place = decode_cursor(tokens["events"], (ListKind.EVENTS,), ("default", USER), None)
        recorded_at = recorded.read(version, "documents")["recorded_at"]
        assert cursors.decode(place, recorded_at + MINUTE).at == recorded_at

    async def test_a_repeat_with_a_key_finds_what_it_made(self, hub_with: Assemble, version: str) -> None:
        keys, documents = recorded.text(version, "keys"), recorded.documents(version)
        async with hub_with(running="") as hub:
            await fill(hub, documents)
            again = await hub.create(USER, key=keys["key"], **keys["command"])
            assert (str(again.notification.id), again.replayed) == (id_of(documents["notifications"]["keyed"]), True)
            with pytest.raises(HubError) as other:
                await hub.create(USER, key=keys["key"], **keys["command"] | {"title": "Another"})
            assert other.value.reason is Reason.IDEMPOTENCY_MISMATCH

    @pytest.mark.parametrize("shape", ["as recorded", "without what was added later", "with what a newer one added"])
    async def test_what_was_under_way_comes_to_its_end(self, hub_with: Assemble, version: str, shape: str) -> None:
        documents = recorded.documents(version, at=now() - 2 * MINUTE)
        rows = documents["notifications"]
        if shape == "without what was added later":
            strip(documents)
        elif shape == "with what a newer one added":
            extend(documents)
        async with hub_with() as hub:
            # Of the same age as the lease that ran out: two minutes ago.
            await fill(hub, documents)
            for name in WAITING:
                row = rows[name]
                wanted = Status.DELIVERED if row["type"] == "in_app" else Status.SENT
                ended = await hub.comes_to(await hub.notifications.get(ME, id_of(row)), wanted, 20)
                assert ended.attempts[: len(row["attempts"])] == before(row), name
                assert hub.channels[row["type"]].times(row["_id"]) == 1, name
            lost = (await hub.notifications.get(ME, id_of(rows["sending"]))).attempts
            assert [attempt.outcome for attempt in lost] == [OutcomeKind.AMBIGUOUS, OutcomeKind.ACCEPTED]
            assert (await hub.notifications.get(ME, id_of(rows["scheduled"]))).status is Status.SCHEDULED
            if shape == "with what a newer one added":
                for name in WAITING:
                    assert untouched(await hub.rows.find_one({"_id": rows[name]["_id"]}), rows[name]), name

    async def test_what_callers_do_to_it_leaves_alone_what_a_newer_one_added(
        self, hub_with: Assemble, version: str
    ) -> None:
        documents = recorded.documents(version, at=now())
        extend(documents)
        rows = documents["notifications"]
        async with hub_with(running="") as hub:
            await fill(hub, documents)
            await hub.notifications.update_status(ME, id_of(rows["scheduled"]), Status.CANCELLED)
            await hub.notifications.update_status(ME, id_of(rows["sent"]), Status.DELIVERED)
            await hub.notifications.mark_read(ME, id_of(rows["delivered"]))
            await hub.notifications.mark_unread(ME, id_of(rows["read"]))
            await hub.dead_letters.replay(ME, Selection(ids=(id_of(rows["failed"]),)), dry_run=False)
            await hub.inbox.mark_all_read(ME, USER)
            for name in ("scheduled", "sent", "delivered", "read", "failed", "expiring"):
                row = await hub.rows.find_one({"_id": rows[name]["_id"]})
                assert row is not None
                assert row["version"] > rows[name]["version"], name
                assert untouched(row, rows[name]), name


async def letters(hub: Assembly) -> tuple[Any, ...]:
    return (await hub.dead_letters.list(ME, Filter(), PageRequest())).items


def before(row: Row) -> tuple[Any, ...]:
    return to_entity(row).attempts


def strip(documents: dict[str, dict[str, Row]]) -> None:
    """Takes away everything whose absence has a meaning, where it says no more than that."""
    for row in documents["notifications"].values():
        for field in ABSENT["notifications"]:
            if field != "claim" or row["status"] != "sending":
                row.pop(field, None)
        row["budget"] = {name: value for name, value in row["budget"].items() if value}
    for row in documents["users"].values():
        for field in ABSENT["users"]:
            row.pop(field)


def extend(documents: dict[str, dict[str, Row]]) -> None:
    """Adds fields that this version does not know, at every level."""
    for rows in documents.values():
        for row in rows.values():
            row["colour"] = {"name": "red", "shades": [1, 2]}
            for inner in [row.get("budget"), row.get("claim"), *row.get("attempts", ()), *row.get("outcomes", ())]:
                if inner is not None:
                    inner["colour"] = "red"


def untouched(row: Row | None, original: Row) -> bool:
    """Whether what a newer version added is all there, but in what this one replaces as a whole (the claim)."""
    return (
        row is not None
        and row["colour"] == original["colour"]
        and row["budget"].get("colour") == original["budget"]["colour"]
        and [attempt["colour"] for attempt in row["attempts"][: len(original["attempts"])]]
        == ["red"] * len(original["attempts"])
    )


# --------------------------------------------------------------------------------------- what only a newer one knows


async def test_lanes_channels_and_statuses_of_a_newer_version_are_left_to_it(hub_with: Assemble) -> None:
    documents = recorded.documents("v1", at=now() - 2 * MINUTE)
    template = documents["notifications"]["pending"]
    lost = documents["notifications"]["sending"]
    foreign = [
        template | {"_id": new_id(), "lane": "email.urgent", "priority": "urgent"},
        template | {"_id": new_id(), "status": "paused"},
        template | {"_id": new_id(), "type": "pigeon", "lane": "pigeon.high"},
        lost | {"_id": new_id(), "type": "pigeon", "lane": "pigeon.normal"},
        # Tenants before all others in the sweep's order: what fails there must not keep it from the rest.
        lost | {"_id": new_id(), "tenant": "a", "attempts": [{"number": 1, "outcome": "postponed"}]},
    ]
    async with hub_with() as hub:
        await hub.rows.insert_many(copy.deepcopy(foreign))
        ours = [await hub.created(USER, type=kind) for kind in ("email", "sms", "in_app") for _ in range(5)]
        # What nobody hands over: it is the sweep that has to come by.
        swept = template | {"_id": new_id(), "tenant": "default", "attempts": []}
        await hub.rows.insert_one(copy.deepcopy(swept))
        for notification in ours:
            await hub.comes_to(notification, Status.DELIVERED if notification.type == "in_app" else Status.SENT)
        await until(lambda: is_sent(hub, swept["_id"]))
        for row in foreign:
            kept = await hub.rows.find_one({"_id": row["_id"]})
            assert kept is not None
            assert {**kept, "due": None} == {**row, "due": None}
        assert {message.id for channel in hub.channels.values() for message in channel.begun} == {
            *(notification.id for notification in ours),
            swept["_id"],
        }


async def is_sent(hub: Assembly, identifier: UUID) -> bool:
    return await hub.rows.count_documents({"_id": identifier, "status": "sent"}) == 1


async def test_a_document_that_can_not_be_read_takes_none_down_with_it(hub_with: Assemble) -> None:
    """Claimed in one command with others, it used to leave all of them without a worker until their leases ran out."""
    template = recorded.documents("v1", at=now() - MINUTE)["notifications"]["pending"]
    spoiled = template | {"_id": new_id(), "attempts": [{"number": 1, "outcome": "postponed"}]}
    good = [template | {"_id": new_id(), "correlation_id": str(uuid4())} for _ in range(20)]
    async with hub_with(timing=Timing(lease=timedelta(minutes=5)), running="") as hub:
        await hub.rows.insert_many([*copy.deepcopy(good), copy.deepcopy(spoiled)])
        claims = await hub.work.claim_many([spoiled["_id"], *(row["_id"] for row in good)])
        assert claims[0] is None
        assert [claim.notification.id for claim in claims[1:] if claim is not None] == [row["_id"] for row in good]
