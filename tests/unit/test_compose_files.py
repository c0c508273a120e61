"""What the compose files promise; that they work is what `scripts/image-test` shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = ("api", "relay", "worker")


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return content


@pytest.fixture(scope="module")
def production() -> dict[str, Any]:
    return read("docker-compose.prod.yml")


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.prod.yml"])
def test_every_port_is_published_on_loopback_alone(name):
    ports = [port for service in read(name)["services"].values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_development_is_these_three():
    services = read("docker-compose.yml")["services"]
    assert set(services) == {"app", "mongodb", "rabbitmq"}
    assert services["app"]["environment"]["HUB_DEV__CAPTURE"] == "true"
    assert "127.0.0.1:15672:15672" in services["rabbitmq"]["ports"]


@pytest.mark.parametrize("role", ROLES)
def test_production_confines_every_role(production, role):
    service = production["services"][role]
    assert service["command"] == ["run", "--role", role]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["replicas"] > 1
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["healthcheck"]["test"][0] == "CMD"


def test_production_has_no_secret_in_its_text(production):
    for service in production["services"].values():
        for name, value in service.get("environment", {}).items():
            assert "://" not in str(value), name
            assert "PASSWORD" not in name or str(value).startswith("/run/secrets/"), name


def test_production_wants_credentials(production):
    for role in ROLES:
        environment = production["services"][role]["environment"]
        assert environment["HUB_AUTH__REQUIRED"] == "true"
        assert environment["HUB_AUTH__KEYS_FILE"].startswith("/run/secrets/")
        assert "HUB_ALLOW_ANONYMOUS" not in environment


def test_production_speaks_grpc_in_plaintext_to_a_proxy_on_loopback_alone(production):
    api = production["services"]["api"]
    assert api["environment"]["HUB_GRPC__ALLOW_PLAINTEXT"] == "true"
    assert all(port.startswith("127.0.0.1:") for port in api["ports"])


def test_every_secret_that_is_mounted_is_declared_and_made(production):
    declared = set(production["secrets"])
    maker = (ROOT / "scripts" / "prod-secrets").read_text()
    for service in production["services"].values():
        for secret in service.get("secrets", []):
            name = secret if isinstance(secret, str) else secret["source"]
            assert name in declared
            assert f"make {name} " in maker
