"""Real servers for tests, chaos runs and benches: a mongod and a RabbitMQ node of our own, on loopback.

Start them from the main thread: they are ended with the thread that started them, whatever becomes of us.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import quote, urlsplit

from hub.store.embedded_child import exited, spawn, stopped
from hub.store.embedded_server import Mongod

# Debian's own programs, beside the wrappers on the PATH, which insist on the user `rabbitmq` and its home.
_RABBIT_FOLDER = Path("/usr/lib/rabbitmq/bin")
_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


class ServerError(RuntimeError):
    """A server that tests need can't be had."""


class MongoServer(Mongod):
    """A mongod over a folder of its own, which goes with it. `start`, `stop`, `kill`, `start` again keep its data."""

    def __init__(self, *, cache_gb: float = 0.25, options: Sequence[str] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hub-test-mongo-"))
        self._options = options
        super().__init__(self._folder / "data", cache_gb=cache_gb)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _argv(self, binary: Path) -> list[str]:
        return [*super()._argv(binary), *self._options]

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        _signal(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        _signal(self.pid, signal.SIGCONT)

    async def wipe(self) -> None:
        """Stop it and lose all data."""
        await self.kill()
        shutil.rmtree(self._folder / "data", ignore_errors=True)


class Broker(Protocol):
    """A RabbitMQ on which tests may have a vhost of their own."""

    def url_of(self, vhost: str) -> str: ...
    async def create_vhost(self, vhost: str) -> None: ...
    async def delete_vhost(self, vhost: str) -> None: ...


class RabbitServer:
    """A private RabbitMQ node: its own name, ports, epmd, cookie and data; no plugins; nothing shared with a service.

    Ready in about six seconds. `stop` is in order, `kill` is -9; `start` after either has the same data and port.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hub-test-rabbit-"))
        self._port, self._dist_port, self._epmd_port = _free_ports(3)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (self._folder / "enabled_plugins").write_text("[].\n")
        # The usual limits stop all publishers on a machine that is short of disk; loopback_users is its default.
        (self._folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 50MB\nlog.file.level = info\n")
        cookie = self._folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """Its default vhost."""
        return self.url_of("/")

    def url_of(self, vhost: str) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/{quote(vhost, safe='')}"

    @property
    def pid(self) -> int | None:
        """The real beam.smp, no shell around it."""
        process = self._processes.get("rabbitmq-server")
        return process.pid if process and process.poll() is None else None

    async def start(self, timeout_seconds: float = 60) -> None:
        """Start and wait until it takes connections; harmless if it runs."""
        if self.pid:
            return
        try:
            await self._start(timeout_seconds)
        except BaseException:
            await self.close(keep_data=True)
            raise

    async def stop(self, grace_seconds: float = 30) -> None:
        """Stop it in order; harmless if it does not run."""
        if process := self._processes.pop("rabbitmq-server", None):
            await stopped(process, grace_seconds)

    async def kill(self) -> None:
        """Kill -9."""
        if process := self._processes.pop("rabbitmq-server", None):
            process.kill()
            await exited(process)

    async def wipe(self) -> None:
        """Kill it and lose everything it held: messages, queues, vhosts. `start` begins with an empty node."""
        await self.kill()
        shutil.rmtree(self._folder / "mnesia", ignore_errors=True)

    async def close(self, *, keep_data: bool = False) -> None:
        """Stop everything and clear the folder away."""
        await self.stop()
        if epmd := self._processes.pop("epmd", None):
            await stopped(epmd, 5)
        if not keep_data:
            shutil.rmtree(self._folder, ignore_errors=True)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        _signal(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        _signal(self.pid, signal.SIGCONT)

    async def create_vhost(self, vhost: str) -> None:
        await self.ctl("eval", _CREATE_VHOST % (vhost, vhost))

    async def delete_vhost(self, vhost: str) -> None:
        await self.ctl("delete_vhost", vhost)

    async def ctl(self, *arguments: str) -> str:
        """What rabbitmqctl says (it takes a second or two, for it starts an Erlang of its own)."""
        process = await asyncio.create_subprocess_exec(
            _rabbit_program("rabbitmqctl"),
            "--quiet",
            *arguments,
            env=self._env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise ServerError(f"rabbitmqctl {arguments[0]} failed: {output.decode(errors='replace')}")
        return output.decode()

    async def _start(self, timeout_seconds: float) -> None:
        server = _rabbit_program("rabbitmq-server")
        if "epmd" not in self._processes or self._processes["epmd"].poll() is not None:
            # Our own, in the foreground: the one that Erlang would start is a daemon and outlives everybody.
            command = [_program("epmd"), "-address", "127.0.0.1", "-port", str(self._epmd_port)]
            self._processes["epmd"] = spawn(command, self._folder / "epmd.log")
            await self._until_reachable(self._epmd_port, "epmd", b"", timeout_seconds)
        self._processes["rabbitmq-server"] = spawn([server], self._folder / "rabbit.log", self._env())
        await self._until_reachable(self._port, "rabbitmq-server", _AMQP_GREETING, timeout_seconds)

    async def _until_reachable(self, port: int, name: str, greeting: bytes, timeout_seconds: float) -> None:
        process = self._processes[name]
        try:
            async with asyncio.timeout(timeout_seconds):
                while process.poll() is None:
                    if await _answers(port, greeting):
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass
        said = "\n".join(path.read_text(errors="replace")[-2000:] for path in self._folder.glob("*.log"))
        raise ServerError(f"{name} did not start (exit code {process.poll()}):\n{said}")

    def _env(self) -> dict[str, str]:
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        return keep | {
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"hub-test-{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self._folder / "config"),
            # What the machine's administrator wrote for its service is none of ours.
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            # As under systemd, its script becomes the Erlang machine instead of waiting for it: one process, our child.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


# Vhost and rights in one go: two commands would start two Erlangs.
_CREATE_VHOST = """
rabbit_vhost:add(<<"%s">>, <<"tests">>),
rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"%s">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).
"""


class ExternalBroker:
    """The RabbitMQ that HUB_TEST_AMQP_URL names; vhosts are made through its management API.

    Found at port 15672 of the same host, or at HUB_TEST_AMQP_MANAGEMENT_URL, with the same user.
    """

    def __init__(self, url: str, management_url: str | None = None) -> None:
        self._amqp = urlsplit(url)
        self._management = (management_url or f"http://{self._amqp.hostname}:15672").rstrip("/")

    def url_of(self, vhost: str) -> str:
        return self._amqp._replace(path=f"/{quote(vhost, safe='')}").geturl()

    async def create_vhost(self, vhost: str) -> None:
        name, user = quote(vhost, safe=""), quote(self._user, safe="")
        await asyncio.to_thread(self._call, "PUT", f"/api/vhosts/{name}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        await asyncio.to_thread(self._call, "PUT", f"/api/permissions/{name}/{user}", everything)

    async def delete_vhost(self, vhost: str) -> None:
        await asyncio.to_thread(self._call, "DELETE", f"/api/vhosts/{quote(vhost, safe='')}", None)

    @property
    def _user(self) -> str:
        return self._amqp.username or "guest"

    def _call(self, method: str, path: str, body: dict[str, str] | None) -> None:
        passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
        passwords.add_password(
            None, self._management, self._user, self._amqp.password or "guest", is_authenticated=True
        )
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._management + path, data, headers, method=method)  # noqa: S310
        try:
            opener.open(request, timeout=10).close()
        except urllib.error.URLError as error:
            message = f"no vhost on the broker of HUB_TEST_AMQP_URL: {method} {path} of its management API: {error}"
            raise ServerError(message) from error


def _rabbit_program(name: str) -> str:
    inside = _RABBIT_FOLDER / name
    return str(inside) if inside.exists() else _program(name)


def _program(name: str) -> str:
    if found := shutil.which(name):
        return found
    raise ServerError(
        f"{name} is not installed: `scripts/test` installs RabbitMQ where it may, or: apt-get install rabbitmq-server"
    )


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is None:
        raise ServerError("it does not run")
    os.kill(pid, number)


async def _answers(port: int, greeting: bytes) -> bool:
    """Whether something listens there and, if greeted, says something."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(greeting)
        return not greeting or bool(await reader.read(1))
    except OSError:
        return False
    finally:
        writer.close()


def _free_ports(count: int) -> list[int]:
    # All held at once, or the same one could be given out twice.
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
