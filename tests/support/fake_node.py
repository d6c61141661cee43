"""A small HTTP server that stands for a node, and the command line that speaks to it.

The server answers what a test says and keeps what it was asked.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from node.cli.main import main
from vm.primitives.keys import SigningKey

KEY = SigningKey(bytes(range(32)))
CHAIN = "test-0123456789abcdef"
RECEIPT = {"id": "ab" * 32, "height": 7, "index": 0, "status": "ok", "results": [5], "events": [], "cost": 9}
INFO = {
    "chain": CHAIN,
    "height": 7,
    "time": 1_770_000_000_000,
    "clock": 1_770_000_001_000,
    "clock_rate": 1,
    "max_tx_ttl_ms": 600_000,
}


class FakeNode:
    """Answers JSON-RPC from a table of answers, or functions of the parameters.

    `asked` keeps (method, params, authorization).
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "node_info": INFO,
            "node_health": {"live": True, "ready": True, "reasons": []},
            "chain_head": {"header": None, "digest": "00", "certificate": None},
        }
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []
        self.ready = True
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(200 if node.ready and self.path == "/ready" else 503, b"{}")

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                node.asked.append((request["method"], request["params"], self.headers.get("Authorization")))
                answer = node.answers[request["method"]]
                if callable(answer):
                    answer = answer(request["params"])
                kind = "error" if isinstance(answer, dict) and "code" in answer else "result"
                body = {"jsonrpc": "2.0", "id": request["id"], kind: answer}
                self._send(200, json.dumps(body).encode())

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Say nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def params_of(self, method: str) -> dict[str, Any]:
        """Return the parameters of the one call of a method."""
        (params,) = [params for name, params, _ in self.asked if name == method]
        return params

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def run(*arguments: str | Path, env: dict[str, str] | None = None, stdin: str = "") -> Result:
    runner = CliRunner(env={"ENTENTE_PASSPHRASE": None, **(env or {})})
    return runner.invoke(main, list(map(str, arguments)), stdin)
