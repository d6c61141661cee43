"""`entente load`: what its options mean, and what it refuses before it sends anything."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from genesis.keystore import write_key_file
from genesis.testnet import create_testnet
from node.cli import load_command
from node.cli.load_command import Options, _keys_of, _shape
from node.load.tally import Tally
from node.load.units import Shape
from node.terminal.output import CliError
from tests.support.fake_node import KEY, run
from vm.primitives.keys import SigningKey


def options(shape: Shape, rate: float | None = None, in_flight: int = 1_000) -> Options:
    return Options(shape, 30.0, rate, in_flight, None)


def test_requests_are_small_enough_to_come_evenly() -> None:
    assert _shape("transfer", 1, 1, None, 4_800).size == 100
    assert _shape("transfer", 1, 1, None, 40).size == 2
    assert _shape("issue", 100, 1, None, 1_000) == Shape("issue", 100, 1, 1)
    assert _shape("record", 1, 1, 200.0, 1_000).size == 10
    assert _shape("record", 1, 64, 200.0, 1_000).size == 64
    assert options(_shape("transfer", 1, 64, None, 1_000)).clients == 15


@pytest.fixture
def testnet(tmp_path: Path) -> Path:
    create_testnet(tmp_path / "net", rpc_port=27_900, p2p_port=27_910)
    return tmp_path / "net"


def test_mistakes_are_told_before_anything_is_sent(testnet: Path, tmp_path: Path) -> None:
    where = ("--dir", testnet, "--rpc", "http://127.0.0.1:1")
    for arguments, words in (
        (["--rate", "5", "--in-flight", "5"], "exclude each other"),
        (["--in-flight", "10"], "a request holds 64 units"),
        (["--batch-signatures", "1", "--in-flight", "50000"], "would take 500 connections"),
        (["--account", "nobody"], "there is no account 'nobody'"),
        (["--keys", tmp_path], "admin.json does not exist"),
        ([], "does the network run?"),
    ):
        result = run("load", *arguments, *where)
        assert result.exit_code in (1, 2)
        assert words in result.stderr, result.stderr
    assert "no validator of the testnet" in run("load", "--dir", testnet).stderr
    assert "'purchase' is not one of 'transfer', 'issue', 'record'" in run("load", "purchase", *where).stderr


def test_a_key_folder_brings_its_accounts_or_has_them_made(tmp_path: Path) -> None:
    write_key_file(tmp_path / "admin.json", KEY, None)
    keys = [SigningKey(bytes([n]) * 32) for n in (1, 2)]
    with click.Context(load_command.load):
        key, made = _keys_of(tmp_path, 7, None)
        assert (key.seed, len(made)) == (KEY.seed, 7)
        write_key_file(tmp_path / "a.json", keys[0], None)
        with pytest.raises(CliError, match="needs two accounts"):
            _keys_of(tmp_path, 7, None)
        write_key_file(tmp_path / "b.json", keys[1], None)
        _, accounts = _keys_of(tmp_path, 7, None)
    assert [accounts.key(n).seed for n in range(len(accounts))] == [key.seed for key in keys]


def measured(final: int, ended: bool) -> tuple[Tally, bool]:
    tally = Tally()
    tally.sent = final + 8
    tally.add_final(120.0, final)
    tally.failed["OUT_OF_BUDGET"] = 2
    tally.refused["TIMEOUT"] = 1
    tally.waited["POOL_FULL"] = 40
    tally.close(2.0)
    return tally, ended


def test_the_table_tells_rate_latency_and_all_that_was_not_final(
    testnet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_command, "_run", lambda *args: measured(1_000, False))
    result = run("load", "--dir", testnet, "--rpc", "http://127.0.0.1:1")
    assert result.exit_code == 0
    assert "interrupted" in result.stderr
    for words in ("1,000", "500.0", "OUT_OF_BUDGET", "TIMEOUT", "POOL_FULL", "when the load ended"):
        assert words in result.stdout


def test_json_is_one_document_and_nothing_final_is_a_failure(
    testnet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_command, "_run", lambda *args: measured(0, True))
    result = run("load", "issue", "--rate", "5", "--dir", testnet, "--rpc", "http://127.0.0.1:1", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["kind"], document["rate_wanted"], document["interrupted"]) == ("issue", 5.0, False)
    assert (document["refused"], document["waited"]) == ({"TIMEOUT": 1}, {"POOL_FULL": 40})
    assert document["unanswered"] == 5
