"""Bits that rot in a stopped validator's database: it is never ready with them, and says what heals it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from node.store import EngineName, Store
from node.store.engines import unchanging_suffix
from tests.support.engines import on_each_engine
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM

pytestmark = pytest.mark.integration

VICTIM = 3


def said(network: LocalNetwork) -> str:
    return network.log_file(VICTIM).read_text(errors="replace")


def flip(file: Path, offset: int) -> None:
    content = bytearray(file.read_bytes())
    content[offset] ^= 1
    file.write_bytes(content)


def check(home: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "node.cli.main", "node", "check", "--home", str(home), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (found["problem"] is not None)
    return found


def heal(network: LocalNetwork) -> None:
    """Do what the node says: move the data away, keep the vote log, start again."""
    shutil.move(network.home(VICTIM) / "data", network.home(VICTIM) / f"data.damaged-{len(said(network))}")
    network.start(VICTIM)
    network.wait_ready([VICTIM])
    reached = network.height(0)
    network.wait_for(lambda: network.height(VICTIM) >= reached, "the chain from its peers")


@pytest.mark.parametrize("engine", on_each_engine())
def test_a_validator_is_never_ready_with_a_damaged_store(engine: EngineName | None, tmp_path: Path) -> None:
    with LocalNetwork(tmp_path / "testnet", engine=engine) as network:
        network.send(0, "aurora-admin", ("token.create_program", PROGRAM))
        to, _ = network.account("aurora-admin")
        receipts = [
            network.send(
                0, "aurora-admin", ("token.issue", {"program": "miles", "to": to, "amount": 10, "ref": str(ref)})
            )
            for ref in range(12)
        ]
        network.wait_for(lambda: network.height(VICTIM) >= receipts[-1]["height"], "the last block")
        network.kill(VICTIM)  # RocksDB empties its log when it is closed
        home = network.home(VICTIM)

        # A bit of the database's log: the process ends, and names the file and the cure.
        (log,) = (home / "data").glob("*.log")
        flip(log, log.stat().st_size // 2)
        network.start(VICTIM)
        assert network.processes.pop(VICTIM).wait(timeout=60) == 1
        assert re.search(rf"{log} is damaged.*move {home}/data away", said(network))
        lost = check(home)["first_bad_height"]
        assert 0 <= lost <= receipts[-1]["height"]
        heal(network)
        assert check_refused_while_running(home)

        # A byte of a table: whoever reads it first halts the node, which stays so over a restart.
        network.kill(VICTIM, signal.SIGTERM)
        store = Store.open(home / "data")
        wanted = store.block_bytes(2)
        assert wanted is not None
        store.close()
        tables = (home / "data").glob(f"*{unchanging_suffix(home / 'data')}")
        (table,) = [path for path in tables if wanted in path.read_bytes()]
        flip(table, table.read_bytes().index(wanted) + len(wanted) // 2)
        network.start(VICTIM)
        network.wait_for(lambda: answers(network), "the node answers")
        answer = network.post(
            VICTIM,
            {"jsonrpc": "2.0", "id": 1, "method": "chain_block", "params": {"height": 2}},
        )
        assert answer["error"]["data"]["reason"] == "INTERNAL"
        network.wait_for(lambda: not network.call(VICTIM, "node_health")["ready"], "the node halts")
        reason = network.call(VICTIM, "node_health")["reasons"][0]
        assert reason.startswith("halted: the store is damaged")
        assert table.name in reason
        assert "move HOME/data away" in reason
        assert "HALTED" in said(network)
        network.kill(VICTIM, signal.SIGTERM)
        network.start(VICTIM)
        assert network.processes.pop(VICTIM).wait(timeout=60) == 1
        found = check(home)
        assert found["first_bad_height"] <= 2
        assert table.name in found["problem"]
        heal(network)
        assert network.call(VICTIM, "chain_receipt", id=receipts[5]["id"]) == receipts[5]


def answers(network: LocalNetwork) -> bool:
    try:
        network.call(VICTIM, "node_info")
    except OSError:
        return False
    return True


def check_refused_while_running(home: Path) -> bool:
    command = [sys.executable, "-m", "node.cli.main", "node", "check", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode == 1 and "stop the node first" in done.stderr
