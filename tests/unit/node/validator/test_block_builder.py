"""What goes into a proposal, and when there is work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.types import certificate_hash
from consensus.validation import candidate_fault
from consensus.verification import candidate_is_whole
from node.pool.mempool import RECENT_BLOCKS, Mempool
from node.pool.mempool_lanes import OWN, Origin
from node.runtime.config import NodeConfig
from node.validator import block_filling
from node.validator.block_builder import BlockBuilder, Proposer
from node.validator.cost_estimates import CostEstimates
from tests.support.agenda import items_per_block
from tests.support.driver import NoHeartbeat
from tests.support.ledger import START_MS, LocalChain, ManualClock, key_of, program_op
from vm.params import Params
from vm.receipt import Receipt
from vm.transaction import Transaction, encode_body, parse_transaction, sign_body

TTL = Params().max_tx_ttl_ms
OPS = [program_op("miles", "aurora")]


class Bench:
    """A builder and a proposer on a chain, with a mempool to fill."""

    def __init__(self, chain: LocalChain) -> None:
        self.chain = chain
        self.mempool = Mempool(NodeConfig())
        self.clock = ManualClock(START_MS + 1_000)
        self.heartbeat = NoHeartbeat()
        self.nonce = 0
        context = chain.ledger.height_context()
        self.key = chain.validator_keys[context.proposer(0)]
        self.builder = BlockBuilder(chain.ledger, self.mempool, self.key.public_key)
        self.proposer = Proposer(self.builder, self.clock, self.heartbeat)

    def add(self, expires: int, size: int = 0, origin: Origin = OWN, ops: int = 1) -> Transaction:
        admin = key_of("aurora-admin")
        sender = parse_transaction(self.chain.sign("aurora-admin", OPS)).body.sender
        args = {f"n{i}": "x" * 1_000 for i in range(size // 1_000)}
        self.nonce += 1
        body = encode_body(self.chain.genesis.chain, sender, self.nonce, expires, [("a.b", args)] * ops)
        tx = parse_transaction(sign_body(body, [admin]))
        self.mempool.add(tx, origin)
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
    monkeypatch.setattr(block_filling, "MAX_TRANSACTIONS", 1)
    assert bench.builder.select(bench.clock.now) == transactions[:1]


def test_a_block_is_bounded_in_estimated_cost(tmp_path: Path) -> None:
    chain = LocalChain(tmp_path, params=Params(max_block_cost=100_000, max_tx_cost=75_000))
    bench = Bench(chain)
    for _ in range(300):
        bench.add(bench.clock.now + 1)
    chosen = bench.builder.select(bench.clock.now)
    candidate = bench.builder.build(chain.ledger.height_context(), None, bench.clock.now, chosen)
    execution = chain.ledger.execute(candidate, chosen)
    execution.run(len(chosen))
    receipts = execution.finish().result.receipts
    assert 1 < len(chosen) < 300
    assert all(receipt.cost > 0 for receipt in receipts[:-1])  # none failed for want of the block's work units
    chain.close()


def test_no_work_no_block_but_a_heartbeat_and_later_rounds(bench: Bench) -> None:
    context = bench.chain.ledger.height_context()
    assert not bench.proposer.has_work()
    assert bench.proposer.propose(context, None, required=False) is None
    assert bench.proposer.propose(context, None, required=True) is not None
    bench.heartbeat.is_due = lambda: True  # type: ignore[method-assign]
    proposed = bench.proposer.propose(context, None, required=False)
    assert proposed is not None
    assert proposed[1] == []


def open_proposal(chain: LocalChain) -> int:
    """Put something on the agenda; return when it is due, ms."""
    action = {"action": "add_node", "key": key_of("node").public_key.hex()}
    op = ("gov.propose", {"proposal": "change", "title": "A change", "actions": [action]})
    (receipt, _) = chain.commit([chain.sign("aurora-admin", [op])])
    return receipt.results[0].expires


def test_blocks_follow_until_what_was_due_is_done(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = bench.chain
    expires = open_proposal(chain)
    assert not bench.proposer.has_work()
    with monkeypatch.context() as slow:
        items_per_block(slow, 0)
        chain.commit(time=expires)
    bench.clock.now = expires + 1
    assert bench.proposer.has_work()
    assert bench.proposer.propose(chain.ledger.height_context(), None, required=False) is not None
    chain.commit(time=expires + 1)
    assert not bench.proposer.has_work()


def test_a_block_leaves_room_for_what_is_due(bench: Bench) -> None:
    chain = bench.chain
    due = bench.clock.now = open_proposal(chain)
    for _ in range(1_500):
        bench.add(due + 1, ops=4)
    without, beside = len(bench.builder.select(due - 1)), len(bench.builder.select(due))
    assert 0 < beside < without < 1_500


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


def crowd(bench: Bench, count: int, source: str, brand: str = "", size: int = 0) -> list[Transaction]:
    """Add many valid transactions of one source."""
    origin = Origin(source, (brand,) if brand else ())
    return [bench.add(bench.clock.now + 1, size, origin) for _ in range(count)]


def test_tills_come_first_and_all_others_have_a_quarter(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_filling, "MAX_TRANSACTIONS", 8)
    others = crowd(bench, 10, "stranger")
    tills = crowd(bench, 10, "till", brand="aurora")
    assert bench.builder.select(bench.clock.now) == others[:2] + tills[:6]
    bench.mempool.remove_committed([tx.id for tx in others[1:]])
    assert bench.builder.select(bench.clock.now) == others[:1] + tills[:7]  # nothing lies idle
    bench.mempool.remove_committed([tx.id for tx in tills])
    assert bench.builder.select(bench.clock.now) == others[:1]


def test_the_quarter_holds_for_bytes(bench: Bench) -> None:
    others = crowd(bench, 3, "stranger", size=100_000)
    crowd(bench, 3, "till", brand="aurora", size=100_000)
    assert len(bench.builder.select(bench.clock.now)) == 2
    assert others[0] in bench.builder.select(bench.clock.now)


def test_the_quarter_holds_for_work_units(tmp_path: Path) -> None:
    chain = LocalChain(tmp_path, params=Params(max_block_cost=100_000, max_tx_cost=75_000))
    bench = Bench(chain)
    others = crowd(bench, 150, "stranger")
    tills = crowd(bench, 150, "till", brand="aurora")
    chosen = bench.builder.select(bench.clock.now)
    taken = [len([tx for tx in group if tx in chosen]) for group in (others, tills)]
    assert 3 * taken[0] - 3 <= taken[1] <= 3 * taken[0] + 3
    assert taken[0] > 1
    chain.close()


def test_every_source_has_the_same_share_of_a_block(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_filling, "MAX_TRANSACTIONS", 6)
    flood = crowd(bench, 20, "flooder")
    shopper = crowd(bench, 2, "shopper")
    another = crowd(bench, 5, "another")
    assert bench.builder.select(bench.clock.now) == flood[:2] + shopper + another[:2]


def test_large_transactions_are_no_larger_share(bench: Bench) -> None:
    large = crowd(bench, 8, "flooder", size=30_000)
    small = crowd(bench, 100, "shopper")
    chosen = bench.builder.select(bench.clock.now)
    assert [tx for tx in chosen if tx in small] == small
    assert 1 < len([tx for tx in chosen if tx in large]) < 8


def test_what_has_no_room_any_more_holds_up_its_own_source_only(bench: Bench) -> None:
    large = crowd(bench, 3, "flooder", size=100_000)
    small = crowd(bench, 1, "shopper", size=50_000) + crowd(bench, 20, "shopper", size=10_000)
    chosen = bench.builder.select(bench.clock.now)
    # At the flooder's second turn 56 of 256 KiB are left: too little for it, and enough for five others.
    assert chosen == large[:1] + small[:11]


def test_more_sources_than_places_are_served_in_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_filling, "MAX_TRANSACTIONS", 2)
    lanes = [crowd(bench, 2, f"source {number}") for number in range(4)]
    served = []
    for _ in range(4):
        chosen = bench.builder.select(bench.clock.now)
        served.append(chosen)
        bench.mempool.remove_committed([tx.id for tx in chosen])
    first, second, third, fourth = lanes
    assert served == [
        [first[0], second[0]],
        [third[0], fourth[0]],
        [first[1], second[1]],
        [third[1], fourth[1]],
    ]


def heavy(bench: Bench, count: int, source: str, brand: str) -> list[Transaction]:
    """Add transactions of which three fill a block's work units; a single operation takes a tenth of one.

    An eighth more than its operations cost is what a transaction is estimated at: nearly a third of a block.
    """
    bench.builder.costs = CostEstimates(bench.chain.ledger.params.max_block_cost // 35)
    origin = Origin(source, (brand,) if brand else ())
    return [bench.add(bench.clock.now + 1, 0, origin, ops=10) for _ in range(count)]


def test_a_brand_that_floods_gets_its_part_while_others_are_about(bench: Bench) -> None:
    flood = heavy(bench, 20, "node 1", "bad")
    assert len(bench.builder.select(bench.clock.now)) == 3

    till = crowd(bench, 1, "node 1", "aurora")
    chosen = bench.builder.select(bench.clock.now)
    assert chosen == [flood[0], till[0]]
    bench.mempool.remove_committed([tx.id for tx in chosen])

    # The till has nothing left, but will be back: its next transaction is not to wait for three heavy ones.
    for _ in range(RECENT_BLOCKS - 2):
        (taken,) = bench.builder.select(bench.clock.now)
        bench.mempool.remove_committed([taken.id])
    bench.mempool.remove_committed([])
    assert len(bench.builder.select(bench.clock.now)) == 3


def receipt_of(tx: Transaction, cost: int) -> Receipt:
    return Receipt(tx.id.hex(), 1, 0, "ok", [], [], cost)


def test_a_brand_that_had_more_than_its_part_sits_out_blocks(bench: Bench) -> None:
    flood = heavy(bench, 20, "node 1", "bad")
    till = crowd(bench, 5, "node 1", "aurora")
    part = block_filling.party_cost(bench.chain.ledger.params)
    per_op = bench.builder.costs.typical

    def commit(chosen: list[Transaction]) -> None:
        receipts = [receipt_of(tx, 3 * part if tx in flood else 1) for tx in chosen]
        bench.builder.learn_costs(chosen, receipts)
        bench.builder.costs = CostEstimates(per_op)
        bench.mempool.remove_committed([tx.id for tx in chosen])

    commit([flood[0], till[0]])
    for _ in range(2):
        chosen = bench.builder.select(bench.clock.now)
        assert not any(tx in flood for tx in chosen)
        commit(chosen[:1])
    assert flood[1] in bench.builder.select(bench.clock.now)

    # Where none but such a brand has something waiting, the next block is not kept waiting for blocks to pass.
    commit([flood[1], *till[3:]])
    assert bench.builder.select(bench.clock.now) == [flood[2]]


def test_a_brand_that_has_worked_alone_owes_nothing_to_who_comes_later(bench: Bench) -> None:
    for _ in range(20):
        chosen = [bench.add(bench.clock.now + 1, 0, Origin("node 1", ("aurora",)))]
        bench.builder.learn_costs(chosen, [receipt_of(chosen[0], bench.chain.ledger.params.max_block_cost)])
        bench.mempool.remove_committed([chosen[0].id])
    (till,) = crowd(bench, 1, "node 1", "aurora")
    (stranger,) = crowd(bench, 1, "stranger", "")

    assert bench.builder.select(bench.clock.now) == [till, stranger]


def test_who_has_had_much_waits_for_a_few_blocks_at_most(bench: Bench) -> None:
    params = bench.chain.ledger.params
    per_op = bench.builder.costs.typical

    def block(cost: int) -> list[Transaction]:
        """Have both send a transaction, and commit what is chosen; those of aurora have the cost."""
        crowd(bench, 1, "node 1", "aurora")
        crowd(bench, 1, "stranger")
        chosen = bench.builder.select(bench.clock.now)
        receipts = [receipt_of(tx, cost if bench.mempool.party_of(tx.id) else 1) for tx in chosen]
        bench.builder.learn_costs(chosen, receipts)
        bench.builder.costs = CostEstimates(per_op)
        theirs = [tx for tx in chosen if bench.mempool.party_of(tx.id)]
        bench.mempool.remove_committed([tx.id for tx in chosen])
        return theirs

    waits, waited = [], 0
    for _ in range(60):
        waited = 0 if block(20 * params.max_block_cost) else waited + 1
        waits.append(waited)

    assert 1 <= max(waits) <= params.max_block_cost // block_filling.party_cost(params) + 1


def test_brands_that_all_flood_fill_the_block(bench: Bench) -> None:
    heavy(bench, 20, "node 1", "bad")
    heavy(bench, 20, "node 1", "worse")
    heavy(bench, 20, "node 2", "worst")

    assert len(bench.builder.select(bench.clock.now)) == 3


def test_strangers_that_flood_get_a_part_as_well(bench: Bench) -> None:
    heavy(bench, 20, "stranger", "")
    crowd(bench, 1, "till", "aurora")

    assert len(bench.builder.select(bench.clock.now)) == 2


def test_brands_have_the_same_share_whatever_their_sources(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_filling, "MAX_TRANSACTIONS", 8)
    for number in range(5):
        crowd(bench, 5, f"till {number}", "aurora")
    basil = crowd(bench, 5, "till", "basil")
    chosen = bench.builder.select(bench.clock.now)
    assert [tx for tx in chosen if tx in basil] == basil[:4]
    assert len(chosen) == 8


floods = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(1, 30)), min_size=1, max_size=12)


@given(floods)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_small_transaction_of_another_brand_is_in_the_next_block(
    bench: Bench, sent: list[tuple[int, int, int]]
) -> None:
    """However much the others send, from however many sources."""
    for brand, source, count in sent:
        heavy(bench, count, f"source {source}", f"brand-{brand}")
    (till,) = crowd(bench, 1, "source 0", "till")

    assert till in bench.builder.select(bench.clock.now)
    bench.mempool.remove_committed([tx.id for tx in list(bench.mempool.in_order())])


@given(floods)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_large_transaction_waits_for_no_more_than_one_turn_of_each_brand(
    bench: Bench, sent: list[tuple[int, int, int]]
) -> None:
    for brand, source, count in sent:
        heavy(bench, count, f"source {source}", f"brand-{brand}")
    (till,) = heavy(bench, 1, "source 0", "till")

    blocks = 0
    while bench.mempool.by_id(till.id) is not None:
        chosen = bench.builder.select(bench.clock.now)
        bench.mempool.remove_committed([tx.id for tx in chosen])
        blocks += 1
    assert blocks <= len({brand for brand, _, _ in sent}) + 1
    bench.mempool.remove_committed([tx.id for tx in list(bench.mempool.in_order())])
