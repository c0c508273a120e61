"""One process: its role, its servers, its signals, and the order in which it stops."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hub import __version__
from hub.admin.liveness import BEAT_SECONDS
from hub.admin.metrics import CONTENT_TYPE
from hub.bootstrap import Hub, build
from hub.core.access import Operation, allow
from hub.core.credentials import bearer
from hub.core.tasks import ended
from hub.dev import outbox
from hub.dev.demo import run_demo
from hub.log import get_logger, tell_of_task
from hub.settings import Role, Settings, is_loopback, own_address
from hub.transports.graphql import app as graphql_app
from hub.transports.grpc import app as grpc_app
from hub.transports.grpc.certificates import CertificateError, certificates
from hub.transports.rest import app as rest_app
from hub.transports.rest import errors as rest_errors
from hub.transports.rest.middleware import Correlation
from hub.transports.rest.probes import PATHS as PROBES
from hub.web import metrics as metrics_page
from hub.web import pages
from hub.web.about import About
from hub.web.cors import Cors
from hub.web.own_host import OwnHost
from hub.web.server import http_server
from hub.web.site import Asgi, Site

log = get_logger(__name__)

_NEW_OBJECTS = 20_000
"""So many more than were freed, before the youngest are looked through for cycles."""
_UNSENT_BYTES = 64 * 1024
"""Kept small, or the kernel hides a slow reader for megabytes."""
_UNREAD_MILLISECONDS = 25_000
"""A reader that never reads again is dropped after this, and can't hold up a shutdown."""


class StartError(Exception):
    """The process can't start; the text says why in a sentence."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where this process listens; None for what its role does not serve."""

    http: int | None
    grpc: int | None


async def run(settings: Settings, on_ready: Callable[[Ports], None]) -> None:
    """Runs until SIGINT or SIGTERM, then stops in order and returns."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(tell_of_task)
    if settings.liveness_file is not None:
        _check_writable(settings.liveness_file)
    if settings.role in (Role.ALL, Role.API):
        _check_certificates(settings)
        _warn_of_strangers(settings)
    with _signals(stopping):
        async with build(settings) as hub, AsyncExitStack() as parts:
            # Entered in the order of dependence, left in reverse: first what takes new work in, last what finishes it.
            if settings.role in (Role.ALL, Role.RELAY):
                for run_part in hub.relay_runs:
                    await parts.enter_async_context(_running(run_part()))
            if settings.role in (Role.ALL, Role.WORKER):
                await parts.enter_async_context(_working(hub, settings.drain_timeout))
            ports = Ports(None, None)
            if settings.role in (Role.ALL, Role.API):
                ports = await parts.enter_async_context(_serving(hub, settings))
            elif settings.metrics.port is not None:
                await parts.enter_async_context(_metrics_server(hub, settings))
            if settings.dev.demo:
                await parts.enter_async_context(_running(run_demo(hub.core)))
            if settings.liveness_file is not None:
                await parts.enter_async_context(_running(_beat(settings.liveness_file, settings.http.host, ports)))
            _settle()
            log.info("ready", role=settings.role, http_port=ports.http, grpc_port=ports.grpc)
            on_ready(ports)
            await stopping.wait()
            log.info("stopping", role=settings.role)
    log.info("stopped", role=settings.role)


def _settle() -> None:
    """What was built stays until the end: looking through it again and again would stop the loop for 50 ms each time."""
    gc.collect()
    gc.freeze()
    # Reference counts free nearly all of what a request leaves behind; the default looks for cycles every second request.
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])


def _warn_of_strangers(settings: Settings) -> None:
    """What was allowed explicitly is said loudly all the same."""
    if settings.shows_grpc_plainly:
        log.warning("grpc_in_plaintext", host=settings.grpc.host, meaning="keys and messages can be read on the way")
    if not (settings.allow_anonymous and settings.open_listeners):
        return
    if not settings.auth.demanded:
        log.warning("anonymous_access", hosts=settings.open_listeners, meaning="whoever can connect may do anything")
    if settings.captures:
        log.warning("outbox_shown_to_others", hosts=settings.open_listeners)


def _check_certificates(settings: Settings) -> None:
    """Here too, where nothing is under way yet: the server reads them when it starts."""
    try:
        certificates(settings.grpc)
    except CertificateError as error:
        raise StartError(str(error)) from None


def _check_writable(file: Path) -> None:
    try:
        file.write_text("", encoding="ascii")
        # It is there only from the moment on that the process is ready.
        file.unlink()
    except OSError as error:
        msg = f"HUB_LIVENESS_FILE: can't write {file} ({error.strerror})"
        raise StartError(msg) from None


async def _beat(file: Path, host: str, ports: Ports) -> None:
    """Shows that the event loop turns, and where it can be asked over HTTP."""
    # A file of a memory file system at most: writing it blocks nothing.
    livez = "" if ports.http is None else f"http://{own_address(host)}:{ports.http}/livez"
    while True:
        file.write_text(livez, encoding="ascii")  # noqa: ASYNC240 -- see above
        await asyncio.sleep(BEAT_SECONDS)


@contextmanager
def _signals(stopping: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM stop in order; a second one finds the default, so that impatience works."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    yield


@asynccontextmanager
async def _running(what: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs something in the background, cancelled at the end."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(what)
        try:
            yield
        finally:
            # Not left to the group: it cancels once, and a cancellation can be swallowed.
            await ended(task)


@asynccontextmanager
async def _working(hub: Hub, drain: timedelta) -> AsyncIterator[None]:
    """Runs the worker; at the end it takes nothing new and finishes what it holds, while `drain` lasts."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(hub.worker.run())
        try:
            yield
            hub.worker.stop()
            _done, late = await asyncio.wait([task], timeout=drain.total_seconds())
            if late:
                log.warning("drain_timeout", what="worker")
        finally:
            await ended(task)


