"""What someone tried to get around a rule of money, and no longer does: one test for each kind."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.token import asides, holds, purse
from tests.contract_harness import START, Chain, Op, account_of, brand_ops, credit_ops, program_args
from vm.contract_api import MAX_INT
from vm.params import BOUNDS, Params

EVE, BOB = account_of("eve"), account_of("bob")
DAY = 86_400_000
MIDNIGHT = -(-START // DAY) * DAY
EUR = {"currency": "EUR", "num": 1, "den": 1}


def chain_of(*programs: Op, params: Params | None = None) -> Chain:
    brands = ("aurora", "basil")
    ops = [op for brand in brands for op in brand_ops(brand)]
    return Chain([*ops, *credit_ops(*brands), *programs], params)


def program(name: str, brand: str, **terms: Any) -> Op:
    return "token.create_program", program_args(name, brand, **{"price": EUR, **terms})


def propose(chain: Chain, treaty: str, source: str, target: str, **terms: Any) -> None:
    by = source.partition("-")[0]
    given = {
        "rate": [1, 1],
        "fee_bps": 0,
        "limits": {},
        "valid_from": START,
        "valid_to": START + 900 * DAY,
        **terms,
    }
    chain.send(f"{by}-admin", "swap.propose", treaty=treaty, from_program=source, to_program=target, **given)


def issue(chain: Chain, name: str, amount: int, to: str = EVE, **more: Any) -> None:
    chain.send(f"{name.partition('-')[0]}-issuer", "token.issue", program=name, to=to, amount=amount, **more)


# Treaties


@pytest.fixture
def swaps() -> Chain:
    return chain_of(program("aurora-p", "aurora"), program("basil-p", "basil"))


def test_a_treaty_that_is_over_does_not_come_back(swaps: Chain) -> None:
    """It is no longer listed, so that no look for a cycle would see it."""
    propose(swaps, "aurora-t", "aurora-p", "basil-p", valid_to=START + DAY)
    swaps.send("basil-admin", "swap.accept", treaty="aurora-t")
    later = {"rate": [1, 1], "fee_bps": 0, "limits": {}, "valid_from": START, "valid_to": START + 9 * DAY}
    swaps.send("aurora-admin", "swap.amend", treaty="aurora-t", **later)
    swaps.until(START + DAY)
    for who, call, args in (
        ("basil-admin", "accept", {}),
        ("aurora-admin", "amend", later),
        ("aurora-admin", "suspend", {}),
        ("aurora-admin", "terminate", {"notice_ms": 0}),
    ):
        assert swaps.refused(who, f"swap.{call}", treaty="aurora-t", **args) == "EXPIRED"


def test_a_proposal_whose_terms_are_over_may_get_others(swaps: Chain) -> None:
    propose(swaps, "aurora-t", "aurora-p", "basil-p", valid_to=START + DAY)
    swaps.until(START + DAY)
    later = {"rate": [1, 1], "fee_bps": 0, "limits": {}, "valid_from": START, "valid_to": START + 9 * DAY}
    swaps.send("aurora-admin", "swap.amend", treaty="aurora-t", **later)
    assert swaps.send("basil-admin", "swap.accept", treaty="aurora-t")["status"] == "active"


def test_who_names_the_terms_that_he_has_read_accepts_no_others(swaps: Chain) -> None:
    propose(swaps, "aurora-t", "aurora-p", "basil-p")
    seen = swaps.view("swap_treaty", treaty="aurora-t").get("revision", 1)
    worse = {"rate": [1, 1_000], "fee_bps": 0, "limits": {}, "valid_from": START, "valid_to": START + 9 * DAY}
    swaps.send("aurora-admin", "swap.amend", treaty="aurora-t", **worse)
    accept = {"treaty": "aurora-t"}
    assert swaps.refused("basil-admin", "swap.accept", **accept, revision=seen) == "CHANGED"
    swaps.send("basil-admin", "swap.accept", **accept, revision=seen + 1)
    swaps.send("aurora-admin", "swap.amend", treaty="aurora-t", **{**worse, "rate": [1, 2_000]})
    assert swaps.refused("basil-admin", "swap.accept", **accept, revision=seen + 1) == "CHANGED"
    swaps.send("basil-admin", "swap.accept", **accept, revision=seen + 2)


def test_a_quote_names_no_more_than_can_be_exchanged(swaps: Chain) -> None:
    propose(swaps, "aurora-t", "aurora-p", "basil-p", rate=[MAX_INT, 1])
    swaps.send("basil-admin", "swap.accept", treaty="aurora-t")
    quote = {"from_program": "aurora-p", "to_program": "basil-p"}
    assert swaps.view("swap_quote", **quote, amount=2)["out"] == 0
    assert swaps.view("swap_quote", **quote, amount=1)["out"] == MAX_INT


# Backed programs


def backed_chain() -> Chain:
    chain = chain_of(
        program("aurora-u", "aurora", backed=True),
        program("aurora-x", "aurora", price={**EUR, "currency": "USD"}),
        program("basil-p", "basil"),
        program("basil-x", "basil", price={**EUR, "currency": "USD"}),
        ("token.partner", {"program": "basil-p", "at_brand": "aurora"}),
    )
    issue(chain, "basil-p", 500)
    return chain


def redeem_at_aurora(chain: Chain, amount: int = 100) -> None:
    args = {"program": "basil-p", "from": EVE, "amount": amount, "at_brand": "aurora", "ref": "sold"}
    chain.send("eve", "token.redeem", ["eve", "aurora-cashier"], **args)


def test_a_refund_at_a_till_takes_no_reserve_that_backs_units() -> None:
    chain = backed_chain()
    redeem_at_aurora(chain)
    issue(chain, "aurora-u", 70)
    refund = {"program": "basil-p", "redemption_ref": "sold", "ref": "back"}
    assert chain.refused("aurora-cashier", "token.refund", **refund, amount=31) == "UNDERFUNDED"
    chain.send("aurora-cashier", "token.refund", **refund, amount=30)
    backing = chain.view("token_backing", program="aurora-u")
    assert (backing["reserve"], backing["worth"]) == (70, 70)


def test_points_of_its_brands_other_programs_take_no_reserve_that_backs_units() -> None:
    chain = backed_chain()
    redeem_at_aurora(chain)
    issue(chain, "aurora-u", 100)
    issue(chain, "aurora-x", 50)
    propose(chain, "aurora-t", "aurora-x", "basil-p")
    chain.send("basil-admin", "swap.accept", treaty="aurora-t")
    exchange = {"treaty": "aurora-t", "amount": 1, "min_out": 1}
    assert chain.refused("eve", "swap.exchange", **exchange) == "UNDERFUNDED"
    assert chain.view("token_backing", program="aurora-u")["reserve"] == 100


def test_units_become_points_of_their_own_currency_only() -> None:
    chain = backed_chain()
    way = {"from_program": "aurora-u", "to_program": "basil-x", "treaty": "aurora-t", "rate": [1, 1], "fee_bps": 0}
    way |= {"limits": {}, "valid_from": START, "valid_to": START + DAY}
    assert chain.refused("aurora-admin", "swap.propose", **way) == "NOT_ELIGIBLE"
    chain.send(
        "basil-admin",
        "swap.propose",
        **{**way, "from_program": "basil-x", "to_program": "aurora-u"} | {"treaty": "basil-t"},
    )


# Points in many lots


def in_lots(chain: Chain, count: int, to: str = EVE) -> None:
    for number in range(count):
        issue(chain, "aurora-p", 1, to, expires=MIDNIGHT + (number + 1) * DAY)


def test_a_hold_takes_no_more_lots_than_it_can_give_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asides, "MAX_LOTS_OF_ASIDE", 3)
    chain = chain_of(program("aurora-p", "aurora"))
    in_lots(chain, 4)
    hold = {"program": "aurora-p", "from": EVE, "at_brand": "aurora", "expires": chain.time + 1_000}
    both = ["eve", "aurora-cashier"]
    receipt = chain.send_ops("eve", [("token.hold", {**hold, "hold": "h", "amount": 4})], both)
    assert receipt.error
    assert (receipt.error.code, receipt.error.details) == ("LIMIT_EXCEEDED", {"possible": 3})
    chain.send("eve", "token.hold", both, **hold, hold="h", amount=3)


def test_a_hold_of_the_most_lots_is_captured_and_released_within_one_transaction() -> None:
    chain = chain_of(program("aurora-p", "aurora"))
    in_lots(chain, asides.MAX_LOTS_OF_ASIDE)
    hold = {"program": "aurora-p", "from": EVE, "at_brand": "aurora", "amount": asides.MAX_LOTS_OF_ASIDE}
    both = ["eve", "aurora-cashier"]
    for name, end in (("a", "release"), ("b", "capture")):
        chain.send("eve", "token.hold", both, **hold, hold=name, expires=chain.time + DAY)
        more = {"amount": 1, "ref": "sold"} if end == "capture" else {}
        receipt = chain.send_ops("aurora-cashier", [(f"token.{end}", {"at_brand": "aurora", "hold": name, **more})])
        assert receipt.status == "ok", receipt.error
        assert receipt.cost < Params().max_tx_cost // 2


def test_a_hold_of_many_lots_ends_by_itself_step_by_step_within_the_least_budget() -> None:
    least = Params(max_block_cost=BOUNDS["max_block_cost"][0], max_tx_cost=BOUNDS["max_tx_cost"][0])
    chain = chain_of(program("aurora-p", "aurora"), params=least)
    lots = 10 * holds.STEP_LOTS + 3
    in_lots(chain, lots)
    hold = {"program": "aurora-p", "from": EVE, "at_brand": "aurora", "amount": lots, "hold": "h"}
    chain.send("eve", "token.hold", ["eve", "aurora-cashier"], **hold, expires=chain.time + 1_000)
    ends = chain.time + 800
    left = []
    while (held := chain.view("token_balance", program="aurora-p", account=EVE)["held"]) or not left:
        left.append(held)
        chain.until(max(ends, chain.time) + 200)
        assert not [event for event, _ in chain.events if event == "chain.postponed"]
        supply = chain.view("token_supply", program="aurora-p")
        assert supply["available"] + supply["held"] == lots
    assert len(left) > 2
    assert chain.view("token_hold", at_brand="aurora", hold="h")["status"] == "expired"
    assert chain.view("token_balance", program="aurora-p", account=EVE)["available"] == lots


def test_an_activity_moves_a_bounded_number_of_lots_and_the_next_one_further_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(purse, "MAX_LOTS_OF_ACTIVITY", 0)
    chain = chain_of(program("aurora-p", "aurora", expiry={"kind": "inactivity", "days": 400}))
    in_lots(chain, 6)
    monkeypatch.setattr(purse, "MAX_LOTS_OF_ACTIVITY", 2)

    def near() -> list[int]:
        lots = chain.view("token_balance", program="aurora-p", account=EVE)["lots"]
        return [lot["amount"] for lot in lots if lot["expires"] < START + 300 * DAY]

    for number, left in enumerate((3, 0)):
        assert len(near()) == 6 - 3 * number
        args = {"program": "aurora-p", "from": EVE, "amount": 1, "at_brand": "aurora", "ref": f"r{number}"}
        chain.send("eve", "token.redeem", ["eve", "aurora-cashier"], **args)
        assert len(near()) == left


def test_an_activity_looks_at_no_more_lots_than_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = []
    for lots in (10, 60):
        monkeypatch.setattr(purse, "MAX_LOTS_OF_ACTIVITY", 0)
        chain = chain_of(program("aurora-p", "aurora", expiry={"kind": "inactivity", "days": 400}))
        in_lots(chain, lots)
        monkeypatch.setattr(purse, "MAX_LOTS_OF_ACTIVITY", 2)
        args = {"program": "aurora-p", "from": EVE, "amount": 1, "at_brand": "aurora", "ref": "r"}
        receipt = chain.send_ops("eve", [("token.redeem", args)], ["eve", "aurora-cashier"])
        assert receipt.status == "ok", receipt.error
        costs.append(receipt.cost)
    assert costs[1] - costs[0] < 400, costs


# Money


def test_a_change_of_the_name_loses_no_fraction_of_what_is_owed() -> None:
    chain = chain_of(program("aurora-p", "aurora", price={**EUR, "den": 100}))
    chain.send("aurora-admin", "token.partner", program="aurora-p", at_brand="basil")
    issue(chain, "aurora-p", 10_000)
    credit = {"creditor": "basil", "debtor": "aurora", "currency": "EUR"}
    args = {"program": "aurora-p", "from": EVE, "amount": 99, "at_brand": "basil"}
    for number in range(10):
        chain.send("eve", "token.redeem", ["eve", "basil-cashier"], **args, ref=f"r{number}")
        chain.send("aurora-admin", "token.update_program", program="aurora-p", name=f"name {number}")
    assert chain.view("clearing_credit", **credit)["exposure"] == 9
    # At another price the fraction of 90 hundredths waits for none of it.
    chain.send("aurora-admin", "token.update_program", program="aurora-p", price={**EUR, "den": 10})
    chain.send("eve", "token.redeem", ["eve", "basil-cashier"], **{**args, "amount": 1}, ref="last")
    assert chain.view("clearing_credit", **credit)["exposure"] == 9


def test_an_allowance_that_was_ended_and_given_anew_within_a_block_is_another_one() -> None:
    chain = chain_of(program("aurora-p", "aurora"))
    issue(chain, "aurora-p", 1_000)

    def allow(limit: int) -> Op:
        return "token.allow", {"program": "aurora-p", "spender": "aurora", "limit": limit, "expires": START + DAY}

    till = {"program": "aurora-p", "from": EVE, "at_brand": "aurora"}
    hold = ("token.hold", {**till, "amount": 100, "hold": "h", "expires": START + DAY})
    cashier = account_of("aurora-cashier")
    made = chain.block(
        [
            chain.transaction(EVE, [allow(100)], ["eve"]),
            chain.transaction(cashier, [hold], ["aurora-cashier"]),
            chain.transaction(EVE, [allow(0), allow(50)], ["eve"]),
        ]
    )
    assert [receipt.status for receipt in made.receipts[:3]] == ["ok"] * 3
    chain.send("aurora-cashier", "token.redeem", **till, amount=50, ref="a")
    chain.send("aurora-cashier", "token.release", at_brand="aurora", hold="h")
    assert chain.refused("aurora-cashier", "token.redeem", **till, amount=1, ref="b") != "ok"


def test_a_liability_that_no_answer_can_tell_is_refused() -> None:
    chain = chain_of(program("aurora-p", "aurora", price={**EUR, "num": MAX_INT}))
    issue(chain, "aurora-p", 1)
    assert chain.view("token_liability", brand="aurora")["items"][0]["value"] == MAX_INT
    issue(chain, "aurora-p", 1)
    with pytest.raises(Exception, match="LIMIT_EXCEEDED"):
        chain.view("token_liability", brand="aurora")


def test_offsets_change_at_whole_minutes() -> None:
    chain = chain_of()
    offsets = [{"from": MIDNIGHT - 30 * 60_000 + 1, "minutes": 60}]
    assert chain.refused("aurora-admin", "identity.update_brand", brand="aurora", offsets=offsets) == "INVALID_ARGS"
    whole = [{"from": MIDNIGHT - 30 * 60_000, "minutes": 60}]
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", offsets=whole)
