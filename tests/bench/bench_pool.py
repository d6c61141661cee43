"""What a single transaction costs a validator outside its signature, execution, tree and commit, step by step.

    python -m tests.bench.bench_pool [--accounts N] [--blocks N] [--json]

A real admission queue, pool, gossip, block builder and block processor over a real ledger, in one process without
sockets: blocks of 2,000 single transfers, a quarter from clients in JSON-RPC batches of 100, the rest from three
peers in frames of 100, as one of four validators sees them. Signatures are made before and taken for valid. CPU
µs per transaction, medians over blocks after each account has sent once. Run two versions of the code in turn.

    gateway   a client's JSON-RPC batch, from bytes to submitting and back; per transaction of a client
    frames    decoding a peer's frame; per transaction
    admit     from a queue to the pool, parsing included
    gossip    keeping in mind who has a transaction, and encoding frames for those who have not
    propose   choosing a block's transactions, and building it
    judge     finding a proposed block's transactions, and judging them
    leave     taking what is final out of the pool, and waking those who wait
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, thread_time
from unittest import mock

import orjson

from genesis.document import DEFAULT_STATE_DEPTH
from network.gossip import Gossip
from network.kinds import Kind
from network.messages import Transactions, decode, encode_message
from node.gateway.dispatch import Caller, Dispatcher
from node.gateway.transaction_methods import TransactionMethods
from node.pool.admission import Admission, AdmissionQueue, SendingPeer
from node.pool.mempool import Mempool
from node.pool.waiters import FinalityWaiters
from node.runtime.config import NodeConfig, RpcLimits
from node.runtime.errors import TransactionRefused
from node.runtime.supervisor import Supervisor
from node.validator.block_builder import BlockBuilder
from node.validator.block_processor import BlockProcessor
from tests.bench.bench_stages import PARAMS, Stock, StockedChain, signed, transfer
from tests.support.ledger import LocalNode
from vm.batch_signatures import VerifiedRoots
from vm.primitives.hashing import sha256
from vm.transaction import Transaction

TRANSACTIONS = 2_000
FRAME = 100
CLIENT_PART = 4
"""One of four validators has a quarter of the transactions from clients of its own."""

PEERS = [sha256(b"peer-%d" % number) for number in range(3)]
STEPS = ("gateway", "frames", "admit", "gossip", "propose", "judge", "leave")


class _NoFetcher:
    """All transactions are here."""

    async def transactions(self, source: int, hashes: Sequence[bytes]) -> Sequence[bytes]:
        raise AssertionError("a transaction is missing")

    async def settle(self) -> None:
        """Nothing waits."""


class Validator:
    """The parts of a validator through which a transaction goes."""

    def __init__(self, chain: StockedChain) -> None:
        self.chain = chain
        self.spent: dict[str, float] = defaultdict(float)
        node = LocalNode(chain)
        self.clock = node.clock
        self.clock.now = chain.ledger.head_time
        self.mempool = Mempool(NodeConfig(mempool_per_sender=10_000))
        self.queue = AdmissionQueue(chain.ledger, self.mempool, self.clock)
        self.queue.on_admitted(self._gossip)
        self.gossip = Gossip()
        for peer in PEERS:
            self.gossip.peer_connected(peer)
            self.gossip.set_links(peer, PEERS)
        self.builder = BlockBuilder(chain.ledger, self.mempool, chain.validator_keys[0].public_key)
        self.processor = BlockProcessor(chain.ledger, self.mempool, _NoFetcher(), self.clock)
        self.waiters = FinalityWaiters(chain.store, Supervisor(lambda: chain.height + 1))
        node.submit = self._submitted  # type: ignore[method-assign]
        self.dispatcher = Dispatcher(TransactionMethods(node).batched_methods(), RpcLimits(), monotonic)

    async def _submitted(self, raws: Sequence[bytes], client: str = "") -> list[Admission | TransactionRefused]:
        """Stand for the queue, whose work is measured by itself."""
        return [Admission(raw[:32], committed=False) for raw in raws]

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Count what is done within for a step."""
        begun = thread_time()
        yield
        self.spent[step] += thread_time() - begun

    def _gossip(self, transactions: Sequence[Transaction], sender: SendingPeer | None) -> None:
        begun = thread_time()
        source = None if sender is None else sender.key
        self.gossip.add([(tx.hash, tx.raw) for tx in transactions], source, from_origin=sender is not None)
        self.gossip.flush()
        took = thread_time() - begun
        self.spent["gossip"] += took
        self.spent["admit"] -= took

    async def admit(self, raws: Sequence[bytes]) -> None:
        """Take a block's transactions in, from clients and peers in turn."""
        frames = [raws[start : start + FRAME] for start in range(0, len(raws), FRAME)]
        submits = []
        for number, frame in enumerate(frames):
            if number % CLIENT_PART == 0:
                await self._as_client(frame)
                submits.append(asyncio.ensure_future(self.queue.submit(frame, "client")))
                continue
            payload = encode_message(Transactions(True, tuple(frame)))
            with self.timed("frames"):
                message = decode(Kind.TRANSACTIONS, payload)
            assert isinstance(message, Transactions)
            peer = PEERS[number % len(PEERS)]
            self.queue.take_from_peer(message.items, SendingPeer(peer, True, _not_invalid))
        await asyncio.sleep(0)
        with self.timed("admit"):
            task = asyncio.ensure_future(self.queue.run())
            await self.queue.settle()
            await asyncio.gather(*submits)
            task.cancel()
        assert len(self.mempool) == len(raws), len(self.mempool)

    async def _as_client(self, raws: Sequence[bytes]) -> None:
        requests = [
            {"jsonrpc": "2.0", "id": number, "method": "tx_submit", "params": {"tx": raw.hex()}}
            for number, raw in enumerate(raws)
        ]
        body = orjson.dumps(requests)
        with self.timed("gateway"):
            await self.dispatcher.handle(body, Caller("client"))

    async def decide(self) -> None:
        """Propose, judge, execute and commit one block."""
        chain = self.chain
        time = chain.ledger.head_time + 200
        with self.timed("propose"):
            transactions = self.builder.select(time)
            candidate = self.builder.build(chain.ledger.height_context(), None, time, transactions)
        assert len(transactions) == TRANSACTIONS, len(transactions)
        with self.timed("judge"):
            fault = await self.processor.judge(candidate, [0], judge_time=False)
        assert fault is None, fault
        candidate = chain._candidate(transactions, time)
        execution = chain.ledger.execute(candidate, transactions)
        execution.run(TRANSACTIONS)
        executed = execution.finish()
        chain.ledger.commit(executed, chain._certificate(candidate.header, executed.roots))
        assert all(receipt.status == "ok" for receipt in executed.result.receipts)
        with self.timed("leave"):
            self.builder.learn_costs(transactions, executed.result.receipts)
            ids = [tx.id for tx in transactions]
            self.mempool.remove_committed(ids)
            self.waiters.final(ids)
        self.processor.clear()
        self.clock.now = chain.ledger.head_time


