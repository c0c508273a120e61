"""Devices and tabs of one reader against the hub: random marks, arrivals and absences, and in the end all show what it has.

In a real Chromium, each device through a network of its own. The same with a hub in memory, and many more times, is in
frontend/tests; what the streams promise is proven without a browser in tests/integration/test_inbox_model.py.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser, BrowserContext, Page

from tests.chaos.proxy import Proxy
from tests.hub_process import RunningHub, free_ports
from tests.waiting import until

CATEGORIES = (None, "news", "orders")
MARKS = ("markRead", "markUnread", "archive", "unarchive")
DEVICES = ("desk", "phone")
PAGE_SIZE = 5
STEPS = 120
BACK_WITHIN_SECONDS = 40
"""A tab that has failed often waits up to 10 s, and so long again for a connection; browsers hold back those that fail often."""

_BEGIN = """([size, categories]) => {
  const element = document.querySelector('notification-inbox');
  Object.assign(element, { pageSize: size, categories });
  window.wrong = [];
  const order = (item) => item.deliveredAt + item.id;
  const watch = () => {
    const store = element.store;
    store.addEventListener('change', () => {
      const { items } = store.snapshot;
      items.forEach((item, index) => {
        if (index > 0 && order(items[index - 1]) <= order(item)) window.wrong.push(items.map((one) => one.id));
      });
    });
  };
  return element.updateComplete.then(watch);
}"""
_STORE = "document.querySelector('notification-inbox').store"
_VIEW = f"""() => {{
  const {{ items, filter, link, list, hasMore, unread, unseen, categories }} = {_STORE}.snapshot;
  const view = items.map((one) => [one.id, one.readAt !== null, one.seenAt !== null]);
  const counts = [unread.value, unseen.value, ...['news', 'orders'].map((one) => categories.get(one).value)];
  return {{ items: view, filter, live: link === 'live' && list === 'ready', hasMore, counts, wrong: window.wrong }};
}}"""


@dataclass(slots=True)
class Tab:
    """One page with the component, asked and told through its store."""

    page: Page
    device: str

    async def act(self, call: str, *arguments: object) -> None:
        """Does not wait until the hub has answered: that may take as long as the network is away."""
        await self.page.evaluate(f"(given) => void {_STORE}.{call}(...given)", list(arguments))

    async def view(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.page.evaluate(_VIEW)
        return found


@dataclass(slots=True)
class Reader:
    """Somebody with several devices, and what happens to them."""

    user: str
    chance: random.Random
    rest: httpx2.AsyncClient
    network: Proxy
    contexts: dict[str, BrowserContext]
    tabs: list[Tab] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    async def open(self, device: str) -> None:
        page = await self.contexts[device].new_page()
        await page.goto(f"/inbox?user={self.user}")
        # The page says whose inbox it is a moment after it is there.
        await until(lambda: page.evaluate(f"{_STORE} !== null"))
        await page.evaluate(_BEGIN, [PAGE_SIZE, ["news", "orders"]])
        self.tabs.append(Tab(page, device))

    async def arrive(self) -> None:
        category = self.chance.choice(CATEGORIES)
        body = {"user_id": self.user, "title": f"Number {len(self.ids)}", "message": "A message", "type": "in_app"}
        more = {} if category is None else {"metadata": {"category": category}}
        response = await self.rest.post("/api/v1/notifications", json=body | more)
        assert response.status_code == 201, response.text
        self.ids.append(response.json()["id"])

    async def mark_elsewhere(self) -> None:
        """By a device that is no browser."""
        name = self.chance.choice(("read", "seen", "archived"))
        method = self.chance.choice(("PUT", "DELETE"))
        response = await self.rest.request(method, f"/api/v1/notifications/{self.chance.choice(self.ids)}/{name}")
        # One that is not delivered yet can't be marked; one that was deleted is not found.
        assert response.status_code in {200, 404, 409}, response.text

    async def delete(self) -> None:
        await self.rest.delete(f"/api/v1/notifications/{self.chance.choice(self.ids)}")

    async def mark(self) -> None:
        tab = self.chance.choice(self.tabs)
        shown = (await tab.view())["items"]
        if shown:
            await tab.act(self.chance.choice(MARKS), self.chance.choice(shown)[0])

    async def act(self) -> None:
        call = self.chance.choice(("markAllRead", "markAllSeen", "undo", "loadMore"))
        await self.chance.choice(self.tabs).act(call)

    async def look_elsewhere(self) -> None:
        filters = {
            "unread": self.chance.random() < 0.3,
            "archived": self.chance.random() < 0.2,
            "category": self.chance.choice(CATEGORIES),
        }
        await self.chance.choice(self.tabs).act("setFilter", filters)

    async def lose_the_network(self) -> None:
        device = self.chance.choice(DEVICES)
        if self.chance.random() < 0.3:
            await self.contexts[device].set_offline(True)
        else:
            await self.network.turn(self.chance.choice(("reset", "refuse")), device)

    async def have_the_network(self) -> None:
        await self.have(self.chance.choice(DEVICES))

    async def have(self, device: str) -> None:
        await self.network.turn("pass", device)
        await self.contexts[device].set_offline(False)

    async def close_one(self) -> None:
        """Whether or not it is the one with the socket, and another is opened. Not without a network: nothing could be loaded."""
        tab = self.chance.choice(self.tabs)
        self.tabs.remove(tab)
        await tab.page.close()
        await self.have(tab.device)
        await self.open(tab.device)

    async def step(self) -> None:
        often = (self.arrive, self.mark_elsewhere, self.mark, self.mark, self.act)
        rare = (self.delete, self.look_elsewhere, self.lose_the_network, self.have_the_network)
        steps = often if self.chance.random() < 0.7 else (*rare, self.close_one) if self.chance.random() < 0.3 else rare
        await self.chance.choice(steps)()

    async def agree(self) -> None:
        """Every tab shows what the hub has, as far as it is scrolled."""
        for device in DEVICES:
            await self.have(device)
        for number, tab in enumerate(self.tabs):
            try:
                await until(lambda t=tab: self._agrees(t), BACK_WITHIN_SECONDS)  # type: ignore[misc]  # a lambda's default has no type
            except TimeoutError:
                view = await tab.view()
                assert (number, view) == (number, await self._wanted(view))

    async def _agrees(self, tab: Tab) -> bool:
        view = await tab.view()
        return view == await self._wanted(view)

    async def _wanted(self, view: dict[str, Any]) -> dict[str, Any]:
        chosen = view["filter"]
        params: dict[str, Any] = {"limit": 100}
        if chosen["unread"]:
            params["unread"] = "true"
        if chosen["archived"]:
            params["archived"] = "true"
        if chosen["category"] is not None:
            params["category"] = chosen["category"]
        inbox = f"/api/v1/users/{self.user}/inbox"
        listed = (await self.rest.get(inbox, params=params)).json()["items"]
        counts = (await self.rest.get(f"{inbox}/counts", params={"categories": ["news", "orders"]})).json()
        items = [[one["id"], one["read_at"] is not None, one["seen_at"] is not None] for one in listed]
        depth = len(view["items"]) if view["hasMore"] else len(items)
        by_category = [one["unread"] for one in counts["categories"]]
        return view | {
            "items": items[:depth],
            "live": True,
            "hasMore": depth < len(items),
            "counts": [counts["unread"], counts["unseen"], *by_category],
            "wrong": [],
        }


@asynccontextmanager
async def reader(browser: Browser, hub: RunningHub, rest: httpx2.AsyncClient, seed: int) -> AsyncIterator[Reader]:
    """With two tabs at the desk and one on the phone."""
    ports = dict(zip(DEVICES, free_ports(len(DEVICES)), strict=True))
    routes = [(name, port, hub.http_port) for name, port in ports.items()]
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(Proxy(routes))
        contexts = {}
        for name, port in ports.items():
            contexts[name] = await browser.new_context(base_url=f"http://127.0.0.1:{port}")
            stack.push_async_callback(contexts[name].close)
        one = Reader(f"reader-{seed}", random.Random(seed), rest, network, contexts)
        for _ in range(2 * PAGE_SIZE):
            await one.arrive()
        for device in ("desk", "desk", "phone"):
            await one.open(device)
        yield one


@pytest.mark.parametrize("seed", [1, 2])
async def test_devices_and_tabs_agree_with_the_hub(
    browser: Browser, hub: RunningHub, rest: httpx2.AsyncClient, seed: int
) -> None:
    async with reader(browser, hub, rest, seed) as someone:
        for _ in range(STEPS):
            await someone.step()
        await someone.agree()
