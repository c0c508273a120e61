"""What the inbox component does for readers and for the page it is in."""

from __future__ import annotations

import re

import httpx2
from playwright.async_api import expect

from tests.browser.axe import violations
from tests.browser.inbox_page import InboxPage, deliver
from tests.browser.visit import Visit
from tests.waiting import until


async def test_html_in_a_title_is_text(inbox: InboxPage, rest: httpx2.AsyncClient):
    title = "<img src=x onerror=alert(1)><b>bold</b>"
    await deliver(rest, inbox.user, title, message="<script>alert(2)</script>")
    await inbox.open_panel()
    item = inbox.items.first
    await expect(item.locator("[part~=item-title]")).to_have_text(title)
    await expect(item.locator("[part~=item-message]")).to_have_text("<script>alert(2)</script>")
    assert await item.locator("img, b, script").count() == 0
    assert await item.locator("[part~=item-title]").get_attribute("dir") == "auto"


async def test_a_category_is_chosen(inbox: InboxPage, rest: httpx2.AsyncClient):
    await deliver(rest, inbox.user, "Invoice", metadata={"category": "billing"})
    await deliver(rest, inbox.user, "Parcel", metadata={"category": "orders"})
    await inbox.open_panel()
    await expect(inbox.items).to_have_count(2)
    await inbox.panel.get_by_role("combobox", name="Category").select_option("billing")
    await expect(inbox.items).to_have_count(1)
    await expect(inbox.items).to_contain_text("Invoice")


async def test_mark_all_read_and_undo(inbox: InboxPage, rest: httpx2.AsyncClient):
    await deliver(rest, inbox.user, "One", "Two")
    await inbox.open_panel()
    await inbox.panel.get_by_role("button", name="Mark all as read").click()
    await inbox.unread("")
    await expect(inbox.panel.locator("[part=undo-bar]")).to_contain_text("2 notifications marked as read")
    await expect(inbox.page.get_by_role("status").filter(has_text="marked as read")).to_be_attached()
    await inbox.panel.get_by_role("button", name="Undo").click()
    await inbox.unread("2")
    await expect(inbox.panel.locator("[part=undo-bar]")).to_be_hidden()


async def test_an_open_panel_has_been_seen(inbox: InboxPage, rest: httpx2.AsyncClient):
    await inbox.page.evaluate("document.querySelector('notification-inbox').counts = 'unseen'")
    await deliver(rest, inbox.user, "Look")
    await expect(inbox.bell).to_have_accessible_name("Notifications, 1 new")
    await inbox.open_panel()
    await expect(inbox.bell).to_have_accessible_name("Notifications")
    # Seen is not read.
    await expect(inbox.panel.get_by_role("tab", name="Unread")).to_contain_text("1")


async def test_events_tell_the_page(inbox: InboxPage, rest: httpx2.AsyncClient):
    await inbox.page.evaluate(
        """() => {
          window.heard = [];
          for (const type of ['notification-arrived', 'notification-activated', 'inbox-open', 'inbox-close'])
            document.addEventListener(type, ({ detail }) => heard.push([type, detail?.title ?? null]));
        }"""
    )
    await deliver(rest, inbox.user, "Heard")
    await inbox.unread("1")
    await inbox.open_panel()
    await inbox.items.get_by_role("button", name=re.compile("Heard")).first.click()
    await inbox.page.mouse.click(5, 5)
    await expect(inbox.panel).to_be_hidden()

    async def is_told() -> bool:
        return len(await inbox.page.evaluate("heard")) == 4

    await until(is_told)
    assert await inbox.page.evaluate("heard") == [
        ["notification-arrived", "Heard"],
        ["inbox-open", None],
        ["notification-activated", "Heard"],
        ["inbox-close", None],
    ]


