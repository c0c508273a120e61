"""The component where callers need credentials: on the hub's own page, and in a page of another origin."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from hub.admin.keys import new_key
from hub.dev.loopback import on_loopback
from hub.domain.principals import Scope
from tests.browser.axe import violations
from tests.browser.inbox_page import InboxPage
from tests.browser.visit import Visit
from tests.hub_process import RunningHub, free_ports, running_hub

SECRET = "a secret that signs the tokens of readers"
ALL, ALL_ENTRY = new_key("default", (Scope.NOTIFICATIONS_WRITE, Scope.NOTIFICATIONS_READ, Scope.INBOX), "test")
SENDER, SENDER_ENTRY = new_key("default", (Scope.NOTIFICATIONS_WRITE,), "test")


@pytest.fixture(scope="module")
def elsewhere_port() -> int:
    """Where somebody else's pages are served."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
async def guarded(
    mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory, elsewhere_port: int
) -> AsyncIterator[RunningHub]:
    """A hub that asks who calls, and lets those pages call."""
    keys_file: Path = tmp_path_factory.mktemp("keys") / "keys.json"
    keys_file.write_text(json.dumps([json.loads(ALL_ENTRY), json.loads(SENDER_ENTRY)]))
    more = {
        "HUB_AUTH__KEYS_FILE": str(keys_file),
        "HUB_AUTH__TOKEN_SECRET": SECRET,
        "HUB_HTTP__ALLOWED_ORIGINS": json.dumps([f"http://127.0.0.1:{elsewhere_port}"]),
    }
    async with running_hub(mongo_url, f"{mongo_database}_guarded", None, roles=("all",), more=more) as hub:
        yield hub


@pytest.fixture
async def page(guarded: RunningHub, browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=guarded.base_url)
    yield await context.new_page()
    await context.close()


@pytest.fixture
async def backend(guarded: RunningHub) -> AsyncIterator[httpx2.AsyncClient]:
    """What the product whose page it is calls the hub with."""
    headers = {"Authorization": f"Bearer {ALL}"}
    async with httpx2.AsyncClient(base_url=guarded.base_url, timeout=20, headers=headers) as client:
        yield client


@asynccontextmanager
async def product(guarded: RunningHub, backend: httpx2.AsyncClient, user: str, port: int) -> AsyncIterator[str]:
    """A page of another origin with the component in it, under a policy that allows what docs/inbox.md asks for."""
    sockets = guarded.base_url.replace("http", "ws", 1)
    policy = (
        f"default-src 'none'; script-src 'self' {guarded.base_url}; style-src 'self'; img-src 'self';"
        f" connect-src 'self' {guarded.base_url} {sockets}"
    )

    async def html(_request: Request) -> Response:
        return HTMLResponse(
            f'<!doctype html><html lang="en"><title>Elsewhere</title>'
            f'<script type="module" src="{guarded.base_url}/notification-inbox.js"></script>'
            f'<notification-inbox user-id="{user}"></notification-inbox><script type="module" src="/app.js"></script>',
            headers={"Content-Security-Policy": policy},
        )

    async def script(_request: Request) -> Response:
        text = "document.querySelector('notification-inbox').getToken = async () => (await fetch('/token')).text();"
        return Response(text, media_type="text/javascript")

    async def icon(_request: Request) -> Response:
        return Response(status_code=204)

    async def token(_request: Request) -> Response:
        return PlainTextResponse((await backend.post(f"/api/v1/users/{user}/tokens", json={})).json()["token"])

    app = Starlette(
        routes=[Route("/", html), Route("/app.js", script), Route("/token", token), Route("/favicon.ico", icon)]
    )
    async with on_loopback(app, port):
        yield f"http://127.0.0.1:{port}"


async def use(page: Page, credential: str) -> None:
    await page.get_by_label("Key or token").fill(credential)
    await page.get_by_role("button", name="Use it").click()


async def test_a_key_opens_the_bell_and_sends_and_is_kept_nowhere(page: Page):
    inbox = InboxPage(page, f"reader-{uuid4().hex[:10]}")
    await page.goto(f"/inbox?user={inbox.user}")
    await expect(page.get_by_role("heading", name="This hub asks who you are")).to_be_visible()
    await inbox.send("Too early")
    await expect(page.get_by_role("alert")).to_contain_text("redential")
    await use(page, ALL)
    await inbox.live()
    await inbox.send("In time")
    await inbox.unread("1")
    await expect(inbox.sent.first.locator(".status")).to_have_text("delivered")
    kept = "JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }, document.cookie])"
    text = await page.evaluate(kept)
    assert inbox.user in text
    assert ALL.rpartition("_")[2] not in text
    assert await page.get_by_label("Key or token").input_value() == ""


async def test_a_key_that_may_only_send_does(page: Page):
    inbox = InboxPage(page, f"reader-{uuid4().hex[:10]}")
    await page.goto(f"/inbox?user={inbox.user}")
    await use(page, SENDER)
    await inbox.send("Sent all the same")
    await expect(inbox.sent).to_have_count(1)
    await expect(inbox.sent).to_contain_text("this key may not see what becomes of it")
    await expect(page.get_by_role("button", name="Notifications, not connected")).to_be_visible()


async def test_a_token_that_comes_late(page: Page, backend: httpx2.AsyncClient):
    user = f"reader-{uuid4().hex[:10]}"
    await page.goto("/inbox")
    element = page.locator("notification-inbox")
    # As a page that sets only later how tokens are had.
    await element.evaluate("(inbox, user) => { inbox.getToken = null; inbox.userId = user }", user)
    inbox = InboxPage(page, user)
    await expect(inbox.bell).to_have_accessible_name("Notifications, not connected")
    await inbox.open_panel()
    await expect(inbox.panel.locator("[part=notice]")).to_contain_text("Your sign-in is not accepted any more.")
    assert await violations(page) == []
    token = (await backend.post(f"/api/v1/users/{user}/tokens", json={})).json()["token"]
    await element.evaluate("(inbox, token) => { inbox.getToken = async () => token }", token)
    await inbox.live()
    await expect(inbox.panel.locator("[part=notice]")).to_be_hidden()
    await expect(inbox.bell).to_have_accessible_name("Notifications")


async def test_in_a_page_of_another_origin_under_a_strict_policy(
    page: Page, guarded: RunningHub, backend: httpx2.AsyncClient, elsewhere_port: int
):
    user = f"reader-{uuid4().hex[:10]}"
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(product(guarded, backend, user, elsewhere_port))
        visit = Visit(page, guarded.base_url)
        await page.goto(url)
        inbox = InboxPage(page, user)
        await inbox.live()
        body = {"user_id": user, "title": "Over there", "message": "Live", "type": "in_app"}
        assert (await backend.post("/api/v1/notifications", json=body)).status_code == 201
        await inbox.unread("1")
        await inbox.open_panel()
        await inbox.item("Over there").get_by_role("button", name="Archive").click()
        await expect(inbox.items).to_have_count(0)
        await page.close()
    assert visit.faults == []
    assert [one for one in visit.foreign if not one.startswith(url)] == []
