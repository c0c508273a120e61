"""Starts the images as the compose files say and runs the README's example against them; `scripts/image-test` calls it.

There is no Docker engine: a service becomes a process with the image's files as its root, and with the user, the
environment, the mounts, the read-only root and the capabilities that its compose file gives it. MongoDB and RabbitMQ are
real ones under the names and ports of the compose files. It wants namespaces of its own for network, mounts and
processes, so that those ports are free and everything goes when it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import httpx2
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from hub.dev.captured import Outbox
from hub.dev.smtp_sink import smtp_sink
from hub.store.embedded_child import exited, spawn, stopped
from hub.store.embedded_server import find_mongod
from tests.servers import RabbitServer
from tests.waiting import until

ROOT = Path(__file__).parents[1]
API = "http://127.0.0.1:8000"
EXAMPLE = {
    "user_id": "user123",
    "title": "Welcome!",
    "message": "Welcome to our platform",
    "type": "email",
    "metadata": {"priority": "high", "category": "welcome"},
}
START_SECONDS = 90.0
STOP_SECONDS = 60.0
SUITE_SECONDS = 1800.0

# One process from the first line to the hub: what it is sent, the hub gets. $1 root, $2 read-only or not, $3 owner and
# $4 capabilities, then the mounts (FROM TO)…, `--`, and the command with its environment.
_ENTER = """
set -eu
root=$1 mode=$2 owner=$3 capabilities=$4
shift 4
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    if [ "$1" = tmpfs ]; then
        mkdir -p "$root$2"
        mount -t tmpfs -o "mode=1777,size=256m" tmpfs "$root$2"
    elif [ -d "$1" ]; then
        mkdir -p "$root$2"
        mount --bind "$1" "$root$2"
    else
        mkdir -p "$(dirname "$root$2")"
        [ -e "$root$2" ] || : >"$root$2"
        mount --bind "$1" "$root$2"
    fi
    shift 2
