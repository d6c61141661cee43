"""One transaction: authority, allowance, atomicity, receipt."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.vm.toy_ledger import Reader, account_of, runtime, transaction
from vm.apply import Allowance, allowance_key, apply_transaction
from vm.errors import InvariantBroken
from vm.params import Params
from vm.primitives.codec import encode
from vm.receipt import Receipt
from vm.state_view import BlockOverlay
from vm.transaction import Transaction

PARAMS = Params(max_tx_cost=10_000, account_cost_per_window=30_000, window_blocks=10)
ANN = account_of("ann")


class Bench:
    """An overlay to which transactions are applied one after the other."""

    def __init__(self, params: Params = PARAMS) -> None:
        self.params = params
        self.overlay = BlockOverlay(Reader(params))
        self.height = 7

    def apply(self, tx: Transaction) -> Receipt:
        return apply_transaction(runtime(), self.overlay, self.params, tx, self.height, 5_000, 3)

    def toy(self) -> dict[str, Any]:
        return {key: value for key, value in self.overlay.changes.items() if key.startswith("toy/")}


def code(receipt: Receipt) -> tuple[str, int]:
    assert receipt.error
    assert (receipt.status, receipt.results, receipt.events) == ("failed", [], [])
    return receipt.error.code, receipt.error.op


def test_operations_happen_in_order_and_are_told() -> None:
    bench = Bench()
    tx = transaction("ann", ("toy.set", {"key": "aa", "value": 1}), ("toy.set", {"key": "aa", "value": 2}))
    receipt = bench.apply(tx)
    assert (receipt.id, receipt.height, receipt.index, receipt.status) == (tx.id.hex(), 7, 3, "ok")
    assert receipt.results == [None, 1]
    assert [(event.op, event.type, event.data) for event in receipt.events] == [
        (0, "toy.set", {"key": "aa", "value": 1}),
        (1, "toy.set", {"key": "aa", "value": 2}),
    ]
    assert bench.toy() == {"toy/aa": 2}
    # 100 a transaction, 140 a signature, 160/16 bytes, 2 · (10 + 15 + 60 + 5) operations, 80/16 bytes of outcome
    assert len(encode([receipt.results, receipt.events])) // 16 == 5
    assert receipt.cost == 100 + 140 + 10 + 2 * 90 + 5
    assert bench.overlay.changes[allowance_key(ANN)] == Allowance(used=receipt.cost, window=0)


def test_the_context_tells_who_when_and_what() -> None:
    tx = transaction("ann", ("toy.give", {"from": ANN, "to": ANN}), signers=["ann", "bob"])
    expected = [ANN, ANN, ANN, [ANN, account_of("bob")], 0, 5_000, 7, tx.id.hex()]
    assert Bench().apply(tx).results == [expected]


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (("toy.refuse", {"key": "aa"}), "NOT_ELIGIBLE"),
        (("toy.nothing", {}), "UNKNOWN_CALL"),
        (("toy.number", {"key": "aa"}), "UNKNOWN_CALL"),
        (("toy", {}), "UNKNOWN_CALL"),
        (("toy.set", {"key": "aa"}), "INVALID_ARGS"),
        (("toy.burn_units", {"units": 10_000}), "OUT_OF_BUDGET"),
    ],
)
def test_a_failure_undoes_everything_but_the_allowance(op: tuple[str, dict[str, Any]], expected: str) -> None:
    bench = Bench()
    bench.apply(transaction("ann", ("toy.set", {"key": "aa", "value": 1})))
    used = bench.overlay.changes[allowance_key(ANN)].used
    writes = [("toy.remove", {"key": "aa"}), ("toy.set", {"key": "bb", "value": 1})]
    receipt = bench.apply(transaction("ann", *writes, op))
    assert code(receipt) == (expected, 2)
    assert bench.toy() == {"toy/aa": 1}
    assert bench.overlay.changes[allowance_key(ANN)].used == used + receipt.cost


def test_refusal_details_reach_the_receipt() -> None:
    error = Bench().apply(transaction("ann", ("toy.refuse", {"key": "aa"}))).error
    assert error
    assert (error.message, error.details) == ("never", {"key": "aa"})


def test_a_stranger_neither_acts_nor_uses_up_the_senders_allowance() -> None:
    bench = Bench()
    tx = transaction("ann", ("toy.set", {"key": "aa", "value": 1}), signers=["bob"])
    assert code(bench.apply(tx)) == ("NOT_AUTHORISED", -1)
    assert bench.overlay.changes == {}


def test_no_cost_is_above_the_limit() -> None:
    receipt = Bench().apply(transaction("ann", ("toy.burn_units", {"units": 10**9})))
    assert receipt.cost == PARAMS.max_tx_cost


def test_the_allowance_runs_out_and_comes_back_with_the_next_window() -> None:
    bench = Bench()
    spend = ("toy.burn_units", {"units": 9_000})
    outcomes = [bench.apply(transaction("ann", spend, nonce=nonce)).status for nonce in range(5)]
    assert outcomes == ["ok", "ok", "ok", "failed", "failed"]
    assert code(bench.apply(transaction("ann", spend))) == ("OUT_OF_BUDGET", -1)
    assert bench.apply(transaction("bob", spend)).status == "ok"
    bench.height = 10
    assert bench.apply(transaction("ann", spend)).status == "ok"


def test_brand_accounts_have_no_such_allowance() -> None:
    bench = Bench()
    spend = ("toy.burn_units", {"units": 9_000})
    assert all(bench.apply(transaction("till", spend, nonce=nonce)).status == "ok" for nonce in range(9))


def test_a_broken_invariant_is_not_a_receipt() -> None:
    with pytest.raises(InvariantBroken):
        Bench().apply(transaction("ann", ("toy.crash", {})))


def test_the_bytes_of_results_and_events_are_paid_for() -> None:
    limit = msgspec.structs.replace(PARAMS, max_tx_cost=1_000)
    tell = ("toy.tell", {"size": 4_096})
    receipt = Bench().apply(transaction("ann", tell))
    outcome = len(encode([receipt.results, receipt.events]))
    assert outcome > 2 * 4_096
    assert receipt.cost == 100 + 140 + 10 + 10 + 5 + outcome // 16
    assert code(Bench(limit).apply(transaction("ann", tell, tell, tell))) == ("OUT_OF_BUDGET", -1)