@asynccontextmanager
async def _serving(hub: Hub, settings: Settings) -> AsyncIterator[Ports]:
    """Serves all three protocols; at the end: not ready, streams ended with a "come back", then the servers."""
    rest = rest_app.build(hub.core, settings, admission=hub.admission)
    page = pages.graphiql() if settings.explores else None
    graphql = graphql_app.build(hub.core, settings, page=page, admission=hub.admission)
    listener = _listen(settings.http.host, settings.http.port, "HUB_HTTP__PORT")
    grpc = await _start_grpc(hub, settings)
    mounted: dict[str, Asgi] = {"/graphql": graphql, **_pages(hub, settings, grpc.port)}
    site: Asgi = Site(rest, mounted)
    http = settings.http
    if not settings.auth.demanded and is_loopback(http.host):
        site = OwnHost(site, http.allowed_hosts, http.allowed_origins, rest_errors.problem)
    async with _http_server(Cors(site, http.allowed_origins), listener, settings):
        yield Ports(listener.getsockname()[1], grpc.port)
        rest.state.streams.announce_drain()
        await grpc.announce_drain()
        await asyncio.sleep(settings.drain_delay.total_seconds())
        hub.worker.stop()
        async with _at_most(settings.drain_timeout, "streams"), asyncio.TaskGroup() as group:
            for drain in (rest.state.streams.drain, graphql.drain, grpc.drain):
                group.create_task(drain())
        await grpc.stop(settings.drain_timeout)


@asynccontextmanager
async def _metrics_server(hub: Hub, settings: Settings) -> AsyncIterator[None]:
    """What a process without HTTP of its own shows to Prometheus."""
    listener = _listen(settings.metrics.host, settings.metrics.port or 0, "HUB_METRICS__PORT")
    async with _http_server(_metrics(hub), listener, settings):
        yield


def _http_server(app: Asgi, listener: socket.socket, settings: Settings) -> AbstractAsyncContextManager[None]:
    return http_server(app, listener, settings, refusal=rest_errors.Unheard(), always=(*PROBES, "/metrics"))


def _metrics(hub: Hub) -> Asgi:
    async def admit(authorization: str | None) -> None:
        allow(await hub.core.credentials.authenticate(bearer(authorization)), Operation.METRICS)

    # Refusals look as they do in REST, also where a process has no REST of its own.
    return Correlation(metrics_page.app(hub.metrics.exposition, CONTENT_TYPE, admit, rest_errors.problem))


def _pages(hub: Hub, settings: Settings, grpc_port: int) -> dict[str, Asgi]:
    """What is served for people, by path."""
    about = About(
        version=__version__,
        channels=tuple(hub.channels),
        grpc_host=settings.grpc.host,
        grpc_port=grpc_port,
        grpc_reflection=settings.reflects,
        graphiql=settings.explores,
        credentials=settings.auth.demanded,
        capture=hub.capture is not None,
    )
    served: dict[str, Asgi] = {"/metrics": _metrics(hub), **dict.fromkeys(pages.PATHS, pages.app(about))}
    if hub.capture is not None:
        served["/dev"] = outbox.app(hub.capture.outbox)
    return served


async def _start_grpc(hub: Hub, settings: Settings) -> grpc_app.GrpcServer:
    try:
        return await grpc_app.serve(
            hub.core,
            settings.grpc,
            request_timeout=settings.request_timeout,
            admission=hub.admission,
            reflects=settings.reflects,
        )
    except RuntimeError:
        msg = f"HUB_GRPC__PORT: can't listen on {settings.grpc.host}:{settings.grpc.port}; is another hub running?"
        raise StartError(msg) from None


def _listen(host: str, port: int, name: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on what it accepts; without, answers wait 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        msg = f"{name}: can't listen on {host}:{port} ({error.strerror}); is another hub running?"
        raise StartError(msg) from None
    listener.setblocking(False)
    return listener


@asynccontextmanager
async def _at_most(limit: timedelta, what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limit.total_seconds()):
            yield
    except TimeoutError:
        log.warning("drain_timeout", what=what)
