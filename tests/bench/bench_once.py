"""What a purchase costs on a store that holds many once-records, against the same on an empty one, in one run.

Run: .venv/bin/python -m tests.bench.bench_once [--records N] [--rounds N] [--folder PATH]

A purchase is `token.issue` with a reference. Both chains get blocks of 2,000 of them in turn, and are asked for
records in turn: a look-up and a proof of random ones, as `state_proof` makes it. Signatures are not in it.

Printed are medians over the rounds, in µs per purchase or question, and the median of the rounds' ratios. "CPU" is
the thread's own, "wall" has the disk in it, and "compaction" is the CPU time of LevelDB's thread during the block.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from contracts_py.token.deeds import ISSUES, IssueRef
from node.store import StoreOptions
from node.store.database import Database
from node.store.once import OnceRecords
from tests.bench.bench_stages import PARAMS
from tests.support.ledger import START_MS, LocalChain, address_of, program_op
from vm.genesis_state import GenesisState
from vm.once_log import EMPTY, LOGS, Appended, OnceLog, append, leaf_of
from vm.primitives.codec import encode
from vm.primitives.merkle import leaf_hash
from vm.transaction import parse_transaction

TRANSACTIONS = 2_000
HOLDERS = 2_000
QUESTIONS = 500
"""Look-ups and proofs of a round."""

FILL_BATCH = 1 << 15
FILL_BUFFER_BYTES = 256 << 20
OPEN_FILES = FILL_OPEN_FILES = 1_000
"""What a node whose service may open 8,000 files gives its database."""

QUIET_SECONDS = 3.0
QUIET_CPU = 0.02
"""LevelDB's own thread has nothing left to do once the process used less than this part of so many seconds."""

PROGRAM = program_op("miles", "aurora", expiry={"kind": "days", "days": 3_000})
STAGES = ("execute", "tree", "commit")


def ref_of(number: int) -> str:
    """Return a purchase's reference: random, the same for the same number."""
    return f"order-{blake2b(number.to_bytes(8, 'big'), digest_size=10).hexdigest()}"


def old_records(first: int, count: int) -> list[tuple[str, bytes]]:
    """Return keys and leaves of records as the issues of another year would have left them."""
    found = []
    for number in range(first, first + count):
        tx = blake2b(number.to_bytes(8, "little"), digest_size=32).hexdigest()
        record = IssueRef(tx, _holders[number % HOLDERS], str(START_MS + number % 1_000 * 86_400_000), 1_000)
        key = ISSUES.keys.key(("miles", ref_of(number)))
        found.append((key, leaf_of(key, encode(record))))
    return found


_holders = [address_of(f"holder-{number}") for number in range(HOLDERS)]


def fill(path: Path, records: int) -> OnceLog:
    """Make a database that holds so many records of issues, and return their log."""
    database = Database(str(path), 8 << 20, FILL_BUFFER_BYTES, max_open_files=FILL_OPEN_FILES)
    once, log = OnceRecords(database), EMPTY
    begun = time.perf_counter()
    for first in range(0, records, FILL_BATCH):
        added = old_records(first, min(FILL_BATCH, records - first))
        growth = append(log, [leaf_hash(leaf) for _, leaf in added])
        batch = database.unsynced_batch()
        once.write(batch, Appended(ISSUES.family, first, added, growth.tiles))
        database.write(batch)
        log = growth.log
        if first and first % (FILL_BATCH << 7) == 0:
            print(f"    {first:,} records filled in {time.perf_counter() - begun:.0f} s", flush=True)
    database.close()
    return log


def settle() -> None:
    """Wait until LevelDB has compacted what it has to."""
    while True:
        before = time.process_time()
        time.sleep(QUIET_SECONDS)
        if time.process_time() - before < QUIET_CPU * QUIET_SECONDS:
            return


class PurchaseChain(LocalChain):
    """A chain whose genesis state names a log of old purchases.

    Attributes:
        size: how many old purchases there are.
        issued: the numbers of those that the bench has made.
    """

    def __init__(self, path: Path, log: OnceLog) -> None:
        self._log = log
        self.size = log.size
        self.issued: list[int] = []
        super().__init__(path, [PROGRAM], PARAMS, StoreOptions(max_open_files=OPEN_FILES))

    def genesis_state(self) -> GenesisState:
        """Add the log."""
        state = super().genesis_state()
        if self._log.size:
            state.values[LOGS.keys.key((ISSUES.family,))] = encode(self._log)
        return state

    def purchases(self, first: int) -> list[bytes]:
        """Return a block of purchases."""
        numbers = range(first, first + TRANSACTIONS)
        self.issued += numbers
        args = [
            {"program": "miles", "to": _holders[n % HOLDERS], "amount": 1, "ref": ref_of(1 << 48 | n)}
            for n in numbers
        ]
        return [self.sign("aurora-admin", [("token.issue", each)]) for each in args]

    def old_keys(self, rng: random.Random) -> list[str]:
        """Return keys of random records; of its own purchases where there are no old ones."""
        if self.size:
            numbers = [rng.randrange(self.size) for _ in range(QUESTIONS)]
        else:
            numbers = [1 << 48 | rng.choice(self.issued) for _ in range(QUESTIONS)]
        return [ISSUES.keys.key(("miles", ref_of(number))) for number in numbers]


