"""What goes into a proposal, and when there is work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.types import certificate_hash
from consensus.validation import candidate_fault
from consensus.verification import candidate_is_whole
from node import block_builder
from node.block_builder import BlockBuilder, Proposer
from node.config import NodeConfig
from node.mempool import Mempool
from tests.support.ledger import START_MS, LocalChain, ManualClock, key_of, program_op
from vm.params import Params
from vm.transaction import Transaction, encode_body, parse_transaction, sign_body

TTL = Params().max_tx_ttl_ms
OPS = [program_op("miles", "aurora")]


class Bench:
    """A builder and a proposer on a chain, with a mempool to fill."""

    def __init__(self, chain: LocalChain) -> None:
        self.chain = chain
        self.mempool = Mempool(NodeConfig())
        self.clock = ManualClock(START_MS + 1_000)
        self.heartbeat_due = False
        context = chain.ledger.height_context()
        self.key = chain.validator_keys[context.proposer(0)]
        self.builder = BlockBuilder(chain.ledger, self.mempool, self.key.public_key)
        self.proposer = Proposer(self.builder, self.clock, lambda: self.heartbeat_due)

    def add(self, expires: int, size: int = 0) -> Transaction:
        admin = key_of("aurora-admin")
        sender = parse_transaction(self.chain.sign("aurora-admin", OPS)).body.sender
        args = {f"n{i}": "x" * 1_000 for i in range(size // 1_000)}
        body = encode_body(self.chain.genesis.chain, sender, len(self.mempool), expires, [("a.b", args)])
        tx = parse_transaction(sign_body(body, [admin]))
        self.mempool.add(tx)
        return tx


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    chain = LocalChain(tmp_path, params=Params(max_block_bytes=256 * 1024))
    yield Bench(chain)
    chain.close()


def test_a_proposal_is_valid_and_holds_transactions_in_the_order_of_arrival(bench: Bench) -> None:
    bench.chain.commit()
    bench.clock.now += 1_000
    context = bench.chain.ledger.height_context()
    transactions = [bench.add(bench.clock.now + 10 - i) for i in range(3)]
    proposed = bench.proposer.propose(context, context.parent_certificate, required=False)
    assert proposed is not None
    candidate, body = proposed
    assert body == transactions
    assert candidate.tx_hashes == tuple(tx.hash for tx in transactions)
    assert candidate.header.time == bench.clock.now
    assert candidate.header.parent_commit == certificate_hash(context.parent_certificate)
    assert candidate_is_whole(candidate)
    assert candidate_fault(candidate, context, context.validators.index_of(bench.key.public_key)) is None
    assert bench.chain.ledger.fault_in(candidate.header, body) is None


def test_what_would_make_the_block_invalid_stays_out_and_in_the_pool(bench: Bench) -> None:
    time = bench.clock.now
    bench.add(time)  # expired
    bench.add(time + TTL + 1)  # not valid yet
    valid = [bench.add(time + 1), bench.add(time + TTL)]
    assert bench.builder.select(time) == valid
    assert len(bench.mempool) == 4


def test_a_block_is_bounded_in_bytes_and_in_count(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    transactions = [bench.add(bench.clock.now + 1, size=100_000) for _ in range(3)]
    assert bench.builder.select(bench.clock.now) == transactions[:2]
    monkeypatch.setattr(block_builder, "MAX_TRANSACTIONS", 1)
    assert bench.builder.select(bench.clock.now) == transactions[:1]


def test_a_block_is_bounded_in_estimated_cost(tmp_path: Path) -> None:
    chain = LocalChain(tmp_path, params=Params(max_block_cost=110_000, max_tx_cost=100_000))
    bench = Bench(chain)
    for _ in range(30):
        bench.add(bench.clock.now + 1)
    chosen = bench.builder.select(bench.clock.now)
    candidate = bench.builder.build(chain.ledger.height_context(), None, bench.clock.now, chosen)
    execution = chain.ledger.execute(candidate, chosen)
    execution.run(len(chosen))
    receipts = execution.finish().result.receipts
    assert 1 < len(chosen) < 30
    assert all(receipt.cost > 0 for receipt in receipts[:-1])  # none failed for want of the block's work units
    chain.close()


def test_no_work_no_block_but_a_heartbeat_and_later_rounds(bench: Bench) -> None:
    context = bench.chain.ledger.height_context()
    assert not bench.proposer.has_work()
    assert bench.proposer.propose(context, None, required=False) is None
    assert bench.proposer.propose(context, None, required=True) is not None
    bench.heartbeat_due = True
    proposed = bench.proposer.propose(context, None, required=False)
    assert proposed is not None
    assert proposed[1] == []


@pytest.mark.parametrize("expires_after_head", [1, TTL + 1])
def test_work_is_what_the_builder_would_take_also_where_our_clock_is_behind(
    bench: Bench, expires_after_head: int
) -> None:
    bench.chain.commit(time=START_MS + 5_000)
    bench.clock.now = START_MS + 4_000
    bench.add(START_MS + 5_000 + expires_after_head)
    context = bench.chain.ledger.height_context()
    proposed = bench.proposer.propose(context, context.parent_certificate, required=False)
    assert bench.proposer.has_work() == (proposed is not None)
    assert bench.proposer.has_work() == (expires_after_head > 1)
    if proposed is not None:
        assert proposed[0].header.time == START_MS + 5_001
