"""The inbox component in some application's page: what its reader sees and does, and what the hub says of the same user."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2
import uvicorn
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.waiting import until

_PAGE = """<!doctype html>
<html lang="en"><head><title>Some application</title>
<script type="module" src="{hub}/notification-inbox.js"></script><script type="module" src="/app.js"></script></head>
<body><main><h1>Some application</h1><notification-inbox user-id="{user_id}" page-size="25"></notification-inbox></main>
</body></html>"""
_SCRIPT = """
// Where the hub wants tokens, the application has a way to get them.
if (window.newToken) document.querySelector('notification-inbox').getToken = () => window.newToken();
"""

Seen = list[tuple[str, bool]]
"""Ids in their order, each with whether it is unread."""


class Application:
    """The application of somebody else, on an origin of its own, with a strict policy. The hub allows its origin."""

    def __init__(self, port: int, hub_url: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self.hub_url = hub_url

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """For as long as it is entered."""
        sources = (
            f"script-src 'self' {self.hub_url}; connect-src {self.hub_url} {self.hub_url.replace('http', 'ws', 1)}"
        )
        policy = f"default-src 'none'; {sources}; style-src 'self'; require-trusted-types-for 'script'"

        async def page(request: Request) -> Response:
            text = _PAGE.format(hub=self.hub_url, user_id=request.query_params["user"])
            return HTMLResponse(text, headers={"Content-Security-Policy": policy})

        async def script(_request: Request) -> Response:
            return Response(_SCRIPT, media_type="text/javascript")

        app = Starlette(routes=[Route("/", page), Route("/app.js", script)])
        server = uvicorn.Server(uvicorn.Config(app, port=self._port, log_level="error", lifespan="off", ws="none"))
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve())
            await until(lambda: server.started)
            try:
                yield
            finally:
                server.should_exit = True


@dataclass(frozen=True, slots=True)
class Hub:
    """What the hub has, asked over REST."""

    client: httpx2.AsyncClient

    async def send(self, user_id: str, *titles: str, **more: Any) -> list[str]:
        """In-app notifications; their ids, once they are in the inbox."""
        items = [
            {"user_id": user_id, "title": title, "message": f"About {title}", "type": "in_app"} | more
            for title in titles
        ]
        answer = await self.client.post("/api/v1/notifications/batch", json={"notifications": items})
        assert answer.status_code == 200, answer.text
        ids = [result["notification"]["id"] for result in answer.json()["results"]]
        await until(lambda: self._has(user_id, ids), 30)
        return ids

    async def _has(self, user_id: str, ids: list[str]) -> bool:
        return set(ids) <= {row[0] for row in await self.inbox(user_id)}

    async def inbox(self, user_id: str) -> Seen:
        """The whole list."""
        found, cursor = [], None
        while True:
            params = {"limit": 100} | ({"after": cursor} if cursor else {})
            answer = await self.client.get(f"/api/v1/users/{user_id}/inbox", params=params)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += [(item["id"], item["read_at"] is None) for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    async def mark_read(self, notification_id: str) -> None:
        """From some other device."""
        answer = await self.client.put(f"/api/v1/notifications/{notification_id}/read")
        assert answer.status_code == 200, answer.text


@dataclass(slots=True)
class Tab:
    """One page with the component in it."""

    page: Page
    user_id: str
    sockets: list[WebSocket] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def bell(self) -> str:
        """The number on the bell; empty where there is none."""
        badge = self.page.locator("notification-inbox .badge")
        return await badge.inner_text() if await badge.count() else ""

    async def comes_to_show(self, number: str, seconds: float = 10) -> None:
        """The number, soon."""

        async def shows() -> bool:
            return await self.bell() == number

        await until(shows, seconds)

    async def items(self) -> Seen:
        """The list on screen."""
        rows: list[list[Any]] = await self.page.locator("notification-inbox [data-id]").evaluate_all(
            "items => items.map(item => [item.dataset.id, item.classList.contains('unread')])"
        )
        return [(row[0], row[1]) for row in rows]

    async def open_panel(self) -> None:
        """By a click on the bell."""
        await self.page.get_by_role("button", name=re.compile("^Notifications")).click()
        await self.page.get_by_role("dialog", name="Notifications").wait_for()

    async def press(self, name: str) -> None:
        """A button of the component."""
        await self.page.locator("notification-inbox").get_by_role("button", name=name, exact=True).click()

    async def mark_read(self, title: str) -> None:
        """By the button of the item."""
        await self.press(f"Mark as read: {title}")

    async def agrees(self, hub: Hub) -> bool:
        """Whether list and number are what the hub says."""
        expected = await hub.inbox(self.user_id)
        unread = sum(is_unread for _, is_unread in expected)
        return await self.items() == expected and await self.bell() == (str(unread) if unread else "")

    async def comes_to_agree(self, hub: Hub, seconds: float = 20) -> None:
        """Soon. Says what differs if it does not."""
        try:
            await until(lambda: self.agrees(hub), seconds)
        except TimeoutError:
            expected, shown = await hub.inbox(self.user_id), await self.items()
            differing = [pair for pair in zip(expected, shown, strict=False) if pair[0] != pair[1]][:3]
            state = await self.page.evaluate("document.querySelector('notification-inbox').store.snapshot.link")
            raise AssertionError(
                f"hub has {len(expected)}, shown {len(shown)}, bell {await self.bell()!r}, link {state}: {differing}"
            ) from None

    @property
    def open_sockets(self) -> int:
        """That this page has."""
        return sum(not socket.is_closed() for socket in self.sockets)


@dataclass(slots=True)
class Device:
    """A browser of its own: nothing is shared with another one but the hub."""

    context: BrowserContext
    tabs: list[Tab] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def switched_on(cls, browser: Browser, url: str, tokens: Any = None) -> AsyncIterator[Self]:
        """With the application at the URL; `tokens` gives it tokens. At the end no page may have failed."""
        context = await browser.new_context(base_url=url, viewport={"width": 900, "height": 800})
        device = cls(context)
        if tokens:
            await context.expose_function("newToken", tokens)
        yield device
        await context.close()
        assert [error for tab in device.tabs for error in tab.errors] == []

    async def open(self, user_id: str) -> Tab:
        """One more tab of the application, for the user, with its panel open."""
        tab = Tab(await self.context.new_page(), user_id)

        def connected(socket: WebSocket) -> None:
            # No method of a list itself: Playwright notes something in what it is given.
            tab.sockets.append(socket)

        def said(message: ConsoleMessage) -> None:
            if "Content Security Policy" in message.text or "TrustedHTML" in message.text:
                tab.errors.append(message.text)

        tab.page.on("websocket", connected)
        tab.page.on("console", said)
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        await tab.page.goto(f"/?user={user_id}")
        await tab.open_panel()
        self.tabs.append(tab)
        return tab


@asynccontextmanager
async def devices(browser: Browser, url: str, count: int) -> AsyncIterator[list[Device]]:
    """Several."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Device.switched_on(browser, url)) for _ in range(count)]
