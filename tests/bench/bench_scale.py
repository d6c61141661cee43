"""What a transfer, a purchase, and a restart cost on chains of many members and many old purchases.

    python -m tests.bench.bench_scale [--members 1000,1000000] [--purchases 0] [--cache FOLDER] [--json FILE]

Each size is measured by a process of its own, which holds nothing else: its resident memory is that of a node's
state, caches and engine. Stores are made once, into the cache folder (tests/bench/scale_state.py), and linked or
copied for each run. Printed for each size, medians over blocks of 2,000, CPU µs:

    verify … commit     one transfer between random members, by stage; "engine" is its threads' compaction
    ratio               all of a transfer, against the first size of the same run
    purchase            one `token.issue` with a ref, 100 in a transaction, by random members
    disk                what a million purchases add to the store, blocks and receipts included, after compaction
    RSS                 resident after the blocks; of it "own" is not mapped files
    restart             opening the store and the ledger again, files in the system's cache

Ten million members and fifty million purchases take some 20 GB in the cache folder and an hour to make.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from genesis.document import DEFAULT_STATE_DEPTH
from node.store import StoreOptions
from tests.bench.bench_once import settle, size_of
from tests.bench.bench_stages import PARAMS, TRANSACTIONS
from tests.bench.scale_state import PROGRAM, PROGRAM_OP, SIGNERS, Scale, copy_store, kept_store, member, signer
from tests.support.ledger import LocalChain
from vm.transaction import Transaction, parse_transaction, signatures_valid

BATCH: Final = 100
"""Purchases in a transaction, as a till sends them."""

STAGES: Final = ("parse", "verify", "execute", "tree", "commit", "engine")
OPEN_FILES: Final = 1_000
"""What a node whose service may open 8,000 files gives its database."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One size; times of a transfer and a purchase in CPU µs."""

    members: int
    purchases: int
    transfer: dict[str, float]
    purchase: dict[str, float]
    first_blocks: list[float]
    disk_bytes: int
    disk_bytes_per_million_purchases: int
    rss_mib: int
    own_mib: int
    most_mib: int
    restart_seconds: float
    made_seconds: float


