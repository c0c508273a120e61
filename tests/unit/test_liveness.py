"""The health check of containers: a fresh file, and an answer where HTTP is served."""

from __future__ import annotations

import http.server
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.admin.liveness import STALE_SECONDS, complaint, main


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    named = tmp_path / "alive"
    monkeypatch.setenv("HUB_LIVENESS_FILE", str(named))
    return named


@pytest.fixture
def url() -> Iterator[str]:
    """Something that answers 200 at /livez and 404 elsewhere."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_fresh_file_is_enough_without_http(file):
    file.write_text("")
    assert complaint(file) is None
    assert main() == 0


def test_none_means_not_started(file, capsys):
    assert main() == 1
    assert "has not started yet" in capsys.readouterr().err


def test_a_stale_one_means_a_loop_that_stands_still(file):
    file.write_text("")
    long_ago = time.time() - STALE_SECONDS - 5
    os.utime(file, (long_ago, long_ago))
    assert "has not turned for 2" in str(complaint(file))


def test_where_http_is_served_it_must_answer(file, url, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    file.write_text(f"{url}/livez")
    assert complaint(file) is None
    file.write_text(f"{url}/other")
    assert "404" in str(complaint(file))


def test_nobody_there(file, capsys):
    file.write_text("http://127.0.0.1:9/livez")
    assert main() == 1
    assert "http://127.0.0.1:9/livez" in capsys.readouterr().err


def test_it_must_be_told_the_file(monkeypatch, capsys):
    monkeypatch.delenv("HUB_LIVENESS_FILE", raising=False)
    assert main() == 1
    assert capsys.readouterr().err == "HUB_LIVENESS_FILE is not set\n"
