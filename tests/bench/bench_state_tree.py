"""Cost of state commitment and of a whole commit per changed key.

    python tests/bench/bench_state_tree.py [--keys 100000] [--changes 6000] [--blocks 20] [--million]

Builds a chain with `keys` balance-like values in a temporary directory, then commits blocks that change
random keys. Prints the median over the blocks, in µs per changed key: `update` (hashing and trie work, pages
cached), `commit` (one synced LevelDB batch with values, roots and history), and how long a fresh start,
a cold read, a warm read, a proof at the head and one far back in history take.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from node.store import BlockCommit, Store
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH
from vm.primitives.units import Count
from vm.tables.stored import Stored

BUCKETS = 65_536


class Balance(msgspec.Struct, frozen=True):
    """About the size of a token lot."""

    amount: Count
    expires: Count
    terms: Count
    held: Count


BALANCE: Final = Stored(Balance)


def key_of(number: int) -> str:
    """Return a key as long as real ones are."""
    return f"token/balance/aurora-points/ent1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqq{number:08d}/0"


def value_of(rng: random.Random) -> bytes:
    """Return a value of the usual size."""
    return encode(Balance(rng.randrange(10**6), 1_790_000_000_000, 3, 0))


def commit(store: Store, changes: dict[str, bytes | None]) -> tuple[float, float]:
    """Commit one block of `changes`; return the seconds of update and commit."""
    started = time.perf_counter()
    update = store.tree.update(changes)
    updated = time.perf_counter()
    height = store.head.height + 1
    digest = height.to_bytes(32, "big")
    block = BlockCommit(height, digest, b"block", b"certificate", update.root, ZERO_HASH, [], [], update, changes)
    store.commit_block(block)
    return updated - started, time.perf_counter() - updated


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that `action` takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def hash_many() -> None:
    """Hash 10,000 times: how fast the machine is just now, to read the other figures by."""
    for _ in range(10_000):
        sha256(bytes(110)).digest()


def measure(path: Path, keys: int, changes: int, blocks: int) -> None:
    """Build, commit, print."""
    rng = random.Random(7)
    store = Store.open(path)
    genesis = {key_of(i): value_of(rng) for i in range(keys)}
    build = timed(lambda: store.initialise(b"genesis", genesis, BUCKETS))
    store.close()
    opened = time.perf_counter()
    store = Store.open(path)
    print(f"{keys:,} keys: genesis {build:.1f} s, open {(time.perf_counter() - opened) * 1e3:.0f} ms")

    def block() -> dict[str, bytes | None]:
        return {key_of(rng.randrange(keys)): value_of(rng) for _ in range(changes)}

    cold = commit(store, block())[0] / changes * 1e6
    for bucket in range(BUCKETS):
        store.tree._pages.get(f"{bucket:04x}")
    results = [commit(store, block()) for _ in range(blocks)]
    update = statistics.median(update for update, _ in results) / changes * 1e6
    written = statistics.median(written for _, written in results) / changes * 1e6
    fastest = min(update for update, _ in results) / changes * 1e6
    unit = min(timed(hash_many) for _ in range(5)) / 10_000 * 1e6
    print(f"  one SHA-256 of 110 bytes now: {unit:.2f} µs (0.45 on this machine when idle)")
    print(f"  fastest update of {blocks} blocks: {fastest:.1f} µs/key")
    print(f"  update {update:.1f} µs/key (first block, pages cold: {cold:.1f}), commit {written:.1f} µs/key")
    small = [commit(store, {key_of(rng.randrange(keys)): value_of(rng)}) for _ in range(50)]
    one, sync = (statistics.median(times) * 1e6 for times in zip(*small, strict=True))
    print(f"  a block of one change: update {one:.0f} µs, commit {sync:.0f} µs")

    sample = [key_of(rng.randrange(keys)) for _ in range(2_000)]
    reader = store.reader
    reads = []
    for _ in range(2):
        reads.append(timed(lambda: [reader.cell(key, BALANCE) for key in sample]) / len(sample) * 1e6)
    print(f"  read: first {reads[0]:.2f} µs, again {reads[1]:.2f} µs")
    head = timed(lambda: [store.state_proof(key) for key in sample[:200]]) / 200 * 1e6
    past = timed(lambda: [store.state_proof(key, 1) for key in sample[:50]]) / 50 * 1e6
    print(f"  proof: head {head:.0f} µs, {store.head.height - 1} blocks back {past:.0f} µs")
    store.close()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=6_000)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--million", action="store_true", help="measure at 1,000,000 keys as well")
    arguments = parser.parse_args()
    for keys in [arguments.keys, *([1_000_000] if arguments.million else [])]:
        with tempfile.TemporaryDirectory() as directory:
            measure(Path(directory) / "data", keys, arguments.changes, arguments.blocks)


if __name__ == "__main__":
    main()
