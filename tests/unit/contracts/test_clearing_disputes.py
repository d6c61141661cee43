"""A disputed line is never changed: the creditor concedes counter-entries, at most what the line says."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.clearing.periods import end_of
from contracts_py.clearing.records import LINES
from tests.contract_harness import Chain, account_of
from tests.support.clearing import book, clearing_chain, confirm, exposure, limit_op, lines, owed, payments, status

MONTH = "2023-11"
LINE: dict[str, Any] = {"currency": "EUR", "period": MONTH, "debtor": "aurora", "creditor": "basil", "line": 0}


def disputed(brand: str = "aurora") -> Chain:
    chain = clearing_chain()
    book(chain, "aurora", "basil", 10)
    chain.send(f"{brand}-treasurer", "clearing.dispute", **LINE, reason="not our guest")
    return chain


def test_a_dispute_is_shown_and_changes_no_debt() -> None:
    chain = disputed()
    told = {**LINE, "brand": "aurora", "reason": "not our guest"}
    assert chain.events == [("clearing.disputed", told)]
    shown = {**told, "amount": 10, "status": "open", "opened": chain.time, "conceded": 0}
    assert chain.view("clearing_dispute", **LINE) == shown
    assert (owed(chain, "basil"), exposure(chain, "aurora", "basil")) == (10, 10)
    chain.until(end_of(MONTH))
    assert payments(chain, MONTH) == [("aurora", "basil", 10)]


def test_what_the_creditor_concedes_is_booked_the_other_way_and_names_the_line() -> None:
    chain = disputed()
    before = LINES.get(chain.context(), "EUR", MONTH, "aurora", "basil", 0)
    shown = chain.send("basil-treasurer", "clearing.resolve", **LINE, amount=4)
    assert (shown["conceded"], shown["status"]) == (4, "open")
    assert chain.events[-1] == ("clearing.resolved", {**LINE, "brand": "basil", "amount": 4})
    (counter,) = [line for line in lines(chain, "aurora", MONTH) if line["debtor"] == "basil"]
    cause = {"kind": "dispute", "ref": f"EUR/{MONTH}/aurora/basil/0"}
    assert (counter["amount"], counter["cause"]) == (4, cause)
    assert (owed(chain, "basil"), exposure(chain, "aurora", "basil"), exposure(chain, "basil", "aurora")) == (
        6,
        6,
        0,
    )
    assert LINES.get(chain.context(), "EUR", MONTH, "aurora", "basil", 0) == before
    assert chain.refused("basil-treasurer", "clearing.resolve", **LINE, amount=7) == "LIMIT_EXCEEDED"
    assert chain.send("basil-treasurer", "clearing.resolve", **LINE, amount=6)["status"] == "resolved"
    assert (owed(chain, "basil"), exposure(chain, "aurora", "basil")) == (0, 0)
    assert chain.refused("basil-treasurer", "clearing.resolve", **LINE, amount=1) == "NOT_ELIGIBLE"
    assert chain.refused("aurora-treasurer", "clearing.dispute", **LINE) == "ALREADY_EXISTS"


def test_the_creditor_alone_concedes_and_the_brand_that_disputes_alone_withdraws() -> None:
    for brand, other in (("aurora", "basil"), ("basil", "aurora")):
        chain = disputed(brand)
        for person in ("aurora-treasurer", "comet-treasurer", "basil-admin"):
            assert chain.refused(person, "clearing.resolve", **LINE, amount=1) == "NOT_AUTHORISED"
        assert chain.refused(f"{other}-treasurer", "clearing.resolve", **LINE, amount=0) == "NOT_AUTHORISED"
        chain.send("basil-treasurer", "clearing.resolve", **LINE, amount=3)
        shown = chain.send(f"{brand}-treasurer", "clearing.resolve", **LINE, amount=0)
        assert (shown["status"], shown["conceded"], owed(chain, "basil")) == ("withdrawn", 3, 7)
        chain.send("aurora-treasurer", "clearing.dispute", **LINE)
        assert chain.refused("basil-treasurer", "clearing.resolve", **LINE, amount=8) == "LIMIT_EXCEEDED"
        assert chain.send("basil-treasurer", "clearing.resolve", **LINE, amount=7)["status"] == "resolved"


def test_who_disputes_is_a_treasurer_of_the_lines_debtor_or_creditor() -> None:
    chain = clearing_chain(
        ops=[
            ("identity.grant_role", {"brand": brand, "role": "treasurer", "account": account_of("both")})
            for brand in ("aurora", "basil")
        ]
    )
    book(chain, "aurora", "basil", 10)
    for person in ("comet-treasurer", "aurora-admin", "ann"):
        assert chain.refused(person, "clearing.dispute", **LINE) == "NOT_AUTHORISED"
    assert chain.refused("aurora-treasurer", "clearing.dispute", **LINE, brand="basil") == "NOT_AUTHORISED"
    assert chain.refused("aurora-treasurer", "clearing.dispute", **{**LINE, "line": 1}) == "NOT_FOUND"
    assert chain.refused("both", "clearing.dispute", **LINE) == "INVALID_ARGS"
    assert chain.refused("basil-treasurer", "clearing.resolve", **LINE, amount=1) == "NOT_FOUND"
    assert chain.send("both", "clearing.dispute", **LINE, brand="basil")["brand"] == "basil"


def test_a_line_of_a_period_that_is_paid_is_corrected_in_the_open_one() -> None:
    chain = clearing_chain()
    book(chain, "aurora", "basil", 10)
    chain.until(end_of(MONTH))
    confirm(chain, MONTH, "aurora", "basil", 10)
    assert status(chain, MONTH) == "discharged"
    chain.send("aurora-treasurer", "clearing.dispute", **LINE)
    chain.send("basil-treasurer", "clearing.resolve", **LINE, amount=10)
    assert (owed(chain, "aurora"), owed(chain, "basil")) == (10, -10)
    assert len(lines(chain, "aurora", MONTH)) == 1
    (counter,) = lines(chain, "aurora", "2023-12")
    assert (counter["debtor"], counter["amount"]) == ("basil", 10)


def test_conceding_a_refund_takes_the_credit_again_that_it_had_freed() -> None:
    chain = clearing_chain(limit=100)
    refund = {"debtor": "aurora", "creditor": "basil", "currency": "EUR", "amount": 100}
    for number in range(2):
        book(chain, "aurora", "basil", 100)
        chain.send("ann", "till.refund", **refund)
        line = {**LINE, "debtor": "basil", "creditor": "aurora", "line": number}
        chain.send("aurora-treasurer", "clearing.dispute", **line)
    first, second = {**line, "line": 0}, line
    chain.send("aurora-treasurer", "clearing.resolve", **first, amount=60)
    chain.send("aurora-treasurer", "clearing.resolve", **first, amount=40)
    assert (owed(chain, "aurora"), exposure(chain, "aurora", "basil"), exposure(chain, "basil", "aurora")) == (
        -100,
        100,
        0,
    )
    assert chain.refused("aurora-treasurer", "clearing.resolve", **second, amount=1) == "CREDIT_LIMIT"
    assert owed(chain, "aurora") == -100


def test_conceding_a_refund_frees_nothing_that_its_debtor_owes_for_something_else() -> None:
    chain = clearing_chain(limit=100)
    book(chain, "aurora", "basil", 100)
    chain.send("ann", "till.refund", debtor="aurora", creditor="basil", currency="EUR", amount=100)
    book(chain, "basil", "aurora", 30)
    refund = {**LINE, "debtor": "basil", "creditor": "aurora"}
    chain.send("aurora-treasurer", "clearing.dispute", **refund)
    chain.send("aurora-treasurer", "clearing.resolve", **refund, amount=100)
    assert (exposure(chain, "basil", "aurora"), exposure(chain, "aurora", "basil")) == (30, 100)


def test_conceding_what_took_back_a_refund_frees_what_that_took() -> None:
    chain = clearing_chain(limit=100)
    book(chain, "aurora", "basil", 100)
    chain.send("ann", "till.refund", debtor="aurora", creditor="basil", currency="EUR", amount=100)
    taken_back = {**LINE, "debtor": "basil", "creditor": "aurora"}
    for brand, line in (("aurora", taken_back), ("basil", {**LINE, "line": 1})):
        chain.send(f"{brand}-treasurer", "clearing.dispute", **line)
        chain.send(f"{brand}-treasurer", "clearing.resolve", **line, amount=100)
    assert (owed(chain, "aurora"), exposure(chain, "aurora", "basil"), exposure(chain, "basil", "aurora")) == (
        0,
        0,
        0,
    )


def unwound_line() -> Chain:
    """Return a chain on which Aurora's debt of 100 to Basil was carried on, unpaid; Aurora lets Basil owe 50."""
    chain = clearing_chain(limit=100, ops=[limit_op("basil", "aurora", 50)])
    book(chain, "aurora", "basil", 100)
    chain.until(end_of(MONTH))
    chain.until(chain.time + chain.params.due_ms)
    chain.send("basil-treasurer", "clearing.unwind", currency="EUR", period=MONTH)
    return chain


