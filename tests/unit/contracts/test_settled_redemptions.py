"""What redemptions elsewhere, holds, refunds and exchanges have the issuing brand owe."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract_harness import START, Chain, account_of, brand_ops, credit_ops, program_args
from tests.support.persons import begin_exit

ANN = account_of("ann")
BOTH = ["ann", "basil-cashier"]
DAY = 86_400_000
PERIOD = "2023-11"
"""The month of the harness's time."""


def new_chain(num: int = 3, den: int = 2, credit: int = 1_000) -> Chain:
    price = {"currency": "EUR", "num": num, "den": den}
    return Chain(
        [
            *brand_ops("aurora"),
            *brand_ops("basil"),
            ("token.create_program", program_args("stars", "aurora", price=price)),
            ("token.create_program", program_args("moons", "basil", price={**price, "num": 5, "den": 1})),
            ("token.issue", {"program": "stars", "to": ANN, "amount": 10_000}),
            ("token.partner", {"program": "stars", "at_brand": "basil"}),
            *credit_ops("aurora", "basil", amount=credit),
        ]
    )


@pytest.fixture
def chain() -> Chain:
    assert START // 1_000 == 1_700_000_000
    return new_chain()


def outcome(chain: Chain, call: str, signers: list[str] = BOTH, **args: Any) -> str:
    receipt = chain.send_ops("ann", [(call, args)], signers)
    return receipt.error.code if receipt.error else receipt.status


def redeem(chain: Chain, amount: int, ref: str) -> str:
    args = {"program": "stars", "from": ANN, "amount": amount, "at_brand": "basil", "ref": ref}
    return outcome(chain, "token.redeem", **args)


def hold(chain: Chain, amount: int, name: str) -> str:
    args = {"program": "stars", "from": ANN, "amount": amount, "at_brand": "basil", "hold": name}
    return outcome(chain, "token.hold", **args, expires=chain.time + DAY)


def owed(chain: Chain) -> int:
    """Return what aurora owes basil, by either side's position."""
    aurora, basil = (
        chain.view("clearing_position", brand=brand, currency="EUR")["position"] for brand in ("aurora", "basil")
    )
    assert aurora == -basil
    return int(basil)


def test_a_redemption_elsewhere_is_owed_at_the_price_and_fractions_are_carried(chain: Chain) -> None:
    assert redeem(chain, 5, "a") == "ok"
    assert owed(chain) == 7, "7.5"
    assert redeem(chain, 1, "b") == "ok"
    assert owed(chain) == 9
    assert chain.view("token_redemption", program="stars", at_brand="basil", ref="b")["booked"] == {
        "currency": "EUR",
        "amount": 2,
    }
    statement = chain.view("clearing_statement", brand="basil", currency="EUR", period=PERIOD)["items"]
    assert [(line["amount"], line["cause"]["ref"]) for line in statement] == [(7, "a"), (2, "b")]


def test_at_ones_own_brand_nothing_is_owed(chain: Chain) -> None:
    args = {"program": "stars", "from": ANN, "amount": 5, "at_brand": "aurora", "ref": "a"}
    assert outcome(chain, "token.redeem", ["ann", "aurora-cashier"], **args) == "ok"
    assert owed(chain) == 0


def test_beyond_the_credit_limit_nothing_is_redeemed_or_held(chain: Chain) -> None:
    assert redeem(chain, 667, "a") == "ok"
    assert owed(chain) == 1_000
    assert redeem(chain, 1, "b") == "CREDIT_LIMIT"
    assert hold(chain, 1, "h") == "CREDIT_LIMIT"
    assert chain.view("token_balance", program="stars", account=ANN)["available"] == 10_000 - 667


def test_a_hold_reserves_credit_at_its_price_and_its_capture_never_fails_for_it(chain: Chain) -> None:
    assert hold(chain, 400, "h") == "ok"
    assert redeem(chain, 300, "a") == "CREDIT_LIMIT"
    assert redeem(chain, 260, "a") == "ok"
    limit = {"creditor": "basil", "debtor": "aurora", "currency": "EUR", "amount": 1}
    treasurer = {"brand": "basil", "role": "treasurer", "account": account_of("basil-treasurer")}
    chain.send("basil-admin", "identity.grant_role", **treasurer)
    chain.send("basil-treasurer", "clearing.set_credit_limit", **limit)
    dearer = {"currency": "EUR", "num": 9, "den": 1}
    chain.send("aurora-admin", "token.update_program", program="stars", price=dearer)
    chain.send("basil-cashier", "token.capture", at_brand="basil", hold="h", amount=400, ref="b")
    assert owed(chain) == 390 + 600