def _taken_for_valid(tx: Transaction, roots: VerifiedRoots) -> bool:
    del tx, roots  # a mock would take as long as half of admission
    return True


def _not_invalid() -> None:
    raise AssertionError("a transaction was refused")


async def measure(chain: StockedChain, blocks: int, used: int) -> dict[str, float]:
    """Return the CPU µs of each step per transaction."""
    validator = Validator(chain)
    numbers = itertools.count()
    rows: dict[str, list[float]] = defaultdict(list)
    for number in range(used // TRANSACTIONS + blocks):  # those of the first round find caches empty
        raws = [signed(chain, transfer, next(numbers), used, 1) for _ in range(TRANSACTIONS)]
        gc.collect()
        gc.disable()
        validator.spent.clear()
        await validator.admit(raws)
        await validator.decide()
        gc.enable()
        for step in STEPS if number >= used // TRANSACTIONS else ():
            part = {"gateway": 1 / CLIENT_PART, "frames": 1 - 1 / CLIENT_PART}.get(step, 1.0)
            rows[step].append(validator.spent[step] / TRANSACTIONS / part * 1e6)
    return {step: statistics.median(rows[step]) for step in STEPS}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="entente-pool-") as folder:
        stock = Stock(options.accounts, options.accounts, 1, DEFAULT_STATE_DEPTH)
        chain = StockedChain(Path(folder), PARAMS, stock)
        with mock.patch("node.verification.verifier.signatures_valid", _taken_for_valid):
            found = asyncio.run(measure(chain, options.blocks, options.accounts))
        chain.close()
    if options.json:
        json.dump(found, sys.stdout)
        return
    print("CPU µs per transaction")
    for step, us in found.items():
        print(f"{step:9} {us:7.2f}")


if __name__ == "__main__":
    main()
