"""Choosing what goes into a proposal (SPEC section 3, Work).

Senders with a brand role come first, but for a quarter of the block, which is kept for all others as long as any
of them wait. Every brand has the same share, and within a brand, or among the others, every source: so a client who
submits a few transactions does not stand behind one who submits thousands. What was chosen stands in the block in
the order of its arrival.

While others are about, who have sent something lately but have little waiting, one brand (and all senders without a
brand together) gets at most an eighth of a block's work units: a block that one of them fills takes a second or
two on a slow machine, and every other client's next transaction waits for its end. What one transaction takes
beyond that is made up for: its brand sits out the next blocks of every proposer.

Bytes and estimated work units bound it: a transaction beyond the block's work units would be in the block and
fail, so the estimate stays on the safe side (`node.validator.cost_estimates`). One for which the rest of the block
is too small waits for the next block, and what waits in other lanes has its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import islice
from operator import attrgetter

from consensus.types import Candidate, Certificate, Header, HeightContext, certificate_hash
from node.chain.ledger import Ledger
from node.pool.mempool import Mempool
from node.pool.mempool_lanes import Brands, Entry, Lane, Party
from node.runtime.clock import BlockClock
from node.validator import block_filling
from node.validator.block_filling import Filling, PartyTurns, Turns, party_cost
from node.validator.cost_estimates import CostEstimates
from node.validator.work_schedule import Heartbeat
from vm.agenda import is_anything_due
from vm.expiry import is_valid_at
from vm.primitives import merkle
from vm.receipt import Receipt
from vm.transaction import Transaction


class BlockBuilder:
    """Builds candidates on top of the ledger's head.

    Attributes:
        costs: what transactions are likely to cost.
    """

    def __init__(self, ledger: Ledger, mempool: Mempool, public_key: bytes) -> None:
        self._ledger = ledger
        self._mempool = mempool
        self._public_key = public_key
        self.costs = CostEstimates()
        self._ahead: dict[Brands, int] = {}
        """By how many work units each party is ahead of its part, by the latest blocks; at most a block's."""

    @property
    def head_time(self) -> int:
        """Block time of the head, ms."""
        return self._ledger.head_time

    def learn_costs(self, transactions: Sequence[Transaction], receipts: Sequence[Receipt]) -> None:
        """Take the work units of an executed block into account; its transactions are still in the pool."""
        self._count_parts(transactions, receipts)
        self.costs.learn(transactions, receipts)

    def _count_parts(self, transactions: Sequence[Transaction], receipts: Sequence[Receipt]) -> None:
        """Count who has had how much of the latest blocks, beyond a party's part of each.

        Nothing that a party did while no other was about counts, and no more than a whole block: else whoever has
        worked through a night alone would wait for hours as soon as anybody sends one transaction per block.
        """
        if len(self._mempool.active()) <= 1:
            self._ahead = {}
            return
        ahead = self._ahead
        for tx, receipt in zip(transactions, receipts, strict=False):
            party = self._mempool.party_of(tx.id)
            if party is not None:
                ahead[party] = ahead.get(party, 0) + receipt.cost
        params = self._ledger.params
        part, most = party_cost(params), params.max_block_cost
        self._ahead = {who: min(cost - part, most) for who, cost in ahead.items() if cost > part}

    def select(self, time: int) -> list[Transaction]:
        """Return the transactions that a block of this time would take."""
        active = self._mempool.active()
        chosen, busy = self._fill(time, capped=len(active) > 1)
        if len(active) > 1 and active <= busy:
            # The parties that are about have much to do: to leave a part of the block idle would help none of them.
            chosen, _ = self._fill(time, capped=False)
        if not chosen and self._ahead:
            # Only those are waiting who have had more than their part: time passes by blocks alone.
            self._ahead = {}
            chosen, _ = self._fill(time, capped=len(active) > 1)
        chosen.sort(key=attrgetter("arrival"))
        return [entry.tx for entry in chosen]

    def _fill(self, time: int, *, capped: bool) -> tuple[list[Entry], Set[Brands]]:
        """Return what a block of this time takes, and which parties have something left."""
        filling = Filling(self._ledger.params, self._ahead, is_anything_due(self._ledger.store.reader, time))
        brands = self._turns(self._mempool.parties(has_brand_role=True), time)
        others = self._turns(self._mempool.parties(has_brand_role=False), time)
        filling.take(brands, reserved=True, capped=capped)
        filling.take(others, capped=capped)
        filling.take(brands, capped=capped)
        return filling.chosen, brands.waiting() | others.waiting()

    def _turns(self, parties: Iterable[Party], time: int) -> Turns:
        """Return a group's transactions in the order in which a block of this time would take them."""
        params = self._ledger.params
        max_tx_ttl_ms, max_tx_cost, estimate = params.max_tx_ttl_ms, params.max_tx_cost, self.costs.of

        def valid(lane: Lane) -> Iterator[tuple[Entry, int]]:
            for entry in lane:
                tx = entry.tx
                if is_valid_at(tx.body.expires, time, max_tx_ttl_ms):
                    yield entry, min(estimate(tx), max_tx_cost)

        # Every lane has its first turn before any has its second: more lanes than a block has places are too many.
        most = block_filling.MAX_TRANSACTIONS
        return Turns(
            {
                party.brands: PartyTurns([valid(lane) for lane in islice(party.lanes(), most)], params)
                for party in parties
            }
        )

    def has_work(self, time: int) -> bool:
        """Tell whether a block of this time would take any transaction, or what the head has left undone."""
        max_tx_ttl_ms = self._ledger.params.max_tx_ttl_ms
        return self.is_behind() or any(
            is_valid_at(tx.body.expires, time, max_tx_ttl_ms) for tx in self._mempool.in_order()
        )

    def is_behind(self) -> bool:
        """Tell whether the head has left something undone that was due: blocks follow until it is done."""
        return is_anything_due(self._ledger.store.reader, self._ledger.head_time)

    def build(
        self,
        context: HeightContext,
        parent_certificate: Certificate | None,
        time: int,
        transactions: Sequence[Transaction],
    ) -> Candidate:
        """Return the candidate that proposes these transactions at this time."""
        hashes = tuple(tx.hash for tx in transactions)
        header = Header(
            chain=context.chain,
            version=context.version,
            height=context.height,
            time=time,
            parent=context.parent_digest,
            parent_state_root=context.parent_roots.state_root,
            parent_commit=certificate_hash(parent_certificate),
            proposer=self._public_key,
            tx_root=merkle.root(hashes),
            tx_count=len(hashes),
            validators_hash=context.validators.hash,
            next_validators_hash=context.next_validators.hash,
        )
        return Candidate(header, parent_certificate, hashes)


