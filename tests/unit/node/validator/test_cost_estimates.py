"""What transactions are likely to cost: by call, rising at once, and not to be lowered by failing cheaply."""

from __future__ import annotations

import pytest

from node.validator import cost_estimates
from node.validator.cost_estimates import INITIAL_COST_PER_OP, CostEstimates
from vm.apply import base_cost
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.receipt import Receipt
from vm.transaction import Transaction, encode_body, parse_transaction, sign_body

KEY = SigningKey(bytes(32))
TRANSFER, ISSUE = "token.transfer", "token.issue"


def transaction(*calls: str) -> Transaction:
    body = encode_body("chain", address_of_key(KEY.public_key), 1, 10, [(call, {}) for call in calls])
    return parse_transaction(sign_body(body, [KEY]))


def block(estimates: CostEstimates, *outcomes: tuple[tuple[str, ...], int, bool]) -> None:
    """Learn from (calls, units of all operations together, whether it succeeded) of each transaction."""
    transactions = [transaction(*calls) for calls, _, _ in outcomes]
    receipts = [
        Receipt(tx.id.hex(), 1, 0, "ok" if good else "failed", [], [], base_cost(tx) + used)
        for tx, (_, used, good) in zip(transactions, outcomes, strict=True)
    ]
    estimates.learn(transactions, receipts)


def of_ops(estimates: CostEstimates, *calls: str) -> int:
    """Return the estimate beside what is exact."""
    tx = transaction(*calls)
    return estimates.of(tx) - base_cost(tx)


def test_an_unknown_call_is_estimated_as_others_are() -> None:
    estimates = CostEstimates()
    assert of_ops(estimates, ISSUE) == INITIAL_COST_PER_OP * 9 // 8
    block(estimates, ((TRANSFER,), 1_000, True))
    assert of_ops(estimates, ISSUE) == 1_001 * 9 // 8


def test_each_call_has_an_estimate_of_its_own() -> None:
    """A block of purchases after a night of transfers must not be planned as if it held transfers."""
    estimates = CostEstimates()
    block(estimates, ((TRANSFER,), 280, True), ((TRANSFER, TRANSFER), 580, True), ((ISSUE,), 800, True))
    for _ in range(20):
        block(estimates, ((TRANSFER,), 280, True))
    assert of_ops(estimates, TRANSFER) == 281 * 9 // 8
    assert of_ops(estimates, ISSUE) == 801 * 9 // 8
    assert of_ops(estimates, TRANSFER, ISSUE, ISSUE) == (281 + 801 + 801) * 9 // 8


def test_an_estimate_rises_at_once_and_falls_slowly() -> None:
    estimates = CostEstimates()
    block(estimates, ((TRANSFER,), 280, True))
    block(estimates, ((TRANSFER,), 1_000, True))
    assert of_ops(estimates, TRANSFER) == 1_001 * 9 // 8
    block(estimates, ((TRANSFER,), 280, True))
    assert of_ops(estimates, TRANSFER) == (3 * 1_001 + 281) // 4 * 9 // 8


def test_who_fails_cheaply_does_not_lower_an_estimate_and_who_fails_dearly_raises_it() -> None:
    estimates = CostEstimates()
    block(estimates, ((TRANSFER,), 1_000, True))
    block(estimates, *[((TRANSFER,), 0, False)] * 50)
    block(estimates, ((TRANSFER,), -100, False))  # stopped by its block before it had begun
    assert of_ops(estimates, TRANSFER) == 1_001 * 9 // 8
    block(estimates, ((TRANSFER,), 50_000, False))
    assert of_ops(estimates, TRANSFER) == 50_001 * 9 // 8


def test_what_several_calls_cost_together_says_nothing_of_each() -> None:
    estimates = CostEstimates()
    block(estimates, ((TRANSFER,), 280, True))
    block(estimates, ((TRANSFER, ISSUE), 9_000, True))
    assert of_ops(estimates, TRANSFER) == 281 * 9 // 8
    assert of_ops(estimates, "a.b") == 4_501 * 9 // 8


def test_names_that_strangers_make_up_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_estimates, "MAX_CALLS", 2)
    estimates = CostEstimates()
    block(estimates, *[((f"made.up{number}",), 10_000 + number, False) for number in range(5)])
    assert len(estimates._by_call) == 2
    block(estimates, (("made.up0",), 20_000, True))
    assert of_ops(estimates, "made.up0") == 20_001 * 9 // 8