async def test_a_page_opens_and_closes_it_and_chooses_the_scheme(inbox: InboxPage):
    element = inbox.page.locator("notification-inbox")
    await element.evaluate("(inbox) => (inbox.open = true)")
    await expect(inbox.panel).to_be_visible()
    await expect(element).to_have_attribute("open", "")
    background = "(panel) => getComputedStyle(panel).backgroundColor"
    assert await inbox.panel.evaluate(background) == "rgb(255, 255, 255)"
    await element.evaluate("(inbox) => inbox.setAttribute('theme', 'dark')")
    assert await inbox.panel.evaluate(background) == "rgb(29, 32, 39)"
    await element.evaluate("(inbox) => inbox.style.setProperty('--inbox-surface', 'rgb(1, 2, 3)')")
    assert await inbox.panel.evaluate(background) == "rgb(1, 2, 3)"
    await element.evaluate("(inbox) => inbox.removeAttribute('open')")
    await expect(inbox.panel).to_be_hidden()


async def test_a_list_that_cannot_be_had_says_so_and_is_tried_again(inbox: InboxPage, visit: Visit):
    await inbox.open_panel()
    await expect(inbox.panel).to_contain_text("Nothing here yet")
    await inbox.page.route("**/graphql", lambda route: route.abort())
    await inbox.panel.get_by_role("tab", name="Archived").click()
    await expect(inbox.panel).to_contain_text("The server does not answer.")
    assert await violations(inbox.page) == []
    await inbox.page.unroute("**/graphql")
    await inbox.panel.get_by_role("button", name="Try again").click()
    await expect(inbox.panel).to_contain_text("Nothing archived")
    await expect(inbox.panel.get_by_role("button", name="Try again")).to_be_hidden()
    assert [fault for fault in visit.faults if "ERR_FAILED" not in fault] == []
    visit.faults.clear()


async def test_an_action_that_fails_is_taken_back_and_said(inbox: InboxPage, rest: httpx2.AsyncClient, visit: Visit):
    await deliver(rest, inbox.user, "Stays unread")
    await inbox.open_panel()
    await inbox.page.route("**/graphql", lambda route: route.abort())
    await inbox.items.get_by_role("button", name="Mark as read").click()
    await expect(inbox.panel.locator("[part=notice]")).to_contain_text("The server does not answer.", timeout=15_000)
    await inbox.unread("1")
    await inbox.page.unroute("**/graphql")
    await inbox.items.get_by_role("button", name="Mark as read").click()
    await inbox.unread("")
    await expect(inbox.panel.locator("[part=notice]")).to_be_hidden()
    assert [fault for fault in visit.faults if "ERR_FAILED" not in fault] == []
    visit.faults.clear()


async def test_a_thousand_are_scrolled_each_once_and_in_order(inbox: InboxPage, rest: httpx2.AsyncClient):
    made = [
        {"user_id": inbox.user, "title": f"Number {number:04}", "message": "A message", "type": "in_app"}
        for number in range(1000)
    ]
    assert (await rest.post("/api/v1/notifications/batch", json={"notifications": made})).status_code == 200
    await inbox.unread("1,000")
    await inbox.page.reload()
    await inbox.live()
    await inbox.open_panel()
    await expect(inbox.items.first).to_be_visible()

    async def is_at_the_end() -> bool:
        await inbox.panel.get_by_role("tabpanel").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
        return await inbox.items.count() == 1000

    await until(is_at_the_end, seconds=60)
    listed = await inbox.items.evaluate_all("(items) => items.map((item) => item.dataset.id)")
    assert len(set(listed)) == 1000
    wanted: list[str] = []
    cursor = ""
    while len(wanted) < 1000:
        page = (await rest.get(f"/api/v1/users/{inbox.user}/inbox?limit=100{cursor}")).json()
        wanted += [item["id"] for item in page["items"]]
        cursor = f"&after={page['next_cursor']}"
    assert listed == wanted


async def test_an_element_that_is_moved_goes_on(inbox: InboxPage, rest: httpx2.AsyncClient):
    await inbox.open_panel()
    await inbox.page.locator("notification-inbox").evaluate("(inbox) => document.querySelector('.top').append(inbox)")
    await expect(inbox.panel).to_be_hidden()
    await expect(inbox.bell).to_have_attribute("aria-expanded", "false")
    await inbox.live()
    await deliver(rest, inbox.user, "After the move")
    await inbox.unread("1")
    await inbox.open_panel()
    await expect(inbox.items).to_contain_text("After the move")
