"""What is measured of one process of the hub by itself: before slow providers, at its start, and idle."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil

from hub.store.embedded_child import spawn, stopped
from tests.bench import measuring, providers
from tests.bench.contenders import ROOT, Running, hub, until_listening
from tests.bench.load import Plan
from tests.bench.measuring import BODY, Bench, offer, plan_for
from tests.chaos.stage import say
from tests.hub_process import free_ports

_MIB = 1024 * 1024


async def slow_providers(bench: Bench) -> None:
    """One worker before providers that take 50 ms, beside a bare loop over the same client library."""
    mail_port, http_port = free_ports(2)
    argv = [sys.executable, "-m", "tests.bench.providers", str(mail_port), str(http_port)]
    process = spawn(argv, bench.servers.folder / "providers.log", {"PYTHONPATH": str(ROOT)})
    try:
        await until_listening(http_port)
        for kind, port in (("sms", http_port), ("email", mail_port)):
            await _before(bench, kind, port)
    finally:
        await stopped(process, 5)


async def _before(bench: Bench, kind: str, port: int) -> None:
    async with hub(bench.servers, more=_provider(kind, port)) as running:
        rate = await bench.figures.calm(f"{kind}, 50 ms", lambda: _sent_a_second(bench, running, kind))
    bare = await bench.figures.calm(f"bare {kind}", lambda: providers.bare_rate(kind, port, bench.seconds))
    bench.figures.add(f"{kind}, 50 ms", rate)
    bench.figures.add(f"bare {kind}", bare)
    say(f"  {kind}, 50 ms: {rate:,.0f}/s, bare loop {bare:,.0f}/s")


async def embedded(bench: Bench) -> None:
    """What newcomers start: one process with a mongod of its own. How soon it is ready, and what it takes while idle."""
    folder = Path(tempfile.mkdtemp(prefix="hub-embedded-"))
    try:
        # The first start makes the store; the one that counts finds it.
        async with _embedded_hub(folder):
            pass
        async with _embedded_hub(folder) as (process, seconds):
            await asyncio.sleep(2)
            before, began = sum(process.cpu_times()[:2]), time.monotonic()
            await asyncio.sleep(bench.seconds * 2)
            used = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
            memory = process.memory_info().rss / _MIB
        for name, value in {"start": seconds, "idle CPU": used * 100, "idle memory": memory}.items():
            bench.figures.add(name, value)
        say(f"  embedded: ready in {seconds:.2f} s, idle {used * 100:.2f} % and {memory:.0f} MiB")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _provider(kind: str, port: int) -> dict[str, str]:
    common = {"CONCURRENCY": str(providers.AT_ONCE)}
    sms = {"BASE_URL": f"http://127.0.0.1:{port}", "ACCOUNT_SID": "AC", "AUTH_TOKEN": "x", "SENDER": "+12025550100"}
    email = {"HOST": "127.0.0.1", "PORT": str(port), "SECURITY": "none", "SENDER_ADDRESS": "hub@example.test"}
    email["MAX_CONNECTIONS"] = str(providers.AT_ONCE)
    return {f"HUB_CHANNELS__{kind.upper()}__{k}": v for k, v in (common | (sms if kind == "sms" else email)).items()}


async def _sent_a_second(bench: Bench, running: Running, kind: str) -> float:
    """Messages a second while there are always some waiting: by the first and last attempts on record."""
    to = {"sms": "+12025550123", "email": "ann@example.test"}[kind]
    body = BODY.replace('"in_app"', f'"{kind}","to":"{to}"')
    wanted = int(bench.seconds * providers.AT_ONCE / providers.LATENCY_SECONDS)
    plan = plan_for(running, 32, 60, body=body)
    found = await offer(bench.servers, Plan(plan.ports, plan.path, body, plan.headers, 32, 60, most=wanted))
    since = {"metadata.at": {"$gte": int(found["began"] * 1000)}}
    await measuring.all_delivered(running, settled="sent")
    moments = [
        (row["attempts"][0]["started_at"], row["attempts"][0]["finished_at"])
        async for row in running.rows.find(since, {"attempts": 1})
    ]
    began, ended = min(began for began, _ in moments), max(ended for _, ended in moments)
    return len(moments) / float((ended - began).total_seconds())


@asynccontextmanager
async def _embedded_hub(folder: Path) -> AsyncIterator[tuple[psutil.Process, float]]:
    """`python -m hub run` with nothing set but its folder and ports, and how many seconds it took to be ready."""
    ports = dict(zip(("HTTP__PORT", "GRPC__PORT", "DEV__CAPTURE_SMTP_PORT", "DEV__CAPTURE_SMS_PORT", "DEV__CAPTURE_WEBHOOK_PORT"), free_ports(5), strict=True))  # fmt: skip
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    env |= {f"HUB_{name}": str(port) for name, port in ports.items()}
    env |= {"HUB_DATA_DIR": str(folder / "data"), "HUB_LOG__FORMAT": "json", "PYTHONPATH": str(ROOT)}
    log = folder / "hub.log"
    log.unlink(missing_ok=True)
    began = time.monotonic()
    process = spawn([sys.executable, "-m", "hub", "run"], log, env)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stopped, process, 20)
        async with asyncio.timeout(40):
            while '"event": "ready"' not in log.read_text():
                assert process.poll() is None, log.read_text()[-2000:]
                await asyncio.sleep(0.01)
        seconds = time.monotonic() - began
        yield psutil.Process(process.pid), seconds
        process.send_signal(signal.SIGTERM)
