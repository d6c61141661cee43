"""Commands that speak to a node: what they send, what they print, and their exit codes.

A small HTTP server stands for the node: it answers what a test says and keeps what it was asked.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from genesis.keystore import write_key_file
from genesis.testnet import create_testnet, load_manifest
from node.cli.main import main
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, parse_body, parse_transaction, sign_body, signatures_valid

KEY = SigningKey(bytes(range(32)))
CHAIN = "test-0123456789abcdef"
RECEIPT = {"id": "ab" * 32, "height": 7, "index": 0, "status": "ok", "results": [5], "events": [], "cost": 9}
REFUSAL = {"code": "CAP_EXCEEDED", "message": "too much", "op": 0, "details": {"cap": 3}}
FAILED = {**RECEIPT, "status": "failed", "results": [], "error": REFUSAL}
INFO = {
    "chain": CHAIN,
    "height": 7,
    "time": 1_770_000_000_000,
    "clock": 1_770_000_001_000,
    "clock_rate": 1,
    "max_tx_ttl_ms": 600_000,
}


class FakeNode:
    """Answers JSON-RPC from a table; `asked` keeps (method, params, authorization)."""

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


@pytest.fixture
def node() -> Iterator[FakeNode]:
    made = FakeNode()
    yield made
    made.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    write_key_file(tmp_path / "key.json", KEY, None)
    return tmp_path / "key.json"


def run(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env={"ENTENTE_PASSPHRASE": None, **(env or {})}).invoke(main, list(map(str, arguments)))


def test_call_sends_one_signed_operation(node: FakeNode, key_file: Path) -> None:
    node.answers["tx_send"] = RECEIPT
    result = run(
        "call", "token.issue", "program=points", "amount=5", "--key", key_file, "--rpc", node.url, "--json"
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == RECEIPT
    tx = parse_transaction(bytes.fromhex(node.params_of("tx_send")["tx"]))
    assert signatures_valid(tx)
    assert tx.body.chain == CHAIN
    assert tx.body.sender == address_of_key(KEY.public_key)
    assert tx.body.ops == [("token.issue", {"amount": 5, "program": "points"})]
    assert INFO["time"] < tx.body.expires <= INFO["time"] + 600_000
    assert "unencrypted" in result.stderr


def test_call_prints_a_receipt_for_people(node: FakeNode, key_file: Path) -> None:
    node.answers["tx_send"] = {**RECEIPT, "events": [{"op": 0, "type": "token.issued", "data": {"amount": 5}}]}
    lines = run("call", "token.issue", "--key", key_file, "--rpc", node.url).stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["id", RECEIPT["id"]],
        ["status", "ok"],
        ["height", "7"],
        ["cost", "9"],
        ["result", "5"],
        ["event", "token.issued", '{"amount":', "5}"],
    ]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_failed_receipt_is_exit_code_1(node: FakeNode, key_file: Path, form: tuple[str, ...]) -> None:
    node.answers["tx_send"] = FAILED
    result = run("call", "token.issue", "--key", key_file, "--rpc", node.url, *form)
    assert result.exit_code == 1
    if form:
        assert json.loads(result.stdout) == FAILED
    else:
        assert "CAP_EXCEEDED: too much" in result.stdout
        assert '{"cap": 3}' in result.stdout


def test_several_keys_co_sign_and_the_first_sends(node: FakeNode, key_file: Path, tmp_path: Path) -> None:
    create_testnet(tmp_path / "net", seed=b"rpc")
    account = load_manifest(tmp_path / "net").account("basil-admin")
    node.answers["tx_send"] = RECEIPT
    signers = ("--account", "basil-admin", "--key", key_file, "--dir", tmp_path / "net")
    assert run("call", "identity.claim", *signers, "--memo", "hello", "--rpc", node.url).exit_code == 0
    tx = parse_transaction(bytes.fromhex(node.params_of("tx_send")["tx"]))
    assert signatures_valid(tx)
    assert tx.body.sender == account.address
    assert tx.body.signers == sorted([account.key().public_key, KEY.public_key])
    assert tx.body.memo == "hello"


def test_simulate_sends_a_body_and_nothing_else(node: FakeNode, key_file: Path) -> None:
    node.answers["tx_simulate"] = FAILED
    result = run("call", "token.issue", "amount=5", "--key", key_file, "--simulate", "--rpc", node.url)
    assert result.exit_code == 1
    body = parse_body(bytes.fromhex(node.params_of("tx_simulate")["body"]))
    assert body.ops == [("token.issue", {"amount": 5})]
    assert "tx_send" not in [method for method, _, _ in node.asked]


def test_tx_send_and_simulate_from_a_file(node: FakeNode, tmp_path: Path) -> None:
    body = encode_body(CHAIN, address_of_key(KEY.public_key), 1, 2, [("token.burn", {})])
    raw = sign_body(body, [KEY])
    node.answers |= {"tx_send": RECEIPT, "tx_simulate": RECEIPT}
    (tmp_path / "tx").write_text(raw.hex() + "\n")
    (tmp_path / "body").write_text(body.hex())
    assert run("tx", "send", tmp_path / "tx", "--rpc", node.url).exit_code == 0
    assert node.params_of("tx_send")["tx"] == raw.hex()
    for name in ("tx", "body"):
        node.asked.clear()
        assert run("tx", "simulate", tmp_path / name, "--rpc", node.url).exit_code == 0
        assert node.params_of("tx_simulate") == {"body": body.hex()}


def test_view_names_the_method_and_prints_json(node: FakeNode) -> None:
    node.answers["token_balance"] = {"available": 5}
    result = run("view", "token", "balance", "program=points", "limit=3", "--rpc", node.url)
    assert json.loads(result.stdout) == {"available": 5}
    assert node.params_of("token_balance") == {"program": "points", "limit": 3}


def test_tx_show(node: FakeNode) -> None:
    answer = {"transaction": {"id": "ab" * 32}, "status": "committed", "receipt": RECEIPT}
    node.answers["chain_transaction"] = answer
    assert json.loads(run("tx", "show", "ab" * 32, "--rpc", node.url, "--json").stdout) == answer
    assert "status: committed" in run("tx", "show", "ab" * 32, "--rpc", node.url).stdout


def test_a_refusal_is_one_sentence_with_its_reason(node: FakeNode) -> None:
    node.answers["chain_transaction"] = {
        "code": -32001,
        "message": "no such transaction",
        "data": {"reason": "NOT_FOUND"},
    }
    result = run("tx", "show", "ab" * 32, "--rpc", node.url)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "Error: no such transaction (NOT_FOUND)\n"


def test_the_node_and_its_key_can_come_from_the_environment(node: FakeNode) -> None:
    node.answers["identity_brands"] = []
    env = {"ENTENTE_RPC": node.url, "ENTENTE_API_KEY": "sesame"}
    assert run("view", "identity", "brands", env=env).exit_code == 0
    assert node.asked == [("identity_brands", {}, "Bearer sesame")]


@pytest.mark.parametrize(("ready", "code"), [(True, 0), (False, 1)])
def test_node_status_says_by_its_exit_code_whether_it_is_ready(node: FakeNode, ready: bool, code: int) -> None:
    node.answers["node_health"] = {"live": True, "ready": ready, "reasons": [] if ready else ["syncing"]}
    result = run("node", "status", "--rpc", node.url, "--json")
    assert result.exit_code == code
    document = json.loads(result.stdout)
    assert (document["chain"], document["ready"]) == (CHAIN, ready)


def test_testnet_status_of_running_and_stopped_validators(node: FakeNode, tmp_path: Path) -> None:
    create_testnet(tmp_path / "net")
    manifest_file = tmp_path / "net" / "testnet.json"
    urls = {"http://127.0.0.1:8545": node.url}
    for i in range(1, 4):
        urls[f"http://127.0.0.1:{8545 + i}"] = f"http://127.0.0.1:{i}"
    text = manifest_file.read_text()
    for old, new in urls.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    manifest_file.write_text(text)
    node.answers["chain_head"] = {"header": {}, "digest": "00", "certificate": {"state_root": "cd" * 32}}
    result = run("testnet", "status", "--dir", tmp_path / "net", "--json")
    first, *others = json.loads(result.stdout)["validators"]
    assert (first["height"], first["state_root"], first["ready"]) == (7, "cd" * 32, True)
    assert [other["reason"] for other in others] == ["stopped"] * 3
    assert "cdcdcdcd" in run("testnet", "status", "--dir", tmp_path / "net").stdout
