"""Returned purchases, adjustments, later dates, and points that come back after they expired."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.token.corrections import REINSTATE_MS
from tests.contract_harness import START, Chain, account_of, brand_ops, program_args
from tests.support.agenda import items_per_block

ANN, BOB = account_of("ann"), account_of("bob")
DAY = 86_400_000
MIDNIGHT = -(-START // DAY) * DAY


@pytest.fixture
def chain() -> Chain:
    ops = [*brand_ops("aurora"), *brand_ops("basil"), ("token.create_program", program_args("stars", "aurora"))]
    treasurer = {"brand": "aurora", "role": "treasurer", "account": account_of("aurora-treasurer")}
    second = {"brand": "aurora", "role": "issuer", "account": account_of("second-issuer")}
    return Chain([*ops, ("identity.grant_role", treasurer), ("identity.grant_role", second)])


def issue(chain: Chain, amount: int, ref: str | None = None, to: str = ANN, **more: Any) -> dict[str, Any]:
    named = {} if ref is None else {"ref": ref}
    args = {"program": "stars", "to": to, "amount": amount, **named, **more}
    answer: dict[str, Any] = chain.send("aurora-issuer", "token.issue", **args)
    return answer


def reverse(chain: Chain, amount: int, ref: str = "order") -> tuple[int, int, int]:
    answer = chain.send("aurora-issuer", "token.reverse", program="stars", ref=ref, amount=amount)
    assert answer["amount"] == amount == answer["taken"] + answer["expired"] + answer["debt"]
    return answer["taken"], answer["expired"], answer["debt"]


def lots(chain: Chain, account: str = ANN) -> dict[str, int]:
    shown = chain.view("token_balance", program="stars", account=account)
    return {lot["lot"]: lot["amount"] for lot in shown["lots"]}


def supply(chain: Chain) -> dict[str, int]:
    shown: dict[str, int] = {name: n for name, n in chain.view("token_supply", program="stars").items() if n}
    gone = ("redeemed", "burned", "expired", "reversed", "swapped_out")
    assert shown["issued"] == shown.get("outstanding", 0) + sum(shown.get(name, 0) for name in gone)
    return shown


def test_a_return_takes_the_refs_own_lot_first_then_the_earliest_then_debt(chain: Chain) -> None:
    issue(chain, 5, expires=MIDNIGHT)
    issue(chain, 10, "order", expires=MIDNIGHT + DAY)
    issue(chain, 5)
    assert reverse(chain, 4) == (4, 0, 0)
    assert lots(chain) == {str(MIDNIGHT): 5, str(MIDNIGHT + DAY): 6, "never": 5}
    chain.send("ann", "token.burn", program="stars", amount=9)
    assert lots(chain) == {str(MIDNIGHT + DAY): 2, "never": 5}
    assert reverse(chain, 6) == (6, 0, 0)
    assert lots(chain) == {"never": 1}
    assert supply(chain) == {"issued": 20, "outstanding": 1, "available": 1, "burned": 9, "reversed": 10}
    ref = chain.view("token_ref", program="stars", ref="order")
    assert (ref["issued"], ref["reversed"]) == (10, 10)
    error = chain.send_ops("aurora-issuer", [("token.reverse", {"program": "stars", "ref": "order", "amount": 1})])
    assert error.error
    assert (error.error.code, error.error.details) == ("LIMIT_EXCEEDED", {"limit": 10, "available": 0})


def test_what_is_not_there_is_owed_and_any_credit_pays_it_first(chain: Chain) -> None:
    issue(chain, 10, "order")
    chain.send("ann", "token.burn", program="stars", amount=8)
    assert reverse(chain, 9) == (2, 0, 7)
    assert supply(chain) == {"issued": 10, "burned": 8, "reversed": 2, "debt": 7}
    assert issue(chain, 3)["debt_paid"] == 3
    assert lots(chain) == {}
    issue(chain, 6, to=BOB)
    answer = chain.send("bob", "token.transfer", program="stars", to=ANN, amount=5)
    assert answer == {"amount": 5, "burned": 0, "received": 5, "debt_paid": 4}
    assert lots(chain) == {"never": 1}
    assert supply(chain) == {"issued": 19, "outstanding": 2, "available": 2, "burned": 8, "reversed": 9}
    assert issue(chain, 1)["debt_paid"] == 0


def test_what_has_expired_of_the_lot_counts_as_taken(chain: Chain) -> None:
    issue(chain, 10, "order", expires=MIDNIGHT)
    issue(chain, 5, "other", expires=MIDNIGHT)
    chain.send("ann", "token.burn", program="stars", amount=3)
    chain.until(MIDNIGHT)
    assert reverse(chain, 10) == (0, 10, 0)
    assert reverse(chain, 5, "other") == (0, 2, 3), "the twelve that expired count once"
    assert supply(chain) == {"issued": 15, "burned": 3, "expired": 12, "debt": 3}


def test_how_far_the_sweep_has_come_changes_no_reversal(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    items_per_block(monkeypatch, 0)
    issue(chain, 10, "order", expires=MIDNIGHT)
    chain.send("ann", "token.burn", program="stars", amount=3)
    chain.until(MIDNIGHT)
    assert reverse(chain, 10) == (0, 7, 3)
    monkeypatch.undo()
    chain.until(MIDNIGHT + 1_000)
    assert supply(chain) == {"issued": 10, "burned": 3, "expired": 7, "debt": 3}


def test_pending_points_of_the_ref_are_taken_first(chain: Chain) -> None:
    until = chain.time + DAY
    issue(chain, 10, "order", pending_until=until)
    issue(chain, 5)
    assert reverse(chain, 4) == (4, 0, 0)
    shown = chain.view("token_balance", program="stars", account=ANN)
    assert (shown["available"], shown["pending"]) == (5, 6)
    assert reverse(chain, 6) == (6, 0, 0)
    assert supply(chain) == {"issued": 15, "outstanding": 5, "available": 5, "reversed": 10}
    chain.until(until)
    assert lots(chain) == {"never": 5}


def test_a_reversal_names_a_ref_and_needs_the_issuer(chain: Chain) -> None:
    issue(chain, 10, "order")
    args = {"program": "stars", "ref": "order", "amount": 1}
    assert chain.refused("aurora-issuer", "token.reverse", **{**args, "ref": "no"}) == "NOT_FOUND"
    assert chain.refused("aurora-cashier", "token.reverse", **args) == "NOT_AUTHORISED"
    assert chain.refused("basil-issuer", "token.reverse", **args) == "NOT_AUTHORISED"


# Adjustments


def test_adjustments_are_told_apart_in_the_supply(chain: Chain) -> None:
    chain.send("aurora-admin", "token.update_program", program="stars", adjust_limit=10)
    args = {"program": "stars", "account": ANN, "reason": "a late flight"}
    assert chain.send("aurora-issuer", "token.adjust", **args, amount=10, ref="a")["amount"] == 10
    chain.send("aurora-issuer", "token.adjust", **args, amount=-4, ref="b")
    assert supply(chain) == {
        "issued": 10,
        "outstanding": 6,
        "available": 6,
        "reversed": 4,
        "adjusted_up": 10,
        "adjusted_down": 4,
    }
    assert chain.refused("aurora-issuer", "token.adjust", **args, amount=1, ref="a") == "DUPLICATE_REF"
    assert chain.refused("aurora-issuer", "token.adjust", **args, amount=0, ref="c") == "INVALID_ARGS"
    assert chain.refused("aurora-issuer", "token.adjust", **args, amount=-7, ref="c") == "INSUFFICIENT_BALANCE"


@pytest.mark.parametrize("amount", [11, -11])
@pytest.mark.parametrize(
    ("signers", "outcome"),
    [
        (["aurora-issuer"], "NOT_AUTHORISED"),
        (["aurora-issuer", "aurora-admin"], "NOT_AUTHORISED"),
        (["aurora-issuer", "aurora-treasurer"], "ok"),
        (["aurora-issuer", "second-issuer"], "ok"),
        (["aurora-issuer", "basil-issuer"], "NOT_AUTHORISED"),
    ],
)
def test_a_large_adjustment_needs_a_second_person(
    chain: Chain, signers: list[str], outcome: str, amount: int
) -> None:
    issue(chain, 20)
    chain.send("aurora-admin", "token.update_program", program="stars", adjust_limit=10)
    args = {"program": "stars", "account": ANN, "reason": "x", "amount": amount, "ref": "a"}
    receipt = chain.send_ops("aurora-issuer", [("token.adjust", args)], signers)
    assert (receipt.error.code if receipt.error else receipt.status) == outcome


# Later dates


def test_a_lot_gets_a_later_date_and_merges_with_what_is_there(chain: Chain) -> None:
    issue(chain, 5, expires=MIDNIGHT)
    issue(chain, 7, expires=MIDNIGHT + 9 * DAY)
    args = {"program": "stars", "account": ANN, "lot": str(MIDNIGHT)}
    late = MIDNIGHT + 8 * DAY + 1
    answer = chain.send("aurora-issuer", "token.extend", **args, expires=late)
    assert answer == {"lot": str(MIDNIGHT + 9 * DAY), "amount": 5}
    assert lots(chain) == {str(MIDNIGHT + 9 * DAY): 12}
    chain.until(MIDNIGHT)
    assert supply(chain) == {"issued": 12, "outstanding": 12, "available": 12}
    args["lot"] = str(MIDNIGHT + 9 * DAY)
    assert chain.refused("aurora-issuer", "token.extend", **args, expires=MIDNIGHT + 9 * DAY) == "INVALID_ARGS"
    args["lot"] = str(MIDNIGHT)
    assert chain.refused("aurora-issuer", "token.extend", **args, expires=late) == "NOT_FOUND"
    args["lot"] = "01"
    assert chain.refused("aurora-issuer", "token.extend", **args, expires=late) == "INVALID_ARGS"


def test_expired_points_come_back_for_a_while(chain: Chain) -> None:
    issue(chain, 10, "order", expires=MIDNIGHT)
    chain.send("ann", "token.burn", program="stars", amount=2)
    args = {"program": "stars", "account": ANN, "lot": str(MIDNIGHT)}
    assert chain.refused("aurora-issuer", "token.reinstate", **args, expires=MIDNIGHT + DAY) == "NOT_ELIGIBLE"
    chain.until(MIDNIGHT)
    assert supply(chain) == {"issued": 10, "burned": 2, "expired": 8}
    assert reverse(chain, 3) == (0, 3, 0)
    new = str(MIDNIGHT + 40 * DAY)
    answer = chain.send("aurora-issuer", "token.reinstate", **args, expires=MIDNIGHT + 40 * DAY)
    assert answer == {"lot": new, "amount": 5}, "what was reversed does not come back"
    assert lots(chain) == {new: 5}
    assert supply(chain) == {"issued": 10, "outstanding": 5, "available": 5, "burned": 2, "expired": 3}
    assert chain.refused("aurora-issuer", "token.reinstate", **args, expires=MIDNIGHT + 41 * DAY) == "NOT_FOUND"
    chain.until(MIDNIGHT + 40 * DAY)
    assert supply(chain) == {"issued": 10, "burned": 2, "expired": 8}


@pytest.mark.parametrize(("late_ms", "outcome"), [(0, "ok"), (1, "EXPIRED")])
def test_expired_points_come_back_up_to_a_millisecond(chain: Chain, late_ms: int, outcome: str) -> None:
    issue(chain, 10, expires=MIDNIGHT)
    chain.until(MIDNIGHT + REINSTATE_MS - 200 + late_ms)
    args = {"program": "stars", "account": ANN, "lot": str(MIDNIGHT), "expires": chain.time + DAY}
    receipt = chain.send_ops("aurora-issuer", [("token.reinstate", args)])
    assert (receipt.error.code if receipt.error else receipt.status) == outcome


def test_points_that_expire_before_they_are_unlocked_count_as_taken_and_can_be_reinstated(chain: Chain) -> None:
    issue(chain, 10, "order", expires=MIDNIGHT, pending_until=MIDNIGHT - 1)
    chain.until(MIDNIGHT)  # No block came between the two times.
    assert supply(chain) == {"issued": 10, "expired": 10}
    assert reverse(chain, 4) == (0, 4, 0)
    again = {"program": "stars", "account": ANN, "lot": str(MIDNIGHT), "expires": MIDNIGHT + DAY}
    assert chain.send("aurora-issuer", "token.reinstate", **again) == {"lot": str(MIDNIGHT + DAY), "amount": 6}
    assert supply(chain) == {"issued": 10, "outstanding": 6, "available": 6, "expired": 4}
