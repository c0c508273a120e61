"""gRPC over TLS and mutual TLS with real certificates: who gets in, what is renewed, and what stops the start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc.aio
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.client import ClientOptions, HubClient, HubClientError, Tls
from hub.core.app import Core
from hub.core.credentials import OpenDoor
from hub.core.rates import Rates
from hub.core.standings import Standings
from hub.domain.health import Health, HealthReport
from hub.rpc.v1 import health_pb2 as rpc
from hub.settings import GrpcSettings
from hub.transports.grpc.app import GrpcServer, serve
from hub.transports.grpc.certificates import CertificateError, certificates
from tests.hub_process import HubProcess
from tests.integration.test_refused_start import run_with

NAME = "hub.test"
SHORT = timedelta(seconds=3)


class Files:
    """The PEM files of a hub in a folder, as its operator puts them there."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key, self.client_ca = (folder / name for name in ("chain.pem", "key.pem", "clients.pem"))

    def put(self, authority: trustme.CA) -> None:
        """A new certificate, by renaming, as whoever renews them does it: no reader finds half a file."""
        issued = authority.issue_cert(NAME)
        self._replace(self.certificate, b"".join(one.bytes() for one in issued.cert_chain_pems))
        self._replace(self.key, issued.private_key_pem.bytes())

    def put_client_ca(self, authority: trustme.CA) -> None:
        self._replace(self.client_ca, authority.cert_pem.bytes())

    def settings(self, *, mutual: bool = False) -> GrpcSettings:
        ca = self.client_ca if mutual else None
        return GrpcSettings(port=0, tls_certificate=self.certificate, tls_key=self.key, tls_client_ca=ca)

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)


class Healthy:
    async def report(self, _principal: object) -> HealthReport:
        return HealthReport(Health.OK)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Files:
    made = Files(tmp_path)
    made.put(authority)
    made.put_client_ca(authority)
    return made


@asynccontextmanager
async def served(settings: GrpcSettings) -> AsyncIterator[GrpcServer]:
    async def ready() -> bool:
        return True

    core = SimpleNamespace(credentials=OpenDoor(), standings=Standings(), rates=Rates(), ready=ready, health=Healthy())
    server = await serve(cast("Core", core), settings, request_timeout=timedelta(seconds=2))
    try:
        yield server
    finally:
        await server.stop(timedelta(0))