@dataclass
class Timer:
    """Collects µs per thing by what was done.

    Attributes:
        rows: name → one figure for each round.
    """

    rows: dict[str, list[float]] = field(default_factory=dict)

    def run(self, name: str, things: int, work: Callable[[], object]) -> None:
        """Do it, and note CPU and wall time."""
        cpu, wall = time.thread_time(), time.perf_counter()
        work()
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        self.note(f"{name}, CPU", cpu / things)
        self.note(f"{name}, wall", wall / things)

    def note(self, name: str, seconds: float) -> None:
        """Note seconds per thing."""
        self.rows.setdefault(name, []).append(seconds * 1e6)


def block(chain: PurchaseChain, first: int, timer: Timer) -> None:
    """Commit a block of purchases, and note what its stages took."""
    transactions = [parse_transaction(raw) for raw in chain.purchases(first)]
    gc.collect()
    others = time.process_time() - time.thread_time()
    candidate = chain._candidate(transactions, chain.ledger.head_time + 200)
    execution = chain.ledger.execute(candidate, transactions)
    timer.run("execute", TRANSACTIONS, lambda: execution.run(TRANSACTIONS))
    finished = []
    timer.run("tree", TRANSACTIONS, lambda: finished.append(execution.finish()))
    (executed,) = finished
    certificate = chain._certificate(candidate.header, executed.roots)
    timer.run("commit", TRANSACTIONS, lambda: chain.ledger.commit(executed, certificate))
    timer.note("compaction, CPU", (time.process_time() - time.thread_time() - others) / TRANSACTIONS)
    failed = [receipt.error for receipt in executed.result.receipts if receipt.status != "ok"]
    assert not failed, failed[0]


def prove(chain: PurchaseChain, key: str) -> None:
    """Do what `state_proof` does for a once-record, JSON apart."""
    found = chain.store.once_record(key)
    assert found is not None, key
    chain.store.state_proof(found.log_key)


def ask(chain: PurchaseChain, rng: random.Random, timer: Timer) -> None:
    """Look random records up, and prove others."""
    found, proved = chain.old_keys(rng), chain.old_keys(rng)
    reader = chain.store.reader
    timer.run("look-up", QUESTIONS, lambda: [reader.once(key, ISSUES.stored) for key in found])
    timer.run("proof", QUESTIONS, lambda: [prove(chain, key) for key in proved])


def size_of(path: Path) -> int:
    """Return the bytes of a database."""
    return sum(file.stat().st_size for file in path.iterdir())


def table(empty: Timer, full: Timer) -> Iterator[str]:
    """Yield the lines of the result, the first round left out, which warms the caches."""
    yield f"{'µs':18} {'empty':>8} {'filled':>8} {'ratio':>6}"
    for name, row in empty.rows.items():
        other = full.rows[name]
        ratio = statistics.median(b / a for a, b in zip(row[1:], other[1:], strict=True) if a)
        yield f"{name:18} {statistics.median(row[1:]):8.1f} {statistics.median(other[1:]):8.1f} {ratio:6.2f}"


def measure(chains: dict[str, PurchaseChain], rounds: int) -> dict[str, Timer]:
    """Run the rounds, each chain first in every other one."""
    timers = {name: Timer() for name in chains}
    rng = random.Random(8)
    for number in range(rounds + 1):
        order = list(chains) if number % 2 else list(reversed(chains))
        for name in order:
            block(chains[name], number * TRANSACTIONS, timers[name])
            ask(chains[name], rng, timers[name])
    return timers


def run(folder: Path, records: int, rounds: int) -> None:
    """Fill, measure and print."""
    begun = time.perf_counter()
    print(
        f"{records:,} records of token/issue, made up and written in batches of {FILL_BATCH:,} by "
        "OnceRecords.write, as a block's commit writes them; not by transactions",
        flush=True,
    )
    log = fill(folder / "filled", records)
    taken = time.perf_counter() - begun
    print(f"filled in {taken:.0f} s, {records / taken:,.0f} per second")
    chains = {"empty": PurchaseChain(folder / "empty", EMPTY), "filled": PurchaseChain(folder / "filled", log)}
    settle()
    held = size_of(folder / "filled") - size_of(folder / "empty")
    print(f"compacted after {time.perf_counter() - begun:.0f} s; {held / records:.0f} bytes per record on the disk")
    timers = measure(chains, rounds)
    for line in table(timers["empty"], timers["filled"]):
        print(line)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{rounds} rounds of {TRANSACTIONS:,} purchases and {QUESTIONS} questions; at most {memory} MiB resident")
    for chain in chains.values():
        chain.close()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="where the stores are made (250 bytes per record)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="entente-once-", dir=options.folder) as folder:
        run(Path(folder), options.records, options.rounds)


if __name__ == "__main__":
    main()
