"""Settings: where they come from, what is refused and under which name, and what is shown of them."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from hub.__main__ import EXIT_REFUSED, ConfigError, load_settings, main
from hub.settings import Role, Settings, is_loopback, own_address

MONGO = "mongodb://hub:hunter2@db.example.test/hub?replicaSet=hub"
AMQP = "amqp://hub:hunter3@mq.example.test/"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub's own environment (a container's, a developer's) is none of these tests' business."""
    for name in list(os.environ):
        if name.startswith("HUB_"):
            monkeypatch.delenv(name)


def set_to(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"HUB_{name}", value)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    set_to(monkeypatch, **variables)
    with pytest.raises((ConfigError, ValueError)) as caught:
        load_settings()
    return str(caught.value)


class TestDefaults:
    def test_serve_loopback_alone_with_a_store_of_their_own(self):
        settings = load_settings()
        assert settings.role is Role.ALL
        assert settings.mongo.url is None
        assert settings.amqp.url is None
        assert (settings.http.host, settings.grpc.host, settings.metrics.host) == ("127.0.0.1",) * 3
        assert settings.open_listeners == []

    def test_capture_goes_with_the_embedded_store(self, monkeypatch):
        assert load_settings().captures
        set_to(monkeypatch, MONGO__URL=MONGO)
        assert not load_settings().captures

    def test_are_frozen(self):
        settings = load_settings()
        with pytest.raises(ValidationError):
            settings.role = Role.API  # type: ignore[misc]
        with pytest.raises(ValidationError):
            settings.http.port = 1  # type: ignore[misc]


class TestEnvironment:
    def test_two_underscores_lead_into_a_part_and_leave_its_other_settings(self, monkeypatch):
        set_to(monkeypatch, HTTP__PORT="9000", MONGO__URL=MONGO)
        settings = load_settings()
        assert settings.http.port == 9000
        assert settings.http.host == "127.0.0.1"
        assert settings.mongo.url is not None
        assert settings.mongo.url.get_secret_value() == MONGO
        assert settings.mongo.database == "hub"

    @pytest.mark.parametrize(
        ("text", "meaning"),
        [("90", timedelta(seconds=90)), ("0.25", timedelta(milliseconds=250)), ("PT1H", timedelta(hours=1))],
    )
    def test_a_bare_number_is_seconds(self, monkeypatch, text, meaning):
        set_to(monkeypatch, REQUEST_TIMEOUT=text)
        assert load_settings().request_timeout == meaning

    def test_channels_are_told_their_own(self, monkeypatch):
        set_to(
            monkeypatch,
            MONGO__URL=MONGO,
            CHANNELS__EMAIL__HOST="smtp.example.test",
            CHANNELS__EMAIL__SENDER_ADDRESS="hub@example.test",
        )
        assert load_settings().channels["email"]["host"] == "smtp.example.test"

    def test_the_command_line_wins(self, monkeypatch):
        set_to(monkeypatch, ROLE="worker", AMQP__URL=AMQP)
        assert load_settings({"role": "relay"}).role is Role.RELAY

    def test_variables_of_others_and_of_the_tests_are_left_alone(self, monkeypatch):
        monkeypatch.setenv("HUBBUB", "1")
        set_to(monkeypatch, TEST_MONGO_URL=MONGO)
        load_settings()


class TestSecretsFromFiles:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        set_to(monkeypatch, SECRETS_DIR=str(tmp_path))
        return tmp_path

    def test_a_file_stands_for_the_variable_of_its_name(self, folder, monkeypatch):
        (folder / "HUB_MONGO__URL").write_text(f"{MONGO}\n")
        (folder / "HUB_CHANNELS__EMAIL__PASSWORD").write_text("hunter4\n")
        (folder / "mongo_keyfile").write_text("of somebody else")
        set_to(
            monkeypatch,
            MONGO__DATABASE="other",
            CHANNELS__EMAIL__HOST="smtp.example.test",
            CHANNELS__EMAIL__USERNAME="hub",
            CHANNELS__EMAIL__SENDER_ADDRESS="hub@example.test",
        )
        settings = load_settings()
        assert settings.mongo.url is not None
        assert settings.mongo.url.get_secret_value() == MONGO
        assert settings.mongo.database == "other"
        assert settings.channels["email"]["password"] == "hunter4"

    def test_the_variable_wins(self, folder, monkeypatch):
        (folder / "HUB_HTTP__PORT").write_text("1")
        set_to(monkeypatch, HTTP__PORT="2")
        assert load_settings().http.port == 2

    def test_a_link_as_kubernetes_mounts_it(self, folder):
        (folder / "..data").mkdir()
        (folder / "..data" / "HUB_HTTP__PORT").write_text("3")
        (folder / "HUB_HTTP__PORT").symlink_to("..data/HUB_HTTP__PORT")
        assert load_settings().http.port == 3

    def test_a_misspelt_one_is_refused(self, folder, monkeypatch):
        (folder / "HUB_MNOGO__URL").write_text(MONGO)
        assert refusal(monkeypatch) == "HUB_MNOGO__URL is not a setting"

    def test_a_wrong_one_is_refused_without_being_shown(self, folder, monkeypatch):
        (folder / "HUB_HTTP__PORT").write_text("hunter5")
        said = refusal(monkeypatch)
        assert said.startswith("HUB_HTTP__PORT: ")
        assert "hunter5" not in said

    def test_a_folder_that_is_none_is_refused(self, monkeypatch, tmp_path):
        nowhere = str(tmp_path / "nowhere")
        assert refusal(monkeypatch, SECRETS_DIR=nowhere) == f"HUB_SECRETS_DIR={nowhere} is not a folder"

    def test_a_file_that_may_not_be_read_is_refused(self, folder, monkeypatch):
        secret = folder / "HUB_MONGO__URL"
        secret.write_text(MONGO)

        def denied(path: Path, *_: object, **__: object) -> str:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "read_text", denied)
        assert refusal(monkeypatch) == f"HUB_SECRETS_DIR: can't read {secret} (Permission denied)"