class ScaledChain:
    """A chain of many members, on a copy of a kept store."""

    def __init__(self, path: Path, scale: Scale, options: StoreOptions) -> None:
        self._path, self._scale, self._options = path, scale, options
        self._rng = random.Random(12)
        self._refs = itertools.count()
        self.open_seconds = 0.0
        self.reopen()

    def reopen(self) -> None:
        """Open the chain, and note how long it takes."""
        begun = time.perf_counter()
        self.chain = LocalChain(self._path, [PROGRAM_OP], PARAMS, self._options, state_depth=self._scale.depth)
        self.open_seconds = time.perf_counter() - begun

    def transfers(self) -> list[bytes]:
        """Return a block of transfers; who sends and who receives is random."""
        rng, members = self._rng, self._scale.members
        signers = min(SIGNERS, members)
        args = [{"program": PROGRAM, "to": "", "amount": 1} for _ in range(TRANSACTIONS)]
        raws = []
        for each in args:
            sender = rng.randrange(signers)
            receiver = rng.randrange(members - 1)
            each["to"] = member(receiver + (receiver >= sender))
            raws.append(self.chain.sign(signer(sender), [("token.transfer", each)]))
        return raws

    def purchases(self) -> list[bytes]:
        """Return a block of purchases by random members."""
        rng, members = self._rng, self._scale.members
        raws = []
        for _ in range(TRANSACTIONS // BATCH):
            ops = [
                {
                    "program": PROGRAM,
                    "to": member(rng.randrange(members)),
                    "amount": 1,
                    "ref": f"bench-{next(self._refs)}",
                }
                for _ in range(BATCH)
            ]
            raws.append(self.chain.sign("aurora-admin", [("token.issue", op) for op in ops]))
        return raws

    def block(self, raws: Sequence[bytes]) -> dict[str, float]:
        """Commit a block, and return the CPU µs of each of its 2,000 units by stage."""
        chain = self.chain
        gc.collect()
        threads = time.process_time() - time.thread_time()
        marks = [time.thread_time()]
        transactions = [parse_transaction(raw) for raw in raws]
        marks.append(time.thread_time())
        assert all(signatures_valid(tx) for tx in transactions)
        marks.append(time.thread_time())
        marks += self._executed(chain, transactions)
        stages = [b - a for a, b in itertools.pairwise(marks)]
        stages.append(time.process_time() - time.thread_time() - threads)
        return {name: seconds / TRANSACTIONS * 1e6 for name, seconds in zip(STAGES, stages, strict=True)}

    @staticmethod
    def _executed(chain: LocalChain, transactions: Sequence[Transaction]) -> Iterator[float]:
        """Execute and commit; yield the thread's CPU time after executing, hashing and committing."""
        candidate = chain._candidate(transactions, chain.ledger.head_time + 200)
        execution = chain.ledger.execute(candidate, transactions)
        execution.run(len(transactions))
        yield time.thread_time()
        executed = execution.finish()
        yield time.thread_time()
        chain.ledger.commit(executed, chain._certificate(candidate.header, executed.roots))
        yield time.thread_time()
        failed = [receipt.error for receipt in executed.result.receipts if receipt.status != "ok"]
        assert not failed, failed[0]


def medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each stage, and of all of a unit."""
    found = {name: statistics.median(row[name] for row in rows) for name in STAGES}
    return {**found, "all": statistics.median(sum(row.values()) for row in rows)}


def memory_mib(field: str) -> int:
    """Return this process's VmRSS, VmHWM or RssAnon in MiB."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) >> 10


def measure(cache: Path, folder: Path, scale: Scale, blocks: int, options: StoreOptions) -> Measured:
    """Measure one size, in a process of its own."""
    begun = time.perf_counter()
    kept = kept_store(cache, scale)
    made = time.perf_counter() - begun
    path = folder / "data"
    copy_store(kept, path)
    scaled = ScaledChain(path, scale, options)
    settle()
    first = [scaled.block(scaled.transfers()) for _ in range(max(1, blocks // 4))]
    transfers = [scaled.block(scaled.transfers()) for _ in range(blocks)]
    settle()
    before = size_of(path)
    purchases = [scaled.block(scaled.purchases()) for _ in range(blocks)]
    rss, own, most = (memory_mib(field) for field in ("VmRSS", "RssAnon", "VmHWM"))
    scaled.chain.close()
    scaled.reopen()
    settle()
    grown = size_of(path) - before
    scaled.chain.close()
    return Measured(
        members=scale.members,
        purchases=scale.purchases,
        transfer=medians(transfers),
        purchase=medians(purchases),
        first_blocks=[sum(row.values()) for row in first],
        disk_bytes=before,
        disk_bytes_per_million_purchases=grown * 1_000_000 // (blocks * TRANSACTIONS),
        rss_mib=rss,
        own_mib=own,
        most_mib=most,
        restart_seconds=scaled.open_seconds,
        made_seconds=made,
    )


def measured_alone(arguments: argparse.Namespace, cache: Path, scale: Scale) -> Measured:
    """Measure one size in a child process."""
    one = f"{scale.members},{scale.purchases},{scale.depth}"
    command = [sys.executable, "-m", "tests.bench.bench_scale", "--one", one, "--cache", str(cache)]
    command += ["--blocks", str(arguments.blocks), "--page-cache-mib", str(arguments.page_cache_mib)]
    command += ["--write-buffer-mib", str(arguments.write_buffer_mib)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Measured(**json.loads(output.splitlines()[-1]))


def row(name: str, found: dict[str, float], ratio: float) -> str:
    """Return one line of stages."""
    stages = " ".join(f"{found[stage]:8.1f}" for stage in STAGES)
    return (
        f"  {name:10} {stages} {found['all']:8.1f} µs = {found['all'] / found['verify']:.2f} V, ratio {ratio:.2f}"
    )


def print_size(found: Measured, base: Measured) -> None:
    """Print one size."""
    print(f"{found.members:,} members, {found.purchases:,} old purchases (made in {found.made_seconds:.0f} s)")
    print(f"  {'':10} " + " ".join(f"{stage:>8}" for stage in (*STAGES, "all")))
    print(row("transfer", found.transfer, found.transfer["all"] / base.transfer["all"]))
    purchase = {**found.purchase, "verify": found.transfer["verify"]}
    print(row("purchase", purchase, found.purchase["all"] / base.purchase["all"]))
    print(
        f"  one core: {1e6 / found.transfer['all']:,.0f} transfers, {1e6 / found.purchase['all']:,.0f} purchases/s"
    )
    print(f"  first blocks after a start: {', '.join(f'{us:.0f}' for us in found.first_blocks)} µs a transfer")
    print(
        f"  disk {found.disk_bytes >> 20:,} MiB, a million purchases add "
        f"{found.disk_bytes_per_million_purchases >> 20:,} MiB"
    )
    print(
        f"  RSS {found.rss_mib:,} MiB, own {found.own_mib:,}, at most {found.most_mib:,};"
        f" restart {found.restart_seconds:.2f} s",
        flush=True,
    )


def options_of(arguments: argparse.Namespace) -> StoreOptions:
    """Return a node's options, with the page cache and the write buffer that were asked for."""
    options = StoreOptions(max_open_files=OPEN_FILES)
    if arguments.page_cache_mib:
        options = replace(options, page_cache_bytes=arguments.page_cache_mib << 20)
    if arguments.write_buffer_mib:
        options = replace(options, write_buffer_bytes=arguments.write_buffer_mib << 20)
    return options


def parsed_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", default="1000,1000000,10000000", help="sizes, the base of ratios first")
    parser.add_argument("--purchases", type=int, default=50_000_000, help="of one more chain, 0 for none")
    parser.add_argument("--purchases-members", type=int, default=1_000_000, help="members of that chain")
    parser.add_argument("--depth", type=int, default=DEFAULT_STATE_DEPTH, help="the tree has 16^depth buckets")
    parser.add_argument("--blocks", type=int, default=40, help="measured blocks of 2,000 for each load")
    parser.add_argument("--cache", type=Path, help="keeps the stores; a temporary folder without")
    parser.add_argument("--page-cache-mib", type=int, default=0, help="in place of a node's own")
    parser.add_argument("--write-buffer-mib", type=int, default=0, help="in place of a node's own")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def run_all(arguments: argparse.Namespace, cache: Path) -> list[Measured]:
    """Measure and print all sizes."""
    scales = [Scale(int(members), 0, arguments.depth) for members in arguments.members.split(",")]
    if arguments.purchases:
        scales.append(Scale(arguments.purchases_members, arguments.purchases, arguments.depth))
    rows: list[Measured] = []
    for scale in scales:
        rows.append(measured_alone(arguments, cache, scale))
        print_size(rows[-1], rows[0])
    return rows


def main() -> None:
    """Run the benchmark."""
    arguments = parsed_arguments()
    with tempfile.TemporaryDirectory(prefix="entente-scale-", dir=arguments.cache) as folder:
        cache = arguments.cache or Path(folder)
        if arguments.one:
            members, purchases, depth = map(int, arguments.one.split(","))
            scale = Scale(members, purchases, depth)
            found = measure(cache, Path(folder), scale, arguments.blocks, options_of(arguments))
            print(json.dumps(asdict(found)))
            return
        rows = run_all(arguments, cache)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(found) for found in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
