"""The bell is right, whatever happens to sockets, processes, networks and tokens: in a real Chromium, on running hubs."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Browser, expect

from hub.admin.keys import new_key
from hub.client import HubClient
from hub.domain.principals import Scope
from hub.rpc.v1 import notifications_pb2 as pb
from tests.browser.inbox import Application, Device, Hub, Tab, devices
from tests.chaos.proxy import Proxy
from tests.hub_process import RunningHub, free_ports, running_hub
from tests.waiting import until

KEY, ENTRY = new_key("acme", list(Scope), "test")


@dataclass(frozen=True, slots=True)
class Stage:
    """Two processes on one store: an application's pages reach one of them, through a network that can fail."""

    near: RunningHub
    far: RunningHub
    network: Proxy
    url: str
    """Of the application."""
    hub: Hub
    """Asked at the far one, which nothing happens to."""


@pytest.fixture(scope="module")
async def stage(mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    database = f"{mongo_database}_inbox"
    port, app_port = free_ports(2)
    app = Application(app_port, f"http://127.0.0.1:{port}")
    async with (
        running_hub(mongo_url, database, None, roles=("all",), more=_allowing(app)) as near,
        running_hub(mongo_url, database, None, roles=("all",)) as far,
        Proxy([("http", port, near.http_port)]) as network,
        httpx2.AsyncClient(base_url=far.base_url, timeout=30) as client,
        app.served(),
    ):
        yield Stage(near, far, network, app.url, Hub(client))


def _allowing(app: Application) -> dict[str, str]:
    return {"HUB_HTTP__ALLOWED_ORIGINS": json.dumps([app.url])}


@pytest.fixture
def user(run_id: str, request: pytest.FixtureRequest) -> str:
    return f"{run_id}-" + re.sub(r"\W", "-", request.node.name)


async def test_tabs_and_devices_are_in_step(stage: Stage, browser: Browser, user: str) -> None:
    async with devices(browser, stage.url, 2) as (phone, desktop):
        tabs = [await phone.open(user), await desktop.open(user), await desktop.open(user)]
        async with HubClient(stage.near.grpc_target) as client:
            await client.create(
                pb.CreateNotificationRequest(
                    user_id=user, title="Tea is ready", message="In the kitchen", type="in_app"
                )
            )
        for tab in tabs:
            await expect(tab.page.locator("notification-inbox").get_by_text("Tea is ready", exact=True)).to_be_visible()
            await tab.comes_to_show("1")
        await tabs[1].mark_read("Tea is ready")
        for tab in tabs:
            await tab.comes_to_show("")
            await tab.comes_to_agree(stage.hub)
        # The tabs of one browser have one socket between them.
        assert [tabs[0].open_sockets, tabs[1].open_sockets + tabs[2].open_sockets] == [1, 1]


async def test_the_tab_with_the_socket_is_closed(stage: Stage, browser: Browser, user: str) -> None:
    async with devices(browser, stage.url, 1) as (desktop,):
        first, second = await desktop.open(user), await desktop.open(user)
        await until(lambda: first.open_sockets + second.open_sockets == 1)
        await stage.hub.send(user, "One")
        await second.comes_to_agree(stage.hub)
        keeper, other = (first, second) if first.open_sockets else (second, first)
        await keeper.page.close()
        await stage.hub.send(user, "Two", "Three")
        await other.comes_to_agree(stage.hub)
        assert other.open_sockets == 1


async def test_all_are_marked_read_and_that_is_undone(stage: Stage, browser: Browser, user: str) -> None:
    async with devices(browser, stage.url, 2) as (phone, desktop):
        tabs = [await phone.open(user), await desktop.open(user)]
        await stage.hub.send(user, *(f"Item {number}" for number in range(7)))
        for tab in tabs:
            await tab.comes_to_show("7")
        await tabs[0].press("Mark all as read")
        for tab in tabs:
            await tab.comes_to_show("")
            await tab.comes_to_agree(stage.hub)
        await tabs[0].press("Undo")
        for tab in tabs:
            await tab.comes_to_show("7")
            await tab.comes_to_agree(stage.hub)


async def test_a_thousand_items_are_scrolled(stage: Stage, browser: Browser, user: str) -> None:
    sent = await stage.hub.send(user, *(f"Item {number}" for number in range(1000)))
    async with devices(browser, stage.url, 1) as (desktop,):
        tab = await desktop.open(user)
        await tab.comes_to_show("1,000")

        async def has_all() -> bool:
            await tab.page.locator("notification-inbox .list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
            return len(await tab.items()) == len(sent)

        await until(has_all, 60)
        assert await tab.items() == await stage.hub.inbox(user)
        # One that arrives meanwhile stands on top, and what the reader looks at stays where it is.
        last = tab.page.locator(f"notification-inbox [data-id='{(await tab.items())[-1][0]}']")
        place = await last.evaluate("item => item.getBoundingClientRect().top")
        await stage.hub.send(user, "One more")
        await tab.comes_to_show("1,000+")
        assert (await tab.items())[0] == (await stage.hub.inbox(user))[0]
        assert abs(await last.evaluate("item => item.getBoundingClientRect().top") - place) < 2


async def test_the_process_behind_the_socket_is_killed(stage: Stage, browser: Browser, user: str) -> None:
    async with devices(browser, stage.url, 2) as (phone, desktop):
        tabs = [await phone.open(user), await desktop.open(user), await desktop.open(user)]
        first, second = await stage.hub.send(user, "Before 1", "Before 2")
        for tab in tabs:
            await tab.comes_to_agree(stage.hub)
        await stage.near.processes["all"].kill()
        await stage.hub.send(user, *(f"Meanwhile {number}" for number in range(40)))
        await stage.hub.mark_read(first)
        await expect(tabs[0].page.locator("notification-inbox .away")).to_be_attached()
        await stage.near.processes["all"].start()
        for tab in tabs:
            await tab.comes_to_agree(stage.hub, 30)
        await stage.hub.mark_read(second)
        await stage.hub.send(user, "After")
        for tab in tabs:
            await tab.comes_to_agree(stage.hub)


@pytest.mark.parametrize(("how", "seconds"), [("swallow", 30), ("refuse", 3)])
async def test_the_network_is_cut(how: str, seconds: float, stage: Stage, browser: Browser, user: str) -> None:
    async with devices(browser, stage.url, 1) as (phone,):
        tab = await phone.open(user)
        (before,) = await stage.hub.send(user, "Before")
        await tab.comes_to_agree(stage.hub)
        await stage.network.turn(how, "http")
        try:
            began = time.monotonic()
            await stage.hub.send(user, *(f"Meanwhile {number}" for number in range(3)))
            await stage.hub.mark_read(before)
            await asyncio.sleep(seconds - (time.monotonic() - began))
        finally:
            await stage.network.turn("pass", "http")
        await tab.comes_to_agree(stage.hub, 30)
        await stage.hub.send(user, "After")
        await tab.comes_to_agree(stage.hub)


async def test_more_is_missed_than_is_told_again(stage: Stage, browser: Browser, user: str) -> None:
    async with devices(browser, stage.url, 1) as (phone,):
        tab = await phone.open(user)
        await tab.comes_to_agree(stage.hub)
        await stage.network.turn("refuse", "http")
        try:
            await stage.hub.send(user, *(f"Meanwhile {number}" for number in range(999)))
            await stage.hub.send(user, *(f"Later {number}" for number in range(50)))
        finally:
            await stage.network.turn("pass", "http")
        await tab.comes_to_show("1,000+", 30)
        expected = await stage.hub.inbox(user)
        await until(lambda: _begins(tab, expected))


@pytest.fixture(scope="module")
async def locked(
    mongo_url: str, mongo_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Application]:
    """A hub that wants tokens, and an application that has them."""
    keys_file: Path = tmp_path_factory.mktemp("keys") / "keys.json"
    keys_file.write_text(json.dumps([json.loads(ENTRY)]))
    hub_port, app_port = free_ports(2)
    app = Application(app_port, f"http://127.0.0.1:{hub_port}")
    more = {"HUB_AUTH__KEYS_FILE": str(keys_file), "HUB_AUTH__TOKEN_SECRET": "s" * 40, "HUB_HTTP__PORT": str(hub_port)}
    database = f"{mongo_database}_tokens"
    async with running_hub(mongo_url, database, None, roles=("all",), more=more | _allowing(app)), app.served():
        yield app


async def test_a_token_ends_and_another_one_is_fetched(locked: Application, browser: Browser, user: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(base_url=locked.hub_url, headers=headers, timeout=30) as client:
        hub, given, refusing = Hub(client), [], False

        async def token() -> str:
            if refusing:
                raise RuntimeError("Signed out.")
            answer = await client.post(f"/api/v1/users/{user}/tokens", json={"lifetime_seconds": 4})
            assert answer.status_code == 201, answer.text
            given.append(answer.json()["token"])
            return str(given[-1])

        async with Device.switched_on(browser, locked.url, token) as phone:
            tab = await phone.open(user)
            await hub.send(user, "With the first token")
            await tab.comes_to_agree(hub)
            await until(lambda: len(given) >= 4, 30)
            await hub.send(user, "With a later one")
            await tab.comes_to_agree(hub)
            refusing = True
            notice = tab.page.get_by_role("dialog").get_by_text("Your sign-in is not accepted any more.")
            await expect(notice).to_be_visible(timeout=20_000)
            await hub.send(user, "While signed out")
            refusing = False
            await tab.press("Try again")
            await tab.comes_to_agree(hub)
            await expect(notice).to_be_hidden()
            # Never in an address, where proxies and histories keep it.
            assert not [socket.url for socket in tab.sockets if any(one in socket.url for one in given)]


async def _begins(tab: Tab, expected: list[tuple[str, bool]]) -> bool:
    shown = await tab.items()
    return len(shown) > 0 and shown == expected[: len(shown)]