class Proposer:
    """Makes this validator's proposals: the builder, the clock, and whether an empty block is wanted.

    Args:
        arranged: gives what was chosen the order in which a proposal of it is short.
    """

    def __init__(
        self,
        builder: BlockBuilder,
        clock: BlockClock,
        heartbeat: Heartbeat,
        arranged: Callable[[Sequence[Transaction]], list[Transaction]] = list,
    ) -> None:
        self._builder = builder
        self._clock = clock
        self._heartbeat = heartbeat
        self._arranged = arranged

    def has_work(self) -> bool:
        """Tell whether a block built now would do something."""
        return self._builder.has_work(self._time_after(self._builder.head_time))

    def propose(
        self, context: HeightContext, parent_certificate: Certificate | None, required: bool
    ) -> tuple[Candidate, list[Transaction]] | None:
        """Return a candidate and its transactions, or None where there is nothing to propose."""
        time = self._time_after(context.parent_time)
        transactions = self._arranged(self._builder.select(time))
        if not (transactions or required or self._builder.is_behind() or self._heartbeat.is_due()):
            return None
        return self._builder.build(context, parent_certificate, time, transactions), transactions

    def _time_after(self, parent_time: int) -> int:
        """Return the time of a block made now: after its parent's even where our clock is behind it."""
        return max(self._clock.now_ms(), parent_time + 1)