done
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
[ "$mode" = rw ] || mount -o remount,ro,bind "$root"
# What chroot itself needs is left until the change of user takes it away.
exec setpriv $capabilities chroot --userspec="$owner" "$root" /usr/bin/env -i "$@"
"""


@dataclass(frozen=True)
class Image:
    """The files of an image, and its configuration as Docker knows it."""

    files: Path
    config: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, name: str) -> Image:
        inspected = json.loads((folder / f"{name}.json").read_text())
        return cls(Path((folder / f"{name}.root").read_text().strip()), inspected["Docker"]["config"])


@dataclass
class Container:
    """A service that runs, or did."""

    name: str
    image: Image
    service: Mapping[str, Any]
    mounts: Sequence[tuple[str, str]] = ()
    more: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    log: Path = Path()

    @property
    def environment(self) -> dict[str, str]:
        given = dict(pair.split("=", 1) for pair in self.image.config["Env"])
        return given | dict(self.more) | {name: str(value) for name, value in self.service["environment"].items()}

    def start(self, folder: Path, command: Sequence[str] | None = None) -> None:
        entry = [*(self.image.config.get("Entrypoint") or [])]
        argv = [*entry, *(command or self.service.get("command") or self.image.config["Cmd"])]
        self.log = folder / f"{self.name}.log"
        options = ["-C", self.image.config["WorkingDir"], *(f"{k}={v}" for k, v in self.environment.items())]
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [*self._enter(), *options, *argv], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )

    def _enter(self) -> list[str]:
        read_only = bool(self.service.get("read_only"))
        temporary = [("tmpfs", str(one).split(":")[0]) for one in self.service.get("tmpfs", [])]
        capabilities = []
        if "no-new-privileges:true" in self.service.get("security_opt", []):
            capabilities.append("--no-new-privs")
        if "ALL" in self.service.get("cap_drop", []):
            capabilities.append("--bounding-set=-all,+sys_chroot,+setuid,+setgid")
        user = self.service.get("user") or self.image.config.get("User") or "0:0"
        return [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh"),
            *(str(self.image.files), "ro" if read_only else "rw", str(user), " ".join(capabilities)),
            *(part for mount in (("/etc/hosts", "/etc/hosts"), *temporary, *self.mounts) for part in mount),
            "--",
        ]

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command beside the service, as `docker exec` does."""
        assert self.process is not None
        enter = ["nsenter", "--target", str(self.process.pid), "--mount", "--root", "--wd", "/usr/bin/env", "-i"]
        options = [f"{name}={value}" for name, value in self.environment.items()]
        return subprocess.run(
            [*enter, *options, *command], check=False, capture_output=True, text=True, timeout=30
        )  # fmt: skip

    def healthy(self) -> bool:
        kind, *command = self.image.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return self.inside(*command).returncode == 0

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    async def ready(self) -> None:
        def is_ready() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}")
            return self.healthy()

        await until(is_ready, START_SECONDS)
        say(f"{self.name}: healthy")

    async def stop(self) -> int:
        """SIGTERM, as `docker stop` sends it; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.Signals[self.image.config["StopSignal"]])
        # Not a second time: that would end it at once.
        async with asyncio.timeout(STOP_SECONDS):
            return await exited(self.process)


def say(text: str) -> None:
    sys.stdout.write(f"    {text}\n")
    sys.stdout.flush()


def compose(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return content


@asynccontextmanager
async def running(container: Container, folder: Path) -> AsyncIterator[Container]:
    """Starts it, waits until it is healthy, and asks at the end that it stops by itself and in order."""
    container.start(folder)
    try:
        await container.ready()
        yield container
        code = await container.stop()
        assert code == 0, f"{container.name} stopped with {code}"
        say(f"{container.name}: stopped in order")
    except BaseException:
        sys.stderr.write(f"--- {container.name} said:\n{container.said()[-6000:]}\n")
        raise
    finally:
        if container.process is not None and container.process.poll() is None:
            container.process.kill()


@asynccontextmanager
async def mongod(folder: Path, *options: str, user: str | None = None) -> AsyncIterator[None]:
    """The store under its name and port in the compose files: a replica set of one that takes writes."""
    folder.mkdir(exist_ok=True)
    argv = [str(find_mongod()), "--dbpath", str(folder), "--replSet", "hub", "--bind_ip_all", "--oplogSize", "64"]
    process = spawn([*argv, *options], folder.with_suffix(".log"))
    try:
        root = f"{user}@" if user else ""
        url = f"mongodb://{root}mongodb:27017/?directConnection=true"
        async with AsyncMongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=1000) as client:
            await until(lambda: _primary(client), START_SECONDS)
        yield
    finally:
        await stopped(process, 20)


async def _primary(client: AsyncMongoClient[dict[str, Any]]) -> bool:
    try:
        hello = await client.admin.command("hello")
        if "setName" not in hello:
            members = [{"_id": 0, "host": "mongodb:27017"}]
            await client.admin.command("replSetInitiate", {"_id": "hub", "members": members})
        return bool(hello["isWritablePrimary"])
    except PyMongoError:
        return False


async def create_users(secrets: Path) -> None:
    """As the published image and `configs.mongo_user` of the compose file do it."""
    password = (secrets / "mongo_hub_password").read_text().strip()
    root = (secrets / "mongo_root_password").read_text().strip()
    async with AsyncMongoClient[dict[str, Any]]("mongodb://mongodb:27017/?directConnection=true") as client:
        await client["hub"].command("createUser", "hub", pwd=password, roles=["readWrite", "dbAdmin"])
        await client["admin"].command("createUser", "root", pwd=root, roles=["root"])


@asynccontextmanager
async def rabbitmq(configuration: str) -> AsyncIterator[None]:
    """The broker under its name and ports in the compose files, with its management API."""
    server = RabbitServer()
    server._port = 5672
    (server._folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
    with (server._folder / "rabbitmq.conf").open("a") as file:
        file.write(configuration)
    async with server:
        yield


async def send(client: httpx2.AsyncClient, command: Mapping[str, object], wanted: str) -> str:
    """Posts it and waits for its status; the id."""
    answer = await client.post("/api/v1/notifications", json=dict(command))
    assert answer.status_code == 201, answer.text
    identifier: str = answer.json()["id"]

    async def arrived() -> bool:
        status = (await client.get(f"/api/v1/notifications/{identifier}")).json()["status"]
        assert status not in ("failed", "expired", "cancelled"), status
        return bool(status == wanted)

    await until(arrived, 30)
    say(f"POST → 201, then {wanted}")
    return identifier


async def serves_grpc() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:50051") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, answer
    say("gRPC: SERVING")


async def development(image: Image, folder: Path, suite: Sequence[str]) -> None:
    """`docker-compose up`, the example, a change of the source; then `docker-compose run --rm app pytest …`."""
    services = compose("docker-compose.yml")["services"]
    source = folder / "source"
    shutil.copytree(image.files / "app", source, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
    mounts = [_mount(str(volume), image, source) for volume in services["app"]["volumes"]]
    user = services["rabbitmq"]["environment"]
    settings = f"default_user = {user['RABBITMQ_DEFAULT_USER']}\ndefault_pass = {user['RABBITMQ_DEFAULT_PASS']}\n"
    app = Container("app", image, services["app"], mounts)
    async with (
        mongod(folder / "mongo-dev"),
        rabbitmq(settings),
        httpx2.AsyncClient(base_url=API) as client,
    ):
        async with running(app, folder):
            await send(client, EXAMPLE, "sent")
            outbox = (await client.get("/dev/outbox.json")).json()
            assert [one["subject"] for one in outbox] == [EXAMPLE["title"]], outbox
            say("the mail is in the outbox")
            await serves_grpc()
            assert "anonymous_access" in app.said()
            assert "outbox_shown_to_others" in app.said()
            starts = app.said().count("The notification hub is ready")
            with (source / "hub" / "__init__.py").open("a") as changed:
                changed.write("\n")
            await until(lambda: app.said().count("The notification hub is ready") == starts + 1, START_SECONDS)
            await send(client, {**EXAMPLE, "type": "in_app"}, "delivered")
            say("reloaded on a change, and delivers again")
        await run_tests(Container("pytest", image, services["app"], mounts), folder, suite)


def _mount(volume: str, image: Image, source: Path) -> tuple[str, str]:
    if volume.startswith("/"):
        # A volume without a name begins as a copy of what the image has in its place.
        copy = source.with_name(volume.replace("/", "_"))
        shutil.copytree(str(image.files) + volume, copy, symlinks=True)
        return str(copy), volume
    here, there = volume.split(":")
    assert here == ".", volume
    return str(source), there


async def run_tests(container: Container, folder: Path, suite: Sequence[str]) -> None:
    container.start(folder, ["pytest", *suite])
    assert container.process is not None
    async with asyncio.timeout(SUITE_SECONDS):
        while container.process.poll() is None:
            await asyncio.sleep(0.5)
    closing = container.said().strip().splitlines()[-1]
    assert container.process.returncode == 0, container.said()[-20000:]
    say(f"pytest {' '.join(suite)}: {closing}")


async def production(image: Image, folder: Path, secrets: Path) -> None:
    """The roles as services of their own, with their secrets from files and a mail server of ours."""
    content = compose("docker-compose.prod.yml")
    keyfile = folder / "keyfile"
    shutil.copy(secrets / "mongo_keyfile", keyfile)
    keyfile.chmod(0o400)
    async with mongod(folder / "mongo-prod"):
        await create_users(secrets)
    root = f"root:{(secrets / 'mongo_root_password').read_text().strip()}"
    outbox = Outbox()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(mongod(folder / "mongo-prod", "--keyFile", str(keyfile), user=root))
        await enter(rabbitmq((secrets / "rabbitmq.conf").read_text()))
        port = await enter(smtp_sink(outbox, 0))
        hub_env = {
            "HUB_CHANNELS__EMAIL__HOST": "127.0.0.1",
            "HUB_CHANNELS__EMAIL__PORT": str(port),
            "HUB_CHANNELS__EMAIL__SECURITY": "none",
            "HUB_CHANNELS__EMAIL__SENDER_ADDRESS": "hub@example.test",
        }
        # Containers have a network each; here they share one.
        ports = {"worker": 9464, "relay": 9465, "api": 9466}
        for role, metrics_port in ports.items():
            service = content["services"][role]
            service = {**service, "environment": {**service["environment"], "HUB_METRICS__PORT": metrics_port}}
            mounts = [(str(secrets / name), f"/run/secrets/{name}") for name in service["secrets"]]
            container = await enter(running(Container(role, image, service, mounts, hub_env), folder))
            check_confinement(container)
        key = (folder / "key").read_text().strip()
        async with httpx2.AsyncClient(base_url=API) as client:
            assert (await client.post("/api/v1/notifications", json=EXAMPLE)).status_code == 401
            client.headers["Authorization"] = f"Bearer {key}"
            await send(client, {**EXAMPLE, "to": "user123@example.test"}, "sent")
            await send(client, {**EXAMPLE, "type": "in_app"}, "delivered")
            assert (await client.get("/dev/outbox")).status_code == 404
            for url in (API, f"http://127.0.0.1:{ports['relay']}", f"http://127.0.0.1:{ports['worker']}"):
                assert (await client.get(f"{url}/metrics")).status_code == 200, url
                assert (await client.get(f"{url}/metrics", headers={"Authorization": ""})).status_code == 401, url
            say("every role has its metrics, for callers with a key")
        assert [message.subject for message in outbox] == [EXAMPLE["title"]], list(outbox.kept)
        say("the mail server has the mail")
        await serves_grpc()


def check_confinement(container: Container) -> None:
    """What the compose file forbids is really impossible."""
    assert container.process is not None
    status = Path(f"/proc/{container.process.pid}/status").read_text().splitlines()
    facts = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert facts["Uid"].split() == ["10001"] * 4, facts["Uid"]
    assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == 0, facts
    assert facts["NoNewPrivs"] == "1", facts
    assert container.inside("touch", "/app/written").returncode != 0
    assert "Read-only" in container.inside("touch", "/app/written").stderr
    secret = container.inside("cat", "/run/secrets/HUB_MONGO__URL").stdout.strip()
    assert secret, "the secret can't be read"
    assert secret not in container.said()
    password = secret.split(":")[2].split("@")[0]
    assert password not in container.inside("python", "-m", "hub", "check-config").stdout
    for missing in ("gcc", "make", "mongod", "/opt/venv/bin/pip"):
        assert container.inside("sh", "-c", f"command -v {missing}").returncode != 0, missing
    say(f"{container.name}: no root, no capabilities, nothing to write to, secrets from files")


def own_network(folder: Path) -> None:
    """Loopback up, and the services' names on it: the compose files' URLs hold as they stand."""
    with socket.socket() as probe:
        flags = struct.pack("16sh14x", b"lo", 1)  # IFF_UP
        fcntl.ioctl(probe, 0x8914, flags)  # SIOCSIFFLAGS
    names = folder / "hosts"
    names.write_text("127.0.0.1 localhost mongodb rabbitmq\n")
    subprocess.run(["mount", "--bind", str(names), "/etc/hosts"], check=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="where scripts/image-test has put dev.json, dev.root, …")
    parser.add_argument("suite", nargs="*", help="pytest's arguments in the development container")
    options = parser.parse_args()
    folder: Path = options.folder
    os.environ.pop("HUB_TEST_AMQP_URL", None)
    own_network(folder)
    say("production")
    await production(Image.read(folder, "runtime"), folder, folder / "secrets")
    say("development")
    await development(Image.read(folder, "dev"), folder, options.suite)


if __name__ == "__main__":
    asyncio.run(main())
