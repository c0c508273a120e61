"""The inbox component for whoever reads it: by keyboard, by ear, in their language, direction and time."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx2
import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import violations
from tests.browser.inbox_page import InboxPage, deliver
from tests.browser.visit import Visit
from tests.waiting import until


async def focused(page: Page) -> str:
    """The name, or else the text, of the element that has the focus, whatever shadow tree it is in."""
    name: str = await page.evaluate(
        """() => {
          let at = document.activeElement;
          while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
          return at.getAttribute('aria-label') ?? at.querySelector('.title')?.textContent ?? at.textContent.trim();
        }"""
    )
    return name


async def test_by_keyboard_alone(inbox: InboxPage, rest: httpx2.AsyncClient):
    await deliver(rest, inbox.user, "First", "Second", "Third")
    await inbox.unread("3")
    keyboard = inbox.page.keyboard
    await inbox.bell.focus()
    await keyboard.press("Enter")
    await expect(inbox.items).to_have_count(3)
    assert await focused(inbox.page) == "Notifications"
    for key, title in (
        ("ArrowDown", "Third"),
        ("ArrowDown", "Second"),
        ("End", "First"),
        ("ArrowDown", "First"),
        ("ArrowUp", "Second"),
        ("Home", "Third"),
    ):
        await keyboard.press(key)
        assert await focused(inbox.page) == title, key
    await keyboard.press("Enter")
    await inbox.unread("2")
    await keyboard.press("ArrowDown")
    await keyboard.press("Tab")
    assert await focused(inbox.page) == "Mark as read: Second"
    await keyboard.press("Space")
    await inbox.unread("1")
    assert await focused(inbox.page) == "Mark as unread: Second"
    await keyboard.press("Tab")
    await keyboard.press("Space")
    await expect(inbox.items).to_have_count(2)
    await expect(inbox.panel.get_by_role("button", name="Undo")).to_be_visible()
    # Where the focus was is gone: it is at what has come to its place.
    assert await focused(inbox.page) == "First"
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    assert await focused(inbox.page) == "Undo"
    await keyboard.press("Enter")
    await expect(inbox.items).to_have_count(3)
    await keyboard.press("Escape")
    await expect(inbox.panel).to_be_hidden()
    assert await focused(inbox.page) == "Notifications, 1 unread"


async def test_the_tabs_by_keyboard(inbox: InboxPage, rest: httpx2.AsyncClient):
    await deliver(rest, inbox.user, "Old", "New")
    await inbox.open_panel()
    await inbox.items.filter(has_text="Old").get_by_role("button", name="Archive").click()
    await expect(inbox.items).to_have_count(1)
    await inbox.panel.get_by_role("tab", name="All").focus()
    for key, tab, title in (("ArrowRight", "Unread", "New"), ("End", "Archived", "Old"), ("Home", "All", "New")):
        await inbox.page.keyboard.press(key)
        await expect(inbox.panel.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        await expect(inbox.panel.get_by_role("tab", name=tab)).to_be_focused()
        await expect(inbox.items).to_have_count(1)
        await expect(inbox.items).to_contain_text(title)


async def test_arrivals_are_said_together(inbox: InboxPage, rest: httpx2.AsyncClient):
    said: list[str] = []
    await inbox.page.expose_function("said", lambda text: said.append(text))  # noqa: PLW0108 -- marked, as no builtin can be
    await inbox.page.evaluate(
        """() => {
          const region = document.querySelector('notification-inbox').shadowRoot.querySelector('[role=status]');
          new MutationObserver(() => region.textContent && said(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
        }"""
    )
    body = {"user_id": inbox.user, "title": "Burst", "message": "A message", "type": "in_app"}
    await rest.post("/api/v1/notifications/batch", json={"notifications": [body] * 5})
    await until(lambda: bool(said))
    assert said == ["5 new notifications"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_violation(inbox: InboxPage, rest: httpx2.AsyncClient, scheme: str):
    await inbox.page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    assert await violations(inbox.page) == []
    await inbox.open_panel()
    await expect(inbox.panel).to_contain_text("Nothing here yet")
    assert await violations(inbox.page) == []
    await deliver(rest, inbox.user, "Second", metadata={"category": "billing"})
    await deliver(rest, inbox.user, "First", message="Long. " * 100)
    await expect(inbox.items).to_have_count(2)
    await inbox.item("Second").get_by_role("button", name="Mark as read").click()
    await inbox.panel.get_by_role("button", name="Mark all as read").click()
    await expect(inbox.panel.get_by_role("button", name="Undo")).to_be_visible()
    assert await violations(inbox.page) == []


async def test_right_to_left(inbox: InboxPage, rest: httpx2.AsyncClient):
    await deliver(rest, inbox.user, "مرحبا")
    await inbox.page.evaluate("document.documentElement.dir = 'rtl'")
    await inbox.open_panel()
    bell, panel, dot, action = [
        await place.bounding_box()
        for place in (
            inbox.bell,
            inbox.panel,
            inbox.items.locator("[part=item-dot]"),
            inbox.items.get_by_role("button", name="Archive"),
        )
    ]
    assert bell
    assert panel
    assert dot
    assert action
    # It hangs from the bell's left edge, and reads from right to left.
    assert abs(panel["x"] - bell["x"]) <= 1
    assert dot["x"] > action["x"] + 100
    assert await inbox.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # ArrowLeft leads on.
    await inbox.panel.get_by_role("tab", name="All").focus()
    await inbox.page.keyboard.press("ArrowLeft")
    await expect(inbox.panel.get_by_role("tab", name="Unread")).to_have_attribute("aria-selected", "true")


async def test_texts_numbers_and_times_in_the_readers_language(inbox: InboxPage, rest: httpx2.AsyncClient):
    await deliver(rest, inbox.user, "Eins")
    await inbox.page.evaluate(
        """() => Object.assign(document.querySelector('notification-inbox'), {
          lang: 'de',
          texts: {
            title: 'Mitteilungen',
            bellUnread: ({ shown, plural }) => `${shown} ungelesene ${plural === 'one' ? 'Mitteilung' : 'Mitteilungen'}`,
          },
        })"""
    )
    bell = inbox.page.get_by_role("button", name="1 ungelesene Mitteilung", exact=True)
    await bell.click()
    await expect(inbox.page.get_by_role("dialog", name="Mitteilungen").locator("time")).to_have_text("jetzt")
    await deliver(rest, inbox.user, "Zwei")
    await expect(inbox.page.get_by_role("button", name="2 ungelesene Mitteilungen", exact=True)).to_be_attached()
    # What was not replaced stays English.
    await expect(inbox.page.get_by_role("tab", name="Archived")).to_be_visible()


async def test_times_grow_old(inbox: InboxPage, rest: httpx2.AsyncClient):
    await deliver(rest, inbox.user, "Ages")
    delivered = datetime.now().astimezone()

    def date(age: timedelta) -> str:
        year = "" if (delivered + age).year == delivered.year else f", {delivered.year}"
        return f"{delivered.strftime('%b')} {delivered.day}{year}"

    for age, text in (
        (timedelta(minutes=5, seconds=10), "5 minutes ago"),
        (timedelta(hours=3, seconds=10), "3 hours ago"),
        (timedelta(days=3, seconds=10), "3 days ago"),
        (timedelta(days=40), date(timedelta(days=40))),
        (timedelta(days=400), date(timedelta(days=400))),
    ):
        await inbox.page.clock.set_system_time(delivered + age)
        await inbox.open_panel()
        time = inbox.items.locator("time")
        await expect(time).to_have_text(text)
        assert str(delivered.year) in (await time.get_attribute("title") or "")
        await inbox.page.keyboard.press("Escape")
        await expect(inbox.panel).to_be_hidden()


async def test_times_are_kept_fresh(inbox: InboxPage, rest: httpx2.AsyncClient, visit: Visit):
    await inbox.page.clock.install()
    await inbox.open()
    await deliver(rest, inbox.user, "Just now")
    await inbox.open_panel()
    await expect(inbox.items.locator("time")).to_have_text("now")
    await inbox.page.clock.run_for(90_000)
    await expect(inbox.items.locator("time")).to_have_text("1 minute ago")
    # In such leaps a connection is given up before it had a chance.
    assert [fault for fault in visit.faults if "closed before the connection is established" not in fault] == []
    visit.faults.clear()
