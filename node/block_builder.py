"""Choosing what goes into a proposal (SPEC section 3, Work).

Transactions are taken in the order of their arrival, as far as bytes and estimated work units allow: a
transaction beyond the block's work units would be in the block and fail, so the estimate stays on the safe
side. Its basis is what transactions have cost lately, for each operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from consensus.types import Candidate, Certificate, Header, HeightContext, certificate_hash
from node.clock import BlockClock
from node.ledger import Ledger
from node.mempool import Mempool
from vm.metering import BYTES_PER_UNIT, SIGNATURE, TRANSACTION
from vm.primitives import merkle
from vm.receipt import Receipt
from vm.transaction import Transaction

MAX_TRANSACTIONS = 2_500
"""Larger blocks gain no throughput and cost latency (PERFORMANCE.md, point 3)."""

_INITIAL_COST_PER_OP = 400
_SAFETY_NUMERATOR, _SAFETY_DENOMINATOR = 3, 2


class BlockBuilder:
    """Builds candidates on top of the ledger's head."""

    def __init__(self, ledger: Ledger, mempool: Mempool, public_key: bytes) -> None:
        self._ledger = ledger
        self._mempool = mempool
        self._public_key = public_key
        self._cost_per_op = _INITIAL_COST_PER_OP

    @property
    def head_time(self) -> int:
        """Block time of the head, ms."""
        return self._ledger.head_time

    def learn_costs(self, transactions: Sequence[Transaction], receipts: Sequence[Receipt]) -> None:
        """Take the work units of an executed block into the estimate."""
        ops = sum(len(tx.body.ops) for tx in transactions)
        if ops:
            cost = sum(receipt.cost for receipt in receipts[: len(transactions)])
            # A moving average that rises at once and falls slowly: a block must not overrun.
            self._cost_per_op = max(cost // ops + 1, (3 * self._cost_per_op + cost // ops) // 4)

    def select(self, time: int) -> list[Transaction]:
        """Return the transactions that a block of this time would take."""
        params = self._ledger.params
        latest = time + params.max_tx_ttl_ms
        room_bytes = params.max_block_bytes
        room_cost = params.max_block_cost - params.max_tx_cost
        chosen: list[Transaction] = []
        for tx in self._mempool.in_order():
            if not time < tx.body.expires <= latest:
                continue
            room_bytes -= len(tx.raw)
            if room_bytes < 0 or room_cost < 0 or len(chosen) == MAX_TRANSACTIONS:
                break
            room_cost -= self._estimate(tx)
            chosen.append(tx)
        return chosen

    def has_work(self, time: int) -> bool:
        """Tell whether a block of this time would take any transaction."""
        latest = time + self._ledger.params.max_tx_ttl_ms
        return any(time < tx.body.expires <= latest for tx in self._mempool.in_order())

    def _estimate(self, tx: Transaction) -> int:
        base = TRANSACTION + SIGNATURE * len(tx.sigs) + len(tx.raw) // BYTES_PER_UNIT
        by_experience = base + len(tx.body.ops) * self._cost_per_op * _SAFETY_NUMERATOR // _SAFETY_DENOMINATOR
        return min(by_experience, self._ledger.params.max_tx_cost)

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
    """Makes this validator's proposals: the builder, the clock, and whether an empty block is wanted."""

    def __init__(self, builder: BlockBuilder, clock: BlockClock, heartbeat_due: Callable[[], bool]) -> None:
        self._builder = builder
        self._clock = clock
        self._heartbeat_due = heartbeat_due

    def has_work(self) -> bool:
        """Tell whether a block built now would hold a transaction."""
        return self._builder.has_work(self._time_after(self._builder.head_time))

    def propose(
        self, context: HeightContext, parent_certificate: Certificate | None, required: bool
    ) -> tuple[Candidate, list[Transaction]] | None:
        """Return a candidate and its transactions, or None where there is nothing to propose."""
        time = self._time_after(context.parent_time)
        transactions = self._builder.select(time)
        if not transactions and not required and not self._heartbeat_due():
            return None
        return self._builder.build(context, parent_certificate, time, transactions), transactions

    def _time_after(self, parent_time: int) -> int:
        """Return the time of a block made now: after its parent's even where our clock is behind it."""
        return max(self._clock.now_ms(), parent_time + 1)
