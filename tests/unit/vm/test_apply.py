"""One transaction: authority, allowance, atomicity, receipt."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.steps import finished
from tests.unit.vm.toy_ledger import Reader, WasSet, account_of, runtime, transaction
from vm import metering
from vm.allowance import Allowance, BlockAllowances, Payer
from vm.apply import base_cost, transaction_steps
from vm.errors import InvariantBroken
from vm.params import Params
from vm.primitives.codec import encode
from vm.primitives.units import MAX_INT
from vm.receipt import Receipt, ReceiptError
from vm.state_view import BlockOverlay
from vm.transaction import Transaction

PARAMS = Params(max_tx_cost=10_000, account_cost_per_window=30_000, brand_cost_per_window=100_000, window_blocks=10)
FREE = 3_000
"""What an account has free in a block, a brand 10,000."""

ANN = account_of("ann")


class Bench:
    """An overlay to which transactions are applied one after the other."""

    def __init__(self, params: Params = PARAMS) -> None:
        self.params = params
        self.overlay = BlockOverlay(Reader(params))
        self.begin_block(7)

    def begin_block(self, height: int) -> None:
        self.height = height
        self.allowances = BlockAllowances(self.overlay, self.params, height)

    def apply(self, tx: Transaction, left: int = MAX_INT) -> Receipt:
        at = self.height, 5_000, 3, left
        receipt, receipt_bytes = finished(
            transaction_steps(runtime(), self.overlay, self.params, self.allowances, tx, *at)
        )
        assert receipt_bytes == encode(receipt)
        return receipt

    def used(self, key: str = f"chain/allowance/{ANN}") -> int:
        cell = self.overlay.changes.get(key)
        return 0 if cell is None else cell[0].used

    def spend(self, units: int, who: str = "ann", nonce: int = 0) -> Receipt:
        return self.apply(transaction(who, ("toy.burn_units", {"units": units}), nonce=nonce))

    def toy(self) -> dict[str, Any]:
        changes = self.overlay.changes
        return {key: changes[key][0] for key in changes if key.startswith("toy/") and key != "toy/burning"}


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
        (0, "toy.set", WasSet("aa", 1)),
        (1, "toy.set", WasSet("aa", 2)),
    ]
    assert bench.toy() == {"toy/aa": 2}
    # 100 a transaction, 170 a signature, 160/16 bytes, 2 · (10 + 2 arguments + 15 + 60 + 5) operations, and
    # 80/16 bytes of outcome
    assert len(encode([receipt.results, receipt.events])) // 16 == 5
    assert receipt.cost == 100 + 170 + 10 + 2 * 92 + 5
    assert list(bench.overlay.changes) == ["toy/aa"]


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
    bench.spend(FREE)
    used = bench.used()
    assert used > 0
    writes = [("toy.remove", {"key": "aa"}), ("toy.set", {"key": "bb", "value": 1})]
    receipt = bench.apply(transaction("ann", *writes, op))
    assert code(receipt) == (expected, 2)
    assert bench.toy() == {"toy/aa": 1}
    assert bench.used() == used + receipt.cost


def test_refusal_details_reach_the_receipt() -> None:
    error = Bench().apply(transaction("ann", ("toy.refuse", {"key": "aa"}))).error
    assert error
    assert (error.message, error.details) == ("never", {"key": "aa"})


def test_a_stranger_neither_acts_nor_uses_up_the_senders_allowance() -> None:
    bench = Bench()
    tx = transaction("ann", ("toy.set", {"key": "aa", "value": 1}), signers=["bob"])
    receipts = [bench.apply(tx) for _ in range(20)]
    assert {code(receipt) for receipt in receipts} == {("NOT_AUTHORISED", -1)}
    assert sum(receipt.cost for receipt in receipts) > FREE
    assert bench.overlay.changes == {}


def test_no_cost_is_above_the_limit() -> None:
    receipt = Bench().apply(transaction("ann", ("toy.burn_units", {"units": 10**9})))
    assert receipt.cost == PARAMS.max_tx_cost


def test_what_a_sender_uses_of_each_block_within_its_free_share_is_written_nowhere() -> None:
    bench = Bench()
    for height in range(7, 60):
        bench.begin_block(height)
        assert bench.spend(FREE - 400).status == "ok"
    assert list(bench.overlay.changes) == ["toy/burning"]


def test_only_what_is_beyond_the_free_share_is_taken_from_the_allowance() -> None:
    bench = Bench()
    costs = [bench.spend(1_400, nonce=nonce).cost for nonce in range(4)]
    assert sum(costs[:1]) < FREE < sum(costs[:2])
    assert bench.used() == sum(costs) - FREE


def test_the_allowance_runs_out_and_comes_back_when_its_window_is_over() -> None:
    bench = Bench()
    outcomes = [bench.spend(9_000, nonce=nonce).status for nonce in range(6)]
    assert outcomes == ["ok", "ok", "ok", "failed", "failed", "failed"]
    assert code(bench.spend(9_000)) == ("OUT_OF_BUDGET", 0)
    assert bench.spend(9_000, "bob").status == "ok"
    bench.begin_block(16)
    assert bench.spend(9_000).status == "failed"
    assert bench.spend(1_000, nonce=1).status == "failed"  # the first has used up the free share
    bench.begin_block(17)
    assert bench.spend(9_000).status == "ok"
    record = bench.overlay.changes[f"chain/allowance/{ANN}"][0]
    assert record == Allowance(bench.used(), since=17)
    assert bench.used() < 9_000


def test_a_sender_whose_allowance_is_used_up_still_has_its_free_share() -> None:
    bench = Bench()
    for nonce in range(5):
        bench.spend(9_000, nonce=nonce)
    bench.begin_block(8)
    assert bench.spend(FREE - 400).status == "ok"
    assert bench.spend(FREE - 400, nonce=1).status == "failed"


@pytest.mark.parametrize("window_blocks", [2, 10, 1_000])
def test_an_account_that_idled_has_its_allowance_whatever_windows_were(window_blocks: int) -> None:
    bench = Bench()
    for nonce in range(5):
        bench.spend(9_000, nonce=nonce)
    bench.params = msgspec.structs.replace(PARAMS, window_blocks=window_blocks)
    bench.begin_block(7 + window_blocks)
    assert bench.spend(9_000).status == "ok"
    bench.begin_block(8 + window_blocks)
    assert bench.spend(9_000).status == "ok"


def test_a_brand_has_a_far_larger_allowance_of_its_own() -> None:
    bench = Bench()
    outcomes = [bench.spend(9_000, "till", nonce=nonce).status for nonce in range(9)]
    assert outcomes == ["ok"] * 9
    assert bench.used(f"chain/allowance/{account_of('till')}") == 0
    assert bench.used("chain/brand-allowance/brand") > 70_000


def test_who_was_given_a_role_still_has_what_accounts_have_when_the_brand_has_nothing_left() -> None:
    """Else a brand could silence anybody: by a role that was not asked for, and then by its own work."""
    bench = Bench()
    for nonce in range(30):
        bench.spend(9_000, "till", nonce=nonce)
    brand = bench.used("chain/brand-allowance/brand")
    outcomes = [bench.spend(9_000, "cashier", nonce=nonce).status for nonce in range(4)]
    assert outcomes == ["ok"] * 3 + ["failed"]
    assert bench.used(f"chain/allowance/{account_of('cashier')}") > 2 * 9_000
    assert bench.used("chain/brand-allowance/brand") == brand


def test_a_sender_of_several_brands_pays_for_itself() -> None:
    """A brand that gives a role to another's till gets neither its allowance nor the till into its own."""
    bench = Bench()
    for nonce in range(13):
        bench.spend(9_000, "till", nonce=nonce)
    outcomes = [bench.spend(9_000, "both", nonce=nonce).status for nonce in range(12)]
    assert outcomes == ["ok"] * 11 + ["failed"]
    assert bench.used(f"chain/allowance/{account_of('both')}") > 90_000


