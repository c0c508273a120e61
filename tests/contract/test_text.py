"""Text that would do something else than be read: refused by name, before anything is written, in all three protocols."""

from __future__ import annotations

import json
from typing import Any

import grpc
import httpx2
import pytest

from hub.rpc.v1 import notifications_pb2 as pb
from tests.contract.comparing import everywhere, refused_everywhere, status_becomes
from tests.contract.conftest import Drivers
from tests.contract.drivers import Body
from tests.contract.test_notifications import welcome
from tests.hub_process import RunningHub

REFUSED: list[tuple[str, Body, str]] = [
    ("a header in a title", {"title": "Hello\r\nBcc: eve@example.test"}, "title"),
    ("a line feed in a title", {"title": "Hello\nBcc: eve@example.test"}, "title"),
    ("a line separator in a title", {"title": "Hello\u2028Bcc: eve@example.test"}, "title"),
    ("NUL in a title", {"title": "a\0b"}, "title"),
    ("a terminal's escape in a title", {"title": "\x1b[2J"}, "title"),
    ("a terminal's escape in a message", {"message": "\x1b]0;owned\x07"}, "message"),
    ("a C1 control in a message", {"message": "\x9b2J"}, "message"),
    ("a backspace in HTML", {"html": "<p>\x08</p>"}, "html"),
    ("a header in an address", {"to": "ada@example.test\r\nBcc: eve@example.test"}, "to"),
    ("a command in an address", {"to": "ada@example.test>\r\nDATA\r\n"}, "to"),
    ("a direction override in an address", {"to": "ada@\u202egro.elpmaxe"}, "to"),
    ("an isolate in an address", {"to": "\u2066ada\u2069@example.test"}, "to"),
    ("a zero-width space in a domain", {"to": "ada@exa\u200bmple.test"}, "to"),
    ("a soft hyphen in a domain", {"to": "ada@exa\u00admple.test"}, "to"),
    ("an invisible character in a URL", {"type": "webhook", "to": "https://exa\u2060mple.org/"}, "to"),
    ("a direction override in a URL's path", {"type": "webhook", "to": "https://example.org/\u202egpj.exe"}, "to"),
    ("foreign digits in a number", {"type": "sms", "to": "+\u0661\u0662\u0660\u0662"}, "to"),
    ("an address that is too long", {"to": "x" * 501 + "@example.test"}, "to"),
    ("a direction override in a category", {"metadata": {"category": "a\u202eb"}}, "metadata.category"),
    ("a zero-width space in a category", {"metadata": {"category": "a\u200bb"}}, "metadata.category"),
    ("a line feed in a category", {"metadata": {"category": "a\nb"}}, "metadata.category"),
    ("NUL deep in metadata", {"metadata": {"a": [{"b": "\0"}]}}, "metadata.a.0.b"),
]


@pytest.mark.parametrize(("wrong", "field"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_refused_by_name_and_nothing_is_written(wrong: Body, field: str, drivers: Drivers, user: str) -> None:
    found = await refused_everywhere(drivers, lambda driver: driver.create({**welcome(user), **wrong}))
    assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", "INVALID_VALUE", (field,))
    assert (await drivers.rest.list_of_user(user))["items"] == []


CONTACT_POINTS: list[tuple[str, str, str]] = [
    ("a header", "email", "ada@example.test\r\nBcc: eve@example.test"),
    ("a direction override", "email", "ada@\u202eexample.test"),
    ("a zero-width space", "email", "ada@exa\u200bmple.test"),
    ("far too long a name", "email", "ada@" + "\u00e4" * 20_000),
    ("an invisible number", "phone", "+1202\u200b5550123"),
    ("a byte order mark", "webhook", "\ufeffhttps://example.org/"),
    ("nothing", "email", ""),
]


@pytest.mark.parametrize(("name", "address"), [row[1:] for row in CONTACT_POINTS], ids=[r[0] for r in CONTACT_POINTS])
async def test_contact_points_are_held_to_the_same_rules(name: str, address: str, drivers: Drivers, user: str) -> None:
    found = await refused_everywhere(drivers, lambda d: d.update_user(user, {"contact_points": {name: address}}))
    assert (found.reason, found.fields) == ("INVALID_VALUE", (f"contact_points.{name}",))
    assert (await refused_everywhere(drivers, lambda d: d.get_user(user))).reason == "NOT_FOUND"


async def test_what_people_write_in_their_languages_is_taken_as_it_is(drivers: Drivers, user: str) -> None:
    texts = {
        "title": "\u2067\u05e9\u05dc\u05d5\u05dd\u2069 \U0001f469\u200d\U0001f4bb",
        "message": "one\r\ntwo\n\tthree\u2028\u06a9\u200c\u0647",
        "metadata": {"category": "\U0001f469\u200d\U0001f4bb", "anything": "\x1b\u202e"},
    }
    created, _ = await drivers.rest.create({**welcome(user), **texts})
    await status_becomes(drivers.rest, created["id"], "sent")
    found = await everywhere(drivers, lambda driver: driver.get(created["id"]))
    assert {name: found[name] for name in texts} == texts


async def test_an_address_is_kept_in_one_spelling(drivers: Drivers, user: str) -> None:
    # Composed and decomposed, upper and lower case: one domain.
    for spelling in ("b\u00fccher", "bu\u0308cher", "B\u00dcCHER", "xn--bcher-kva"):
        written = await drivers.rest.update_user(user, {"contact_points": {"email": f"ada@{spelling}.example"}})
        assert written["contact_points"]["email"] == "ada@xn--bcher-kva.example"


LONE = ({"title": "\ud800"}, "title"), ({"metadata": {"a": "\ude00"}}, "metadata.a"), ({"to": "a@\udfff.org"}, "to")


@pytest.mark.parametrize(("wrong", "field"), LONE, ids=[row[1] for row in LONE])
async def test_lone_surrogates_are_refused_by_name_where_they_can_be_written(
    wrong: Body, field: str, hub: RunningHub, user: str
) -> None:
    command = {**welcome(user), **wrong}
    inputs = {("userId" if name == "user_id" else name): value for name, value in command.items()}
    mutation = (
        "mutation ($input: CreateNotificationInput!) { createNotification(input: $input) { notification { id } } }"
    )
    async with httpx2.AsyncClient(base_url=hub.base_url) as client:
        answer = await client.post(
            "/api/v1/notifications", content=json.dumps(command), headers={"Content-Type": "application/json"}
        )
        body = json.dumps({"query": mutation, "variables": {"input": inputs}})
        answered = await client.post("/graphql", content=body, headers={"Content-Type": "application/json"})
    problem, error = answer.json(), answered.json()["errors"][0]["extensions"]
    for refusal in (problem, error):
        assert (refusal["code"], refusal["reason"]) == ("INVALID_ARGUMENT", "INVALID_VALUE")
        assert [violation["field"] for violation in refusal["violations"]] == [field]


async def test_protobuf_has_no_way_to_write_them(hub: RunningHub, user: str) -> None:
    """Its strings are UTF-8: such bytes are no request."""
    request = pb.CreateNotificationRequest(user_id=user, title="abc", message="m", type="in_app").SerializeToString()
    spoiled = request.replace(b"abc", b"\xed\xa0\x80")
    assert spoiled != request
    async with grpc.aio.insecure_channel(hub.grpc_target) as channel:
        create: Any = channel.unary_unary("/hub.v1.NotificationService/CreateNotification")
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await create(spoiled)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
