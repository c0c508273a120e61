"""The explorers in a real Chromium: what a visitor sees and does, with no foreign request and no error on the console."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import httpx2
from playwright.async_api import Locator, expect

from tests.browser.visit import Visit
from tests.hub_process import ROOT, RunningHub
from tests.waiting import until

OPERATIONS = list((ROOT / "graphql" / "operations").glob("*.graphql"))
METHODS = {"get", "put", "post", "patch", "delete"}


async def create(rest: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    body = {"user_id": "user123", "title": "Welcome!", "message": "Welcome to our platform", "type": "in_app"} | fields
    response = await rest.post("/api/v1/notifications", json=body)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def text_of(editor: Locator) -> str:
    """What a Monaco editor shows; it writes spaces as no-break spaces."""
    return (await editor.locator(".view-lines").inner_text()).replace("\u00a0", " ")


class GraphiQL:
    def __init__(self, visit: Visit) -> None:
        self.page = visit.page
        self.document = visit.page.locator(".graphiql-query-editor .view-lines")
        self.variables = visit.page.locator(".graphiql-editor-tool .view-lines").first
        self.response = visit.page.locator("section.result-window")

    async def open(self) -> None:
        await self.page.goto("/graphql")
        await expect(self.page.get_by_role("tab", name="CreateNotification")).to_be_visible()
        await expect(self.document).to_contain_text("mutation")

    async def choose(self, tab: str) -> None:
        await self.page.get_by_role("tab", name=tab, exact=True).click()
        await expect(self.document).to_contain_text(tab)

        async def is_kept() -> bool:
            kept = await self.page.evaluate("[localStorage['graphiql:query'], localStorage['graphiql:variables']]")
            return tab in kept[0] and kept[1] == '{\n  "userId": "user123"\n}'

        # It takes note of what an editor holds, such as the operation's name, when that has been still for half a second.
        await until(is_kept)

    async def execute(self) -> None:
        await self.page.get_by_role("button", name=re.compile("Execute query")).click()

    async def shows(self, text: str) -> bool:
        return text in await text_of(self.response)


async def test_graphiql_runs_a_mutation_and_a_query(visit: Visit):
    graphiql = GraphiQL(visit)
    await graphiql.open()
    await graphiql.execute()
    await until(lambda: graphiql.shows('"status": "PENDING"'))
    await graphiql.choose("Inbox")
    async with asyncio.timeout(10):
        while not await graphiql.shows('"title": "Welcome!"'):
            await graphiql.execute()
            await asyncio.sleep(0.3)


async def test_graphiql_shows_what_happens_meanwhile(visit: Visit, rest: httpx2.AsyncClient):
    graphiql = GraphiQL(visit)
    await graphiql.open()
    await graphiql.choose("InboxEvents")
    await graphiql.execute()
    await until(lambda: any("connection_ack" in frame for frame in visit.frames))
    title = f"Live {uuid4().hex[:6]}"
    await create(rest, title=title)
    await until(lambda: graphiql.shows(f'"title": "{title}"'))
    await graphiql.page.get_by_role("button", name=re.compile("Stop")).click()


async def test_every_operation_document_is_an_example(visit: Visit):
    graphiql = GraphiQL(visit)
    await graphiql.open()
    panel = graphiql.page.locator(".graphiql-plugin")
    await expect(panel.get_by_role("button")).to_have_count(len(OPERATIONS))
    await panel.get_by_role("button", name="UnreadCount").click()
    await expect(graphiql.page.get_by_role("tab", name="UnreadCount")).to_be_visible()
    await graphiql.execute()
    await until(lambda: graphiql.shows('"unreadCount":'))


async def test_graphiql_comes_back_as_it_was_left(visit: Visit):
    graphiql = GraphiQL(visit)
    await graphiql.open()
    await graphiql.page.reload()
    await expect(graphiql.variables).to_contain_text("user123")
    await graphiql.choose("Inbox")
    await graphiql.page.reload()
    await expect(graphiql.document).to_contain_text("Inbox")
    await expect(graphiql.variables).to_contain_text("user123")
    assert await graphiql.page.get_by_role("tab").count() == 4


async def test_swagger_shows_every_operation_and_runs_one(visit: Visit, rest: httpx2.AsyncClient):
    described = (await rest.get("/openapi.json")).json()["paths"]
    await visit.page.goto("/docs")
    await expect(visit.page.locator(".opblock")).to_have_count(
        sum(method in METHODS for path in described.values() for method in path)
    )
    block = visit.page.locator("#operations-notifications-createNotification")
    await block.locator(".opblock-summary-control").click()
    title = f"Tried {uuid4().hex[:6]}"
    await block.locator("textarea").fill(
        f'{{"user_id": "user123", "title": "{title}", "message": "From Swagger UI", "type": "in_app"}}'
    )
    await block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table")
    await expect(answer.locator(".response-col_status").first).to_contain_text("Code")
    await expect(answer).to_contain_text("201")
    await expect(answer).to_contain_text(title)


async def test_the_start_page_tells_what_runs_and_links_it(visit: Visit, rest: httpx2.AsyncClient, hub: RunningHub):
    await visit.page.goto("/")
    await expect(visit.page.locator("#readiness")).to_have_text("ready")
    await expect(visit.page.locator("#grpc-target")).to_have_text(hub.grpc_target)
    await expect(visit.page.locator("#channels")).to_contain_text("in_app")
    await expect(visit.page.locator("#example")).to_contain_text(f"{hub.base_url}/api/v1/notifications")
    links = [await link.get_attribute("href") or "" for link in await visit.page.get_by_role("link").all()]
    assert {"/docs", "/openapi.json", "/graphql", "/dev/outbox", "/readyz", "/livez", "/metrics"} <= set(links)
    assert any(link.endswith("notifications.proto") for link in links)
    for link in links:
        response = await rest.get(link, headers={"accept": "text/html,*/*;q=0.8"})
        assert response.status_code == 200, link


async def test_the_start_page_links_no_graphiql_where_it_is_off(visit: Visit, rest: httpx2.AsyncClient):
    about = (await rest.get("/about.json")).json()
    assert about["graphql"] == {"graphiql": True}
    off = {**about, "graphql": {"graphiql": False}}
    await visit.page.route("**/about.json", lambda route: route.fulfill(json=off))
    await visit.page.goto("/")
    await expect(visit.page.locator("#grpc-target")).to_be_visible()
    await expect(visit.page.locator("#version")).not_to_be_empty()
    links = [await link.get_attribute("href") or "" for link in await visit.page.get_by_role("link").all()]
    assert "/docs" in links
    assert "/graphql" not in links


async def test_the_start_page_says_when_the_hub_is_away(visit: Visit):
    await visit.page.route("**/readyz", lambda route: route.fulfill(status=503))
    await visit.page.goto("/")
    await expect(visit.page.locator("#readiness")).to_have_text("not ready")
    assert [fault for fault in visit.faults if "503" not in fault] == []
    visit.faults.clear()


async def test_the_start_page_fits_a_phone(visit: Visit):
    await visit.page.set_viewport_size({"width": 360, "height": 740})
    await visit.page.goto("/")
    await expect(visit.page.locator("#readiness")).to_have_text("ready")
    assert await visit.page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_the_outbox_shows_a_mail_that_was_sent(visit: Visit, rest: httpx2.AsyncClient):
    subject = f"Mail {uuid4().hex[:6]}"
    await visit.page.goto("/dev/outbox")
    await create(rest, type="email", title=subject, html=f"<p>{subject} as HTML</p>")
    card = visit.page.locator("article", has_text=subject)
    await expect(card).to_be_visible(timeout=10_000)
    await expect(card.frame_locator("iframe").locator("p")).to_have_text(f"{subject} as HTML")
