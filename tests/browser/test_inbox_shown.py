"""Each state of the inbox in each look: checked by axe-core, and kept as a picture for whoever wants to look.

The pictures lie in `screenshots/` beside this project's folders, or in the folder of HUB_TEST_SCREENSHOTS.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import Browser, Route, WebSocketRoute, expect

from tests.browser.axe import violations
from tests.browser.inbox_page import InboxPage, deliver
from tests.hub_process import ROOT, RunningHub

PICTURES = Path(os.environ.get("HUB_TEST_SCREENSHOTS", ROOT / "screenshots"))
Scheme = Literal["light", "dark"]
LOOKS: list[tuple[Scheme, str]] = [("light", "ltr"), ("dark", "ltr"), ("light", "rtl")]
Reach = Callable[[InboxPage, httpx2.AsyncClient], Awaitable[None]]


async def _empty(inbox: InboxPage, _rest: httpx2.AsyncClient) -> None:
    await inbox.open_panel()
    await expect(inbox.panel).to_contain_text("Nothing here yet")


async def _filled(inbox: InboxPage, rest: httpx2.AsyncClient) -> None:
    await deliver(rest, inbox.user, "Your parcel is on its way", "פגישה מחר בבוקר", metadata={"category": "orders"})
    await deliver(
        rest, inbox.user, "Invoice", message="It is due in two weeks. " * 20, metadata={"category": "billing"}
    )
    await inbox.open_panel()
    await inbox.items.get_by_role("button", name="Mark as read: Invoice").click()
    await expect(inbox.items).to_have_count(3)
    await inbox.unread("2")


async def _caught_up(inbox: InboxPage, _rest: httpx2.AsyncClient) -> None:
    await inbox.open_panel()
    await inbox.panel.get_by_role("tab", name="Unread").click()
    await expect(inbox.panel).to_contain_text("You are all caught up")


async def _undo(inbox: InboxPage, rest: httpx2.AsyncClient) -> None:
    await deliver(rest, inbox.user, "One", "Two")
    await inbox.open_panel()
    await inbox.panel.get_by_role("button", name="Mark all as read").click()
    await expect(inbox.panel).to_contain_text("2 notifications marked as read")


async def _archived(inbox: InboxPage, rest: httpx2.AsyncClient) -> None:
    await deliver(rest, inbox.user, "Put away")
    await inbox.open_panel()
    await inbox.items.get_by_role("button", name="Archive: Put away").click()
    await inbox.panel.get_by_role("tab", name="Archived").click()
    await expect(inbox.items).to_have_count(1)


async def _loading(inbox: InboxPage, _rest: httpx2.AsyncClient) -> None:
    await inbox.open_panel()
    await expect(inbox.panel).to_contain_text("Nothing here yet")
    await inbox.page.route("**/graphql", _never)
    await inbox.panel.get_by_role("tab", name="Archived").click()
    await expect(inbox.panel.locator("[part=loading]")).to_be_visible()


async def _error(inbox: InboxPage, _rest: httpx2.AsyncClient) -> None:
    await inbox.open_panel()
    await inbox.page.route("**/graphql", lambda route: route.abort())
    await inbox.panel.get_by_role("tab", name="Archived").click()
    await expect(inbox.panel).to_contain_text("The server does not answer.")


async def _offline(inbox: InboxPage, rest: httpx2.AsyncClient) -> None:
    await deliver(rest, inbox.user, "Before")
    await inbox.page.route_web_socket("**/graphql", lambda socket: socket.close(code=1011))
    await inbox.page.reload()
    await inbox.open_panel()
    await expect(inbox.panel.locator("[part=notice]")).to_contain_text("Not connected.", timeout=15_000)


async def _refused(inbox: InboxPage, rest: httpx2.AsyncClient) -> None:
    await deliver(rest, inbox.user, "Before")
    await inbox.page.route_web_socket("**/graphql", _refuse)
    await inbox.page.reload()
    await inbox.open_panel()
    await expect(inbox.panel.locator("[part=notice]")).to_contain_text("Your sign-in is not accepted", timeout=15_000)


async def _never(_route: Route) -> None:
    """Leaves the request without an answer."""


def _refuse(socket: WebSocketRoute) -> None:
    async def refuse(_message: str | bytes) -> None:
        await socket.close(code=4403)

    socket.on_message(refuse)


STATES: dict[str, Reach] = {
    "empty": _empty,
    "filled": _filled,
    "caught-up": _caught_up,
    "undo": _undo,
    "archived": _archived,
    "loading": _loading,
    "error": _error,
    "offline": _offline,
    "refused": _refused,
}


@pytest.fixture(params=LOOKS, ids=["-".join(look) for look in LOOKS])
async def inbox(request: pytest.FixtureRequest, hub: RunningHub, browser: Browser) -> AsyncIterator[InboxPage]:
    """Somebody new, whose page has the look."""
    scheme, direction = request.param
    context = await browser.new_context(
        base_url=hub.base_url, color_scheme=scheme, viewport={"width": 1000, "height": 760}
    )
    page = await context.new_page()
    await page.add_init_script(
        f"addEventListener('DOMContentLoaded', () => (document.documentElement.dir = '{direction}'))"
    )
    opened = InboxPage(page, f"reader-{uuid4().hex[:10]}")
    await opened.open()
    yield opened
    await context.close()


@pytest.mark.parametrize("state", STATES)
async def test_each_state_can_be_seen_by_everybody(
    state: str, inbox: InboxPage, rest: httpx2.AsyncClient, request: pytest.FixtureRequest
) -> None:
    await STATES[state](inbox, rest)
    found = await violations(inbox.page)
    PICTURES.mkdir(exist_ok=True)
    look = request.node.callspec.id.removesuffix(f"-{state}")
    await inbox.page.screenshot(path=PICTURES / f"inbox-{state}-{look}.png")
    assert found == []