def test_each_signature_operation_and_byte_is_paid_for_before_anything_is_done() -> None:
    one = transaction("ann", ("toy.remove", {"key": "aa"}))
    two = transaction("ann", *[("toy.remove", {"key": "aa"})] * 2, signers=["ann", "bob"])
    longer = len(two.raw) // 16 - len(one.raw) // 16
    assert base_cost(two) - base_cost(one) == metering.SIGNATURE + metering.PARSED + longer


@pytest.mark.parametrize("place", ["result", "event"])
@pytest.mark.parametrize("text", ["number", "object", "text"])
def test_what_no_receipt_can_hold_is_refused_and_undone(place: str, text: str) -> None:
    bench = Bench()
    receipt = bench.apply(transaction("ann", ("toy.overflow", {"place": place, "text": text})))
    assert code(receipt) == ("LIMIT_EXCEEDED", -1)
    assert receipt.error
    assert receipt.error.message == "a result or an event is beyond what a receipt may hold"
    assert (receipt.results, receipt.events, bench.toy()) == ([], [], {})


@pytest.mark.parametrize("text", ["number", "object", "text", "float"])
def test_details_that_no_receipt_can_hold_are_left_out(text: str) -> None:
    receipt = Bench().apply(transaction("ann", ("toy.overflow", {"place": "details", "text": text})))
    assert code(receipt) == ("NOT_ELIGIBLE", 0)
    assert receipt.error
    assert receipt.error.details is msgspec.UNSET


