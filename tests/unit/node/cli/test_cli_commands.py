"""What commands do and print where nothing is wrong and no node is needed."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from nacl.pwhash import argon2id

from genesis.document import Genesis
from genesis.keystore import load_key, write_key_file
from genesis.testnet import create_testnet, load_manifest
from node.cli import keys_commands, logs
from node.cli.main import COMMANDS, main
from node.cli.transaction_commands import parse_pairs
from node.runtime.config import load_config
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey

KEY = SigningKey(bytes(range(32)))


def run(*arguments: str | Path, stdin: str = "", env: dict[str, str] | None = None) -> Result:
    return CliRunner(env={"ENTENTE_PASSPHRASE": None, **(env or {})}).invoke(
        main, list(map(str, arguments)), stdin, prog_name="entente"
    )


def answer(*arguments: str | Path, stdin: str = "", env: dict[str, str] | None = None) -> Any:
    """Run with --json and return the one document on standard output."""
    result = run(*arguments, "--json", stdin=stdin, env=env)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    create_testnet(tmp_path / "net", rpc_port=9745, seed=b"cli", now_ms=1_770_000_000_000)
    return tmp_path / "net"


@pytest.fixture
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let key files cost the least that Argon2id allows; test_keystore tries the real cost once."""
    cheap = partial(write_key_file, ops=argon2id.OPSLIMIT_MIN, mem_bytes=argon2id.MEMLIMIT_MIN)
    monkeypatch.setattr(keys_commands, "write_key_file", cheap)


GROUPS = ["genesis", "keys", "node", "testnet", "tx", "verify"]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) > 5


@pytest.mark.parametrize("group", GROUPS)
def test_every_subcommand_has_help_in_whole_sentences(group: str) -> None:
    result = run(group, "--help")
    commands = result.stdout.partition("Commands:")[2]
    assert "..." not in commands, "a short help is cut off"
    names = [line.split()[0] for line in commands.splitlines() if line.strip()]
    assert names
    for name in names:
        detail = run(group, name, "--help")
        assert detail.exit_code == 0
        assert detail.stdout.startswith(f"Usage: entente {group} {name} ")


def test_the_root_lists_all_commands_without_importing_them() -> None:
    result = run("--help")
    assert all(f"  {name} " in result.stdout for name in COMMANDS)


@pytest.mark.usefixtures("cheap_passphrases")
def test_keys_new_show_export_import(tmp_path: Path) -> None:
    env = {"ENTENTE_PASSPHRASE": "secret"}
    shown = answer("keys", "new", tmp_path / "a.json", env=env)
    assert shown["encrypted"] is True
    assert answer("keys", "show", tmp_path / "a.json") == shown
    seed = answer("keys", "export", tmp_path / "a.json", env=env)["seed"]
    assert SigningKey(bytes.fromhex(seed)).public_key.hex() == shown["public_key"]
    imported = answer("keys", "import", tmp_path / "b.json", "--unencrypted", stdin=seed + "\n")
    assert imported == {**shown, "file": str(tmp_path / "b.json"), "encrypted": False}
    plain = run("keys", "export", tmp_path / "b.json")
    assert plain.stdout.strip() == seed
    assert "unencrypted" in plain.stderr


