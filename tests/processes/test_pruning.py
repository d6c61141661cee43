"""Validators that prune, with real processes: the disk shrinks, answers stay clear, and a new node can still join.

    ENTENTE_PRUNING_MIB=400 .venv/bin/pytest -s tests/processes/test_pruning.py

plays a longer run, and prints its figures.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.chain.pruning import COMPACT_BYTES
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM, balance
from tests.support.same_chain import wait_same_head
from vm.params import Params

pytestmark = pytest.mark.integration

PRUNED = "state_history_blocks = 8\nsnapshot_interval = 4\nsnapshot_distance = 12\nretain_blocks = 10\n"
ARCHIVE, PRUNERS, LATE = 0, (1, 2, 3), 3
MIB = 1 << 20
LOAD_MIB = int(os.environ.get("ENTENTE_PRUNING_MIB", "40"))
"""Of transactions: more than what has to be deleted before the store is compacted."""

BALLAST = {f"n{number}": "x" * 1_000 for number in range(100)}
"""Arguments that no call takes: the transaction fails, and is kept in its block all the same."""

TTL_MS = 10_000
"""Blocks are kept as long as their transactions live, so this is waited for; a busy machine needs some of it."""

PATIENT_TTL_MS = 60_000
"""While validators come back, a block may need several rounds."""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[LocalNetwork]:
    """A network of which one validator is an archive, and the others prune."""
    ops = [("token.create_program", PROGRAM)]
    network = LocalNetwork(tmp_path / "testnet", ops=ops, params=Params(block_interval_ms=20))
    for index in PRUNERS:
        path = network.home(index) / "node.toml"
        lines = [line for line in path.read_text().splitlines() if not line.startswith("state_history_blocks")]
        path.write_text(PRUNED + "\n".join(lines) + "\n")
    with network:
        yield network


def log_of(network: LocalNetwork, index: int) -> str:
    return network.log_file(index).read_text(errors="replace")


def size_mib(network: LocalNetwork, index: int) -> float:
    """Return what a node's database takes on the disk."""
    total = 0
    for file in (network.home(index) / "data").iterdir():
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            continue  # compaction has just deleted it
    return total / MIB


def error_of(network: LocalNetwork, index: int, method: str, **params: Any) -> dict[str, Any]:
    """Call a method that must be refused; return the error's data."""
    answer = network.post(index, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    data: dict[str, Any] = answer["error"]["data"]
    return data


def fill_blocks(network: LocalNetwork) -> None:
    """Put LOAD_MIB of transactions into blocks."""
    address, key = network.account("aurora-admin")
    for _ in range(LOAD_MIB // 2):
        raws = [network.sign(address, key, [("token.issue", BALLAST)], ttl_ms=TTL_MS) for _ in range(20)]
        calls = [
            {"jsonrpc": "2.0", "id": n, "method": "tx_send", "params": {"tx": raw}} for n, raw in enumerate(raws)
        ]
        answers = network.post(ARCHIVE, calls)
        assert all(answer["result"]["status"] == "failed" for answer in answers), answers[0]


def give(network: LocalNetwork, index: int, to: str, ref: str, ttl_ms: int = TTL_MS) -> None:
    """Issue one point in a block of its own, which may be pruned once the transaction's life is over."""
    address, key = network.account("aurora-admin")
    args = {"program": "miles", "to": to, "amount": 1, "ref": ref}
    raw = network.sign(address, key, [("token.issue", args)], ttl_ms=ttl_ms)
    assert network.call(index, "tx_send", tx=raw)["status"] == "ok"


def test_pruning_frees_the_disk_and_the_network_goes_on(network: LocalNetwork) -> None:
    basil, _ = network.account("basil-admin")
    fill_blocks(network)
    wait_same_head(network, [0, 1, 2, 3])
    filled = network.height(ARCHIVE)
    before = max(size_mib(network, 1), size_mib(network, ARCHIVE))
    number = 0

    def goes_on() -> bool:
        """Make another block, and see whether the old ones are gone."""
        nonlocal number
        number += 1
        give(network, number % 3, basil, f"{number}")
        return all(network.call(i, "node_info")["oldest_block"] > filled for i in PRUNERS)

    network.wait_for(goes_on, "the full blocks are pruned")
    network.wait_for(lambda: all("pruned up to block" in log_of(network, i) for i in PRUNERS), "compaction")
    wait_same_head(network, [0, 1, 2, 3])
    after = {index: size_mib(network, index) for index in range(4)}
    told = ", ".join(f"{after[index]:.0f}" for index in PRUNERS)
    print(f"\n{filled} blocks: {before:.0f} MiB; the archive now {after[ARCHIVE]:.0f}, those that prune {told}")
    assert after[ARCHIVE] > 0.9 * LOAD_MIB
    assert all(after[index] < after[ARCHIVE] - COMPACT_BYTES / MIB / 2 for index in PRUNERS)
    check_answers(network, 1)
    assert network.call(ARCHIVE, "chain_block", height=2)["header"]["height"] == 2

    # A validator that lost its home finds nobody who has the first blocks, and joins by snapshot.
    network.kill(ARCHIVE)
    network.kill(LATE)
    for folder in ("data", "wal"):
        shutil.rmtree(network.home(LATE) / folder)
    network.log_file(LATE).write_text("")
    network.start(LATE)
    network.wait_for(lambda: "has become the store" in log_of(network, LATE), "the snapshot is installed")
    network.start(ARCHIVE)
    network.wait_ready([ARCHIVE])
    give(network, ARCHIVE, basil, "joined", PATIENT_TTL_MS)
    network.wait_ready([LATE])

    network.kill(1)
    network.start(1)
    network.wait_ready([1])
    give(network, 1, basil, "restarted", PATIENT_TTL_MS)
    wait_same_head(network, [0, 1, 2, 3])
    assert [balance(network, index, basil) for index in range(4)] == [number + 2] * 4
    check_answers(network, 1)
    check_answers(network, LATE)
    assert all(" CRITICAL " not in log_of(network, index) for index in range(4))


def check_answers(network: LocalNetwork, index: int) -> None:
    """What is pruned is told clearly; headers and certificates stay."""
    info = network.call(index, "node_info")
    assert 3 < info["oldest_block"] <= info["height"]
    # A node that joined by snapshot has the block of that very height beside, for its header.
    for height in (2, info["oldest_block"] - (2 if index == LATE else 1)):
        refused = error_of(network, index, "chain_block", height=height)
        assert (refused["reason"], refused["oldest"]) == ("BLOCK_PRUNED", info["oldest_block"])
    key = "token/program/miles"
    assert error_of(network, index, "state_get", key=key, height=2)["reason"] == "STATE_PRUNED"
