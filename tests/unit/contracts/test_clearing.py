"""What brands owe each other is booked to the unit, within the credit that the creditor gives."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.clearing.books import pair_of
from contracts_py.clearing.records import CREDITS, FRACTIONS, LINES, MAX_BOOKED
from tests.contract_harness import Chain
from tests.support.clearing import EUR, book, clearing_chain, credit, exposure, limit_op, lines, owed
from vm.errors import InvariantBroken

MONTH = "2023-11"
THIRD: dict[str, Any] = {"currency": "EUR", "num": 1, "den": 3}


def test_a_booking_moves_a_line_a_pair_and_two_positions() -> None:
    chain = clearing_chain()
    assert book(chain, "aurora", "basil", 700, ref="order-1") == 700
    told = {
        "debtor": "aurora",
        "creditor": "basil",
        "currency": "EUR",
        "period": MONTH,
        "line": 0,
        "amount": 700,
        "cause": "redemption",
        "ref": "order-1",
    }
    assert chain.events == [("clearing.booked", told)]
    assert book(chain, "aurora", "basil", 50) == 50
    line = LINES.get(chain.context(), "EUR", MONTH, "aurora", "basil", 0)
    assert line is not None
    assert (line.amount, line.cause.kind, line.cause.ref) == (700, "redemption", "order-1")
    assert len(line.tx or "") == 64
    pair = pair_of(chain.context(), "EUR", MONTH, "aurora", "basil")
    assert (pair.lines, pair.sum, pair.exposed) == (2, 750, 750)
    assert [owed(chain, brand) for brand in ("aurora", "basil", "comet")] == [-750, 750, 0]
    shown = {"period": MONTH, "status": "open", "position": -750}
    answer = {"brand": "aurora", "currency": "EUR", "position": -750, "periods": [shown]}
    assert chain.view("clearing_position", brand="aurora", currency="EUR") == answer


def test_a_brand_owes_itself_nothing() -> None:
    chain = clearing_chain()
    before = dict(chain.state.values)
    assert book(chain, "aurora", "aurora", 700) == 0
    assert chain.send("ann", "till.hold", debtor="aurora", creditor="aurora", price=EUR, units=7) == 7
    args = {"debtor": "aurora", "creditor": "aurora"}
    assert chain.send("ann", "till.capture", **args, price=EUR, units=7, reserved=7) == 0
    chain.send("ann", "till.release", **args, currency="EUR", amount=7)
    chain.send("ann", "till.refund", **args, currency="EUR", amount=7)
    assert {key for key in chain.state.values if key.startswith("clearing/")} == {
        key for key in before if key.startswith("clearing/")
    }
    assert not chain.events


def test_many_small_bookings_come_out_exact() -> None:
    chain = clearing_chain()
    booked = [book(chain, "aurora", "basil", 1, price=THIRD) for _ in range(7)]
    assert booked == [0, 0, 1, 0, 0, 1, 0]
    assert FRACTIONS.get(chain.context(), "aurora", "basil", "stars", 1) == 1
    assert book(chain, "aurora", "basil", 5, price=THIRD) == 2
    assert FRACTIONS.get(chain.context(), "aurora", "basil", "stars", 1) is None
    assert owed(chain, "basil") == 4
    assert len(lines(chain, "basil", MONTH)) == 3


def test_what_is_left_over_stays_with_its_pair_program_and_price() -> None:
    chain = clearing_chain()
    for other in ({}, {"version": 2}, {"program": "moons"}):
        assert book(chain, "aurora", "basil", 2, price=THIRD, **other) == 0
    assert book(chain, "basil", "aurora", 2, price=THIRD) == 0
    assert book(chain, "aurora", "comet", 2, price=THIRD) == 0
    assert book(chain, "aurora", "basil", 1, price=THIRD) == 1
    assert owed(chain, "aurora") == -1


def test_no_limit_set_means_none() -> None:
    chain = clearing_chain(limit=0)
    receipt = chain.send_ops(
        "ann", [("till.book", {"debtor": "aurora", "creditor": "basil", "price": EUR, "units": 1})]
    )
    assert receipt.error is not None
    assert receipt.error.code == "CREDIT_LIMIT"
    details = {"debtor": "aurora", "creditor": "basil", "currency": "EUR", "limit": 0, "exposure": 0, "amount": 1}
    assert receipt.error.details == details
    assert not [key for key in chain.state.values if key.startswith("clearing/")]


def test_a_limit_holds_to_the_unit_and_for_its_direction_and_currency() -> None:
    chain = clearing_chain(limit=0)
    limit = chain.send(
        "basil-treasurer", *[limit_op("aurora", "basil", 100)[0]], **limit_op("aurora", "basil", 100)[1]
    )
    assert limit == {"creditor": "basil", "debtor": "aurora", "currency": "EUR", "amount": 100}
    assert chain.events == [("clearing.credit_limit_set", limit)]
    assert book(chain, "aurora", "basil", 60) == 60
    args: dict[str, Any] = {"debtor": "aurora", "creditor": "basil", "price": EUR}
    assert chain.refused("ann", "till.book", **args, units=41) == "CREDIT_LIMIT"
    assert (
        chain.refused("ann", "till.book", **{**args, "debtor": "basil", "creditor": "aurora"}, units=1)
        == "CREDIT_LIMIT"
    )
    assert (
        chain.refused("ann", "till.book", **{**args, "price": {**EUR, "currency": "GBP"}}, units=1)
        == "CREDIT_LIMIT"
    )
    assert book(chain, "aurora", "basil", 40) == 40
    assert credit(chain, "aurora", "basil") == {
        "creditor": "basil",
        "debtor": "aurora",
        "currency": "EUR",
        "limit": 100,
        "exposure": 100,
        "reserved": 0,
        "available": 0,
    }


def test_a_limit_is_set_by_the_creditors_treasurer_for_another_brand() -> None:
    chain = clearing_chain()
    call, args = limit_op("aurora", "basil", 5)
    assert chain.refused("aurora-treasurer", call, **args) == "NOT_AUTHORISED"
    assert chain.refused("basil-admin", call, **args) == "NOT_AUTHORISED"
    assert chain.refused("basil-treasurer", call, **{**args, "debtor": "basil"}) == "INVALID_ARGS"
    assert chain.refused("basil-treasurer", call, **{**args, "debtor": "nobody"}) == "NOT_FOUND"
    assert chain.refused("basil-treasurer", call, **{**args, "creditor": "nobody"}) == "NOT_FOUND"
    assert chain.refused("basil-treasurer", call, **{**args, "currency": "eur"}) == "INVALID_ARGS"


def test_a_limit_below_what_is_owed_stops_bookings_and_one_of_nothing_leaves_no_record() -> None:
    chain = clearing_chain()
    book(chain, "aurora", "basil", 60)
    for amount in (59, 0):
        call, args = limit_op("aurora", "basil", amount)
        chain.send("basil-treasurer", call, **args)
        assert (
            chain.refused("ann", "till.book", debtor="aurora", creditor="basil", price=EUR, units=1)
            == "CREDIT_LIMIT"
        )
        assert credit(chain, "aurora", "basil")["available"] == 0
    assert CREDITS.get(chain.context(), "EUR", "aurora", "basil") is None
    assert exposure(chain, "aurora", "basil") == 60


def hold(chain: Chain, units: int, price: dict[str, Any]) -> int:
    reserved: int = chain.send("ann", "till.hold", debtor="aurora", creditor="basil", price=price, units=units)
    return reserved


def test_a_hold_keeps_credit_until_its_capture_which_never_fails_for_credit() -> None:
    chain = clearing_chain(limit=10)
    args: dict[str, Any] = {"debtor": "aurora", "creditor": "basil", "price": EUR}
    assert hold(chain, 6, EUR) == 6
    assert (exposure(chain, "aurora", "basil"), credit(chain, "aurora", "basil")["reserved"]) == (6, 6)
    assert owed(chain, "basil") == 0
    assert chain.refused("ann", "till.hold", **args, units=5) == "CREDIT_LIMIT"
    assert chain.refused("ann", "till.book", **args, units=5) == "CREDIT_LIMIT"
    call, lower = limit_op("aurora", "basil", 0)
    chain.send("basil-treasurer", call, **lower)
    assert credit(chain, "aurora", "basil")["reserved"] == 6
    assert chain.send("ann", "till.capture", **args, units=4, reserved=6) == 4
    assert (exposure(chain, "aurora", "basil"), credit(chain, "aurora", "basil")["reserved"]) == (4, 0)
    assert CREDITS.get(chain.context(), "EUR", "aurora", "basil") is None


def test_a_hold_of_fractions_keeps_what_its_capture_can_need() -> None:
    chain = clearing_chain(limit=4)
    assert book(chain, "aurora", "basil", 2, price=THIRD) == 0
    assert hold(chain, 10, THIRD) == 4  # 10/3 and 2/3 left over
    args: dict[str, Any] = {"debtor": "aurora", "creditor": "basil", "price": THIRD, "units": 10, "reserved": 4}
    assert chain.send("ann", "till.capture", **args) == 4
    assert exposure(chain, "aurora", "basil") == 4


def test_what_a_hold_lets_go_of_is_free_and_no_more_than_it_kept() -> None:
    chain = clearing_chain(limit=10)
    hold(chain, 6, EUR)
    chain.send("ann", "till.release", debtor="aurora", creditor="basil", currency="EUR", amount=2)
    assert exposure(chain, "aurora", "basil") == 4
    with pytest.raises(InvariantBroken):
        chain.send("ann", "till.release", debtor="aurora", creditor="basil", currency="EUR", amount=5)


def test_a_counter_entry_goes_the_other_way_frees_credit_and_needs_none() -> None:
    chain = clearing_chain(limit=0, ops=[limit_op("aurora", "basil", 100)])
    book(chain, "aurora", "basil", 100)
    chain.send("ann", "till.refund", debtor="aurora", creditor="basil", currency="EUR", amount=30)
    assert [owed(chain, brand) for brand in ("aurora", "basil")] == [-70, 70]
    assert (exposure(chain, "aurora", "basil"), exposure(chain, "basil", "aurora")) == (70, 0)
    booked = [(line["debtor"], line["amount"], line["cause"]["kind"]) for line in lines(chain, "aurora", MONTH)]
    assert booked == [("aurora", 100, "redemption"), ("basil", 30, "refund")]
    assert book(chain, "aurora", "basil", 30) == 30
    assert (
        chain.refused("ann", "till.book", debtor="aurora", creditor="basil", price=EUR, units=1) == "CREDIT_LIMIT"
    )


def test_what_fails_later_in_its_operation_books_nothing() -> None:
    chain = clearing_chain()
    before = dict(chain.state.values), dict(chain.state.records)
    args: dict[str, Any] = {"debtor": "aurora", "creditor": "basil", "price": THIRD, "units": 5}
    assert chain.refused("ann", "till.book_then_fail", **args) == "NOT_ELIGIBLE"
    assert {key for key in chain.state.values if key.startswith("clearing/")} == {
        key for key in before[0] if key.startswith("clearing/")
    }
    assert chain.state.records == before[1]


def test_a_pairs_sum_of_a_period_stays_far_below_what_an_integer_of_the_protocol_holds() -> None:
    chain = clearing_chain(limit=2**53 - 1)
    args: dict[str, Any] = {"debtor": "aurora", "creditor": "basil", "price": EUR}
    assert chain.refused("ann", "till.book", **args, units=2**53 - 1) == "LIMIT_EXCEEDED"
    assert chain.send("ann", "till.book", **args, units=MAX_BOOKED) == MAX_BOOKED
    assert chain.refused("ann", "till.book", **args, units=1) == "LIMIT_EXCEEDED"
    refund = {"debtor": "basil", "creditor": "aurora", "currency": "EUR", "amount": 1}
    assert chain.refused("ann", "till.refund", **refund) == "LIMIT_EXCEEDED"
    assert chain.send("ann", "till.book", **{**args, "creditor": "comet"}, units=MAX_BOOKED) == MAX_BOOKED


def test_what_is_held_can_be_captured_whatever_is_booked_meanwhile() -> None:
    chain = clearing_chain(limit=2**53 - 1)
    args: dict[str, Any] = {"debtor": "aurora", "creditor": "basil", "price": EUR}
    book(chain, "aurora", "basil", MAX_BOOKED - 10)
    assert chain.refused("ann", "till.hold", **args, units=11) == "LIMIT_EXCEEDED"
    chain.send("ann", "till.hold", **args, units=6)
    assert chain.refused("ann", "till.hold", **args, units=5) == "LIMIT_EXCEEDED"
    assert chain.refused("ann", "till.book", **args, units=5) == "LIMIT_EXCEEDED"
    book(chain, "aurora", "basil", 4)
    assert chain.send("ann", "till.capture", **args, units=6, reserved=6) == 6
    assert owed(chain, "basil") == MAX_BOOKED


def test_a_hold_after_an_early_close_has_the_room_of_the_next_period() -> None:
    chain = clearing_chain(limit=2**53 - 1)
    args: dict[str, Any] = {"debtor": "aurora", "creditor": "basil", "price": EUR}
    book(chain, "aurora", "basil", MAX_BOOKED)
    assert chain.refused("ann", "till.hold", **args, units=1) == "LIMIT_EXCEEDED"
    chain.send("aurora-treasurer", "clearing.close", currency="EUR", period=MONTH)
    chain.send("ann", "till.hold", **args, units=1)


def test_available_credit_is_an_integer_of_the_protocol_though_more_was_taken_back_than_stands() -> None:
    chain = clearing_chain(limit=2**53 - 1)
    chain.send("ann", "till.refund", debtor="aurora", creditor="basil", currency="EUR", amount=300)
    shown = credit(chain, "aurora", "basil")
    assert (shown["exposure"], shown["available"]) == (-300, 2**53 - 1)
