"""Refunds: in parts, with the points' dates, and no longer life than the one extension."""

from __future__ import annotations

import pytest

from tests.contract_harness import START, Chain, account_of, brand_ops, program_args
from vm.errors import Refused

ANN = account_of("ann")
BOTH = ["ann", "aurora-cashier"]
DAY = 86_400_000
MIDNIGHT = -(-START // DAY) * DAY
FAR = MIDNIGHT + 100 * DAY


@pytest.fixture
def chain() -> Chain:
    chain = Chain(
        [
            *brand_ops("aurora"),
            *brand_ops("basil"),
            ("token.create_program", program_args("stars", "aurora", cap=30)),
            ("token.issue", {"program": "stars", "to": ANN, "amount": 10, "expires": MIDNIGHT + 3 * DAY}),
            ("token.issue", {"program": "stars", "to": ANN, "amount": 10, "expires": FAR}),
            ("token.issue", {"program": "stars", "to": ANN, "amount": 10}),
        ]
    )
    args = {"program": "stars", "from": ANN, "amount": 25, "at_brand": "aurora", "ref": "sold"}
    receipt = chain.send_ops("ann", [("token.redeem", args)], BOTH)
    assert receipt.status == "ok", receipt.error
    return chain


def refund(chain: Chain, amount: int, ref: str) -> dict[str, object]:
    args = {"program": "stars", "redemption_ref": "sold", "amount": amount, "ref": ref}
    answer: dict[str, object] = chain.send("aurora-cashier", "token.refund", **args)
    return answer


def lots(chain: Chain, account: str = ANN) -> dict[str, int]:
    shown = chain.view("token_balance", program="stars", account=account)
    return {lot["lot"]: lot["amount"] for lot in shown["lots"]}


def test_points_come_back_in_parts_those_taken_last_first(chain: Chain) -> None:
    assert lots(chain) == {"never": 5}
    refund(chain, 4, "a")
    assert lots(chain) == {"never": 9}
    refund(chain, 6, "b")
    assert lots(chain) == {"never": 10, str(FAR): 5}
    answer = refund(chain, 15, "c")
    near = str(-(-(chain.time + 30 * DAY) // DAY) * DAY + 1)
    assert answer == {
        "amount": 15,
        "debt_paid": 0,
        "lots": [{"lot": near, "amount": 10}, {"lot": str(FAR), "amount": 5}],
    }
    assert lots(chain) == {near: 10, str(FAR): 10, "never": 10}
    shown = chain.view("token_supply", program="stars")
    assert (shown["redeemed"], shown["refunded"], shown["outstanding"]) == (25, 25, 30)
    error = chain.send_ops(
        "aurora-cashier",
        [("token.refund", {"program": "stars", "redemption_ref": "sold", "amount": 1, "ref": "d"})],
    ).error
    assert error
    assert (error.code, error.details) == ("LIMIT_EXCEEDED", {"limit": 25, "available": 0})


def test_the_cap_does_not_stand_in_the_way_of_a_refund(chain: Chain) -> None:
    chain.send("aurora-issuer", "token.issue", program="stars", to=ANN, amount=25)
    refund(chain, 25, "a")
    assert chain.view("token_supply", program="stars")["outstanding"] == 55


def test_a_refund_and_a_redemption_again_and_again_do_not_lengthen_a_life(chain: Chain) -> None:
    chain.send("ann", "token.burn", program="stars", amount=5)
    refund(chain, 25, "a")
    chain.send("ann", "token.transfer", program="stars", to=account_of("bob"), amount=10)
    (marked,) = lots(chain, account_of("bob"))
    args = {"program": "stars", "from": account_of("bob"), "amount": 10, "at_brand": "aurora", "ref": "second"}
    chain.until(MIDNIGHT + 20 * DAY)
    assert chain.send_ops("bob", [("token.redeem", args)], ["bob", "aurora-cashier"]).status == "ok"
    back = {"program": "stars", "redemption_ref": "second"}
    chain.send("aurora-cashier", "token.refund", **back, amount=4, ref="b")
    assert lots(chain, account_of("bob")) == {marked: 4}, "the date that it had, not thirty days more"
    chain.until(int(marked))
    chain.send("aurora-cashier", "token.refund", **back, amount=6, ref="c")
    assert lots(chain, account_of("bob")) == {}
    shown = chain.view("token_supply", program="stars")
    assert shown["refunded"] == 25 + 10
    assert shown["expired"] == 10


def test_a_refund_has_a_reference_of_its_own_and_pays_once(chain: Chain) -> None:
    refund(chain, 1, "a")
    args = {"program": "stars", "redemption_ref": "sold", "amount": 1, "ref": "a"}
    assert chain.refused("aurora-cashier", "token.refund", **args) == "DUPLICATE_REF"
    assert chain.view("token_redemption", program="stars", at_brand="aurora", ref="sold")["refunded"] == 1


def test_only_the_brand_at_which_it_was_redeemed_refunds(chain: Chain) -> None:
    args = {"program": "stars", "redemption_ref": "sold", "amount": 1, "ref": "a"}
    assert chain.refused("basil-cashier", "token.refund", **args) == "NOT_FOUND"
    assert chain.refused("basil-cashier", "token.refund", **args, at_brand="aurora") == "NOT_AUTHORISED"
    assert chain.refused("aurora-issuer", "token.refund", **args) == "NOT_AUTHORISED"
    assert chain.refused("aurora-cashier", "token.refund", **{**args, "redemption_ref": "no"}) == "NOT_FOUND"
    with pytest.raises(Refused, match="NOT_FOUND"):
        chain.view("token_redemption", program="stars", at_brand="aurora", ref="no")