async def asked(server: GrpcServer, tls: Tls | None) -> str:
    """What becomes of a probe over a connection of its own."""
    options = ClientOptions(tls=tls)
    async with options.open(f"127.0.0.1:{server.port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=SHORT.total_seconds())
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def trusting(authority: trustme.CA, shown: trustme.LeafCert | None = None, name: str | None = NAME) -> Tls:
    return Tls(
        root_certificates=authority.cert_pem.bytes(),
        private_key=None if shown is None else shown.private_key_pem.bytes(),
        certificate_chain=None if shown is None else shown.cert_chain_pems[0].bytes(),
        server_name=name,
    )


async def test_whoever_trusts_the_authority_gets_in_and_nobody_without_tls(files: Files, authority: trustme.CA):
    async with served(files.settings()) as server:
        assert await asked(server, trusting(authority)) == "SERVING"
        assert await asked(server, None) == "UNAVAILABLE"
        # The client is as careful: another authority, another name.
        assert await asked(server, trusting(trustme.CA())) == "UNAVAILABLE"
        assert await asked(server, trusting(authority, name=None)) == "UNAVAILABLE"


async def test_mutual_tls_wants_a_certificate_of_the_right_authority(files: Files, authority: trustme.CA):
    other = trustme.CA()
    async with served(files.settings(mutual=True)) as server:
        assert await asked(server, trusting(authority, authority.issue_cert("caller.test"))) == "SERVING"
        assert await asked(server, trusting(authority)) == "UNAVAILABLE"
        assert await asked(server, trusting(authority, other.issue_cert("caller.test"))) == "UNAVAILABLE"


async def test_renewed_files_serve_the_next_connection_and_leave_those_that_stand(files: Files, authority: trustme.CA):
    newer = trustme.CA()
    async with (
        served(files.settings(mutual=True)) as server,
        ClientOptions(tls=trusting(authority, authority.issue_cert("caller.test"))).open(
            f"127.0.0.1:{server.port}"
        ) as standing,
    ):
        probe: Any = health_pb2_grpc.HealthStub(standing)
        await probe.Check(health_pb2.HealthCheckRequest(), timeout=5)
        files.put(newer)
        files.put_client_ca(newer)
        assert await asked(server, trusting(newer, newer.issue_cert("caller.test"))) == "SERVING"
        assert await asked(server, trusting(newer, authority.issue_cert("caller.test"))) == "UNAVAILABLE"
        assert await asked(server, trusting(authority, authority.issue_cert("caller.test"))) == "UNAVAILABLE"
        await probe.Check(health_pb2.HealthCheckRequest(), timeout=5)


@pytest.mark.parametrize("spoiled", ["certificate", "key", "client_ca"])
async def test_what_does_not_fit_is_not_taken_and_the_former_serve_on(
    files: Files, authority: trustme.CA, spoiled: str
):
    path: Path = getattr(files, spoiled)
    good = path.read_bytes()
    mine = trusting(authority, authority.issue_cert("caller.test"))
    async with served(files.settings(mutual=True)) as server:
        path.write_text("half written")
        assert await asked(server, mine) == "SERVING"
        path.unlink()
        assert await asked(server, mine) == "SERVING"
        path.write_bytes(good)
        assert await asked(server, mine) == "SERVING"
        # And it still looks.
        newer = trustme.CA()
        files.put(newer)
        assert await asked(server, trusting(newer, authority.issue_cert("caller.test"))) == "SERVING"


def test_a_certificate_whose_key_has_not_come_yet_waits_for_it(files: Files, authority: trustme.CA):
    found = certificates(files.settings())
    assert found is not None
    assert found.changed() is None
    key = files.key.read_bytes()
    files.put(authority)
    newer = files.key.read_bytes()
    files.key.write_bytes(key)
    assert found.changed() is None
    files.key.write_bytes(newer)
    assert found.changed() is not None
    assert found.changed() is None


async def test_the_typed_client_comes_in_with_its_own_certificate(files: Files, authority: trustme.CA):
    mine = trusting(authority, authority.issue_cert("caller.test"))
    async with served(files.settings(mutual=True)) as server:
        target = f"127.0.0.1:{server.port}"
        async with HubClient(target, ClientOptions(tls=mine)) as client:
            assert (await client.health(within=SHORT)).status == rpc.HEALTH_STATUS_OK
        async with HubClient(target, ClientOptions(tls=trusting(authority))) as stranger:
            with pytest.raises(HubClientError) as raised:
                await stranger.health(within=SHORT)
        assert raised.value.code == "UNAVAILABLE"
    # An options' text is often logged; the private key is in none.
    assert "PRIVATE KEY" not in repr(ClientOptions(tls=mine))


def refused(files: Files) -> str:
    with pytest.raises(CertificateError) as raised:
        certificates(files.settings(mutual=True))
    return str(raised.value)


def test_what_can_not_be_served_with_is_named(files: Files, authority: trustme.CA):
    files.client_ca.write_text("nothing of the kind")
    assert refused(files) == f"HUB_GRPC__TLS_CLIENT_CA={files.client_ca} holds no certificate in PEM"
    other = authority.issue_cert(NAME)
    files.put_client_ca(authority)
    files.key.write_bytes(other.private_key_pem.bytes())
    assert refused(files) == f"HUB_GRPC__TLS_KEY={files.key} is not the key of HUB_GRPC__TLS_CERTIFICATE"
    files.key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    assert refused(files) == f"HUB_GRPC__TLS_KEY={files.key} holds no unencrypted private key in PEM"
    files.certificate.write_text("")
    assert refused(files) == f"HUB_GRPC__TLS_CERTIFICATE={files.certificate} holds no certificate in PEM"
    files.certificate.unlink()
    assert refused(files) == f"HUB_GRPC__TLS_CERTIFICATE={files.certificate} can't be read (No such file or directory)"


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(files: Files):
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert refused(files) == f"HUB_GRPC__TLS_KEY={files.key} holds no unencrypted private key in PEM"


async def test_a_start_with_a_broken_certificate_is_refused_in_a_sentence(files: Files, tmp_path: Path):
    files.certificate.write_text("broken")
    code, said = await run_with(
        tmp_path, HUB_GRPC__TLS_CERTIFICATE=str(files.certificate), HUB_GRPC__TLS_KEY=str(files.key)
    )
    assert code == 2
    assert said == f"hub: HUB_GRPC__TLS_CERTIFICATE={files.certificate} holds no certificate in PEM"


async def test_plaintext_that_was_allowed_is_said_loudly_at_the_start(tmp_path: Path):
    env = {
        "HUB_DATA_DIR": str(tmp_path),
        "HUB_HTTP__PORT": "0",
        "HUB_GRPC__PORT": "0",
        # Nobody's address (RFC 5737): it comes as far as this can be seen, and no further.
        "HUB_GRPC__HOST": "192.0.2.1",
        "HUB_ALLOW_ANONYMOUS": "true",
        "HUB_DEV__CAPTURE": "true",
        "HUB_GRPC__ALLOW_PLAINTEXT": "true",
    }
    process = HubProcess("all", env)
    try:
        await process.start(wait=False)
        assert await process.ended() == 2
        said = process.log_text()
        assert '"event": "grpc_in_plaintext", "host": "192.0.2.1", "level": "warning"' in said
        assert "HUB_GRPC__PORT: can't listen on 192.0.2.1:0" in said
    finally:
        process.close()
