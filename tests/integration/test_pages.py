"""The pages as they are served: what a browser is told about them, and that nothing in them is foreign."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hub.web import pages
from hub.web.about import About
from hub.web.site import Site

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "hub" / "web" / "static"
PROTOS = [path.relative_to(ROOT / "protos").as_posix() for path in sorted((ROOT / "protos").rglob("*.proto"))]
ABOUT = About(
    version="1.2.3",
    channels=("email", "in_app"),
    grpc_host="127.0.0.1",
    grpc_port=50051,
    grpc_reflection=True,
    graphiql=True,
    credentials=False,
    capture=False,
)
HTML = ("/", "/inbox", "/docs", "/graphql")
MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
}


class Page(HTMLParser):
    """What an HTML document refers to, and what it has of scripts and styles inside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._open = tag
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "a":
            self.links.append(given["href"])
        else:
            self.loaded += [given[name] for name in ("src", "href", "srcset") if name in given]

    def handle_data(self, data: str) -> None:
        if self._open in {"script", "style"} and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._open = ""


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """The pages as a process mounts them, GraphiQL at its path, and little behind."""

    async def otherwise(request: Request) -> Response:
        return PlainTextResponse("otherwise")

    graphiql = Starlette(routes=[Route("/graphql", pages.graphiql())])
    behind = Starlette(routes=[Route("/{path:path}", otherwise)])
    site = Site(behind, {"/graphql": graphiql, **dict.fromkeys(pages.PATHS, pages.app(ABOUT))})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=site), base_url="http://hub.test") as client:
        yield client


def policy_of(response: httpx2.Response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in response.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("path", HTML)
async def test_headers_of_a_page(client: httpx2.AsyncClient, path: str):
    response = await client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    policy = policy_of(response)
    assert policy.pop("style-src") == ("'self' 'unsafe-inline'" if path == "/graphql" else "'self'")
    assert policy == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "connect-src": "'self'",
        "font-src": "'self'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "img-src": "'self' data:",
        "script-src": "'self'",
        "worker-src": "'self'",
    }


@pytest.mark.parametrize("path", [*HTML, "/licenses.md", "/favicon.ico", "/protos/hub/v1/notifications.proto"])
async def test_what_keeps_its_name_is_asked_for_again_and_not_sent_again(client: httpx2.AsyncClient, path: str):
    first = await client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for named in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await client.get(path, headers={"if-none-match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "content-security-policy" in again.headers
    assert (await client.get(path, headers={"if-none-match": '"other"'})).status_code == 200


@pytest.mark.parametrize("path", [*HTML, "/about.json", "/licenses.md"])
async def test_head_is_get_without_the_body(client: httpx2.AsyncClient, path: str):
    got, head = await client.get(path), await client.head(path)
    assert head.status_code == 200
    assert head.headers == got.headers
    assert int(head.headers["content-length"]) == len(got.content)


@pytest.mark.parametrize("path", HTML)
async def test_a_page_loads_nothing_foreign_and_has_nothing_inline(client: httpx2.AsyncClient, path: str):
    page = Page((await client.get(path)).text)
    assert page.inline == []
    assert page.loaded
    for reference in page.loaded:
        if reference == pages.COMPONENT:
            # A name that stays, for pages of others; what is said of it stands in a test of its own.
            continue
        assert reference.startswith("/assets/")
        response = await client.get(reference)
        assert response.status_code == 200
        assert response.headers["content-type"] == MEDIA_TYPES[reference.rpartition(".")[2]]
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert policy_of(response)["script-src"] == "'self'"
        assert "//" not in reference
    for link in page.links:
        assert link.startswith("/")
        assert not link.startswith("//")


def test_no_built_file_loads_anything_foreign():
    loads = re.compile(
        r"""(?:\bfrom\s*|\bimport\s*\(?\s*|\bimportScripts\s*\(\s*|\bnew\s+(?:Shared)?Worker\s*\(\s*|"""
        r"""@import\s+(?:url\()?\s*|\burl\(\s*)["'`]?(?:https?:)?//""",
        re.IGNORECASE,
    )
    scripts = [*STATIC.rglob("*.js"), *STATIC.rglob("*.css")]
    assert len(scripts) > 10
    for path in scripts:
        assert loads.findall(path.read_text(encoding="utf-8")) == [], path.name


def test_built_files_hold_nothing_of_the_machine_that_built_them():
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert not [path.name for path in files if path.suffix == ".map"]
    assert sum(path.stat().st_size for path in files) < 10_000_000
    for path in files:
        content = path.read_bytes()
        assert str(ROOT).encode() not in content, path.name
        assert b"sourceMappingURL=" not in content[-200:], path.name
    assert '"resolved"' not in (ROOT / "frontend" / "package-lock.json").read_text(encoding="utf-8")


async def test_the_component_is_for_pages_of_any_origin(client: httpx2.AsyncClient):
    first = await client.get(pages.COMPONENT, headers={"origin": "https://app.example"})
    assert first.status_code == 200
    assert first.headers["content-type"] == MEDIA_TYPES["js"]
    assert first.headers["cache-control"] == "no-cache"
    again = await client.get(pages.COMPONENT, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for response in (first, again):
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    # All else is for the hub's own pages.
    for path in (*HTML, "/about.json", "/licenses.md"):
        assert "access-control-allow-origin" not in (await client.get(path)).headers


def test_the_component_is_small_and_one_file():
    content = (STATIC / "notification-inbox.js").read_bytes()
    assert 10_000 < len(gzip.compress(content, 9, mtime=0)) <= 45_000
    # It loads no other file, at the start or later.
    loads = re.compile(rb"""(?:^|[;}])\s*import\b(?!\.meta)|\bimport\s*\(|[*}]\s*from\s*["']""", re.MULTILINE)
    assert loads.findall(content) == []
    assert "notification-inbox.js" in (STATIC / "licenses.md").read_text(encoding="utf-8")


def test_asset_names_hold_a_hash():
    assert all(re.search(r"-[A-Za-z0-9_-]{8}\.\w+$", path.name) for path in (STATIC / "assets").iterdir())


@pytest.mark.parametrize(
    "path",
    ["/assets", "/assets/", "/assets/none.js", "/assets/%2e%2e/start.html", "/assets/..%2fstart.html", "/protos/x"],
)
async def test_what_is_not_there(client: httpx2.AsyncClient, path: str):
    response = await client.get(path)
    assert response.status_code == 404
    assert "immutable" not in response.headers.get("cache-control", "")


async def test_only_get_and_head(client: httpx2.AsyncClient):
    for path in ("/", "/docs", "/about.json", "/assets/none.js"):
        response = await client.post(path)
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["//", "/readyz", "/assetsx", "/docs.html", "/aboutxjson"])
async def test_what_is_not_a_page_goes_to_what_is_behind(client: httpx2.AsyncClient, path: str):
    assert (await client.get(f"http://hub.test{path}")).text == "otherwise"


async def test_about(client: httpx2.AsyncClient):
    response = await client.get("/about.json")
    assert response.json() == {
        "version": "1.2.3",
        "channels": ["email", "in_app"],
        "grpc": {"host": "127.0.0.1", "port": 50051, "reflection": True},
        "graphql": {"graphiql": True},
        "credentials": False,
        "capture": False,
        "protos": PROTOS,
    }
    assert response.headers["cache-control"] == "no-cache"


async def test_the_protos_are_served(client: httpx2.AsyncClient):
    assert PROTOS
    for name in PROTOS:
        response = await client.get(f"/protos/{name}")
        assert response.text == (ROOT / "protos" / name).read_text(encoding="utf-8")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
