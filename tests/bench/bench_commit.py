"""What committed blocks cost a validator's store over hundreds of blocks: CPU, the engine's threads, bytes written.

Run: .venv/bin/python tests/bench/bench_commit.py [--load transfer|issue|batch] [--blocks N] [--units N]
         [--accounts N] [--folder PATH] [--count] [--buffer MIB] [--index none|basic|full]

Blocks of transfers between random accounts, or of transactions of a hundred issues with references or a hundred
transfers, are executed and committed on a real store as a node opens it, long enough for the engine to compact.
The file runs from any checkout whose root is in PYTHONPATH, so that two states of the code can be run in turn.

Printed, for one unit (one operation), in µs and in V, the time of one PyNaCl verification in the same run: the CPU
of the commit (the thread's own), of all other threads of the process (the engine's), the records and bytes that are
put, the bytes that the process writes, and what stays on the disk.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from nacl.signing import SigningKey as NaClKey

from network.stages import STAGES
from node.assembly.process import GC_THRESHOLDS
from node.store import StoreOptions
from node.store.database import Database
from tests.bench.bench_stages import PARAMS
from tests.support.ledger import START_MS, LocalChain, address_of, key_of, program_op
from vm.genesis_state import GenesisState, genesis_changes
from vm.transaction import parse_transaction

OPERATIONS = 100
"""In one transaction of the loads of a hundred."""
STAGE_PARTS = (STAGES.commit, STAGES.undo, STAGES.index, STAGES.write)
HISTORY = 100
"""Blocks of state history; a run has more, so that old records are deleted as on a node that has run for long."""


class Counted:
    """A batch that counts what is put into it, by family and in bytes."""

    records: ClassVar[Counter[str]] = Counter()
    sizes: ClassVar[Counter[str]] = Counter()

    def __init__(self, batch: Any) -> None:
        self.write = batch.write
        self._batch = batch

    def put(self, key: bytes, value: bytes, /) -> None:
        """Count a put."""
        family = chr(key[0])
        self.records[family] += 1
        self.sizes[family] += len(key) + len(value)
        self._batch.put(key, value)

    def delete(self, key: bytes, /) -> None:
        """Count a delete."""
        self.records["-" + chr(key[0])] += 1
        self._batch.delete(key)


class StockedChain(LocalChain):
    """A chain whose accounts hold points since genesis."""

    def __init__(self, folder: Path, accounts: int, settings: Mapping[str, Any]) -> None:
        self._accounts = accounts
        options = StoreOptions(state_history_blocks=HISTORY, snapshot_interval=HISTORY // 2, **settings)
        program = program_op("miles", "aurora", expiry={"kind": "days", "days": 3_000})
        super().__init__(folder, [program], PARAMS, options)

    def genesis_state(self) -> GenesisState:
        """Issue points to every account."""
        document = self.genesis.document
        expires = START_MS + 3_000 * 86_400_000
        issues = [
            (
                "token.issue",
                {"program": "miles", "to": address_of(f"holder-{n}"), "amount": 10**6, "expires": expires},
            )
            for n in range(self._accounts)
        ]
        return genesis_changes(
            self.runtime,
            self.genesis.chain,
            document.time,
            document.params,
            self.genesis.validators,
            (),
            [*document.ops, *issues],
        )


def transactions(chain: LocalChain, load: str, units: int, accounts: int, rng: random.Random) -> list[bytes]:
    """Return the transactions of one block."""
    if load == "transfer":
        return [chain.sign(f"holder-{rng.randrange(accounts)}", [transfer(accounts, rng)]) for _ in range(units)]
    made = []
    for _ in range(units // OPERATIONS):
        if load == "batch":
            sender = f"holder-{rng.randrange(accounts)}"
            made.append(chain.sign(sender, [transfer(accounts, rng) for _ in range(OPERATIONS)]))
        else:
            ops = []
            for _ in range(OPERATIONS):
                to, ref = address_of(f"holder-{rng.randrange(accounts)}"), f"order-{rng.getrandbits(60)}"
                ops.append(("token.issue", {"program": "miles", "to": to, "amount": 1, "ref": ref}))
            made.append(chain.sign("aurora-admin", ops))
    return made


def transfer(accounts: int, rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Return a transfer of one point to a random account."""
    return "token.transfer", {
        "program": "miles",
        "to": address_of(f"holder-{rng.randrange(accounts)}"),
        "amount": 1,
    }


