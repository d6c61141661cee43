"""How long a new node takes to join a chain with a million state keys by snapshot, from two real nodes.

    python -m tests.bench.bench_snapshot [--keys 1000000] [--blocks 30]

The chain is made in this process: its genesis state is filled up with `keys` balance-like values, then real blocks
with certificates of all four validators follow. Its store is copied to two validators' homes, which start as
processes. A third starts with nothing. Two of four decide nothing more, so what is measured is the transfer alone.
Printed: seconds from the joiner's start to the head, bytes, resident memory of both sides (before, and
the most), and the CPU time that each side used.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from genesis.document import Genesis
from genesis.protocol import build_runtime
from node.chain.ledger import Ledger
from node.cli.keys_commands import open_key
from node.runtime.config import config_to_toml, load_config
from node.store import Store, StoreOptions
from tests.bench.bench_state_tree import key_of, value_of
from tests.support.ledger import LocalChain
from tests.support.network import LocalNetwork

SERVERS = (0, 1)
JOINER = 3
INTERVAL = 10
PATIENCE_SECONDS = 220.0


class FilledChain(LocalChain):
    """The chain of a testnet's genesis document, whose state holds many keys more than the document makes."""

    def __init__(self, path: Path, network: LocalNetwork, keys: int) -> None:
        self.genesis = Genesis.load(network.home(0) / "genesis.json")
        self.runtime = build_runtime()
        self.store = Store.open(path, StoreOptions(snapshot_interval=INTERVAL))
        rng = random.Random(7)
        state = self.genesis.genesis_state(self.runtime)
        state.values.update((key_of(number), value_of(rng)) for number in range(keys))
        self.store.initialise(
            self.genesis.canonical, state.values, 16**self.genesis.document.state_depth, state.once
        )
        self.ledger = Ledger(self.genesis, self.runtime, self.store, None)
        signers = [open_key(network.home(index) / "key.json", None).key for index in range(4)]
        self.validator_keys = sorted(signers, key=lambda key: key.public_key)
        self.signing_keys = {key.public_key: key for key in signers}
        self._nonce = 0


def make_chain(network: LocalNetwork, keys: int, blocks: int) -> int:
    """Make the chain in the serving validators' homes; return the height of the newest snapshot."""
    source = network.directory / "source"
    chain = FilledChain(source, network, keys)
    for _ in range(blocks):
        chain.commit()
    newest = chain.store.snapshots.heights()[-1]
    chain.close()
    for index in SERVERS:
        shutil.copytree(source, network.home(index) / "data")
    shutil.rmtree(source)
    return newest


def memory_mib(network: LocalNetwork, index: int, field: str) -> float:
    """Return a process's VmRSS (now), VmHWM (at most) or RssAnon (now, without mapped files), in MiB."""
    status = Path(f"/proc/{network.processes[index].pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def memory(network: LocalNetwork, index: int) -> str:
    """Say what memory a process has; LevelDB maps the files that it reads, which counts as resident."""
    most, rss, own = (memory_mib(network, index, field) for field in ("VmHWM", "VmRSS", "RssAnon"))
    return f"at most {most:.0f} MiB resident, {rss:.0f} now, of which {own:.0f} are not mapped files"


def answers(network: LocalNetwork, index: int) -> bool:
    """Tell whether a node's gateway is there."""
    try:
        network.height(index)
    except OSError:
        return False
    return True


def join(network: LocalNetwork, blocks: int) -> None:
    """Start the joiner, wait until it is at the head, print the figures."""
    before = {index: memory_mib(network, index, "VmRSS") for index in SERVERS}
    cpu = {index: network.cpu_seconds(index) for index in SERVERS}
    started = time.perf_counter()
    network.start(JOINER)
    network.wait_for(
        lambda: answers(network, JOINER) and network.height(JOINER) >= blocks, "the head", PATIENCE_SECONDS
    )
    elapsed = time.perf_counter() - started
    log = (network.home(JOINER) / "node.log").read_text()
    found = re.search(r"the snapshot of height (\d+) is whole: (\d+) bytes in ([\d.]+) s from (\d+) peers", log)
    assert found is not None, log[-2_000:]
    size, seconds = int(found[2]), float(found[3])
    print(f"joined at height {blocks} in {elapsed:.1f} s by the snapshot of height {found[1]}")
    rate = size / seconds / 1e6
    print(f"  {size / 1e6:.0f} MB of keys and values in {seconds:.1f} s from {found[4]} peers: {rate:.1f} MB/s")
    print(f"  joiner: {network.cpu_seconds(JOINER):.1f} s of CPU, {memory(network, JOINER)}")
    for index in SERVERS:
        used = network.cpu_seconds(index) - cpu[index]
        print(f"  server {index}: {used:.1f} s of CPU, {memory(network, index)}, {before[index]:.0f} MiB before")
    roots = {network.head(index)["certificate"]["state_root"] for index in (*SERVERS, JOINER)}
    assert len(roots) == 1, "the joiner's state differs"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--blocks", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="entente-snapshot-") as folder:
        network = LocalNetwork(Path(folder) / "net")
        started = time.perf_counter()
        newest = make_chain(network, options.keys, options.blocks)
        data = sum(file.stat().st_size for file in (network.home(0) / "data").iterdir())
        made = time.perf_counter() - started
        print(f"{options.keys:,} keys, {data / 1e6:.0f} MB of store, made in {made:.0f} s; snapshot of {newest}")
        config = msgspec.structs.replace(load_config(network.home(JOINER)), snapshot_distance=INTERVAL)
        (network.home(JOINER) / "node.toml").write_text(config_to_toml(config))
        try:
            for index in SERVERS:
                network.start(index)
                network.wait_for(lambda index=index: answers(network, index), f"node {index}", 60.0)
            join(network, options.blocks)
        finally:
            for index in list(network.processes):
                network.kill(index)


if __name__ == "__main__":
    main()