@pytest.mark.usefixtures("cheap_passphrases")
def test_passphrase_file(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("secret\n")
    answer("keys", "new", tmp_path / "a.json", "--passphrase-file", tmp_path / "passphrase")
    assert load_key(tmp_path / "a.json", lambda: "secret").encrypted


def test_a_new_key_makes_its_home_but_no_folders_above(tmp_path: Path) -> None:
    answer("keys", "new", tmp_path / "home" / "key.json", "--unencrypted")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    result = run("keys", "new", tmp_path / "typo" / "home" / "key.json", "--unencrypted")
    assert (result.exit_code, "cannot be written" in result.stderr) == (1, True)
    assert not (tmp_path / "typo").exists()


def test_genesis_new_validate_show(tmp_path: Path) -> None:
    brands = ["north", "south", "east", "west"]
    keys = {brand: SigningKey(bytes([i]) * 32).public_key for i, brand in enumerate(brands)}
    arguments: list[str | Path] = ["genesis", "new", tmp_path / "g.json", "--name", "compass"]
    for brand, key in keys.items():
        arguments += ["--validator", f"{brand}={key.hex()}", "--admin", f"{brand}={address_of_key(key)}"]
    arguments += ["--node", KEY.public_key.hex(), "--param", "block_interval_ms=500"]
    made = answer(*arguments)
    genesis = Genesis.load(tmp_path / "g.json")
    assert made["chain"] == genesis.chain
    assert made["operations"] == 4
    assert made["nodes"] == [KEY.public_key.hex()]
    assert genesis.document.params.block_interval_ms == 500
    assert answer("genesis", "show", tmp_path / "g.json") == made
    assert answer("genesis", "validate", tmp_path / "g.json")["valid"] is True
    again = run(*arguments)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_genesis_with_a_unit_of_the_alliance(tmp_path: Path) -> None:
    printed = run("genesis", "template")
    assert printed.exit_code == 0
    address = address_of_key(KEY.public_key)
    (tmp_path / "unit.toml").write_text(printed.stdout.replace("admins = []", f'admins = ["{address}"]'))
    arguments: list[str | Path] = ["genesis", "new", tmp_path / "g.json", "--name", "sky", "--unit"]
    arguments.append(tmp_path / "unit.toml")
    for number, brand in enumerate(["aurora", "basil", "comet", "dune"]):
        key = SigningKey(bytes([number]) * 32).public_key
        arguments += ["--validator", f"{brand}={key.hex()}", "--admin", f"{brand}={address_of_key(key)}"]
    # Four brands, the alliance's, three programs; for each member two treaties proposed and accepted, and credit.
    assert answer(*arguments)["operations"] == 4 + 1 + 3 + 2 * (4 + 2)
    assert answer("genesis", "validate", tmp_path / "g.json")["valid"] is True
    (tmp_path / "unit.toml").write_text(printed.stdout)
    refused = run(*arguments[:2], tmp_path / "h.json", *arguments[3:])
    assert refused.exit_code == 1
    assert "admins" in refused.stderr
    assert "Traceback" not in refused.output


def test_genesis_validate_lists_every_problem(net: Path) -> None:
    document = json.loads((net / "genesis.json").read_text())
    document.update(name="", time=-1)
    (net / "bad.json").write_text(json.dumps(document))
    result = run("genesis", "validate", net / "bad.json")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    result = run("genesis", "validate", net / "bad.json", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["valid"] is False


def test_genesis_validate_names_a_parameter_that_would_stop_the_chain(net: Path) -> None:
    document = json.loads((net / "genesis.json").read_text())
    document["params"]["max_tx_cost"] = 1
    (net / "bad.json").write_text(json.dumps(document))
    result = run("genesis", "validate", net / "bad.json")
    assert (result.exit_code, result.stderr.count("max_tx_cost must be at least 75000")) == (1, 1)


def test_genesis_validate_executes_the_operations(net: Path) -> None:
    document = json.loads((net / "genesis.json").read_text())
    document["ops"].append(["nobody.knows", {}])
    (net / "bad.json").write_text(json.dumps(document))
    result = run("genesis", "validate", net / "bad.json")
    assert result.exit_code == 1
    assert "nobody.knows" in result.stderr


def test_node_init_makes_a_home_that_can_be_loaded(tmp_path: Path, net: Path) -> None:
    peer = f"{KEY.public_key.hex()}@node.example:26545"
    home = tmp_path / "home"
    arguments = ("--genesis", net / "genesis.json", "--unencrypted", "--peer", peer, "--rpc-port", "9001")
    made = answer("node", "init", "--home", home, *arguments)
    assert made["chain"] == load_manifest(net).chain
    assert made["role"] == "not in the genesis document"
    config = load_config(home)
    assert (config.rpc_port, config.p2p_port) == (9001, 26_545)
    assert [(p.public_key, p.host, p.port) for p in config.peers] == [
        (KEY.public_key.hex(), "node.example", 26_545)
    ]
    assert Genesis.load(home / "genesis.json").chain == made["chain"]
    again = run("node", "init", "--home", home, *arguments)
    assert "is a node's home already" in again.stderr


def test_node_init_keeps_a_key_that_is_there(tmp_path: Path, net: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    key = (net / "basil" / "key.json").read_bytes()
    (home / "key.json").write_bytes(key)
    made = answer("node", "init", "--home", home, "--genesis", net / "genesis.json")
    assert made["role"] == "validator of basil"
    assert (home / "key.json").read_bytes() == key


def test_status_and_down_of_a_testnet_that_does_not_run(net: Path) -> None:
    status = answer("testnet", "status", "--dir", net)
    assert [(v["brand"], v["ready"], v["reason"]) for v in status["validators"]] == [
        (brand, False, "stopped") for brand in ("aurora", "basil", "comet", "dune")
    ]
    assert "no: stopped" in run("testnet", "status", "--dir", net).stdout
    assert answer("testnet", "down", "--dir", net) == {"stopped": []}


def test_logs(net: Path) -> None:
    for brand in ("aurora", "dune"):
        (net / brand / "node.log").write_text("".join(f"{brand} {i}\n" for i in range(5)))
    assert run("testnet", "logs", "--dir", net, "-n", "2").stdout.splitlines() == [
        "aurora   aurora 3",
        "aurora   aurora 4",
        "dune     dune 3",
        "dune     dune 4",
    ]
    assert run("testnet", "logs", "--dir", net, "dune", "-n", "1").stdout == "dune 4\n"


def test_followed_logs_show_whole_lines_once(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    validator = load_manifest(net).validators[0]
    log = net / "aurora" / "node.log"
    assert logs.print_from(validator, 0, named=False) == 0
    log.write_text("one\ntwo\nthr")
    position = logs.print_from(validator, 0, named=False)
    assert capsys.readouterr().out == "one\ntwo\n"
    with log.open("a") as more:
        more.write("ee\n")
    assert logs.print_from(validator, position, named=True) == 14
    assert capsys.readouterr().out == "aurora   three\n"
    log.write_text("anew\n")
    assert logs.print_from(validator, 14, named=False) == 5
    assert capsys.readouterr().out == "anew\n"


def test_the_directory_can_come_from_the_environment(net: Path) -> None:
    status = answer("testnet", "status", env={"ENTENTE_DIR": str(net)})
    assert status["chain"] == load_manifest(net).chain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("true", True),
        ('"5"', "5"),
        ("[1, 2]", [1, 2]),
        ('{"kind": "none"}', {"kind": "none"}),
        ("aurora-points", "aurora-points"),
        ("a=b", "a=b"),
        ("007", "007"),
        ("", ""),
        ("{broken", "{broken"),
        ("9007199254740991", 2**53 - 1),
    ],
)
def test_values_are_json_or_text(text: str, value: Any) -> None:
    parsed = parse_pairs([f"name={text}"])
    assert parsed == {"name": value}
    assert type(parsed["name"]) is type(value)
