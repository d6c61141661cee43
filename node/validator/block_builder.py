"""Choosing what goes into a proposal (SPEC section 3, Work).

Senders with a brand role come first, but for a quarter of the block, which is kept for all others as long as any
of them wait. Every brand has the same share, and within a brand, or among the others, every source: so a client who
submits a few transactions does not stand behind one who submits thousands. What was chosen stands in the block in
the order of its arrival.

While others are about, who have sent something lately but have little waiting, one brand (and all senders without a
brand together) gets at most a quarter of a block's work units: a block that one of them fills takes a second or
two on a slow machine, and every other client's next transaction waits for its end. What one transaction takes
beyond that is made up for: its brand sits out the next blocks of every proposer.

Bytes and estimated work units bound it: a transaction beyond the block's work units would be in the block and
fail, so the estimate stays on the safe side. Its basis is what transactions have cost lately, for each operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from heapq import heapify, heappop, heapreplace
from itertools import islice
from operator import attrgetter
from typing import Final

from consensus.types import Candidate, Certificate, Header, HeightContext, certificate_hash
from node.chain.ledger import Ledger
from node.pool.mempool import Mempool
from node.pool.mempool_lanes import Brands, Entry, Lane, Party
from node.runtime.clock import BlockClock
from node.validator.work_schedule import Heartbeat
from vm.agenda import agenda_budget, is_anything_due
from vm.apply import base_cost
from vm.expiry import is_valid_at
from vm.params import Params
from vm.primitives import merkle
from vm.receipt import Receipt
from vm.transaction import MAX_TX_BYTES, Transaction

MAX_TRANSACTIONS = 2_500
"""Larger blocks gain no throughput and cost latency (docs/performance.md, point 3)."""

RESERVED_FOR_OTHERS: Final = 4
"""One part in so many of a block is for senders without a brand role, as long as any of them wait."""

PARTY_PART: Final = 4
"""One part in so many of a block's work units is for one brand while others, with less to do, are about."""

_INITIAL_COST_PER_OP = 400
_SAFETY_NUMERATOR, _SAFETY_DENOMINATOR = 5, 4


