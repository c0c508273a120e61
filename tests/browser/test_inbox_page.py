"""The page `/inbox` and the component on it, in a real Chromium against a running hub."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import Page, expect

from tests.browser.axe import violations
from tests.browser.inbox_page import InboxPage
from tests.browser.visit import Visit
from tests.waiting import until

ENDED = {"In app": "delivered", "E-mail": "sent", "SMS": "sent", "Webhook": "delivered"}
ADDRESSES = {"E-mail": "ada@example.test", "SMS": "+12015550123", "Webhook": "https://hooks.example.test/ada"}


@pytest.fixture
async def inbox(visit: Visit) -> InboxPage:
    """Somebody new, with the page open."""
    page = InboxPage(visit.page, f"reader-{uuid4().hex[:10]}")
    await page.open()
    return page


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


async def test_html_in_a_title_is_text(inbox: InboxPage, rest: httpx2.AsyncClient):
    title = "<img src=x onerror=alert(1)><b>bold</b>"
    await deliver(rest, inbox.user, title, message="<script>alert(2)</script>")
    await inbox.open_panel()
    item = inbox.items.first
    await expect(item.locator("[part~=item-title]")).to_have_text(title)
    await expect(item.locator("[part~=item-message]")).to_have_text("<script>alert(2)</script>")
    assert await item.locator("img, b, script").count() == 0
    assert await item.locator("[part~=item-title]").get_attribute("dir") == "auto"


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


async def test_an_open_panel_has_been_seen(inbox: InboxPage, rest: httpx2.AsyncClient):
    await inbox.page.evaluate("document.querySelector('notification-inbox').counts = 'unseen'")
    await deliver(rest, inbox.user, "Look")
    await expect(inbox.bell).to_have_accessible_name("Notifications, 1 new")
    await inbox.open_panel()
    await expect(inbox.bell).to_have_accessible_name("Notifications")
    # Seen is not read.
    await expect(inbox.panel.get_by_role("tab", name="Unread")).to_contain_text("1")


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
