"""What every answer over HTTP goes with: the policy of pages, the safety of answers, and which origins may read them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import grpc
import httpx2
import pytest

from tests.hub_process import RunningHub, running_hub
from tests.waiting import until

PAGE_ORIGIN = "https://app.example"
OTHER_ORIGIN = "https://evil.example"
PLACES = 8
NOTIFICATIONS = "/api/v1/notifications"
QUERY = {"query": "{ __typename }"}
MUTATION = {"query": 'mutation { markAllRead(input: {userId: "ann"}) { count } }'}
EXAMPLE = {
    "user_id": "user123",
    "title": "Welcome!",
    "message": "Welcome to our platform",
    "type": "email",
    "html": "<p style='color: red'>Welcome!</p><script>alert(1)</script>",
}
HEADERS_OF_CALLS = {"authorization", "content-type", "idempotency-key", "last-event-id", "x-correlation-id"}
HEADERS_OF_ANSWERS = {
    *("idempotency-replayed", "link", "location", "ratelimit", "ratelimit-policy", "retry-after"),
    *("www-authenticate", "x-correlation-id"),
}


@pytest.fixture(scope="module")
async def hub(mongo_url: str, mongo_database: str) -> AsyncIterator[RunningHub]:
    more = {
        "HUB_HTTP__ALLOWED_ORIGINS": f'["{PAGE_ORIGIN}", "http://localhost:5173"]',
        "HUB_IN_FLIGHT_LIMIT": str(PLACES),
    }
    async with running_hub(mongo_url, f"{mongo_database}_headers", None, roles=("all",), more=more) as running:
        yield running


@pytest.fixture(scope="module")
async def client(hub: RunningHub) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=hub.base_url, timeout=10, trust_env=False) as made:
        yield made


# ------------------------------------------------------------------------------------------------------------- answers
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/livez", None),
        ("GET", "/metrics", None),
        ("GET", "/openapi.json", None),
        ("GET", NOTIFICATIONS, None),
        ("GET", "/api/v1/users/ann", None),
        ("GET", "/nothing/here", None),
        ("DELETE", NOTIFICATIONS, None),
        ("POST", NOTIFICATIONS, "{}"),
        ("POST", NOTIFICATIONS, "{"),
        ("POST", "/graphql", '{"query": "{ __typename }"}'),
        ("POST", "/graphql", "{"),
        ("PUT", "/graphql", "{}"),
        ("GET", "/dev/outbox.json", None),
    ],
)
async def test_no_answer_is_kept_framed_or_taken_for_another_type(
    client: httpx2.AsyncClient, method: str, path: str, body: str | None
):
    answer = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


# --------------------------------------------------------------------------------------------------------------- pages
class Page(HTMLParser):
    """Where an HTML document leads, what it loads, and what it has of scripts and styles inside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.inline: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._open = tag
        self.inline += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        self.references += [given[name] for name in ("href", "src") if name in given]

    def handle_data(self, data: str) -> None:
        if self._open in {"script", "style"} and data.strip():
            self.inline.append(self._open)

    def handle_endtag(self, tag: str) -> None:
        self._open = ""


async def visited(client: httpx2.AsyncClient) -> dict[str, httpx2.Response]:
    """Every HTML page that can be reached from the start page, those behind what they are framed with included."""
    found: dict[str, httpx2.Response] = {}
    waiting = {"/", "/dev/outbox"}
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = await client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            found[path] = answer
            links = {urljoin(path, reference) for reference in Page(answer.text).references}
            assert all(link.startswith("/") and not link.startswith("//") for link in links), links
            waiting |= links - seen
    return found


async def arrived(client: httpx2.AsyncClient) -> bool:
    return len((await client.get("/dev/outbox.json")).json()) > 0


def policy_of(answer: httpx2.Response) -> dict[str, set[str]]:
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: set(value.split()) for name, _, value in parts}


