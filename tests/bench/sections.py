"""What is measured, in parts: each takes its figures once a round, everything that is compared within it side by side."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, replace
from typing import Any

import pymongo

from hub.store.embedded_child import exited, spawn, stopped
from tests.bench import measuring
from tests.bench.contenders import HUB, PEERS, ROOT, Running, Servers, hub, peer, until_listening
from tests.bench.load import Plan
from tests.bench.measuring import BODY, Bench, measured, offer, plan_for, quantile
from tests.bench.rpc_load import RpcPlan
from tests.chaos.stage import say
from tests.hub_process import free_ports

RATES = (200, 500)
CONNECTIONS = (32, 128)
_ENTRY_CONNECTIONS = 64
_BATCH = 100
_MUTATION = "mutation($input:CreateNotificationInput!){createNotification(input:$input){notification{id status}}}"
_INSERTS = 100
_PAUSE_SECONDS = 0.02
_MIB = 1024 * 1024


async def delivery(bench: Bench) -> None:
    """From POST to delivered, the hub and every peer."""
    for name in (HUB, *PEERS):
        one = hub(bench.servers) if name == HUB else peer(bench.servers, name, bench.python)
        async with one as running:
            await _warm(bench, running)
            for connections in CONNECTIONS:
                await _run(bench, running, f"{name}/{connections}", plan_for(running, connections, bench.seconds))
            for rate in RATES if name == HUB else RATES[-1:]:
                await _run(bench, running, f"{name}/{rate}/s", plan_for(running, 64, bench.seconds, rate))


async def modes(bench: Bench) -> None:
    """The hub in one process without a broker, and with two of each process."""
    async with hub(bench.servers) as one:
        await _warm(bench, one)
        for connections in CONNECTIONS:
            await _run(bench, one, f"one of each/{connections}", plan_for(one, connections, bench.seconds))
    async with hub(bench.servers, roles=("all",), broker=False) as alone:
        await _warm(bench, alone)
        await _run(bench, alone, "in process/32", plan_for(alone, CONNECTIONS[0], bench.seconds))
    async with hub(bench.servers) as one, hub(bench.servers, roles=("api", "worker"), beside=one) as two:
        one.pids |= {f"{role} 2": pid for role, pid in two.pids.items() if role in {"api", "worker"}}
        one.ports.extend(two.ports)
        await _warm(bench, one)
        await _run(bench, one, "two of each/128", plan_for(one, CONNECTIONS[1], bench.seconds))


async def entries(bench: Bench) -> None:
    """Creates by every protocol; one caller alone beside what it can't do without."""
    async with hub(bench.servers) as running:
        await _warm(bench, running)
        await _alone(bench, running)
        post = plan_for(running, _ENTRY_CONNECTIONS, bench.seconds)
        graphql = {"query": _MUTATION, "variables": {"input": "%body"}}
        body = json.dumps(graphql).replace('"%body"', BODY.replace("user_id", "userId"))
        batch = '{"notifications":[' + ",".join([BODY] * _BATCH) + "]}"
        await _accepted(bench, running, "REST", post)
        await _accepted(bench, running, "GraphQL", _at(post, "/graphql", body))
        await _accepted(bench, running, "batch", _at(post, "/api/v1/notifications/batch", batch, connections=4))
        await _accepted_rpc(bench, running, "gRPC", streaming=False)
        await _accepted_rpc(bench, running, "gRPC stream", streaming=True)


async def _warm(bench: Bench, running: Running) -> None:
    await measured(bench.servers, running, plan_for(running, CONNECTIONS[0], min(1.5, bench.seconds)))


async def _run(bench: Bench, running: Running, name: str, plan: Plan) -> None:
    run = await bench.figures.calm(name, lambda: measured(bench.servers, running, plan))
    for what, value in asdict(run).items():
        if isinstance(value, float):
            bench.figures.add(f"{name} {what}", value)
    for process, seconds in run.cpu.items():
        bench.figures.add(f"{name} cpu of {process}", seconds)
    say(
        f"  {name}: {run.delivered_a_second:,.0f} delivered/s, {run.cpu_per_10k:.2f} CPU-s/10,000"
        f" ({', '.join(f'{process} {seconds:.2f}' for process, seconds in run.cpu.items())}),"
        f" p50/p99 {run.delivery_p50 * 1000:.0f}/{run.delivery_p99 * 1000:.0f} ms"
    )


def _at(plan: Plan, path: str, body: str, connections: int = _ENTRY_CONNECTIONS) -> Plan:
    return Plan(plan.ports, path, body, plan.headers, connections, plan.seconds)


