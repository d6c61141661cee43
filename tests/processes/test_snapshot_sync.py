"""A validator that lost its home joins by snapshot, with real processes; what it did not see is told clearly."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genesis.document import Genesis
from node.assembly.process import EXIT_DISK
from node.light_client.documents import verify_state
from node.maintenance.store_check import check_store
from node.store.incoming_snapshot import IncomingSnapshot
from node.sync.snapshot_folders import SnapshotFolders
from tests.support.engines import CHOSEN, on_each_engine
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM, balance, issue
from tests.support.same_chain import wait_same_head

pytestmark = pytest.mark.integration

SETTINGS = "state_history_blocks = 8\nsnapshot_interval = 4\nsnapshot_distance = 12\n"
INSTALLED = "the snapshot that was fetched has become the store"
FETCHING = "buckets from"
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
def network(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LocalNetwork]:
    """A network whose nodes offer snapshots every few blocks; the parameter names what keeps their data."""
    network = LocalNetwork(tmp_path / "testnet", engine=getattr(request, "param", CHOSEN))
    for index in range(4):
        path = network.home(index) / "node.toml"
        lines = [line for line in path.read_text().splitlines() if not line.startswith("state_history_blocks")]
        path.write_text(SETTINGS + "\n".join(lines) + "\n")
    with network:
        yield network


def wipe(network: LocalNetwork, index: int) -> None:
    """Let a stopped validator lose everything but its key, its configuration and the genesis document."""
    for folder in ("data", "wal"):
        shutil.rmtree(network.home(index) / folder)
    (network.home(index) / "node.log").write_text("")


def kill_when(network: LocalNetwork, condition: Callable[[], bool]) -> bool:
    """Start the late validator, and kill it as soon as a condition holds; tell whether it was still fetching."""
    network.start(LATE)
    deadline = time.monotonic() + 60
    while not condition():
        ended = network.processes[LATE].poll() is not None
        assert not ended, log_of(network, LATE)[-2_000:]
        assert time.monotonic() < deadline, log_of(network, LATE)[-2_000:]
        time.sleep(0.001)
    network.kill(LATE)
    return not any((network.home(LATE) / name).exists() for name in ("data.ready", "data.replaced"))


def refuse_more_disk(network: LocalNetwork) -> None:
    """Start the late validator, and let no file of it grow once it fetches: writing fails with EFBIG."""
    network.start(LATE)
    network.wait_for(lambda: FETCHING in log_of(network, LATE), "it fetches")
    process = network.processes.pop(LATE)
    written = max(file.stat().st_size for file in SnapshotFolders(network.home(LATE)).incoming.glob("*.log"))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (written + 2_000,) * 2)
    assert process.wait(timeout=60) == EXIT_DISK
    assert " HALTED " in log_of(network, LATE)


def missing_buckets(network: LocalNetwork) -> int:
    """Return how many buckets of the incoming snapshot are not here yet; nobody may have it open."""
    incoming = IncomingSnapshot(SnapshotFolders(network.home(LATE)).incoming)
    try:
        assert incoming.target is not None
        return len(incoming.missing())
    finally:
        incoming.close()


@pytest.mark.parametrize("network", on_each_engine(), indirect=True)
def test_kills_amid_a_snapshot_never_leave_half_a_state(network: LocalNetwork) -> None:
    network.send(0, "aurora-admin", ("token.create_program", PROGRAM))
    basil, _ = network.account("basil-admin")
    network.kill(LATE)
    wipe(network, LATE)
    for number in range(20):
        issue(network, number % 3, basil, 1, f"{number}")
    home = network.home(LATE)

    refuse_more_disk(network)
    (home / "node.log").write_text("")
    # In the midst of the download: what has come is kept, only the rest is asked for.
    assert kill_when(network, lambda: FETCHING in log_of(network, LATE))
    missing = missing_buckets(network)
    assert missing > 0
    (home / "node.log").write_text("")
    # Again, now at the moment when it is whole: the store is exchanged by the next start, or was already.
    kill_when(network, lambda: (home / "data.ready").exists() or INSTALLED in log_of(network, LATE))
    assert f": {missing} {FETCHING}" in log_of(network, LATE)
    # And as soon as the former store is out of the way, if that can be met.
    kill_when(network, lambda: (home / "data.replaced").exists() or INSTALLED in log_of(network, LATE))

    network.start(LATE)
    network.wait_for(lambda: answers(network, LATE), "it answers")
    wait_same_head(network, [0, 1, 2, 3])
    assert balance(network, LATE, basil) == 20
    assert sorted(path.name for path in home.iterdir() if path.name.startswith("data")) == ["data"]
    issue(network, 0, basil, 1, "after")
    network.wait_ready([LATE])
    network.kill(1)
    issue(network, LATE, basil, 1, "it-signs")
    wait_same_head(network, [0, 2, 3])
    assert all(network.call(index, "node_consensus")["evidence"] == [] for index in (0, 2, 3))
    assert all(" CRITICAL " not in log_of(network, index) for index in (0, 2, 3))


def test_a_validator_without_home_joins_by_snapshot_and_signs_again(network: LocalNetwork) -> None:
    network.send(0, "aurora-admin", ("token.create_program", PROGRAM))
    basil, _ = network.account("basil-admin")
    sender, key_of_admin = network.account("aurora-admin")
    network.kill(LATE)
    wipe(network, LATE)
    operations = [("token.issue", {"program": "miles", "to": basil, "amount": 7, "ref": "seen-before"})]
    early = network.sign(sender, key_of_admin, operations)
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

    # Once-records have come along: it refuses a reference from before the snapshot, and proves what that was for.
    key = "token/issue/miles/seen-before"
    assert network.call(LATE, "state_get", key=key) == network.call(0, "state_get", key=key)
    sent = network.call(LATE, "tx_send", tx=network.sign(sender, key_of_admin, operations))
    assert (sent["status"], sent["error"]["code"]) == ("failed", "DUPLICATE_REF"), sent
    genesis = Genesis.load(network.home(LATE) / "genesis.json")
    proved = verify_state(network.call(LATE, "state_proof", key=key), genesis)
    assert (proved.key, proved.exists) == (key, True)
    assert balance(network, LATE, basil) == 25

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

    # What a snapshot has made and what the node has added to it is whole, to the last record.
    height = network.height(LATE)
    network.kill(LATE)
    checked = check_store(network.home(LATE), genesis)
    assert (checked.problem, checked.verified >= height) == (None, True)
