"""Executing a block on an overlay: what is due, transactions, receipts, changes (SPEC section 3).

A `BlockExecution` is stepped in slices, so that its caller's event loop may turn in between; what
comes out does not depend on how it was sliced. Nothing is written anywhere: the caller
decides what becomes of the result.

Invariants:
    1. Total: for transactions that were checked before PREPARE, every outcome is a receipt.
    2. Receipts are one per transaction, then the system receipt (index = tx_count).
    3. Equal inputs give equal bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from vm.agenda import AgendaRun
from vm.allowance import BlockAllowances, forget_ended
from vm.apply import Outcome, Steps, transaction_steps
from vm.chain_records import prune_replay_slots, record_proposer_order, record_replay_slots
from vm.contract_api import Context
from vm.errors import InvariantBroken
from vm.once_log import Appended, append_records
from vm.params import PARAMS
from vm.primitives import merkle
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH, sha256
from vm.primitives.units import MAX_INT
from vm.receipt import STATUS_OK, Receipt
from vm.runtime import Runtime
from vm.state_view import BlockOverlay, Cell, StateReader
from vm.tables.stored import Stored
from vm.transaction import Transaction

Changes = Mapping[str, bytes | None]
"""State key → canonical bytes of its new value, or None where the key is deleted."""


class Written(NamedTuple):
    """Values with the types that they were decoded as; an object is made of the very bytes beside it.

    Attributes:
        cells: by key, None for a key that is deleted.
        types: by key, of each cell that is not None; there may be more.
    """

    cells: Mapping[str, Cell | None]
    types: Mapping[str, Stored[Any]]


SIMULATION_SLICE_COST: Final = 10_000
"""Some 4 ms: as long as reads may have of a turn of the event loop."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What execution needs to know of a block's header and certificate.

    Attributes:
        parent_time: the parent header's time; genesis time for block 1.
        sealed: public keys whose seals the parent certificate embeds.
        skipped: public keys that stood before the proposer in this height's order.
        parent: the digest of the parent's header, which the parent certificate certifies; only duties see it.
    """

    chain: str
    height: int
    time: int
    parent_time: int
    sealed: tuple[bytes, ...] = ()
    skipped: tuple[bytes, ...] = ()
    parent: bytes = ZERO_HASH


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block does: state changes, once-records, receipts (system receipt last), their root, work units
    used.

    Attributes:
        written: the changes as the block's own reads saw them, to be read by the next one.
    """

    changes: Changes
    written: Written
    once: Sequence[Appended]
    receipts: list[Receipt]
    receipt_bytes: list[bytes]
    receipts_root: bytes
    cost: int


def system_receipt_id(chain: str, height: int) -> str:
    """Return the id of a height's system receipt, 64 hex digits that no transaction can have."""
    return sha256(b"entente/system/1\0" + encode({"chain": chain, "height": height})).hex()


class BlockExecution:
    """One block in execution. Call `run` until it answers True, then `result` once."""

    def __init__(
        self,
        runtime: Runtime,
        reader: StateReader,
        context: BlockContext,
        transactions: Sequence[Transaction],
    ) -> None:
        params = PARAMS.get(reader)
        if params is None:
            raise InvariantBroken("the state holds no parameters")
        self._runtime = runtime
        self._context = context
        self._transactions = transactions
        self._params = params
        self._overlay = BlockOverlay(reader)
        self._receipts: list[Receipt] = []
        self._receipt_bytes: list[bytes] = []
        self._cost = 0
        self._agenda: AgendaRun | None = None
        self._steps: Steps | None = None
        self._used = 0
        """Work units of the transaction that is being executed."""
        self._allowances = BlockAllowances(self._overlay, params, context.height)

    @property
    def receipts(self) -> Sequence[Receipt]:
        """Those of the transactions that have been executed."""
        return self._receipts

    def run(self, limit: int, cost: int = MAX_INT) -> bool:
        """Work off what is due, then execute up to `limit` further transactions; tell whether all is done.

        Args:
            cost: work units after which the slice ends, also between two items of the agenda, or two operations of
                a transaction.
        """
        if self._agenda is None:
            self._agenda = self._begin_block()
        cost += self._cost + self._used
        while not self._agenda.is_over:
            self._cost += self._agenda.step()
            if self._cost >= cost:
                return False
        end = min(len(self._receipts) + limit, len(self._transactions))
        while len(self._receipts) < end:
            if self._steps is None:
                self._steps = self._begin(len(self._receipts))
            try:
                self._used = next(self._steps)
            except StopIteration as done:
                outcome: Outcome = done.value
                self._steps, self._used = None, 0
                self._cost += outcome.receipt.cost
                self._receipts.append(outcome.receipt)
                self._receipt_bytes.append(outcome.receipt_bytes)
            if self._cost + self._used >= cost:
                break
        return len(self._receipts) == len(self._transactions)

    def _begin(self, index: int) -> Steps:
        tx, params, block = self._transactions[index], self._params, self._context
        left = params.max_block_cost - self._cost
        return transaction_steps(
            self._runtime, self._overlay, params, self._allowances, tx, block.height, block.time, index, left
        )

    def _begin_block(self) -> AgendaRun:
        block = self._context
        self._overlay.begin()
        record_proposer_order(self._overlay, block.height, block.sealed, block.skipped)
        prune_replay_slots(self._overlay, self._params, block.parent_time, block.time)
        forget_ended(self._overlay, self._params, block.height)
        ctx = Context(self._overlay, block.chain, block.height, block.time, MAX_INT, governance=True)
        ctx.parent = block.parent
        ctx.op = -1
        return AgendaRun(self._runtime.duties, self._overlay, ctx, self._params)

    def result(self) -> BlockResult:
        """Return what the block does; every transaction has been executed by `run`."""
        agenda = self._agenda
        if agenda is None or not agenda.is_over or len(self._receipts) != len(self._transactions):
            raise InvariantBroken("result asked for before every transaction was executed")
        block = self._context
        record_replay_slots(self._overlay, self._params, self._transactions)
        once = append_records(self._overlay)
        system = Receipt(
            id=system_receipt_id(block.chain, block.height),
            height=block.height,
            index=len(self._transactions),
            status=STATUS_OK,
            results=[],
            events=agenda.events,
            cost=agenda.cost,
        )
        receipts = [*self._receipts, system]
        receipt_bytes = [*self._receipt_bytes, encode(system)]
        return BlockResult(
            changes=changed_bytes(self._overlay),
            written=Written(self._overlay.changes, self._overlay.types),
            once=once,
            receipts=receipts,
            receipt_bytes=receipt_bytes,
            receipts_root=merkle.root(receipt_bytes),
            cost=self._cost,
        )


def changed_bytes(overlay: BlockOverlay) -> Changes:
    """Return an overlay's changes as they are committed."""
    return {key: None if cell is None else cell[1] for key, cell in overlay.changes.items()}


def simulation_steps(
    runtime: Runtime, reader: StateReader, context: BlockContext, transaction: Transaction
) -> Generator[None, None, Receipt]:
    """Find out the receipt that a transaction would get alone in a block; nothing is kept.

    Yields after about SIMULATION_SLICE_COST work units each time. The reader must go on showing the same state.
    """
    execution = BlockExecution(runtime, reader, context, [transaction])
    while not execution.run(1, SIMULATION_SLICE_COST):
        yield
    return execution.receipts[0]
