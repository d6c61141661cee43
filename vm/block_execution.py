"""Executing a block on an overlay: system step, transactions, receipts, changes (SPEC section 3).

A `BlockExecution` is stepped in slices, so that its caller's event loop may turn in between; what
comes out does not depend on how it was sliced. Nothing is written anywhere: the caller
decides what becomes of the result.

Invariants:
    1. Total: for transactions that were checked before PREPARE, every outcome is a receipt.
    2. Receipts are one per transaction, then the system receipt (index = tx_count).
    3. Equal inputs give equal bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from vm.agenda import AgendaRun
from vm.apply import apply_transaction, failed_for_want_of_block_cost
from vm.chain_records import prune_replay_slots, record_proposer_order, record_replay_slots
from vm.contract_api import Context
from vm.errors import InvariantBroken
from vm.once_log import Appended, append_records
from vm.params import PARAMS
from vm.primitives import merkle
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.primitives.units import MAX_INT
from vm.receipt import STATUS_OK, Receipt
from vm.runtime import Runtime
from vm.state_view import BlockOverlay, StateReader
from vm.transaction import Transaction

Changes = Mapping[str, bytes | None]
"""State key → canonical bytes of its new value, or None where the key is deleted."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What execution needs to know of a block's header and certificate.

    Attributes:
        parent_time: the parent header's time; genesis time for block 1.
        sealed: public keys whose seals the parent certificate embeds.
        skipped: public keys that stood before the proposer in this height's order.
    """

    chain: str
    height: int
    time: int
    parent_time: int
    sealed: tuple[bytes, ...] = ()
    skipped: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block does: state changes, once-records, receipts (system receipt last), their root, work units used."""

    changes: Changes
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
        self._cost = 0
        self._system: Context | None = None
        self._agenda_done = False

    def run(self, limit: int, cost: int = MAX_INT) -> bool:
        """Execute up to `limit` further transactions; tell whether all are done.

        Args:
            cost: work units after which no further one is begun in this slice.
        """
        if self._system is None:
            self._system = self._begin()
        done = 0
        cost += self._cost
        while not self._agenda_done and done < limit and self._cost < cost:
            self._agenda_done = not self._step_agenda(self._system)
            done += 1
        if not self._agenda_done:
            return False
        start = len(self._receipts)
        end = min(start + limit - done, len(self._transactions))
        runtime, overlay, params = self._runtime, self._overlay, self._params
        height, time = self._context.height, self._context.time
        for index in range(start, end):
            tx = self._transactions[index]
            if self._cost + params.max_tx_cost > params.max_block_cost:
                receipt = failed_for_want_of_block_cost(tx, height, index)
            else:
                receipt = apply_transaction(runtime, overlay, params, tx, height, time, index)
            self._cost += receipt.cost
            self._receipts.append(receipt)
            if self._cost >= cost:
                break
        return len(self._receipts) == len(self._transactions)

    def _begin(self) -> Context:
        block = self._context
        self._overlay.begin()
        record_proposer_order(self._overlay, block.height, block.sealed, block.skipped)
        prune_replay_slots(self._overlay, self._params, block.parent_time, block.time)
        ctx = Context(self._overlay, block.chain, block.height, block.time, MAX_INT, governance=True)
        ctx.op = -1
        self._agenda = AgendaRun(self._runtime.duties, self._overlay, ctx, self._params)
        return ctx

    def _step_agenda(self, system: Context) -> bool:
        before = system.cost
        stepped = self._agenda.step()
        self._cost += system.cost - before
        return stepped

    def result(self) -> BlockResult:
        """Return what the block does; every transaction has been executed by `run`."""
        if self._system is None or not self._agenda_done or len(self._receipts) != len(self._transactions):
            raise InvariantBroken("result asked for before every transaction was executed")
        block = self._context
        record_replay_slots(self._overlay, self._params, self._transactions)
        once = append_records(
            self._overlay, [(family, key, cell[1]) for key, (family, cell) in self._overlay.records.items()]
        )
        system = Receipt(
            id=system_receipt_id(block.chain, block.height),
            height=block.height,
            index=len(self._transactions),
            status=STATUS_OK,
            results=[],
            events=self._system.events,
            cost=self._system.cost,
        )
        receipts = [*self._receipts, system]
        receipt_bytes = [encode(receipt) for receipt in receipts]
        return BlockResult(
            changes=changed_bytes(self._overlay),
            once=once,
            receipts=receipts,
            receipt_bytes=receipt_bytes,
            receipts_root=merkle.root(receipt_bytes),
            cost=self._cost,
        )


def changed_bytes(overlay: BlockOverlay) -> Changes:
    """Return an overlay's changes as they are committed."""
    return {key: None if cell is None else cell[1] for key, cell in overlay.changes.items()}


def simulate(runtime: Runtime, reader: StateReader, context: BlockContext, transaction: Transaction) -> Receipt:
    """Return the receipt that a transaction would get alone in a block; nothing is kept."""
    execution = BlockExecution(runtime, reader, context, [transaction])
    while not execution.run(MAX_INT):
        pass
    return execution._receipts[0]