def test_what_a_hold_does_not_capture_gives_its_credit_back(chain: Chain) -> None:
    assert hold(chain, 600, "h") == "ok"
    assert redeem(chain, 100, "a") == "CREDIT_LIMIT"
    chain.send("basil-cashier", "token.capture", at_brand="basil", hold="h", amount=100, ref="b")
    assert owed(chain) == 150
    assert hold(chain, 566, "i") == "ok"
    chain.send("basil-cashier", "token.release", at_brand="basil", hold="i")
    assert hold(chain, 566, "j") == "ok"
    chain.until(chain.time + DAY)
    assert redeem(chain, 566, "c") == "ok"
    assert owed(chain) == 999


def test_a_refund_books_back_its_share_of_what_was_booked(chain: Chain) -> None:
    assert redeem(chain, 7, "a") == "ok"
    assert owed(chain) == 10
    after = []
    for ref in ("x", "y", "z"):
        args = {"program": "stars", "redemption_ref": "a", "amount": 2, "ref": ref}
        chain.send("basil-cashier", "token.refund", **args)
        after.append(owed(chain))
    assert after == [10 - 2, 10 - 5, 10 - 8], "floor(10 · 2 / 7), floor(10 · 4 / 7), floor(10 · 6 / 7)"
    args = {"program": "stars", "redemption_ref": "a", "amount": 1, "ref": "last"}
    chain.send("basil-cashier", "token.refund", **args)
    assert owed(chain) == 0


def test_a_refund_gives_credit_back(chain: Chain) -> None:
    assert redeem(chain, 667, "a") == "ok"
    args = {"program": "stars", "redemption_ref": "a", "amount": 600, "ref": "x"}
    chain.send("basil-cashier", "token.refund", **args)
    assert redeem(chain, 590, "b") == "ok"


def test_an_exchange_is_owed_at_the_to_programs_price(chain: Chain) -> None:
    terms = {"rate": [1, 4], "fee_bps": 100, "limits": {}, "valid_from": 0, "valid_to": 2**50}
    args = {"treaty": "aurora-moons", "from_program": "stars", "to_program": "moons", **terms}
    chain.send("aurora-admin", "swap.propose", **args)
    chain.send("basil-admin", "swap.accept", treaty="aurora-moons")
    assert outcome(chain, "swap.exchange", ["ann"], treaty="aurora-moons", amount=400, min_out=0) == "ok"
    assert owed(chain) == 99 * 5
    assert outcome(chain, "swap.exchange", ["ann"], treaty="aurora-moons", amount=500, min_out=0) == "CREDIT_LIMIT"
    assert chain.view("token_balance", program="moons", account=ANN)["available"] == 99
    assert chain.view("token_supply", program="stars")["swapped_out"] == 400


def test_points_stay_redeemable_until_a_brands_run_off_ends(chain: Chain) -> None:
    ends = chain.time + 10 * DAY
    begin_exit(chain, "aurora", ends, "basil")
    args = {"program": "stars", "to": ANN, "amount": 1}
    assert chain.refused("aurora-issuer", "token.issue", **args) == "SUSPENDED"
    assert redeem(chain, 5, "a") == "ok"
    chain.until(ends - 201)
    assert redeem(chain, 5, "b") == "ok"
    chain.until(ends - 200)
    assert redeem(chain, 5, "c") == "SUSPENDED"
    assert hold(chain, 5, "h") == "SUSPENDED"


@pytest.mark.parametrize("limit", ["total_day", "member_day"])
def test_a_hold_from_before_there_was_a_limit_gives_that_nothing_back(chain: Chain, limit: str) -> None:
    assert hold(chain, 100, "before") == "ok"
    chain.send("aurora-admin", "token.partner", program="stars", at_brand="basil", **{limit: 100})
    assert redeem(chain, 100, "all") == "ok"
    chain.send("basil-cashier", "token.release", at_brand="basil", hold="before")
    assert redeem(chain, 1, "more") == "LIMIT_EXCEEDED"
    assert hold(chain, 1, "more") == "LIMIT_EXCEEDED"
