"""docker/healthcheck.py asks the node of a home whether it is ready, and prints why not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.docker_scripts import load_script

REASONS = b'{"live":true,"ready":false,"reasons":["syncing: height 0 of 7"]}'


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("healthcheck")


class Ready(BaseHTTPRequestHandler):
    """Answers `GET /ready` with the server's status."""

    def do_GET(self) -> None:
        status: int = self.server.status if self.path == "/ready" else 404  # type: ignore[attr-defined]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(REASONS)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HTTPServer]:
    """A node's HTTP server, which the node.toml in `tmp_path` names."""
    server = HTTPServer(("127.0.0.1", 0), Ready)
    (tmp_path / "node.toml").write_text(f"rpc_port = {server.server_port}\n")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_node_that_is_ready_is_healthy(script: ModuleType, server: HTTPServer, tmp_path: Path) -> None:
    server.status = 200  # type: ignore[attr-defined]
    assert script.check(tmp_path) is None


def test_the_reasons_of_a_node_that_is_not_ready_are_told(
    script: ModuleType, server: HTTPServer, tmp_path: Path
) -> None:
    server.status = 503  # type: ignore[attr-defined]
    assert script.check(tmp_path) == f"503 {REASONS.decode()}"


@pytest.mark.parametrize("settings", [None, "rpc_port = 1\n", "rpc_port = [\n"])
def test_a_home_or_a_port_without_a_node_is_told(script: ModuleType, tmp_path: Path, settings: str | None) -> None:
    if settings is not None:
        (tmp_path / "node.toml").write_text(settings)
    assert "Error" in script.check(tmp_path)
