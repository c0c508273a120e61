"""The page `/inbox` as its readers have it: by the roles and names of what they see."""

from __future__ import annotations

import re

import httpx2
from playwright.async_api import Locator, Page, expect

from tests.waiting import until


class InboxPage:
    """One window on it."""

    def __init__(self, page: Page, user: str) -> None:
        self.page = page
        self.user = user
        self.bell = page.get_by_role("button", name=re.compile("^Notifications"))
        self.panel = page.get_by_role("dialog", name="Notifications")
        self.items = self.panel.locator("[data-id]")
        self.sent = page.locator("#sent > li")

    async def open(self) -> None:
        """Until the bell is live."""
        await self.page.goto(f"/inbox?user={self.user}")
        await self.live()

    async def live(self) -> None:
        """Waits until the component hears of what happens."""
        link = "document.querySelector('notification-inbox').store?.snapshot.link"

        async def is_live() -> bool:
            # Asked again from here: what waits inside of the page needs eval, which its policy forbids.
            return bool(await self.page.evaluate(link) == "live")

        await until(is_live)

    async def open_panel(self) -> None:
        await self.bell.click()
        await expect(self.panel).to_be_visible()

    def item(self, title: str) -> Locator:
        return self.items.filter(has_text=title)

    async def unread(self, count: str) -> None:
        """Waits until the bell says so."""
        await expect(self.bell).to_have_accessible_name(f"Notifications, {count} unread" if count else "Notifications")

    async def send(self, title: str, channel: str = "In app", message: str = "A message", address: str = "") -> None:
        """By the form."""
        await self.page.get_by_role("radio", name=channel).check()
        if address:
            await self.page.locator("#address").fill(address)
        await self.page.get_by_label("Title").fill(title)
        await self.page.get_by_label("Message").fill(message)
        await self.page.get_by_role("button", name="Send").click()


async def deliver(rest: httpx2.AsyncClient, user: str, *titles: str, **fields: object) -> None:
    """In-app notifications, in this order, in the inbox when it returns."""
    for title in titles:
        body = {"user_id": user, "title": title, "message": "A message", "type": "in_app"} | fields
        response = await rest.post("/api/v1/notifications", json=body)
        assert response.status_code == 201, response.text
        path = f"/api/v1/notifications/{response.json()['id']}"

        async def is_delivered(path: str = path) -> bool:
            return bool((await rest.get(path)).json()["status"] == "delivered")

        await until(is_delivered)
