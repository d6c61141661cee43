"""How fast one node admits what peers send, with and without verification workers (workers.verify).

    taskset -c 0,1 python -m tests.bench.bench_workers [--transactions 9600] [--rounds 5] [--workers 1]

Frames of gossip are made first: single transfers of many accounts, and the same under batch signatures of 64. Then
they are fed to one admission queue in this process, by three peers in turn, again and again: without a worker, with
workers, and so on, on a fresh pool each time. No network, no consensus, no other node.

Printed for each, as medians over the rounds: the rate; the CPU of the node for a transaction, in µs and in V, where
V is one PyNaCl verification, measured between the rounds; and that of the workers. What the node saves is what its
event loop has left for consensus, execution and clients.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from node.pool.admission import AdmissionQueue, SendingPeer
from node.pool.mempool import Mempool
from node.runtime.config import NodeConfig
from node.verification.verifier import TransactionVerifier
from tests.support.ledger import START_MS, LocalChain, ManualClock, address_of, key_of
from tests.support.workers import verifier_with
from vm.batch_signatures import VerifiedRoots
from vm.primitives.keys import Domain, SigningKey, verify
from vm.transaction import encode_body, sign_batch, sign_body

ACCOUNTS = 1_000
FRAME = 64
"""Transactions of one gossip frame."""

BATCH = 64
PEERS = (b"peer-1", b"peer-2", b"peer-3")
POOL = NodeConfig(mempool_transactions=1_000_000, mempool_bytes=1 << 30, mempool_per_sender=1_000_000)


@dataclass(frozen=True, slots=True)
class Round:
    """What one pass over all frames took, for each transaction, in µs; and one verification."""

    wall: float
    node: float
    workers: float
    v: float


def _bodies(chain: LocalChain, label: str, count: int, first: int) -> list[bytes]:
    args = {"program": "miles", "to": address_of("holder-0"), "amount": 1}
    sender, expires = address_of(label), chain.ledger.head_time + 60_000
    ops = [("token.transfer", args)]
    return [encode_body(chain.genesis.chain, sender, first + n, expires, ops) for n in range(count)]


def single(chain: LocalChain, count: int) -> list[bytes]:
    """Return transfers of many accounts, each signed by itself."""
    labels = [f"holder-{n % ACCOUNTS}" for n in range(count)]
    return [sign_body(_bodies(chain, label, 1, n)[0], [key_of(label)]) for n, label in enumerate(labels)]


def batched(chain: LocalChain, count: int) -> list[bytes]:
    """Return transfers under batch signatures, each of one account."""
    raws: list[bytes] = []
    for first in range(0, count, BATCH):
        label = f"holder-{first // BATCH % ACCOUNTS}"
        raws += sign_batch(_bodies(chain, label, BATCH, first), key_of(label))
    return raws[:count]


def verification_us() -> float:
    """Return what one verification takes now, µs of CPU."""
    key, message = SigningKey(b"\7" * 32), bytes(300)
    signature = key.sign(Domain.TRANSACTION, message)
    begun = time.process_time()
    for _ in range(1_000):
        assert verify(Domain.TRANSACTION, key.public_key, message, signature)
    return (time.process_time() - begun) * 1e3


async def admit(chain: LocalChain, raws: Sequence[bytes], verifier: TransactionVerifier) -> Round:
    """Feed all frames to a new queue and wait until everything is admitted."""
    mempool = Mempool(POOL)
    queue = AdmissionQueue(chain.ledger, mempool, ManualClock(START_MS), verifier)
    running = asyncio.create_task(queue.run())
    workers = [psutil.Process(worker.pid) for worker in verifier.workers if worker.pid is not None]
    gc.collect()
    used, begun, cpu = _cpu(workers), time.perf_counter(), time.process_time()
    for number, first in enumerate(range(0, len(raws), FRAME)):
        source = SendingPeer(PEERS[number % len(PEERS)], True, _refused)
        queue.take_from_peer(raws[first : first + FRAME], source)
    await queue.settle()
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    used = _cpu(workers) - used
    assert len(mempool) == len(raws)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    scale = 1e6 / len(raws)
    return Round(wall * scale, cpu * scale, used * scale, verification_us())


def _refused() -> None:
    raise AssertionError("a transaction was refused")


def _cpu(processes: Sequence[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


async def measure(chain: LocalChain, raws: Sequence[bytes], rounds: int, workers: int) -> dict[int, list[Round]]:
    """Alternate between no workers and some."""
    found: dict[int, list[Round]] = {0: [], workers: []}
    async with AsyncExitStack() as stack:
        verifiers = {0: TransactionVerifier(), workers: await stack.enter_async_context(verifier_with(workers))}
        for _ in range(rounds):
            for count, verifier in verifiers.items():
                verifier._roots = VerifiedRoots()  # what the round before has left would make it cheaper
                found[count].append(await admit(chain, raws, verifier))
    return found


def tell(name: str, workers: int, rounds: Sequence[Round]) -> None:
    """Print one line."""
    wall, node, used, v = (statistics.median(getattr(r, part) for r in rounds) for part in Round.__slots__)
    node_v = statistics.median(r.node / r.v for r in rounds)
    used_v = statistics.median(r.workers / r.v for r in rounds)
    print(
        f"{name:9} {workers:7} {1e6 / wall:8,.0f}/s {node:8.1f} µs {node_v:5.2f} V {used:8.1f} µs {used_v:5.2f} V"
        f"   V = {v:.0f} µs",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--transactions", type=int, default=9_600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    print(f"{'load':9} workers       rate     the node's CPU          the workers' CPU")
    with tempfile.TemporaryDirectory(prefix="entente-workers-") as folder:
        chain = LocalChain(Path(folder))
        for make in (single, batched):
            raws = make(chain, options.transactions)
            found = asyncio.run(measure(chain, raws, options.rounds, options.workers))
            for workers, rounds in found.items():
                tell(make.__name__, workers, rounds)
        chain.close()


if __name__ == "__main__":
    main()