def test_a_broken_invariant_is_not_a_receipt() -> None:
    with pytest.raises(InvariantBroken):
        Bench().apply(transaction("ann", ("toy.crash", {})))


def test_the_bytes_of_results_and_events_are_paid_for() -> None:
    limit = msgspec.structs.replace(PARAMS, max_tx_cost=1_000)
    tell = ("toy.tell", {"size": 4_096})
    receipt = Bench().apply(transaction("ann", tell))
    outcome = len(encode([receipt.results, receipt.events]))
    assert outcome > 2 * 4_096
    assert receipt.cost == 100 + 170 + 10 + 11 + 5 + outcome // 16
    assert code(Bench(limit).apply(transaction("ann", tell, tell, tell))) == ("OUT_OF_BUDGET", -1)


def test_what_is_left_of_a_block_bounds_its_last_transaction() -> None:
    """It is told from a transaction that asks for too much: sent again, it may well succeed."""
    tx = transaction("ann", ("toy.set", {"key": "aa", "value": 1}), ("toy.burn_units", {"units": 2_000}))
    needed = Bench().apply(tx).cost
    assert Bench().apply(tx, left=needed).status == "ok"

    bench = Bench()
    bench.spend(FREE)
    used = bench.used()
    receipt = bench.apply(tx, left=needed - 1)
    assert receipt.error == ReceiptError("OUT_OF_BUDGET", "the block has no work units left", -1)
    assert receipt.cost == needed - 1, "the block has spent it"
    assert bench.used() == used + receipt.cost, "who could end full blocks for nothing would do it in every block"
    assert bench.toy() == {}


def test_a_failure_of_its_own_is_told_in_the_last_units_of_a_block_too() -> None:
    refused = transaction("ann", ("toy.refuse", {"key": "aa"}))
    assert code(Bench().apply(refused, left=Bench().apply(refused).cost)) == ("NOT_ELIGIBLE", 0)
    greedy = transaction("ann", ("toy.burn_units", {"units": 10**9}))
    assert code(Bench().apply(greedy, left=PARAMS.max_tx_cost)) == ("OUT_OF_BUDGET", 0)
    bench = Bench()
    while bench.spend(9_000).status == "ok":
        pass
    left = bench.allowances.free(Payer("account", ANN, PARAMS.account_cost_per_window)) + 5_000
    assert code(bench.apply(transaction("ann", ("toy.burn_units", {"units": 4_000})), left)) == ("OUT_OF_BUDGET", 0)
