"""What a page of a long list and a bell's number cost, against pymongo's own find of the same documents."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from uuid import UUID

from pymongo.asynchronous.collection import AsyncCollection

from hub.domain.ids import time_of
from hub.domain.paging import Filter, ListKind, Position, encode_cursor
from hub.rpc.v1 import notifications_pb2
from tests.bench.callers import Grpc, Http
from tests.bench.filled import Row as Document
from tests.bench.filled import fill
from tests.bench.locked import locked_hub
from tests.bench.machine import Quiet
from tests.bench.report import Goal, Row, figure
from tests.bench.tables import table_command

TENANT, MANY, FEW = "bench", "many", "few"
PAGE, FAR = 50, 1000
_RUNS = 3
_SELECTION = (
    "edges{cursor node{id userId title message type category status createdAt updatedAt deliveredAt readAt seenAt "
    "archivedAt version}} pageInfo{hasNextPage endCursor}"
)
_PAGE = (
    f"query Page($user:ID!,$after:String){{user(id:$user){{notifications(first:{PAGE},after:$after){{{_SELECTION}}}}}}}"
)
_COUNT = "query Count($user:ID!){user(id:$user){unreadCount unreadCountCapped}}"

Ask = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class World:
    """A running hub over one long list and one short one, and a caller of each kind."""

    rows: AsyncCollection[Document]
    http: Http
    grpc: Grpc
    ids: Sequence[UUID]
    """Of the long list, oldest first."""

    def pages(self) -> Mapping[str, Mapping[str, Ask]]:
        """For the first page and for a far one, how everybody asks for it."""
        last = self.ids[-PAGE * (FAR - 1)]
        cursor = encode_cursor(ListKind.USER_NOTIFICATIONS, (TENANT, MANY), Filter(), Position(time_of(last), last))
        return {"first": self._page(None, None), f"{FAR:,}th": self._page(last, cursor)}

    def _page(self, last: UUID | None, cursor: str | None) -> Mapping[str, Ask]:
        query = {"tenant": TENANT, "user_id": MANY} | ({} if last is None else {"_id": {"$lt": last}})
        path = f"/api/v1/users/{MANY}/notifications?limit={PAGE}" + ("" if cursor is None else f"&after={cursor}")
        asked = {"query": _PAGE, "variables": {"user": MANY, "after": cursor}}
        request = notifications_pb2.ListUserNotificationsRequest(user_id=MANY, page_size=PAGE, page_token=cursor or "")
        return {
            "pymongo": lambda: self.rows.find(query).sort("_id", -1).limit(PAGE).to_list(),
            "REST": lambda: self.http.get(path),
            "GraphQL": lambda: self.http.post("/graphql", asked),
            "gRPC": lambda: self.grpc.call("hub.v1.NotificationService/ListUserNotifications", request),
        }

    def counts(self, user_id: str) -> Mapping[str, Ask]:
        """How everybody asks for an unread count."""
        asked = {"query": _COUNT, "variables": {"user": user_id}}
        request = notifications_pb2.GetUnreadCountRequest(user_id=user_id)
        return {
            "REST": lambda: self.http.get(f"/api/v1/users/{user_id}/inbox/unread-count"),
            "GraphQL": lambda: self.http.post("/graphql", asked),
            "gRPC": lambda: self.grpc.call("hub.v1.NotificationService/GetUnreadCount", request),
        }


@asynccontextmanager
async def a_world(size: int) -> AsyncIterator[World]:
    """Starts everything; `size` is the length of the long list."""
    async with locked_hub(TENANT) as hub:
        ids = await fill(hub.rows, TENANT, [MANY], size)
        await fill(hub.rows, TENANT, [FEW], 100)
        http, caller = await Http.opened(hub.http_port, hub.key), Grpc(hub.grpc_target, hub.key)
        yield World(hub.rows, http, caller, ids)
        await http.close()
        await caller.channel.close()


async def seconds(asks: Mapping[str, Ask], rounds: int) -> dict[str, list[float]]:
    """How long each takes, asked in turn."""
    taken: dict[str, list[float]] = {name: [] for name in asks}
    for number in range(-3, rounds):
        for name, ask in asks.items():
            began = perf_counter()
            await ask()
            if number >= 0:
                taken[name].append(perf_counter() - began)
    return taken


async def pages(world: World, rounds: int, runs: int) -> list[Row]:
    """Each protocol's pages against pymongo's, and the far one against the first."""
    at_most: dict[tuple[str, str], list[float]] = {}
    figures: dict[tuple[str, str], str] = {}
    equal: dict[str, list[float]] = {}
    quiet = Quiet()
    for _ in range(runs):
        both = {f"{name} {page}": ask for page, asks in world.pages().items() for name, ask in asks.items()}
        taken = {name: median(values) for name, values in (await seconds(both, rounds)).items()}
        first, far = world.pages()
        for name in ("REST", "GraphQL", "gRPC"):
            for page in (first, far):
                mine, raw = taken[f"{name} {page}"], taken[f"pymongo {page}"]
                at_most.setdefault((name, page), []).append(mine / raw)
                figures[name, page] = f"{figure(mine * 1000)} ms against {figure(raw * 1000)} ms"
            equal.setdefault(name, []).append(taken[f"{name} {far}"] / taken[f"{name} {first}"])
    disturbed = quiet.disturbed
    found = [
        Row(f"page-{page}-{name}".lower(), f"{page} page of {PAGE} of {len(world.ids):,}, {name}",
            "p50 against pymongo's find of the same", Goal("at most", 2), values, figures[name, page], disturbed)
        for (name, page), values in at_most.items()
    ]  # fmt: skip
    return found + [
        Row(f"pages-equal-{name}".lower(), f"{FAR:,}th page, {name}", "p50 against the first page's",
            Goal("at most", 1.15), values, "", disturbed)
        for name, values in equal.items()
    ]  # fmt: skip


async def unread(world: World, rounds: int, runs: int) -> list[Row]:
    """A bell's number at a few and at many unread."""
    found = []
    for user_id, size in ((FEW, 100), (MANY, len(world.ids))):
        values: dict[str, list[float]] = {}
        quiet = Quiet()
        for _ in range(runs):
            for name, taken in (await seconds(world.counts(user_id), rounds)).items():
                values.setdefault(name, []).append(sorted(taken)[int(len(taken) * 0.99)] * 1000)
        found += [
            Row(f"unread-{size}-{name}".lower(), f"unread count at {size:,} unread, {name}", "p99",
                Goal("at most", 3, "ms"), runs_of, "", quiet.disturbed)
            for name, runs_of in values.items()
        ]  # fmt: skip
    return found


async def measured(*, quick: bool) -> list[Row]:
    """All rows."""
    async with a_world(60_000 if quick else 100_000) as world:
        runs, rounds = (1, 40) if quick else (_RUNS, 150)
        return [*await pages(world, rounds, runs), *await unread(world, 2 * rounds, runs)]


def main(given: Sequence[str]) -> int:
    """The command line."""
    return table_command("pages", __doc__, "one short run of each", lambda quick: measured(quick=quick), given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