class BlockBuilder:
    """Builds candidates on top of the ledger's head."""

    def __init__(self, ledger: Ledger, mempool: Mempool, public_key: bytes) -> None:
        self._ledger = ledger
        self._mempool = mempool
        self._public_key = public_key
        self._cost_per_op = _INITIAL_COST_PER_OP
        self._ahead: dict[Brands, int] = {}
        """By how many work units each party is ahead of its part, by the latest blocks; at most a block's."""

    @property
    def head_time(self) -> int:
        """Block time of the head, ms."""
        return self._ledger.head_time

    def learn_costs(self, transactions: Sequence[Transaction], receipts: Sequence[Receipt]) -> None:
        """Take the work units of an executed block into account; its transactions are still in the pool."""
        self._count_parts(transactions, receipts)
        ops = sum(len(tx.body.ops) for tx in transactions)
        if ops:
            cost = sum(receipt.cost for receipt in receipts[: len(transactions)])
            cost = max(0, cost - sum(map(base_cost, transactions)))
            # A moving average that rises at once and falls slowly: a block must not overrun.
            self._cost_per_op = max(cost // ops + 1, (3 * self._cost_per_op + cost // ops) // 4)

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
        filling = _Filling(self._ledger.params, self._ahead, is_anything_due(self._ledger.store.reader, time))
        brands = self._turns(self._mempool.parties(has_brand_role=True), time)
        others = self._turns(self._mempool.parties(has_brand_role=False), time)
        filling.take(brands, reserved=True, capped=capped)
        filling.take(others, capped=capped)
        filling.take(brands, capped=capped)
        return filling.chosen, brands.waiting() | others.waiting()

    def _turns(self, parties: Iterable[Party], time: int) -> _Turns:
        """Return a group's transactions in the order in which a block of this time would take them."""
        params = self._ledger.params
        max_tx_ttl_ms = params.max_tx_ttl_ms

        def valid(lane: Lane) -> Iterator[tuple[Entry, int]]:
            for entry in lane:
                if is_valid_at(entry.tx.body.expires, time, max_tx_ttl_ms):
                    yield entry, self._estimate(entry.tx)

        # Every lane has its first turn before any has its second: more lanes than a block has places are too many.
        return _Turns(
            {
                party.brands: _PartyTurns([valid(lane) for lane in islice(party.lanes(), MAX_TRANSACTIONS)], params)
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

    def _estimate(self, tx: Transaction) -> int:
        by_experience = (
            base_cost(tx) + len(tx.body.ops) * self._cost_per_op * _SAFETY_NUMERATOR // _SAFETY_DENOMINATOR
        )
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


class _PartyTurns:
    """Transactions of a party's lanes, each lane having its turn as long as it has had less than the others.

    What a transaction takes of a block is its part of the bytes, or of the work units if that is more.

    Attributes:
        taken: what the party has had of the block, in bytes.
        cost: the same in work units.
    """

    def __init__(self, lanes: Iterable[Iterator[tuple[Entry, int]]], params: Params) -> None:
        self._bytes, self._cost = params.max_block_bytes, params.max_block_cost
        self.taken = self.cost = 0
        self._heap: list[tuple[int, int, Entry, int, Iterator[tuple[Entry, int]]]] = []
        for order, lane in enumerate(lanes):
            first = next(lane, None)
            if first is not None:
                self._heap.append((0, order, *first, lane))
        heapify(self._heap)

    @property
    def head(self) -> tuple[Entry, int] | None:
        """Which transaction has the turn, and its estimated work units; None at the end."""
        return self._heap[0][2:4] if self._heap else None

    @property
    def taken_next(self) -> int:
        """What the party will have had of the block with the head."""
        head = self.head
        return self.taken + (0 if head is None else self._size(*head))

    def _size(self, entry: Entry, cost: int) -> int:
        return max(len(entry.tx.raw), cost * self._bytes // self._cost)

    def advance(self) -> None:
        """The head has been taken."""
        taken, order, entry, cost, lane = self._heap[0]
        size = self._size(entry, cost)
        self.taken += size
        self.cost += cost
        following = next(lane, None)
        if following is None:
            heappop(self._heap)
        else:
            heapreplace(self._heap, (taken + size, order, *following, lane))


class _Turns:
    """A group's parties, each having its turn as long as it has had less than the others."""

    def __init__(self, parties: dict[Brands, _PartyTurns]) -> None:
        self._parties = parties

    def waiting(self) -> set[Brands]:
        """Return which parties have something left."""
        return {who for who, turns in self._parties.items() if turns.head is not None}

    def take(self, filling: _Filling, most_cost: Callable[[Brands], int], has_room: Callable[[int], bool]) -> None:
        """Take what there is room for, in turn, no party beyond `most_cost` but by its last transaction."""
        # By what each will have had after its turn: whose next transaction is small comes before who has a
        # large one.
        heap = [
            (turns.taken_next, order, turns, most_cost(who))
            for order, (who, turns) in enumerate(self._parties.items())
            if turns.head is not None
        ]
        heapify(heap)
        while heap:
            _, order, turns, most = heap[0]
            head = turns.head
            if head is None or turns.cost >= most:
                heappop(heap)
                continue
            entry, cost = head
            if not has_room(len(entry.tx.raw)):
                return
            filling.add(entry, cost)
            turns.advance()
            heapreplace(heap, (turns.taken_next, order, turns, most))


class _Filling:
    """A block that is being filled."""

    def __init__(self, params: Params, ahead: Mapping[Brands, int], has_agenda: bool) -> None:
        self.chosen: list[Entry] = []
        self._ahead = ahead
        self._bytes = params.max_block_bytes
        self._cost = params.max_block_cost - params.max_tx_cost
        if has_agenda:
            self._cost -= 2 * agenda_budget(params)  # It may cost as much, or nothing: that is not known yet.
        self._party_cost = party_cost(params)
        self._most_cost = params.max_block_cost
        self._reserved_bytes = max(self._bytes // RESERVED_FOR_OTHERS, MAX_TX_BYTES)
        self._reserved_cost = self._cost // RESERVED_FOR_OTHERS

    def take(self, turns: _Turns, *, reserved: bool = False, capped: bool = False) -> None:
        """Take what there is room for.

        Args:
            reserved: leave what is kept for the other group.
            capped: no party gets more than its part.
        """
        end, least_bytes, least_cost = MAX_TRANSACTIONS, 0, 0
        if reserved:
            end -= end // RESERVED_FOR_OTHERS
            least_bytes, least_cost = self._reserved_bytes, self._reserved_cost

        def has_room(size: int) -> bool:
            return self._bytes - size >= least_bytes and self._cost >= least_cost and len(self.chosen) < end

        def most_cost(who: Brands) -> int:
            return self._party_cost - self._ahead.get(who, 0) if capped else self._most_cost

        turns.take(self, most_cost, has_room)

    def add(self, entry: Entry, cost: int) -> None:
        """Take a transaction."""
        self._bytes -= len(entry.tx.raw)
        self._cost -= cost
        self.chosen.append(entry)


def party_cost(params: Params) -> int:
    """Return the work units that a party gets of a block while others are about."""
    return (params.max_block_cost - params.max_tx_cost) // PARTY_PART


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
