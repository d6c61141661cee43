"""A validator that lost its home joins by snapshot, with real processes; what it did not see is told clearly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_real_network import PROGRAM, balance, issue, wait_same_head
from tests.support.network import LocalNetwork

pytestmark = pytest.mark.integration

SETTINGS = "state_history_blocks = 8\nsnapshot_interval = 4\nsnapshot_distance = 12\n"
INSTALLED = "the snapshot that was fetched has become the store"
LATE = 3


def log_of(network: LocalNetwork, index: int) -> str:
    return (network.home(index) / "node.log").read_text()


def answers(network: LocalNetwork, index: int) -> bool:
    """Tell whether a node's gateway is there."""
    try:
        network.height(index)
    except OSError:
        return False
    return True


@pytest.fixture
def network(tmp_path: Path) -> Iterator[LocalNetwork]:
    """A network whose nodes offer snapshots every few blocks."""
    network = LocalNetwork(tmp_path / "testnet")
    for index in range(4):
        path = network.home(index) / "node.toml"
        lines = [line for line in path.read_text().splitlines() if not line.startswith("state_history_blocks")]
        path.write_text(SETTINGS + "\n".join(lines) + "\n")
    with network:
        yield network


def test_a_validator_without_home_joins_by_snapshot_and_signs_again(network: LocalNetwork) -> None:
    network.send(0, "aurora-admin", ("token.create_program", PROGRAM))
    basil, _ = network.account("basil-admin")
    sender, key = network.account("aurora-admin")
    network.kill(LATE)
    for folder in ("data", "wal"):
        shutil.rmtree(network.home(LATE) / folder)
    (network.home(LATE) / "node.log").write_text("")
    operations = [("token.issue", {"program": "miles", "to": basil, "amount": 7, "ref": "seen-before"})]
    early = network.sign(sender, key, operations)
    first = network.call(0, "tx_send", tx=early)
    for number in range(18):
        issue(network, number % 3, basil, 1, f"{number}")
    network.start(LATE)
    network.wait_for(lambda: INSTALLED in log_of(network, LATE), "the snapshot is installed")
    network.wait_for(lambda: answers(network, LATE), "it answers again")
    wait_same_head(network, [0, 1, 2, 3])
    assert balance(network, LATE, basil) == balance(network, 0, basil) == 25

    block = {"jsonrpc": "2.0", "id": 1, "method": "chain_block", "params": {"height": 2}}
    assert network.post(LATE, block)["error"]["data"]["reason"] == "BLOCK_PRUNED"
    again = {"jsonrpc": "2.0", "id": 1, "method": "tx_send", "params": {"tx": early, "timeout_ms": 2_000}}
    answer = network.post(LATE, again)
    assert answer["error"]["data"]["reason"] == "BLOCK_PRUNED", answer
    assert network.call(0, "tx_send", tx=early) == first
    assert balance(network, 0, basil) == 25

    # It follows without signing for some blocks, then the chain goes on without another one: it takes part.
    for number in range(6):
        issue(network, 1, basil, 1, f"more-{number}")
    network.wait_for(lambda: "recovered: this validator signs" in log_of(network, LATE), "it signs again")
    network.wait_ready([LATE])
    network.kill(0)
    for number in range(3):
        issue(network, LATE, basil, 1, f"three-{number}")
    wait_same_head(network, [1, 2, 3])
    assert all(" CRITICAL " not in log_of(network, index) for index in (1, 2, 3))