async def _accepted(bench: Bench, running: Running, name: str, plan: Plan) -> None:
    async def measure() -> float:
        found = await offer(bench.servers, plan)
        return await _rate_of(running, found["began"], found["ended"], _expected(plan, found))

    _note_accepted(bench, name, await bench.figures.calm(name, measure))
    await measuring.all_delivered(running)


def _expected(plan: Plan, found: dict[str, Any]) -> int:
    items = _BATCH if plan.path.endswith("/batch") else 1
    return int(sum(found["statuses"].values())) * items


async def _accepted_rpc(bench: Bench, running: Running, name: str, *, streaming: bool) -> None:
    key = running.headers["Authorization"].removeprefix("Bearer ")
    plan = RpcPlan(running.grpc_target, key, streaming, 4 if streaming else _ENTRY_CONNECTIONS, bench.seconds)

    async def measure() -> float:
        found = await _offer_rpc(bench.servers, plan)
        return await _rate_of(running, found["began"], found["ended"], found["accepted"])

    _note_accepted(bench, name, await bench.figures.calm(name, measure))
    await measuring.all_delivered(running)


def _note_accepted(bench: Bench, name: str, rate: float) -> None:
    bench.figures.add(f"{name} accepted", rate)
    say(f"  {name}: {rate:,.0f} accepted/s")


async def _rate_of(running: Running, began: float, ended: float, answered: int) -> float:
    """Accepted a second: what was answered well must be there."""
    since = {"metadata.at": {"$gte": int(began * 1000)}}
    stored = await running.rows.count_documents(since)
    assert stored == answered, f"{answered} were answered and {stored} are stored"
    return answered / (ended - began)


async def _offer_rpc(servers: Servers, plan: RpcPlan) -> dict[str, Any]:
    file, result, log = (servers.folder / name for name in ("rpc_plan.json", "rpc_result.json", "rpc_load.log"))
    file.write_text(json.dumps(asdict(plan)))
    argv = [sys.executable, "-m", "tests.bench.rpc_load", str(file), str(result)]
    code = await exited(spawn(argv, log, {"PYTHONPATH": str(ROOT)}))
    found: dict[str, Any] = json.loads(result.read_text()) if code == 0 else {"refused": log.read_text()[-2000:]}
    assert not found["refused"], found["refused"]
    return found


async def _alone(bench: Bench, running: Running) -> None:
    """One caller, one connection: a create, an empty FastAPI POST, an insert with majority."""
    (port,) = free_ports(1)
    process = spawn(
        [sys.executable, "-m", "tests.bench.bare", str(port)],
        bench.servers.folder / "bare.log",
        {"PYTHONPATH": str(ROOT)},
    )
    try:
        await until_listening(port)

        async def measure() -> tuple[float, float, float]:
            # What was created before has been delivered by then: it is the create that is looked at.
            paced = replace(plan_for(running, 1, bench.seconds), pause=_PAUSE_SECONDS)
            create = await offer(bench.servers, paced)
            empty = await offer(bench.servers, replace(paced, ports=[port], path="/notifications", headers={}))
            insert = await _insert_p50(bench.servers, running)
            return quantile(create["latencies"], 0.5), quantile(empty["latencies"], 0.5), insert

        create, empty, insert = await bench.figures.calm("alone", measure)
    finally:
        await stopped(process, 5)
    for name, value in {"lone create": create, "lone FastAPI": empty, "lone insert": insert}.items():
        bench.figures.add(name, value * 1000)
    bench.figures.add("lone floor", (empty + insert) * 1000)
    say(f"  alone: create {create * 1e3:.2f} ms, FastAPI {empty * 1e3:.2f} ms, insert {insert * 1e3:.2f} ms")


async def _insert_p50(servers: Servers, running: Running) -> float:
    """Of one document as large as a notification, by pymongo without asyncio, into a collection without further indexes."""
    row = await running.rows.find_one({})

    def insert() -> float:
        options: dict[str, Any] = {"w": "majority", "journal": True, "uuidRepresentation": "standard"}
        with pymongo.MongoClient[dict[str, Any]](servers.mongo.url, **options) as client:
            rows, times = client["bench_raw"]["rows"], []
            for number in range(_INSERTS):
                time.sleep(_PAUSE_SECONDS)
                began = time.perf_counter()
                rows.insert_one({**row, "_id": number})
                times.append(time.perf_counter() - began)
            client.drop_database("bench_raw")
        return quantile(times, 0.5)

    return await asyncio.to_thread(insert)