class TestRefusals:
    @pytest.mark.parametrize(
        ("variables", "named"),
        [
            ({"MNOGO__URL": MONGO}, "HUB_MNOGO__URL is not a setting"),
            ({"HTTP__HOTS": "::1"}, "HUB_HTTP__HOTS: "),
            ({"ROLE": "boss"}, "HUB_ROLE: "),
            ({"HTTP__PORT": "65536"}, "HUB_HTTP__PORT: "),
            ({"HTTP__MAX_BODY_BYTES": "0"}, "HUB_HTTP__MAX_BODY_BYTES: "),
            *(
                ({"HTTP__ALLOWED_ORIGINS": f'["https://a.example", "{origin}"]'}, "HUB_HTTP__ALLOWED_ORIGINS__1: ")
                for origin in (
                    "*",
                    "null",
                    "app.example",
                    "ftp://app.example",
                    "https://",
                    "https://app.example/",
                    "https://u@app.example",
                    "https://app.example?x",
                    "https://app.example:65536",
                    "https://app.example:x",
                    "https://[::1",
                    "https://[1:2]",
                )
            ),
            ({"GRPC__TLS_CERTIFICATE": "c.pem"}, "HUB_GRPC__TLS_CERTIFICATE needs HUB_GRPC__TLS_KEY"),
            ({"GRPC__TLS_KEY": "k.pem"}, "HUB_GRPC__TLS_KEY needs HUB_GRPC__TLS_CERTIFICATE"),
            ({"GRPC__TLS_CLIENT_CA": "a.pem"}, "HUB_GRPC__TLS_CLIENT_CA needs HUB_GRPC__TLS_CERTIFICATE and "),
            ({"MONGO__DATABASE": "a b"}, "HUB_MONGO__DATABASE: "),
            ({"MONGO__TIMEOUT": "0"}, "HUB_MONGO__TIMEOUT: "),
            ({"MONGO__TIMEOUT": "soon"}, "HUB_MONGO__TIMEOUT: "),
            ({"MONGO__URL": "http://x"}, "HUB_MONGO__URL is not a MongoDB connection string"),
            (
                {"MONGO__URL": "mongodb://x/?tls=true&tlsCAFile=/s3cret"},
                "HUB_MONGO__URL names a file that can't be read (No such file or directory)",
            ),
            (
                {"AMQP__URL": "amqp://u:12/s3cret@x/"},
                "HUB_AMQP__URL is not a URL such as amqp://user:password@host/vhost",
            ),
            ({"AUTH__JWKS_URL": "https://u:s3cret@x/keys"}, "HUB_AUTH__JWKS_URL: "),
            ({"MONGO__URL": "mongodb://u:1/s3cret@x/"}, "HUB_MONGO__URL is not a MongoDB connection string"),
            ({"MONGO__URL": "mongodb://x/?w=1"}, "HUB_MONGO__URL must not set w "),
            ({"PIPELINE__LEASE": "-1"}, "HUB_PIPELINE__LEASE: "),
            ({"RETENTION__IDEMPOTENCY_KEYS": "3600"}, "HUB_RETENTION__IDEMPOTENCY_KEYS: "),
            ({"RETENTION__SETTLED": "172800"}, "HUB_RETENTION__SETTLED must be longer "),
            ({"DRAIN_DELAY": "-1"}, "HUB_DRAIN_DELAY: "),
            ({"LOG__LEVEL": "loud"}, "HUB_LOG__LEVEL: "),
            ({"LOG__FORMAT": "xml"}, "HUB_LOG__FORMAT: "),
            ({"CHANNELS__PIGEON__HOST": "loft"}, "HUB_CHANNELS__PIGEON__"),
            ({"MONGO__URL": MONGO, "CHANNELS__EMAIL__HOST": "x"}, "HUB_CHANNELS__EMAIL__SENDER_ADDRESS must be set"),
        ],
    )
    def test_name_the_variable(self, monkeypatch, variables, named):
        assert refusal(monkeypatch, **variables).startswith(named)

    @pytest.mark.parametrize("role", ["api", "relay", "worker"])
    def test_a_role_alone_needs_a_broker(self, monkeypatch, role):
        assert refusal(monkeypatch, ROLE=role).startswith(f"HUB_ROLE={role} needs HUB_AMQP__URL")
        set_to(monkeypatch, AMQP__URL=AMQP)
        assert load_settings().role == role

    @pytest.mark.parametrize(
        "origin", ["https://app.example", "http://127.0.0.1:3000", "https://[::1]:8443", "https://xn--9ca.example"]
    )
    def test_origins_are_as_browsers_send_them(self, monkeypatch, origin):
        set_to(monkeypatch, HTTP__ALLOWED_ORIGINS=f'["{origin}"]')
        assert load_settings().http.allowed_origins == (origin,)

    def test_every_one_of_several_is_named(self, monkeypatch):
        said = refusal(monkeypatch, HTTP__PORT="x", GRPC__PORT="y")
        assert "HUB_HTTP__PORT: " in said
        assert "HUB_GRPC__PORT: " in said