async def test_every_page_forbids_what_is_foreign_and_what_is_inline(client: httpx2.AsyncClient):
    answer = await client.post(NOTIFICATIONS, json=EXAMPLE)
    assert answer.status_code == 201
    mail = re.compile(r"/dev/outbox/\d+\.html")
    await until(lambda: arrived(client))
    pages = await visited(client)
    mails = {path for path in pages if mail.fullmatch(path)}
    assert set(pages) == {"/", "/inbox", "/docs", "/graphql", "/dev/outbox", *mails}
    assert mails
    for path, page in pages.items():
        policy = policy_of(page)
        assert policy["default-src"] == {"'none'"}, path
        assert policy.get("script-src", set()) <= {"'self'"}, path
        # The editor of GraphiQL makes its styles while it runs; a mail's are its sender's, in a frame without scripts.
        if path != "/graphql" and path not in mails:
            assert policy["style-src"] == {"'self'"}, path
        if path in mails:
            # No script, no origin, no network, whatever is in it.
            assert policy["sandbox"] == set()
            assert policy["img-src"] == {"data:"}
        else:
            assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == {"'none'"}, path
            assert Page(page.text).inline == [], path
        assert not {source for sources in policy.values() for source in sources} & {"*", "'unsafe-eval'", "https:"}, (
            path
        )
        assert page.headers["x-content-type-options"] == "nosniff", path
        assert page.headers["referrer-policy"] == "no-referrer", path


