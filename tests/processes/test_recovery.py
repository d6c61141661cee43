"""Validators that lose their log, or the room on their disk, with real processes: they never sign twice."""

from __future__ import annotations

import json
import random
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.assembly.process import EXIT_DISK
from node.votes.write_ahead_log import WriteAheadLog
from tests.support.closed_load import Load
from tests.support.network import LocalNetwork, start_node
from tests.support.ports import free_ports
from tests.support.programs import PROGRAM
from tests.support.same_chain import wait_same_head

pytestmark = pytest.mark.integration

VICTIM = 3
SEED = 8_307
RECOVERED = "recovered: this validator signs from height"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    """A network with points to transfer."""
    with LocalNetwork(tmp_path_factory.mktemp("net") / "testnet") as running:
        running.send(0, "aurora-admin", ("token.create_program", PROGRAM))
        to, _ = running.account("aurora-admin")
        running.send(
            0, "aurora-admin", ("token.issue", {"program": "miles", "to": to, "amount": 10**6, "ref": "f"})
        )
        yield running


@pytest.fixture(scope="module", autouse=True)
def load(network: LocalNetwork) -> Iterator[Load]:
    """A client that transfers all the time, and keeps its receipts."""
    load = Load(network, "aurora-admin", "dune-admin")
    load.start()
    yield load
    load.finish()
    assert load.receipts


def log_of(network: LocalNetwork, index: int) -> str:
    return (network.home(index) / "node.log").read_text(errors="replace")


def wait_sealing(network: LocalNetwork, index: int) -> None:
    """Wait until a block that is not decided yet holds a validator's seal."""
    key = network.call(index, "node_info")["public_key"]
    now = network.height(0)

    def has_sealed() -> bool:
        validators = network.call(0, "chain_validators")["validators"]
        return any(v["public_key"] == key and v["last_seal"] > now for v in validators)

    network.wait_for(has_sealed, f"validator {index} seals again")


def wait_said(network: LocalNetwork, index: int, text: str, times: int = 1) -> None:
    """Wait until a validator's log holds a text."""
    network.wait_for(lambda: log_of(network, index).count(text) >= times, text)


def answers(network: LocalNetwork, index: int) -> bool:
    try:
        network.call(index, "node_info")
    except OSError:
        return False
    return True


def check_no_evidence(network: LocalNetwork) -> None:
    for index in network.processes:
        assert network.call(index, "node_consensus")["evidence"] == []


def entente(*arguments: str) -> dict[str, Any]:
    """Run a command of the command line, and return what it prints for machines."""
    command = [sys.executable, "-m", "node.cli.main", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    fields: dict[str, Any] = json.loads(done.stdout)
    return fields


def recover(network: LocalNetwork, index: int) -> dict[str, Any]:
    return entente("node", "recover", "--home", str(network.home(index)))


def test_a_lost_log_makes_the_validator_follow_before_it_signs(network: LocalNetwork) -> None:
    network.kill(VICTIM)
    shutil.rmtree(network.home(VICTIM) / "wal")
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    wait_said(network, VICTIM, RECOVERED)
    wait_sealing(network, VICTIM)
    check_no_evidence(network)


def test_a_wiped_validator_follows_before_it_signs(network: LocalNetwork) -> None:
    """Everything is lost but key, configuration and genesis (besu#8307): one just starts it."""
    network.kill(VICTIM)
    for folder in ("data", "wal"):
        shutil.rmtree(network.home(VICTIM) / folder)
    before = log_of(network, VICTIM).count(RECOVERED)
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    wait_said(network, VICTIM, RECOVERED, times=before + 1)
    wait_sealing(network, VICTIM)
    network.kill(0)  # now the others need it
    reached = network.height(1) + 5
    network.wait_for(lambda: network.height(VICTIM) >= reached, "blocks that it seals")
    network.start(0)
    network.wait_ready([0])
    check_no_evidence(network)


def test_all_killed_at_one_moment_five_times_lose_nothing_and_go_on(network: LocalNetwork, load: Load) -> None:
    choice = random.Random(SEED)
    for _ in range(5):
        reached = network.height(0) + choice.randint(1, 8)
        network.wait_for(lambda reached=reached: network.height(0) >= reached, f"height {reached}")
        killed = [network.processes.pop(index) for index in range(4)]
        for process in killed:
            process.kill()
        for process in killed:
            process.wait(timeout=30)
        for index in choice.sample(range(4), 4):
            network.start(index)
            time.sleep(choice.random())
        network.wait_ready()
    wait_same_head(network, [0, 1, 2, 3])
    receipts = list(load.receipts.items())
    for number, (tx_id, receipt) in enumerate(receipts):
        assert network.call(number % 4, "chain_receipt", id=tx_id) == receipt
    check_no_evidence(network)


def test_a_damaged_log_is_refused_and_repaired_by_the_command(network: LocalNetwork) -> None:
    network.kill(VICTIM)
    path = network.home(VICTIM) / "wal" / "consensus.wal"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    network.start(VICTIM)
    assert network.processes.pop(VICTIM).wait(timeout=60) == 1
    assert f"entente node recover --home {network.home(VICTIM)}" in log_of(network, VICTIM)
    found = recover(network, VICTIM)
    assert "damaged" in found["log"]
    assert found["recovering"] is True
    assert path.with_name("consensus.wal.damaged-1").read_bytes() == data
    again = recover(network, VICTIM)
    assert (again["log"], again["recovering"]) == ("whole, but votes are missing in it", True)
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    wait_sealing(network, VICTIM)
    check_no_evidence(network)


def test_a_copied_home_is_found_out_by_its_own_seals(network: LocalNetwork) -> None:
    home = network.home(VICTIM)
    network.kill(VICTIM)
    copy = home.with_name("copy")
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("admin.sock"))
    before = log_of(network, VICTIM).count(RECOVERED)
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    reached = network.height(VICTIM) + 20
    network.wait_for(lambda: network.height(VICTIM) >= reached, "20 more blocks")
    network.kill(VICTIM)
    shutil.rmtree(home)
    copy.rename(home)
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    wait_said(network, VICTIM, "of which its log knows nothing")
    wait_said(network, VICTIM, RECOVERED, times=before + 1)
    wait_sealing(network, VICTIM)
    check_no_evidence(network)