class TestListenersBeyondLoopback:
    @pytest.mark.parametrize("part", ["HTTP", "GRPC"])
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "hub.example.test"])
    def test_need_credentials(self, monkeypatch, part, host):
        said = refusal(monkeypatch, MONGO__URL=MONGO, **{f"{part}__HOST": host})
        assert said.startswith(f"HUB_{part}__HOST={host} can be reached by others, and callers need no credentials")
        set_to(monkeypatch, AUTH__KEYS_FILE="keys.json", GRPC__ALLOW_PLAINTEXT="true")
        assert load_settings().open_listeners == [host]

    def test_of_grpc_need_tls_too_or_the_explicit_word_that_none_is_needed(self, monkeypatch):
        said = refusal(monkeypatch, MONGO__URL=MONGO, AUTH__KEYS_FILE="keys.json", GRPC__HOST="0.0.0.0")
        assert said == (
            "HUB_GRPC__HOST=0.0.0.0 can be reached by others, and keys would travel readably: set"
            " HUB_GRPC__TLS_CERTIFICATE and HUB_GRPC__TLS_KEY, or HUB_GRPC__ALLOW_PLAINTEXT"
        )
        set_to(monkeypatch, GRPC__ALLOW_PLAINTEXT="true")
        assert load_settings().shows_grpc_plainly
        set_to(monkeypatch, GRPC__TLS_CERTIFICATE="c.pem", GRPC__TLS_KEY="k.pem")
        assert not load_settings().shows_grpc_plainly

    def test_of_grpc_are_none_of_a_worker(self, monkeypatch):
        set_to(monkeypatch, MONGO__URL=MONGO, AMQP__URL=AMQP, AUTH__KEYS_FILE="keys.json")
        set_to(monkeypatch, GRPC__HOST="0.0.0.0", ROLE="worker")
        assert not load_settings().shows_grpc_plainly

    def test_metrics_of_a_worker_are_no_exception(self, monkeypatch):
        set_to(monkeypatch, MONGO__URL=MONGO, METRICS__HOST="0.0.0.0", METRICS__PORT="9464")
        with pytest.raises(ConfigError, match=r"^HUB_METRICS__HOST=0\.0\.0\.0 can be reached by others"):
            load_settings()

    def test_metrics_that_are_served_nowhere_can_be_reached_by_nobody(self, monkeypatch):
        set_to(monkeypatch, MONGO__URL=MONGO, METRICS__HOST="0.0.0.0")
        assert load_settings().open_listeners == []
        set_to(monkeypatch, METRICS__PORT="9464", AUTH__KEYS_FILE="keys.json")
        assert load_settings().open_listeners == ["0.0.0.0"]

    def test_or_the_explicit_word_that_none_are_needed(self, monkeypatch):
        set_to(monkeypatch, MONGO__URL=MONGO, HTTP__HOST="0.0.0.0", ALLOW_ANONYMOUS="true")
        assert load_settings().open_listeners == ["0.0.0.0"]

    @pytest.mark.parametrize(
        "variables",
        [
            # The embedded store's default.
            {"ALLOW_ANONYMOUS": "true"},
            # Keys protect the operations, not the outbox.
            {"AUTH__KEYS_FILE": "keys.json", "DEV__CAPTURE": "true"},
        ],
    )
    def test_do_not_show_others_what_was_captured(self, monkeypatch, variables):
        said = refusal(monkeypatch, HTTP__HOST="0.0.0.0", **variables)
        assert said.startswith("HUB_HTTP__HOST=0.0.0.0 can be reached by others, and capture would show them")

    def test_unless_both_are_said_explicitly(self, monkeypatch):
        set_to(monkeypatch, HTTP__HOST="0.0.0.0", ALLOW_ANONYMOUS="true", DEV__CAPTURE="true")
        assert load_settings().captures

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
    def test_loopback_needs_nothing(self, monkeypatch, host):
        set_to(monkeypatch, HTTP__HOST=host)
        assert load_settings().http.host == host
        assert is_loopback(host)

    @pytest.mark.parametrize(
        ("host", "url_host"),
        [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("192.0.2.1", "192.0.2.1"), ("a.test", "a.test")],
    )
    def test_are_reached_from_here(self, host, url_host):
        assert own_address(host) == url_host


