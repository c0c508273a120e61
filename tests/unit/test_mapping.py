"""Rows become entities alike however their times were read, and entities messages with every time in its place."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from bson.codec_options import CodecOptions

from hub.domain.notifications import Notification
from hub.rpc.v1.entities_pb2 import Notification as Message
from hub.store.mapping import to_entity
from hub.transports.grpc import schemas
from tests.bench.filled import delivered

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATER = datetime(2031, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
ID = delivered("tenant", "user", LATER)["_id"]
TIMES = [field.name for field in fields(Notification) if field.name.endswith("_at")]


def row(at: datetime, *, tz_aware: bool) -> dict[str, Any]:
    """With a different moment in each field, as the driver reads it."""
    moments = {name: at + timedelta(milliseconds=place) for place, name in enumerate(TIMES)}
    stored = delivered("tenant", "user", at) | moments | {"_id": ID}
    options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=tz_aware, uuid_representation=4)
    return bson.decode(bson.encode(stored, codec_options=options), codec_options=options)


def test_times_without_a_zone_are_utc() -> None:
    bare, aware = to_entity(row(LATER, tz_aware=False)), to_entity(row(LATER, tz_aware=True))
    assert bare == aware
    shown = [getattr(bare, name) for name in TIMES] + [bare.attempts[0].started_at, bare.attempts[0].finished_at]
    assert shown == [LATER + timedelta(milliseconds=place) for place in range(len(TIMES))] + [LATER, LATER]
    assert {moment.tzinfo for moment in shown} == {UTC}


def test_absent_times_stay_absent() -> None:
    entity = to_entity(row(LATER, tz_aware=False) | dict.fromkeys(("sent_at", "read_at", "seen_at", "archived_at")))
    assert (entity.sent_at, entity.read_at, entity.seen_at, entity.archived_at) == (None, None, None, None)
    message = schemas.notification(entity)
    assert not any(message.HasField(name) for name in ("sent_at", "read_at", "seen_at", "archived_at"))


def test_a_message_has_every_time_also_one_whose_numbers_are_all_zero() -> None:
    entity = to_entity(row(EPOCH, tz_aware=False))
    message = Message.FromString(schemas.notification(entity).SerializeToString())
    shown = [name for name in TIMES if name != "inbox_at"]
    assert [getattr(message, name).ToDatetime(UTC) for name in shown] == [getattr(entity, name) for name in shown]
    assert all(message.HasField(name) for name in shown)  # type: ignore[arg-type]  # names from a list
    assert message.attempts[0].HasField("started_at")
    assert message.attempts[0].HasField("finished_at")
