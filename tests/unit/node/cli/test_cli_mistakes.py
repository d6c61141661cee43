"""Each mistake of a user is one sentence on standard error and an exit code other than 0, never a stack trace."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from nacl.pwhash import argon2id

from genesis.keystore import write_key_file
from genesis.testnet import create_testnet
from node.cli.main import main
from vm.primitives.keys import SigningKey

NOBODY = "http://127.0.0.1:9"
KEY = SigningKey(bytes(32))


def run(*arguments: str | Path, stdin: str = "", env: dict[str, str] | None = None) -> Result:
    return CliRunner(env={"ENTENTE_PASSPHRASE": None, **(env or {})}).invoke(main, list(map(str, arguments)), stdin)


def assert_one_sentence(result: Result, *words: str) -> None:
    assert result.exit_code in (1, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("Error: "), result.stderr
    assert result.exit_code == 2 or len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[-1], result.stderr


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A testnet that does not run."""
    create_testnet(tmp_path / "net", rpc_port=9745)
    return tmp_path / "net"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "encrypted.json"
    write_key_file(path, KEY, "right", ops=argon2id.OPSLIMIT_MIN, mem_bytes=argon2id.MEMLIMIT_MIN)
    return path


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of this machine on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_unknown_commands_and_options() -> None:
    assert_one_sentence(run("tesnet"), "No such command")
    assert_one_sentence(run("testnet", "start"), "No such command")
    assert_one_sentence(run("testnet", "status", "--dri", "x"), "No such option")


@pytest.mark.parametrize("command", ["down", "status", "logs"])
def test_no_testnet_in_the_folder(tmp_path: Path, command: str) -> None:
    assert_one_sentence(run("testnet", command, "--dir", tmp_path / "none"), "holds no testnet", "testnet up")


def test_port_in_use(tmp_path: Path, taken_port: int) -> None:
    arguments = ("--dir", tmp_path / "net", "--rpc-port", str(taken_port), "--p2p-port", "9845")
    assert_one_sentence(run("testnet", "up", "--detach", *arguments), str(taken_port), "in use", "--rpc-port")
    # The same command with other ports must not meet a testnet that has the taken ones.
    assert list((tmp_path / "net").iterdir()) == []


def test_peer_port_in_use(tmp_path: Path, taken_port: int) -> None:
    arguments = ("--dir", tmp_path / "net", "--rpc-port", "9845", "--p2p-port", str(taken_port))
    assert_one_sentence(run("testnet", "up", *arguments), str(taken_port), "in use")


def test_up_in_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    assert_one_sentence(run("testnet", "up", "--reset", "--dir", tmp_path), "is not empty")
    assert (tmp_path / "note.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--validators", "3"), "4<=x<=13"),
        (("--rpc-port", "65534"), "65535"),
        (("--clock", "tomorrow@2"), "ISO-8601"),
        (("--clock", "2026-01-01"), "START@RATE"),
    ],
)
def test_up_with_unusable_options(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    assert_one_sentence(run("testnet", "up", "--dir", tmp_path / "net", *arguments), word)
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--validators", "5"), ("--rpc-port", "8545"), ("--p2p-port", "8546"), ("--clock", "2026-01-01@2")],
)
def test_up_with_options_that_contradict_the_testnet(net: Path, option: str, value: str) -> None:
    assert_one_sentence(run("testnet", "up", "--dir", net, option, value), option, "--reset")


def test_a_damaged_manifest(net: Path) -> None:
    (net / "testnet.json").write_text("{")
    assert_one_sentence(run("testnet", "status", "--dir", net), "is damaged")


def test_unknown_brand_and_account(net: Path) -> None:
    assert_one_sentence(run("testnet", "logs", "--dir", net, "zeta"), "no brand 'zeta'", "aurora")
    assert_one_sentence(
        run("call", "token.burn", "--dir", net, "--account", "zeta"), "no account 'zeta'", "aurora-admin"
    )


def test_a_node_without_a_home_or_a_key(tmp_path: Path, net: Path) -> None:
    assert_one_sentence(run("node", "start", "--home", tmp_path / "none"), "does not exist", "node init")
    assert_one_sentence(run("node", "start", "--home", tmp_path), "node.toml does not exist")
    (net / "aurora" / "key.json").unlink()
    assert_one_sentence(run("node", "start", "--home", net / "aurora"), "key.json does not exist")


def test_a_node_with_a_bad_configuration(net: Path) -> None:
    (net / "aurora" / "node.toml").write_text("rpc_port = 70000")
    assert_one_sentence(run("node", "start", "--home", net / "aurora"), "node.toml", "rpc_port")


def test_a_node_with_a_wrong_passphrase(net: Path, key_file: Path) -> None:
    (net / "aurora" / "key.json").write_bytes(key_file.read_bytes())
    home = ("node", "start", "--home", net / "aurora")
    assert_one_sentence(run(*home, env={"ENTENTE_PASSPHRASE": "wrong"}), "wrong passphrase")
    assert_one_sentence(run(*home), "ENTENTE_PASSPHRASE", "--passphrase-file")


@pytest.mark.parametrize(
    "arguments",
    [
        ("view", "identity", "brands", "--rpc", NOBODY),
        ("tx", "show", "ab" * 32, "--rpc", NOBODY),
        ("node", "status", "--rpc", NOBODY),
        ("view", "identity", "brands", "--rpc", "not a url"),
    ],
)
def test_no_node_answers(arguments: tuple[str, ...]) -> None:
    assert_one_sentence(run(*arguments), "no node answers")