class TestCheckConfig:
    def test_prints_every_setting_as_its_variable_with_secrets_masked(self, monkeypatch, capsys):
        set_to(
            monkeypatch,
            MONGO__URL=MONGO,
            AMQP__URL=AMQP,
            HTTP__PORT="9000",
            CHANNELS__EMAIL__HOST="smtp.example.test",
            CHANNELS__EMAIL__USERNAME="hub",
            CHANNELS__EMAIL__PASSWORD="hunter4",
            CHANNELS__EMAIL__SENDER_ADDRESS="hub@example.test",
        )
        assert main(["check-config"]) == 0
        printed = capsys.readouterr().out
        lines = printed.splitlines()
        assert "HUB_HTTP__PORT=9000" in lines
        assert "HUB_MONGO__URL=**********" in lines
        assert "HUB_AMQP__URL=**********" in lines
        assert "HUB_CHANNELS__EMAIL__HOST=smtp.example.test" in lines
        assert "HUB_CHANNELS__EMAIL__PASSWORD=**********" in lines
        assert "hunter" not in printed
        names = {line.split("=")[0] for line in lines}
        assert {f"HUB_{name.upper()}" for name in ("role", "data_dir", "secrets_dir", "liveness_file")} <= names
        assert all(name.startswith("HUB_") for name in names)

    def test_says_what_is_wrong_in_one_line(self, monkeypatch, capsys):
        set_to(monkeypatch, MNOGO__URL=MONGO)
        assert main(["check-config"]) == EXIT_REFUSED
        assert capsys.readouterr() == ("", "hub: HUB_MNOGO__URL is not a setting\n")

    def test_a_secrets_folder_that_is_none_too(self, monkeypatch, capsys):
        set_to(monkeypatch, SECRETS_DIR="/nowhere/at/all")
        assert main(["check-config"]) == EXIT_REFUSED
        assert capsys.readouterr().err == "hub: HUB_SECRETS_DIR=/nowhere/at/all is not a folder\n"

    def test_a_repr_shows_no_secret(self, monkeypatch):
        set_to(monkeypatch, MONGO__URL=MONGO, AMQP__URL=AMQP)
        assert "hunter" not in repr(Settings())


class TestLimits:
    @pytest.mark.parametrize("text", ["100/second", "5000/hour", "5000 per 2 hours", "1 per day", " 7/ 10 minutes"])
    def test_are_written_as_the_library_writes_them(self, monkeypatch, text):
        set_to(monkeypatch, LIMITS__PER_CREDENTIAL=text, LIMITS__PER_RECIPIENT=text)
        limits = load_settings().limits
        assert (limits.per_credential, limits.per_recipient) == (text, text)

    @pytest.mark.parametrize("name", ["PER_CREDENTIAL", "PER_RECIPIENT"])
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "fast",
            "100",
            "100/fortnight",
            "0/second",
            "-1/second",
            "1.5/second",
            "100/second; 5000/hour",
            "5/2 years",
            "5/99999999999999999999 days",
            "1000000001/second",
        ],
    )
    def test_others_are_refused_by_name(self, monkeypatch, name, text):
        told = refusal(monkeypatch, **{f"LIMITS__{name}": text})
        assert told.startswith(f"HUB_LIMITS__{name}: must be such as 100/second")

    def test_there_are_none_by_default(self):
        limits = load_settings().limits
        assert (limits.per_credential, limits.per_recipient) == (None, None)