@pytest.mark.parametrize("carried_first", [True, False])
def test_a_line_and_what_carried_it_on_are_not_both_conceded_beyond_the_limit(
    carried_first: bool,
) -> None:
    chain = unwound_line()
    (carried,) = [line for line in lines(chain, "aurora", "2023-12") if line["cause"]["kind"] == "unwind"]
    both = [LINE, {**LINE, "period": "2023-12", "line": carried["line"]}]
    first, second = reversed(both) if carried_first else both
    for line in (first, second):
        chain.send("basil-treasurer", "clearing.dispute", **line)
    chain.send("basil-treasurer", "clearing.resolve", **first, amount=100)
    assert (owed(chain, "basil"), exposure(chain, "aurora", "basil"), exposure(chain, "basil", "aurora")) == (
        0,
        0,
        0,
    )
    assert chain.refused("basil-treasurer", "clearing.resolve", **second, amount=51) == "CREDIT_LIMIT"
    chain.send("basil-treasurer", "clearing.resolve", **second, amount=50)
    assert (owed(chain, "basil"), exposure(chain, "basil", "aurora")) == (-50, 50)


def test_a_line_that_was_refunded_is_conceded_on_the_creditors_own_credit() -> None:
    chain = clearing_chain(limit=100, ops=[limit_op("basil", "aurora", 50)])
    book(chain, "aurora", "basil", 100)
    chain.send("ann", "till.refund", debtor="aurora", creditor="basil", currency="EUR", amount=100)
    chain.send("basil-treasurer", "clearing.dispute", **LINE)
    assert chain.refused("basil-treasurer", "clearing.resolve", **LINE, amount=51) == "CREDIT_LIMIT"
    chain.send("basil-treasurer", "clearing.resolve", **LINE, amount=50)
    assert (owed(chain, "basil"), exposure(chain, "basil", "aurora")) == (-50, 50)
