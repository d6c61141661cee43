"""Commands that speak to a node: what they send, what they print, and their exit codes.

A small HTTP server (`tests.support.fake_node`) stands for the node.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genesis.testnet import create_testnet, load_manifest
from tests.support.fake_node import CHAIN, INFO, KEY, RECEIPT, FakeNode, run
from vm.primitives.address import address_of_key
from vm.transaction import encode_body, parse_body, parse_transaction, sign_body, signatures_valid

REFUSAL = {"code": "CAP_EXCEEDED", "message": "too much", "op": 0, "details": {"cap": 3}}
FAILED = {**RECEIPT, "status": "failed", "results": [], "error": REFUSAL}


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
