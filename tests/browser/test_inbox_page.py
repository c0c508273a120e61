"""The page `/inbox`: its form, and the bell beside it, in a real Chromium against a running hub."""

from __future__ import annotations

from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import expect

from tests.browser.inbox_page import InboxPage, deliver
from tests.browser.visit import Visit

ENDED = {"In app": "delivered", "E-mail": "sent", "SMS": "sent", "Webhook": "delivered"}
ADDRESSES = {"E-mail": "ada@example.test", "SMS": "+12015550123", "Webhook": "https://hooks.example.test/ada"}


async def test_an_in_app_notification_is_in_the_bell_without_a_reload(inbox: InboxPage):
    await inbox.unread("")
    await inbox.send("Your parcel", message="On its way")
    await inbox.unread("1")
    await expect(inbox.sent.first.locator(".status")).to_have_text("delivered")
    await inbox.open_panel()
    await expect(inbox.item("Your parcel")).to_contain_text("On its way")
    await inbox.item("Your parcel").get_by_role("button", name="Your parcel").first.click()
    await inbox.unread("")
    await expect(inbox.sent.first.locator(".status")).to_have_text("read")


@pytest.mark.parametrize("channel", ADDRESSES)
@pytest.mark.parametrize("gives_address", [True, False])
async def test_the_form_sends_in_each_channel(
    inbox: InboxPage, rest: httpx2.AsyncClient, channel: str, *, gives_address: bool
):
    title = f"By {channel} {uuid4().hex[:6]}"
    await inbox.send(title, channel, message=title, address=ADDRESSES[channel] if gives_address else "")
    entry = inbox.sent.filter(has_text=title)
    await expect(entry.locator(".status")).to_have_text(ENDED[channel], timeout=10_000)
    captured = [one for one in (await rest.get("/dev/outbox.json")).json() if title in str(one)]
    assert len(captured) == 1
    if gives_address:
        assert captured[0]["recipient"] == ADDRESSES[channel]
    await expect(inbox.page.get_by_role("link", name="outbox")).to_be_visible()
    await inbox.unread("")


async def test_what_the_hub_refuses_is_said_by_the_field(inbox: InboxPage, visit: Visit):
    await inbox.send("Nowhere", "E-mail", address="no address")
    await expect(inbox.page.get_by_role("alert")).to_contain_text("to:")
    await expect(inbox.sent).to_have_count(0)
    assert [fault for fault in visit.faults if "40" not in fault and "42" not in fault] == []
    visit.faults.clear()


async def test_another_user_is_another_inbox(inbox: InboxPage, rest: httpx2.AsyncClient):
    other = f"{inbox.user}-other"
    await deliver(rest, inbox.user, "Mine")
    await deliver(rest, other, "Yours", "Yours too")
    await inbox.unread("1")
    await inbox.page.get_by_label("You are (user id)").fill(other)
    await inbox.page.keyboard.press("Tab")
    await inbox.unread("2")
    await inbox.open_panel()
    await expect(inbox.items).to_have_count(2)
    await deliver(rest, inbox.user, "Mine again")
    await deliver(rest, other, "Yours at last")
    await inbox.unread("3")
    await expect(inbox.item("Mine")).to_have_count(0)


@pytest.mark.parametrize("width", [320, 360])
async def test_the_page_and_the_panel_fit_a_phone(inbox: InboxPage, rest: httpx2.AsyncClient, width: int):
    await deliver(rest, inbox.user, "W" * 255)
    await inbox.page.set_viewport_size({"width": width, "height": 640})
    await inbox.open_panel()
    await expect(inbox.items).to_have_count(1)
    assert await inbox.page.evaluate("document.documentElement.scrollWidth") <= width
    panel = await inbox.panel.bounding_box()
    assert panel
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= width
    assert panel["y"] + panel["height"] <= 640
    await expect(inbox.panel.get_by_role("button", name="Close")).to_be_in_viewport()
    assert await inbox.panel.evaluate("(panel) => panel.scrollWidth <= panel.clientWidth")
