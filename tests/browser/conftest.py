"""A hub as users run it, and Debian's Chromium to open its pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.browser.inbox_page import InboxPage
from tests.browser.visit import Visit
from tests.hub_process import RunningHub, running_hub

# Without these a Chromium looks up and calls hosts of its own.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _chromium() -> str:
    names = (os.environ.get("HUB_TEST_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "no Chromium: scripts/setup installs one"
    return found


@pytest.fixture(scope="session")
async def hub(mongo_url: str, mongo_database: str) -> AsyncIterator[RunningHub]:
    """One process that does everything, its work handed over in memory."""
    async with running_hub(mongo_url, f"{mongo_database}_browser", None, roles=("all",)) as running:
        yield running


@pytest.fixture(scope="session")
async def rest(hub: RunningHub) -> AsyncIterator[httpx2.AsyncClient]:
    """For what happens meanwhile, outside of the browser."""
    async with httpx2.AsyncClient(base_url=hub.base_url, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=_chromium(), args=_ARGUMENTS)
        yield chromium
        await chromium.close()


@pytest.fixture
async def visit(hub: RunningHub, browser: Browser) -> AsyncIterator[Visit]:
    """A fresh visitor; at the end nothing must have gone wrong in the browser."""
    context = await browser.new_context(base_url=hub.base_url, viewport={"width": 1280, "height": 900})
    page: Page = await context.new_page()
    visit = Visit(page, hub.base_url)
    yield visit
    await context.close()
    assert visit.foreign == []
    assert visit.faults == []


@pytest.fixture
async def inbox(visit: Visit) -> InboxPage:
    """Somebody new, with the page open."""
    page = InboxPage(visit.page, f"reader-{uuid4().hex[:10]}")
    await page.open()
    return page