def verification() -> float:
    """Return the CPU time of one PyNaCl verification in µs: the median of some hundred."""
    key = NaClKey.generate()
    signed = key.sign(b"x" * 200)
    times = []
    for _ in range(20):
        begun = time.thread_time()
        for _ in range(50):
            key.verify_key.verify(signed)
        times.append((time.thread_time() - begun) / 50 * 1e6)
    return statistics.median(times)


def written() -> int:
    """Return the bytes that this process has handed to the system so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--load", choices=("transfer", "issue", "batch"), default="transfer")
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--units", type=int, default=900)
    parser.add_argument("--accounts", type=int, default=16_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--count", action="store_true", help="count records by family; costs time")
    parser.add_argument("--buffer", type=int, help="MiB of the engine's write buffer; the default of StoreOptions")
    parser.add_argument("--index", help="none, basic or full; the default of StoreOptions")
    options = parser.parse_args()
    settings: dict[str, Any] = {} if options.buffer is None else {"write_buffer_bytes": options.buffer << 20}
    if options.index is not None:
        settings["index"] = options.index
    if options.count:
        plain = Database.batch
        Database.batch = lambda self: Counted(plain(self))  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(prefix="entente-commit-", dir=options.folder) as folder:
        for number in range(options.accounts):
            key_of(f"holder-{number}")
        chain = StockedChain(Path(folder) / "data", options.accounts, settings)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)  # as a node
        measure(chain, options, Path(folder))
        chain.close()


def measure(chain: LocalChain, options: argparse.Namespace, folder: Path) -> None:
    """Commit the blocks, and print what they took."""
    rng = random.Random(12)
    commits, waits, parts = [], [], dict.fromkeys((stage.name for stage in STAGE_PARTS), 0.0)
    Counted.records.clear()
    Counted.sizes.clear()
    v = verification()
    bytes_before, cpu_before, own_before = written(), time.process_time(), time.thread_time()
    for _ in range(options.blocks):
        raws = transactions(chain, options.load, options.units, options.accounts, rng)
        parsed = [parse_transaction(raw) for raw in raws]
        candidate = chain._candidate(parsed, chain.ledger.head_time + 200)
        execution = chain.ledger.execute(candidate, parsed)
        execution.run(len(parsed))
        executed = execution.finish()
        certificate = chain._certificate(candidate.header, executed.roots)
        before = {stage: stage.seconds for stage in STAGE_PARTS}
        begun, on = time.thread_time(), time.perf_counter()
        with STAGES.commit:
            chain.ledger.commit(executed, certificate)
        commits.append(time.thread_time() - begun)
        waits.append(time.perf_counter() - on)
        for stage, seconds in before.items():
            parts[stage.name] += stage.seconds - seconds
    time.sleep(2)
    units = options.blocks * options.units
    commit = sum(commits) / units * 1e6
    threads = (time.process_time() - cpu_before - (time.thread_time() - own_before)) / units * 1e6
    size = sum(file.stat().st_size for file in (folder / "data").iterdir())
    v = (v + verification()) / 2
    both, slow = commit + threads, sorted(waits)[-1 - len(waits) // 100]
    print(
        f"{options.load}: V {v:.1f} µs; commit {commit:.1f} µs = {commit / v:.3f} V, threads {threads:.1f} µs",
        end="",
    )
    print(f" = {threads / v:.3f} V, both {both:.1f} µs = {both / v:.3f} V; ", end="")
    print(f"a block takes {statistics.median(waits) * 1e3:.0f} ms, 99 % within {slow * 1e3:.0f} ms; ", end="")
    print(f"{(written() - bytes_before) / units:.0f} B written, {size / units:.0f} B on the disk a unit")
    print("    commit by stage, µs: " + ", ".join(f"{name} {s / units * 1e6:.1f}" for name, s in parts.items()))
    for name, count in Counted.records.items():
        print(f"    {name}: {count / units:.3f} records, {Counted.sizes[name] / units:.0f} B a unit")


if __name__ == "__main__":
    main()
