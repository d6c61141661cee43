"""What transactions are likely to cost, so that a proposed block fills its work units and holds nothing that fails.

A block may use `max_block_cost`, and a transaction that its block has no units left for fails (docs/decisions/
block-budget.md). What it costs before its operations is exact (`base_cost`); what an operation of a call costs is
learned from receipts, call by call: a block of purchases that follows one of transfers must not be planned as if it
held transfers.

Invariants:
    1. An estimate is at least what the call has cost on average in the last block that held it, and an eighth.
    2. What failed makes an estimate larger, never smaller: a failure is cheap, and anyone can send it.
    3. At most MAX_CALLS calls are remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vm.apply import base_cost
from vm.receipt import STATUS_OK, Receipt
from vm.transaction import Transaction

INITIAL_COST_PER_OP: Final = 400
"""Between a transfer (283) and an issue (784), for what has never been seen."""

MAX_CALLS: Final = 512
"""Some three times the calls of the contracts. A name that is none fails, and is remembered only if it was dear."""

_SAFETY_NUMERATOR, _SAFETY_DENOMINATOR = 9, 8
"""Operations of one call differ, and averages of blocks with them; two thousand transfers still fit into one."""


_MIXED: Final = ""
"""Stands for the calls of a transaction that makes several: which of them took how much is not known."""


class CostEstimates:
    """Work units of an operation, by its call.

    Attributes:
        typical: of calls that no block has held alone in a transaction.
    """

    def __init__(self, typical: int = INITIAL_COST_PER_OP) -> None:
        self.typical = typical
        self._by_call: dict[str, int] = {}

    def of(self, tx: Transaction) -> int:
        """Return what a transaction is likely to cost at most."""
        by_call, typical = self._by_call, self.typical
        ops = tx.body.ops
        if len(ops) == 1:
            cost = by_call.get(ops[0][0], typical)
        else:
            cost = sum([by_call.get(op[0], typical) for op in ops])
        return base_cost(tx) + cost * _SAFETY_NUMERATOR // _SAFETY_DENOMINATOR

    def learn(self, transactions: Sequence[Transaction], receipts: Sequence[Receipt]) -> None:
        """Take the work units of an executed block into account."""
        used_by: dict[str, int] = {}
        ops_of: dict[str, int] = {}
        for tx, receipt in zip(transactions, receipts, strict=False):
            ops = tx.body.ops
            call, number = ops[0][0], len(ops)
            if number > 1 and any(op[0] != call for op in ops):
                call = _MIXED
            used = receipt.cost - base_cost(tx)
            if receipt.status == STATUS_OK or used > number * self._by_call.get(call, self.typical):
                used_by[call] = used_by.get(call, 0) + used
                ops_of[call] = ops_of.get(call, 0) + number
        if used_by:
            self.typical = _moved(self.typical, sum(used_by.values()) // sum(ops_of.values()) + 1)
        for call, used in used_by.items():
            if call != _MIXED and (call in self._by_call or len(self._by_call) < MAX_CALLS):
                latest = used // ops_of[call] + 1
                self._by_call[call] = _moved(self._by_call.get(call, latest), latest)


def _moved(average: int, latest: int) -> int:
    """Return the next moving average, which rises at once and falls slowly: a block must not overrun."""
    return max(latest, (3 * average + latest) // 4)
