"""How fast a new node catches up with a long chain, from three real nodes of which one may lie.

    python -m tests.bench.bench_sync [--blocks 50000] [--transfers 1] [--liar] [--profile FILE]

The chain is made in this process: real blocks, executed, each with a certificate of all four validators. Its
store is copied to three validators' homes; they start as processes. The fourth starts with nothing, and block
sync alone (no snapshot) must bring it to the head. With --liar one of the three sends every seventh block with a
changed byte.
Printed: blocks per second, the CPU time of the one that catches up, and who was found lying.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from rich.progress import track

from genesis.document import Genesis
from genesis.protocol import build_runtime
from node.chain.ledger import Ledger
from node.cli.keys_commands import open_key
from node.runtime.config import config_to_toml, load_config
from node.store import Store
from node.store.database import Database
from tests.support.ledger import LocalChain
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM
from vm.transaction import encode_body, sign_body

FRESH = 3
LIAR = 2
READY_SECONDS = 120.0


class TestnetChain(LocalChain):
    """The chain of a testnet's genesis document, made without its nodes."""

    __test__ = False

    def __init__(self, path: Path, network: LocalNetwork) -> None:
        self.genesis = Genesis.load(network.home(0) / "genesis.json")
        self.runtime = build_runtime()
        self.store = Store.open(path)
        state = self.genesis.genesis_state(self.runtime)
        self.store.initialise(
            self.genesis.canonical, state.values, 16**self.genesis.document.state_depth, state.once
        )
        self.ledger = Ledger(self.genesis, self.runtime, self.store, None)
        keys = [open_key(network.home(index) / "key.json", None).key for index in range(4)]
        self.validator_keys = sorted(keys, key=lambda key: key.public_key)
        self.signing_keys = {key.public_key: key for key in keys}
        self._nonce = 0
        self._sender, self._key = network.account("aurora-admin")
        self._receiver, _ = network.account("basil-admin")

    def grow(self, blocks: int, transfers: int) -> None:
        """Commit a program, points, and blocks of transfers, a millisecond apart."""
        issue = {"program": "miles", "to": self._sender, "amount": blocks * transfers + 1, "ref": "float"}
        self.commit([self._signed("token.create_program", PROGRAM)], self.ledger.head_time + 1)
        self.commit([self._signed("token.issue", issue)], self.ledger.head_time + 1)
        transfer = {"program": "miles", "to": self._receiver, "amount": 1}
        for _ in track(range(blocks - 2), "making the chain", transient=True):
            raws = [self._signed("token.transfer", transfer) for _ in range(transfers)]
            self.commit(raws, self.ledger.head_time + 1)

    def _signed(self, call: str, args: dict[str, object]) -> bytes:
        self._nonce += 1
        ops = [(call, args)]
        expires = self.ledger.head_time + 60_000
        return sign_body(encode_body(self.genesis.chain, self._sender, self._nonce, expires, ops), [self._key])


def make_chain(network: LocalNetwork, blocks: int, transfers: int) -> float:
    """Make the chain in the three old validators' homes; return the blocks per second."""
    started = time.perf_counter()
    source = network.directory / "source"
    synced, Database.batch = Database.batch, Database.unsynced_batch  # type: ignore[method-assign]
    try:
        chain = TestnetChain(source, network)
        chain.grow(blocks, transfers)
        chain.close()
    finally:
        Database.batch = synced  # type: ignore[method-assign]
    for index in range(FRESH):
        shutil.copytree(source, network.home(index) / "data")
    shutil.rmtree(source)
    return blocks / (time.perf_counter() - started)


def without_snapshots(home: Path) -> None:
    """Let a node execute every block, however far behind it is."""
    config = msgspec.structs.replace(load_config(home), snapshot_distance=0)
    (home / "node.toml").write_text(config_to_toml(config))


def start(network: LocalNetwork, index: int, liar: bool, profile: Path | None) -> None:
    """Start a validator; the lying one as `tests.byzantine.node` would, the new one profiled if asked for."""
    home = str(network.home(index))
    if liar:
        command = [sys.executable, "-m", "tests.bench.lying_peer", "--home", home]
    elif profile is not None:
        start_under = [sys.executable, "-m", "cProfile", "-o", str(profile)]
        command = [*start_under, "-m", "node.cli.main", "node", "start", "--home", home]
    else:
        network.start(index)
        return
    with (network.home(index) / "node.log").open("ab") as log:
        network.processes[index] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def catch_up(network: LocalNetwork, blocks: int, profile: Path | None) -> dict[str, float]:
    """Start the new validator and watch it; return its figures."""
    start(network, FRESH, liar=False, profile=profile)
    network.wait_for(lambda: answers(network, FRESH), "the new node answers", READY_SECONDS)
    started = time.perf_counter()
    first, cpu = network.height(FRESH), network.cpu_seconds(FRESH)
    while (height := network.height(FRESH)) < blocks:
        time.sleep(0.5)
        if sys.stderr.isatty():
            print(f"\r{height:,} of {blocks:,}", end="", flush=True, file=sys.stderr)
    elapsed = time.perf_counter() - started
    return {
        "blocks_per_second": (blocks - first) / elapsed,
        "seconds": elapsed,
        "cpu_us_per_block": (network.cpu_seconds(FRESH) - cpu) * 1e6 / (blocks - first),
    }


def answers(network: LocalNetwork, index: int) -> bool:
    """Tell whether a node's gateway is there."""
    try:
        network.height(index)
    except OSError:
        return False
    return True


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=50_000)
    parser.add_argument("--transfers", type=int, default=1, help="transactions per block")
    parser.add_argument("--liar", action="store_true", help="one of the three sends changed blocks")
    parser.add_argument("--profile", type=Path, help="profile the node that catches up into this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="entente-sync-") as folder:
        network = LocalNetwork(Path(folder) / "net")
        made = make_chain(network, options.blocks, options.transfers)
        size = sum(file.stat().st_size for file in (network.home(0) / "data").iterdir())
        each = f"{options.transfers} transfers, {size / options.blocks:,.0f} bytes of store"
        print(f"chain: {options.blocks:,} blocks, each {each}, made at {made:,.0f}/s")
        without_snapshots(network.home(FRESH))
        try:
            for index in range(FRESH):
                start(network, index, liar=options.liar and index == LIAR, profile=None)
                network.wait_for(lambda index=index: answers(network, index), f"node {index}", READY_SECONDS)
            figures = catch_up(network, options.blocks, options.profile)
            heads = {network.call(i, "chain_certificate", height=options.blocks)["state_root"] for i in (0, FRESH)}
            log = (network.home(FRESH) / "node.log").read_text(errors="replace")
        finally:
            for index in list(network.processes):
                network.kill(index, 15 if index == FRESH and options.profile else 9)
    assert len(heads) == 1, "the state roots differ"
    print(", ".join(f"{name} {value:,.1f}" for name, value in figures.items()))
    print(f"bad blocks refused: {log.count('bad block from')}")


if __name__ == "__main__":
    main()