def test_a_testnet_that_does_not_run(net: Path) -> None:
    assert_one_sentence(run("view", "identity", "brands", "--dir", net), "no node answers at http://127.0.0.1:9745")
    assert_one_sentence(run("node", "status", "--home", net / "basil"), "no node answers at http://127.0.0.1:9746")
    assert_one_sentence(run("node", "status"), "--home")
    assert_one_sentence(run("view", "identity", "brands", "--dir", net / "none"), "holds no testnet")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("call", "burn", "--key", "k"), "MODULE.METHOD"),
        (("call", "token.burn"), "nobody signs"),
        (("call", "token.burn", "amount", "--key", "k"), "NAME=VALUE"),
        (("call", "token.burn", "=5", "--key", "k"), "NAME=VALUE"),
        (("call", "token.burn", "amount=1", "amount=2", "--key", "k"), "given twice"),
        (("call", "token.burn", "amount=1.5", "--key", "k"), "no integer"),
        (("call", "token.burn", f"amount={2**53}", "--key", "k"), "no integer"),
        (("call", "token.burn", "amount=" + "9" * 5_000, "--key", "k"), "no integer"),
        (("call", "token.burn", "amount=" + "[" * 100_000, "--key", "k"), "nested too deep"),
        (("call", "token.burn", "--key", "/nowhere/key.json"), "does not exist"),
        (("tx", "show", "xyz"), "64 hex digits"),
        (("tx", "send", "/nowhere/tx"), "does not exist"),
    ],
)
def test_transactions_that_cannot_be_made(arguments: tuple[str, ...], word: str) -> None:
    assert_one_sentence(run(*arguments, "--rpc", NOBODY), word)


def test_transaction_files_that_hold_none(tmp_path: Path) -> None:
    file = tmp_path / "tx"
    for text, word in (("", "hex"), ("zz", "hex"), ("00", "no transaction"), ("abc", "hex")):
        file.write_text(text)
        assert_one_sentence(run("tx", "send", file, "--rpc", NOBODY), word)
    assert_one_sentence(run("tx", "send", "-", "--rpc", NOBODY, stdin="00\n"), "no transaction")


def test_bad_genesis(tmp_path: Path, net: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text("{}")
    assert_one_sentence(run("genesis", "show", file), "genesis document is not usable")
    assert_one_sentence(run("genesis", "show", tmp_path / "none"), "cannot be read")
    assert_one_sentence(run("node", "init", "--home", tmp_path / "home", "--genesis", file), "not usable")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--validator", "aurora"), "NAME=VALUE"),
        (("--validator", "aurora=" + "ab" * 32), "at least 4"),
        (("--validator", "aurora=x", "--admin", "aurora=ent1x"), "is no address"),
        (("--validator", "aurora=x", "--param", "speed=1"), "no parameter 'speed'"),
        (("--validator", "aurora=x", "--param", "window_blocks=many"), "is an integer"),
        (("--validator", "aurora=x", "--param", f"max_tx_cost={2**53}"), "from 0 to 2^53 − 1"),
        (("--validator", "aurora=x", "--param", "max_tx_cost=" + "9" * 5_000), "from 0 to 2^53 − 1"),
    ],
)
def test_genesis_new_with_unusable_values(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    assert_one_sentence(run("genesis", "new", tmp_path / "g.json", "--name", "test", *arguments), word)
    assert not (tmp_path / "g.json").exists()


@pytest.mark.parametrize(
    "peer",
    [
        "",
        "ab@host:1",
        *("ab" * 32 + address for address in ("@host", "@:1", "@host:70000", "@host:0", "@host:" + "9" * 5_000)),
    ],
)
def test_node_init_with_an_unusable_peer(tmp_path: Path, net: Path, peer: str) -> None:
    arguments = ("--home", tmp_path / "home", "--genesis", net / "genesis.json", "--unencrypted", "--peer", peer)
    assert_one_sentence(run("node", "init", *arguments), "peer")
    assert not (tmp_path / "home").exists()


def test_keys(tmp_path: Path, key_file: Path) -> None:
    new = tmp_path / "new.json"
    assert_one_sentence(run("keys", "new", new), "ENTENTE_PASSPHRASE")
    assert_one_sentence(run("keys", "new", new, env={"ENTENTE_PASSPHRASE": ""}), "empty")
    assert_one_sentence(run("keys", "new", new, "--passphrase-file", tmp_path / "none"), "cannot be read")
    assert_one_sentence(run("keys", "new", key_file, "--unencrypted"), "exists already")
    assert_one_sentence(run("keys", "show", new), "does not exist")
    assert_one_sentence(run("keys", "export", key_file, env={"ENTENTE_PASSPHRASE": "wrong"}), "wrong passphrase")
    assert_one_sentence(run("keys", "import", new, "--unencrypted", stdin="00\n"), "hex digits")
    assert not new.exists()


def test_verify(tmp_path: Path, net: Path) -> None:
    file = tmp_path / "proof.json"
    genesis = ("--genesis", net / "genesis.json")
    assert_one_sentence(run("verify", "state", file, *genesis), "does not exist")
    file.write_text("{")
    assert_one_sentence(run("verify", "state", file, *genesis), "is not JSON")
    for text in ("{}", "null", '{"jsonrpc": "2.0", "error": {}}', "[]"):
        file.write_text(text)
        assert_one_sentence(run("verify", "state", file, *genesis), "not proved")
        assert_one_sentence(run("verify", "receipt", file, *genesis), "not proved")