def test_a_validator_without_its_chain_signs_nothing_below_its_log(network: LocalNetwork) -> None:
    """The log has left its votes behind, as rotation does; the chain is gone, and no peer tells so."""
    for index in range(4):
        network.kill(index)
    home = network.home(VICTIM)
    log = WriteAheadLog(home / "wal")
    log.begin_signing()  # replaces the file by one without votes, whose floor is the greatest height
    signed, highest = log.mark.sequence, log.highest
    log.close()
    shutil.rmtree(home / "data")
    network.start(VICTIM)
    wait_said(network, VICTIM, "knows of no write-ahead log, and there is one of height")
    network.wait_for(lambda: answers(network, VICTIM), "its gateway")
    to, _ = network.account("aurora-admin")
    address, key = network.account("dune-admin")
    raw = network.sign(address, key, [("token.transfer", {"program": "miles", "to": to, "amount": 1})])
    waiting = {"jsonrpc": "2.0", "id": 1, "method": "tx_send", "params": {"tx": raw, "timeout_ms": 4_000}}
    assert "error" in network.post(VICTIM, waiting), "work that it cannot decide alone"
    reasons = network.call(VICTIM, "node_health")["reasons"]
    assert any(reason.startswith("recovering: ") for reason in reasons), reasons
    network.kill(VICTIM)
    log = WriteAheadLog(home / "wal")
    assert (log.mark.sequence, log.highest) == (signed, highest)
    log.close()
    before = log_of(network, VICTIM).count(RECOVERED)
    for index in range(4):
        network.start(index)
    network.wait_ready()
    wait_said(network, VICTIM, RECOVERED, times=before + 1)
    wait_sealing(network, VICTIM)
    check_no_evidence(network)


@pytest.mark.parametrize("file", ["wal/consensus.wal", "data"])
def test_a_disk_that_refuses_ends_the_process_and_nothing_is_lost(network: LocalNetwork, file: str) -> None:
    network.wait_ready([VICTIM])
    path = network.home(VICTIM) / file
    written = max(f.stat().st_size for f in path.glob("*.log")) if path.is_dir() else path.stat().st_size
    process = network.processes.pop(VICTIM)
    # What would grow beyond its present size fails with EFBIG: the vote log, or LevelDB's.
    limit = written + 2_000
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    assert process.wait(timeout=60) == EXIT_DISK
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    wait_sealing(network, VICTIM)
    wait_same_head(network, [0, 1, 2, 3])
    check_no_evidence(network)


def test_a_backup_of_a_running_node_brings_another_one_back(network: LocalNetwork, tmp_path: Path) -> None:
    home, file = network.home(VICTIM), tmp_path / "backup"
    made = entente("backup", "--home", str(network.home(0)), "--to", str(file))
    assert made["online"] is True
    network.kill(VICTIM)
    shutil.rmtree(home / "data")
    shutil.rmtree(home / "wal")
    genesis = home / "genesis.json"
    restored = entente("restore", str(file), "--home", str(home), "--genesis", str(genesis))
    assert (restored["height"], restored["recovering"]) == (made["height"], True)
    stopped = entente("backup", "--home", str(home), "--to", str(tmp_path / "again"))
    assert (stopped["online"], stopped["height"]) == (False, made["height"])
    before = log_of(network, VICTIM).count(RECOVERED)
    network.start(VICTIM)
    wait_said(network, VICTIM, RECOVERED, times=before + 1)
    wait_sealing(network, VICTIM)
    wait_same_head(network, [0, 1, 2, 3])
    check_no_evidence(network)


def test_a_home_that_runs_twice_falls_silent_in_both_processes(network: LocalNetwork) -> None:
    home, copy = network.home(VICTIM), network.home(VICTIM).with_name("twin")
    network.wait_ready([VICTIM])
    network.kill(VICTIM)
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("admin.sock", "node.log"))
    config, ports = copy / "node.toml", free_ports(2)
    text = re.sub(r"(?m)^rpc_port = \d+", f"rpc_port = {ports}", config.read_text())
    config.write_text(re.sub(r"(?m)^p2p_port = \d+", f"p2p_port = {ports + 1}", text))
    network.start(VICTIM)
    twin = start_node(copy)
    try:
        silenced = "signs no more until an operator has ended all but one"
        network.wait_for(lambda: silenced in log_of(network, VICTIM), "the validator is silenced")
        network.wait_for(lambda: silenced in (copy / "node.log").read_text(), "its twin is silenced")
        reasons = network.call(VICTIM, "node_health")["reasons"]
        assert any(reason.startswith("silenced: another process signs") for reason in reasons), reasons
    finally:
        twin.kill()
        twin.wait(timeout=30)
    network.kill(VICTIM)
    found = recover(network, VICTIM)
    assert (found["recovering"], "another process has signed" in found["log"]) == (True, True)
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    wait_sealing(network, VICTIM)