# ------------------------------------------------------------------------------------------------------------- origins
def cors_of(answer: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def listed(value: str) -> set[str]:
    return {one.strip().lower() for one in value.split(",")}


@pytest.mark.parametrize("path", [NOTIFICATIONS, "/api/v1/users/ann/inbox/stream", "/graphql"])
@pytest.mark.parametrize("origin", [PAGE_ORIGIN, "http://localhost:5173"])
async def test_a_preflight_of_a_listed_origin_is_answered(client: httpx2.AsyncClient, path: str, origin: str):
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = await client.options(path, headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    found = cors_of(answer)
    assert found.pop("access-control-allow-origin") == origin
    assert listed(found.pop("access-control-allow-methods")) == {"get", "head", "post", "put", "patch", "delete"}
    assert listed(found.pop("access-control-allow-headers")) == HEADERS_OF_CALLS
    assert found.pop("access-control-max-age") == "600"
    # No credentials, ever: nothing here is a cookie.
    assert found == {}
    assert "origin" in listed(answer.headers["vary"])


@pytest.mark.parametrize("origin", [OTHER_ORIGIN, "null", PAGE_ORIGIN + ".evil.example", "http://app.example", "*"])
@pytest.mark.parametrize("path", [NOTIFICATIONS, "/graphql"])
async def test_another_origin_is_told_nothing(client: httpx2.AsyncClient, path: str, origin: str):
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = await client.options(path, headers=asked)
    assert (preflight.status_code, cors_of(preflight)) == (405, {})
    answer = await client.post(path, json=QUERY, headers={"Origin": origin})
    assert cors_of(answer) == {}
    # Or a cache would give it the answer of one that is listed.
    assert "origin" in listed(answer.headers["vary"])


async def test_a_listed_origin_reads_answers_and_their_headers(client: httpx2.AsyncClient):
    created = await client.post(NOTIFICATIONS, json=EXAMPLE, headers={"Origin": PAGE_ORIGIN})
    assert created.status_code == 201
    graphql = await client.post("/graphql", json=QUERY, headers={"Origin": PAGE_ORIGIN})
    assert graphql.status_code == 200
    assert listed(graphql.headers["vary"]) == {"accept", "origin"}
    for answer in (created, graphql, await client.get("/openapi.json", headers={"Origin": PAGE_ORIGIN})):
        found = cors_of(answer)
        assert found.pop("access-control-allow-origin") == PAGE_ORIGIN
        assert listed(found.pop("access-control-expose-headers")) == HEADERS_OF_ANSWERS
        assert found == {}


@asynccontextmanager
async def crowd(hub: RunningHub) -> AsyncIterator[None]:
    """As many as there is room for, who have begun a request and do not go on with it."""
    head = f"POST {NOTIFICATIONS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    writers = []
    for _ in range(PLACES):
        _, writer = await asyncio.open_connection("127.0.0.1", hub.http_port)
        writer.write(head.encode())
        writers.append(writer)
    async with httpx2.AsyncClient(base_url=hub.base_url) as client:

        async def all_under_way() -> bool:
            return f"hub_in_flight {float(PLACES)}" in (await client.get("/metrics")).text

        await until(all_under_way)
        try:
            yield
        finally:
            for writer in writers:
                writer.close()


async def test_refusals_can_be_read_too(hub: RunningHub, client: httpx2.AsyncClient):
    large = {"metadata": {"filling": "x" * 40_000}}
    async with crowd(hub):
        refused = {503: await client.get(NOTIFICATIONS, headers={"Origin": PAGE_ORIGIN})}
    refused |= {
        404: await client.get(NOTIFICATIONS + "/none", headers={"Origin": PAGE_ORIGIN}),
        405: await client.delete(NOTIFICATIONS, headers={"Origin": PAGE_ORIGIN}),
        422: await client.post(NOTIFICATIONS, json=EXAMPLE | large, headers={"Origin": PAGE_ORIGIN}),
        400: await client.post("/graphql", json={}, headers={"Origin": PAGE_ORIGIN}),
    }
    for status, answer in refused.items():
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == PAGE_ORIGIN


@pytest.mark.parametrize("path", ["/", "/metrics", "/dev/outbox.json", "/livez"])
async def test_what_is_not_for_pages_is_shared_with_none(client: httpx2.AsyncClient, path: str):
    answer = await client.get(path, headers={"Origin": PAGE_ORIGIN})
    assert answer.status_code == 200
    assert cors_of(answer) == {}


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/api/v1/users/ann/inbox/stream", {}),
        ("/graphql", {"query": 'subscription { inboxEvents(userId: "ann") { kind } }'}),
    ],
)
async def test_event_streams_are_shared_as_well(client: httpx2.AsyncClient, path: str, ask: dict[str, str]):
    headers = {"Origin": PAGE_ORIGIN, "Accept": "text/event-stream"}
    async with client.stream("GET", path, params=ask, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["access-control-allow-origin"] == PAGE_ORIGIN


# ----------------------------------------------------------------------------------------- where callers need a credential
@pytest.fixture(scope="module")
async def locked(
    mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningHub]:
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    keys.write_text("[]")
    more = {"HUB_HTTP__ALLOWED_ORIGINS": f'["{PAGE_ORIGIN}"]', "HUB_AUTH__KEYS_FILE": str(keys)}
    async with running_hub(mongo_url, f"{mongo_database}_locked", None, roles=("all",), more=more) as running:
        yield running


@pytest.mark.parametrize(("method", "path"), [("GET", NOTIFICATIONS), ("POST", "/graphql")])
async def test_a_preflight_needs_no_credential_and_its_lack_can_be_read(locked: RunningHub, method: str, path: str):
    asked = {"Origin": PAGE_ORIGIN, "Access-Control-Request-Method": method}
    async with httpx2.AsyncClient(base_url=locked.base_url) as client:
        assert (await client.options(path, headers=asked)).status_code == 204
        answer = await client.request(method, path, json=MUTATION, headers={"Origin": PAGE_ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PAGE_ORIGIN
    assert "www-authenticate" in listed(answer.headers["access-control-expose-headers"])
    assert answer.headers["cache-control"] == "no-store"


async def test_the_contract_is_public_and_the_server_tells_nothing_by_reflection(locked: RunningHub):
    async with httpx2.AsyncClient(base_url=locked.base_url) as client:
        for path in ("/", "/docs", "/openapi.json", "/protos/hub/v1/notifications.proto"):
            assert (await client.get(path)).status_code == 200
        about = (await client.get("/about.json")).json()
    assert about["grpc"]["reflection"] is False
    async with grpc.aio.insecure_channel(locked.grpc_target) as channel:
        for version in ("v1", "v1alpha"):
            call: Any = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")()
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
