"""Periods close to the unit, are discharged as a whole, and come back whole where a payment stays away."""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any

import pytest

from contracts_py.clearing.netting import payments_of
from contracts_py.clearing.periods import begin_of, end_of, next_period, period_of
from contracts_py.clearing.records import CLOSES, LIVE, MAX_BOOKED, MAX_UNSETTLED, UNWINDINGS, UNWINDS
from contracts_py.clearing.settlement import MAX_CURRENCIES_TRIED, STEP_PAIRS, STEP_PAYMENTS, STEPS_OF_UNWIND
from tests.contract_harness import START, Chain
from tests.support.clearing import (
    EUR,
    book,
    clearing_chain,
    confirm,
    exposure,
    limit_op,
    lines,
    owed,
    payments,
    status,
)
from vm.agenda import agenda_budget
from vm.contract_api import Context
from vm.params import BOUNDS, Params
from vm.primitives.units import MS_PER_DAY
from vm.tables.schedule import AGENDA

MONTH, NEXT, AFTER = "2023-11", "2023-12", "2024-01"
LEAST_COST = Params(max_block_cost=BOUNDS["max_block_cost"][0], max_tx_cost=BOUNDS["max_tx_cost"][0])
USD = {**EUR, "currency": "USD"}
CLOSE = {"currency": "EUR", "period": MONTH}


def close(chain: Chain, brand: str = "aurora", **more: Any) -> Any:
    return chain.send(f"{brand}-treasurer", "clearing.close", **{**CLOSE, **more})


def case_55(limit: int = 1_000_000) -> Chain:
    """A owes B 10, B owes A 4, B owes C 6; and D owes C 5, so that two payments are needed."""
    chain = clearing_chain(("aurora", "basil", "comet", "dune"), limit=limit)
    for debtor, creditor, amount in (
        ("aurora", "basil", 10),
        ("basil", "aurora", 4),
        ("basil", "comet", 6),
        ("dune", "comet", 5),
    ):
        book(chain, debtor, creditor, amount)
    return chain


BRANDS = ("aurora", "basil", "comet", "dune")
PAIRS = [("aurora", "basil"), ("basil", "aurora"), ("basil", "comet"), ("dune", "comet")]


def positions(chain: Chain) -> list[int]:
    return [owed(chain, brand) for brand in BRANDS]


def exposures(chain: Chain) -> list[int]:
    return [exposure(chain, *pair) for pair in PAIRS]


def test_closing_nets_multilaterally_and_the_largest_pays_first() -> None:
    chain = case_55()
    shown = close(chain)
    due = chain.time + Params().due_ms
    assert shown == {
        "currency": "EUR",
        "period": MONTH,
        "status": "closed",
        "closed": chain.time,
        "due": due,
        "payments": 2,
        "unconfirmed": 2,
    }
    assert payments(chain, MONTH) == [("aurora", "comet", 6), ("dune", "comet", 5)]
    told = {"currency": "EUR", "period": MONTH}
    assert chain.events == [
        ("clearing.payment_due", {**told, "payer": "aurora", "payee": "comet", "amount": 6}),
        ("clearing.payment_due", {**told, "payer": "dune", "payee": "comet", "amount": 5}),
        ("clearing.closed", {**told, "payments": 2, "due": due}),
    ]


@pytest.mark.parametrize("order", [("aurora", "dune"), ("dune", "aurora")])
def test_nothing_is_discharged_before_the_last_confirmation_and_then_everything(order: tuple[str, str]) -> None:
    chain = case_55()
    close(chain)
    amounts = {"aurora": 6, "dune": 5}
    confirm(chain, MONTH, order[0], "comet", amounts[order[0]])
    assert positions(chain) == [-6, 0, 11, -5]
    assert exposures(chain) == [10, 4, 6, 5]
    assert status(chain, MONTH) == "closed"
    shown = confirm(chain, MONTH, order[1], "comet", amounts[order[1]])
    assert shown["receipt"]["bank_ref"] == "b-1"
    assert [name for name, _ in chain.events] == ["clearing.confirmed", "clearing.discharged"]
    assert positions(chain) == [0, 0, 0, 0]
    assert exposures(chain) == [0, 0, 0, 0]
    assert status(chain, MONTH) == "discharged"


def test_unwinding_after_one_of_two_confirmations_restores_to_the_unit() -> None:
    chain = case_55()
    close(chain)
    confirm(chain, MONTH, "aurora", "comet", 6)
    due = chain.time - 200 + Params().due_ms
    chain.until(due - 300)
    assert chain.refused("dune-treasurer", "clearing.unwind", period=MONTH) == "NOT_ELIGIBLE"
    chain.until(due - 200)
    shown = chain.send("dune-treasurer", "clearing.unwind", period=MONTH)
    assert (shown["status"], status(chain, MONTH)) == ("unwound", "unwound")
    # Comet has had 6 of aurora, and owes them back.
    assert positions(chain) == [0, 0, 5, -5]
    assert exposures(chain) == [10, 4, 6, 5]
    assert exposure(chain, "comet", "aurora") == 6
    carried = [
        (line["debtor"], line["creditor"], line["amount"], line["cause"], len(line["tx"]))
        for brand in ("basil", "dune")
        for line in lines(chain, brand, NEXT)
    ]
    unwound = {"kind": "unwind", "ref": MONTH}
    assert carried == [
        ("basil", "aurora", 4, unwound, 64),
        ("aurora", "basil", 10, unwound, 64),
        ("basil", "comet", 6, unwound, 64),
        ("dune", "comet", 5, unwound, 64),
    ]
    (reverse,) = lines(chain, "aurora", NEXT, other="comet")
    assert (reverse["debtor"], reverse["amount"], reverse["cause"]) == (
        "comet",
        6,
        {"kind": "payment", "ref": MONTH},
    )
    close(chain, period=NEXT)
    assert payments(chain, NEXT) == [("dune", "comet", 5)]
    confirm(chain, NEXT, "dune", "comet", 5)
    assert positions(chain) == [0, 0, 0, 0]
    assert exposures(chain) == [0, 0, 0, 0]


def test_no_booking_keeps_a_period_from_being_unwound() -> None:
    chain = clearing_chain(BRANDS, limit=2**53 - 1)
    for month in (MONTH, NEXT):
        book(chain, "comet", "dune", 500)
        book(chain, "aurora", "basil", MAX_BOOKED)
        chain.send("ann", "till.refund", debtor="aurora", creditor="basil", currency="EUR", amount=MAX_BOOKED)
        chain.until(end_of(month))
    book(chain, "aurora", "basil", MAX_BOOKED)
    chain.until(begin_of(AFTER) + Params().due_ms)
    for month in (MONTH, NEXT):
        shown = chain.send("dune-treasurer", "clearing.unwind", period=month, currency="EUR")
        assert shown["status"] == "unwound"
    assert (exposure(chain, "comet", "dune"), owed(chain, "basil")) == (1_000, MAX_BOOKED)
    assert {line["amount"] for line in lines(chain, "aurora", AFTER)} == {MAX_BOOKED}
    args = {"debtor": "aurora", "creditor": "basil", "price": EUR, "units": 1}
    assert chain.refused("ann", "till.book", **args) == "LIMIT_EXCEEDED"


def test_a_payment_that_is_unwound_is_set_off_against_what_it_paid() -> None:
    chain = clearing_chain(BRANDS, limit=1_000)
    month = MONTH
    for _ in range(4):
        book(chain, "aurora", "basil", 1)
        book(chain, "comet", "dune", 300)
        chain.until(end_of(month))
        confirm(chain, month, "comet", "dune", 300)
        chain.until(chain.time + Params().due_ms)
        chain.send("aurora-treasurer", "clearing.unwind", period=month)
        assert [owed(chain, brand) for brand in ("comet", "dune")] == [0, 0]
        assert [exposure(chain, *pair) for pair in (("comet", "dune"), ("dune", "comet"))] == [0, 0]
        month = period_of(chain.time)
    for debtor, creditor in (("comet", "dune"), ("dune", "comet")):
        assert book(chain, debtor, creditor, 1_000) == 1_000


def test_what_a_payment_was_more_than_the_payer_owed_its_payee_exposes_that() -> None:
    chain = clearing_chain(BRANDS)
    for debtor, creditor, amount in (("aurora", "comet", 5), ("aurora", "basil", 4), ("basil", "comet", 4)):
        book(chain, debtor, creditor, amount)
    book(chain, "dune", "basil", 1)
    close(chain)
    assert payments(chain, MONTH) == [("aurora", "comet", 9), ("dune", "basil", 1)]
    confirm(chain, MONTH, "aurora", "comet", 9)
    chain.until(chain.time + Params().due_ms)
    chain.send("dune-treasurer", "clearing.unwind", period=MONTH)
    assert positions(chain) == [0, 1, 0, -1]
    assert (exposure(chain, "aurora", "comet"), exposure(chain, "comet", "aurora")) == (0, 4)


def test_unwinding_needs_no_credit_and_gives_none() -> None:
    chain = case_55(limit=10)
    close(chain)
    for debtor, creditor in PAIRS:
        args = {"creditor": creditor, "debtor": debtor, "currency": "EUR", "amount": 0}
        chain.send(f"{creditor}-treasurer", "clearing.set_credit_limit", **args)
    chain.until(chain.time + Params().due_ms)
    chain.send("aurora-treasurer", "clearing.unwind", period=MONTH)
    assert positions(chain) == [-6, 0, 11, -5]
    args = {"debtor": "aurora", "creditor": "basil", "price": EUR, "units": 1}
    assert chain.refused("ann", "till.book", **args) == "CREDIT_LIMIT"


def test_a_refund_of_a_closed_period_frees_credit_and_is_moved_with_it() -> None:
    chain = case_55(limit=10)
    close(chain)
    chain.send("ann", "till.refund", debtor="aurora", creditor="basil", currency="EUR", amount=3)
    assert exposure(chain, "aurora", "basil") == 7
    chain.until(chain.time + Params().due_ms)
    chain.send("aurora-treasurer", "clearing.unwind", period=MONTH)
    assert exposure(chain, "aurora", "basil") == 7
    assert owed(chain, "aurora") == -3
    chain.until(begin_of(next_period(NEXT)))
    assert status(chain, NEXT) == "closed"
    assert exposure(chain, "aurora", "basil") == 7
    chain.until(chain.time + Params().due_ms)
    chain.send("aurora-treasurer", "clearing.unwind", period=NEXT)
    assert (exposure(chain, "aurora", "basil"), owed(chain, "aurora")) == (7, -3)


def test_credit_that_a_refund_freed_stays_free_when_its_period_is_unwound_alone() -> None:
    chain = case_55(limit=10)
    close(chain)
    chain.send("ann", "till.refund", debtor="aurora", creditor="basil", currency="EUR", amount=3)
    chain.until(end_of(NEXT))
    chain.until(chain.time + Params().due_ms)
    chain.send("aurora-treasurer", "clearing.unwind", period=NEXT, currency="EUR")
    assert (status(chain, MONTH), status(chain, NEXT)) == ("closed", "unwound")
    assert (exposure(chain, "aurora", "basil"), owed(chain, "aurora")) == (7, -3)


def test_a_period_whose_positions_are_all_zero_is_discharged_at_once() -> None:
    chain = clearing_chain(limit=100)
    for debtor, creditor in (("aurora", "basil"), ("basil", "comet"), ("comet", "aurora")):
        book(chain, debtor, creditor, 100)
    shown = close(chain)
    assert (shown["status"], shown["payments"]) == ("discharged", 0)
    assert [name for name, _ in chain.events] == ["clearing.closed", "clearing.discharged"]
    assert payments(chain, MONTH) == []
    assert book(chain, "aurora", "basil", 100) == 100


def test_who_closes_confirms_and_unwinds() -> None:
    chain = case_55()
    for person in ("aurora-admin", "ann"):
        assert chain.refused(person, "clearing.close", **CLOSE) == "NOT_AUTHORISED"
    stranger = clearing_chain()
    book(stranger, "aurora", "basil", 1)
    assert stranger.refused("comet-treasurer", "clearing.close", **CLOSE) == "NOT_AUTHORISED"
    close(chain, "dune")
    args = {"period": MONTH, "payer": "aurora", "payee": "comet", "amount": 6, "bank_ref": "b"}
    assert chain.refused("aurora-treasurer", "clearing.confirm", **args) == "NOT_AUTHORISED"
    chain.until(chain.time + Params().due_ms)
    assert chain.refused("ann", "clearing.unwind", period=MONTH) == "NOT_AUTHORISED"


def test_what_is_confirmed_is_a_payment_as_it_stands_once() -> None:
    chain = case_55()
    args = {"period": MONTH, "payer": "aurora", "payee": "comet", "amount": 6, "bank_ref": "b"}
    assert chain.refused("comet-treasurer", "clearing.confirm", **args) == "NOT_FOUND"
    close(chain)
    assert chain.refused("basil-treasurer", "clearing.confirm", **{**args, "payee": "basil"}) == "NOT_FOUND"
    assert chain.refused("comet-treasurer", "clearing.confirm", **{**args, "amount": 5}) == "CHANGED"
    assert chain.refused("comet-treasurer", "clearing.confirm", **{**args, "currency": "USD"}) == "NOT_FOUND"
    confirm(chain, MONTH, "aurora", "comet", 6)
    assert chain.refused("comet-treasurer", "clearing.confirm", **args) == "ALREADY_EXISTS"
    chain.until(chain.time + Params().due_ms)
    chain.send("aurora-treasurer", "clearing.unwind", period=MONTH)
    late = {**args, "payer": "dune", "amount": 5}
    assert chain.refused("comet-treasurer", "clearing.confirm", **late) == "NOT_ELIGIBLE"


def test_a_period_is_closed_once_and_not_before_its_month() -> None:
    chain = case_55()
    assert chain.refused("aurora-treasurer", "clearing.close", currency="USD", period=MONTH) == "NOT_FOUND"
    assert chain.refused("aurora-treasurer", "clearing.close", currency="EUR", period="2023-13") == "INVALID_ARGS"
    close(chain)
    assert chain.refused("aurora-treasurer", "clearing.close", **CLOSE) == "NOT_ELIGIBLE"
    assert chain.refused("aurora-treasurer", "clearing.unwind", period=MONTH) == "NOT_ELIGIBLE"
    book(chain, "aurora", "basil", 1)
    assert status(chain, NEXT) == "open"
    assert chain.refused("aurora-treasurer", "clearing.close", currency="EUR", period=NEXT) == "NOT_ELIGIBLE"
    for paid in (("aurora", 6), ("dune", 5)):
        confirm(chain, MONTH, paid[0], "comet", paid[1])
    chain.until(chain.time + Params().due_ms)
    assert chain.refused("aurora-treasurer", "clearing.unwind", period=MONTH) == "NOT_FOUND"
    refusal = chain.refused("aurora-treasurer", "clearing.unwind", period=MONTH, currency="EUR")
    assert refusal == "NOT_ELIGIBLE"


def test_a_month_closes_by_itself_and_bookings_of_its_last_millisecond_are_in_it() -> None:
    chain = clearing_chain()
    chain.until(end_of(MONTH) - 201)
    book(chain, "aurora", "basil", 5)
    assert chain.time == end_of(MONTH) - 1
    chain.until(end_of(MONTH))
    assert [name for name, _ in chain.events] == ["clearing.payment_due", "clearing.closed"]
    assert payments(chain, MONTH) == [("aurora", "basil", 5)]
    book(chain, "aurora", "basil", 7)
    assert [(item["period"], item["position"]) for item in positions_of(chain, "basil")] == [(MONTH, 5), (NEXT, 7)]
    assert owed(chain, "basil") == 12


def positions_of(chain: Chain, brand: str) -> Any:
    return chain.view("clearing_position", brand=brand, currency="EUR")["periods"]


def test_what_is_booked_after_an_early_close_is_in_the_next_period_which_closes_at_its_own_end() -> None:
    chain = clearing_chain()
    book(chain, "aurora", "basil", 5)
    close(chain)
    book(chain, "aurora", "basil", 7)
    assert CLOSES.is_due(chain.context(), end_of(NEXT), "EUR", NEXT)
    assert not CLOSES.is_due(chain.context(), end_of(MONTH), "EUR", MONTH)
    chain.until(end_of(MONTH))
    assert (chain.events, status(chain, MONTH), status(chain, NEXT)) == ([], "closed", "open")
    book(chain, "aurora", "basil", 8)
    chain.until(end_of(NEXT))
    assert payments(chain, NEXT) == [("aurora", "basil", 15)]


def test_currencies_are_apart_and_may_be_left_out_where_one_fits() -> None:
    chain = clearing_chain()
    book(chain, "aurora", "basil", 5)
    for debtor in ("aurora", "comet"):
        book(chain, debtor, "basil", 9, price=USD)
    chain.until(end_of(MONTH))
    assert payments(chain, MONTH) == [("aurora", "basil", 5), ("aurora", "basil", 9), ("comet", "basil", 9)]
    assert payments(chain, MONTH, currency="USD") == [("aurora", "basil", 9), ("comet", "basil", 9)]
    args = {"period": MONTH, "payer": "aurora", "payee": "basil", "amount": 9, "bank_ref": "b"}
    assert chain.refused("basil-treasurer", "clearing.confirm", **args) == "INVALID_ARGS"
    assert confirm(chain, MONTH, "aurora", "basil", 9, currency="USD")["currency"] == "USD"
    assert confirm(chain, MONTH, "comet", "basil", 9)["currency"] == "USD"
    assert (status(chain, MONTH, "USD"), status(chain, MONTH, "EUR")) == ("discharged", "closed")
    chain.until(chain.time + Params().due_ms)
    assert chain.send("aurora-treasurer", "clearing.unwind", period=MONTH)["currency"] == "EUR"


def test_unwinding_asks_for_the_currency_where_several_are_unpaid() -> None:
    chain = clearing_chain()
    for price in (EUR, USD):
        book(chain, "aurora", "basil", 5, price=price)
    chain.until(end_of(MONTH))
    chain.until(chain.time + Params().due_ms)
    assert chain.refused("aurora-treasurer", "clearing.unwind", period=MONTH) == "INVALID_ARGS"
    assert chain.send("aurora-treasurer", "clearing.unwind", period=MONTH, currency="USD")["status"] == "unwound"
    assert status(chain, MONTH) == "closed"


def many(count: int, params: Params | None = None) -> tuple[Chain, list[str]]:
    """Return a chain of so many brands, of which the even ones owe the next odd one, each another amount."""
    brands = [f"brand-{n:03}" for n in range(count)]
    ops = [
        ("till.book", {"debtor": a, "creditor": b, "price": EUR, "units": 1 + place})
        for place, (a, b) in enumerate((a, b) for a in brands for b in brands if a < b)
    ]
    limits = [
        ("clearing.set_credit_limit", {"creditor": b, "debtor": a, "currency": "EUR", "amount": 10**9})
        for a in brands
        for b in brands
        if a < b
    ]
    return clearing_chain(brands, params, limit=0, ops=[*limits, *ops]), brands


def test_the_agenda_closes_in_steps_what_no_block_has_room_for_and_pays_the_same() -> None:
    at_once, brands = many(80)
    close(at_once, "brand-000")
    in_steps, _ = many(80, LEAST_COST)
    in_steps.until(end_of(MONTH))
    blocks = 1
    while status(in_steps, MONTH) != "closed":
        assert status(in_steps, MONTH) == "closing"
        assert not any(name == "chain.postponed" for name, _ in in_steps.events)
        in_steps.block([])
        blocks += 1
    assert blocks > 1
    made = payments(in_steps, MONTH)
    assert made == payments(at_once, MONTH)
    assert STEP_PAYMENTS < len(made) < len(brands)
    left = {brand: owed(in_steps, brand) for brand in brands}
    for payer, payee, amount in made:
        left[payer] += amount
        left[payee] -= amount
    assert set(left.values()) == {0}


def test_a_treasurer_may_end_what_the_agenda_has_begun_to_close() -> None:
    brands = [f"brand-{n:03}" for n in range(200)]
    ops = [
        op
        for amount, brand in enumerate(brands[1:], 1)
        for op in (
            limit_op(brand, brands[0], 10**9),
            ("till.book", {"debtor": brand, "creditor": brands[0], "price": EUR, "units": amount}),
        )
    ]
    chain = clearing_chain(brands, LEAST_COST, limit=0, ops=ops)
    chain.until(end_of(MONTH))
    payer, payee, amount = payments(chain, MONTH)[0]
    args = {"period": MONTH, "payer": payer, "payee": payee, "amount": amount, "bank_ref": "b"}
    assert chain.refused(f"{payee}-treasurer", "clearing.confirm", **args) == "NOT_ELIGIBLE"
    assert status(chain, MONTH) == "closing"
    assert close(chain, brands[1])["status"] == "closed"
    made = payments(chain, MONTH)
    assert made == [(brand, brands[0], amount) for amount, brand in enumerate(brands[1:], 1)]
    chain.block([])
    assert (chain.events, payments(chain, MONTH)) == ([], made)


def test_unwinding_many_pairs_goes_on_by_itself_and_no_debt_is_lost_or_twofold_meanwhile() -> None:
    chain, brands = many(20)
    chain.until(end_of(MONTH))
    before = [owed(chain, brand) for brand in brands]
    some = [(brands[0], brand) for brand in brands[1:]] + [(brands[18], brands[19])]
    exposed = [exposure(chain, *pair) for pair in some]
    chain.until(chain.time + Params().due_ms)
    assert len(brands) * 19 // 2 > STEPS_OF_UNWIND * STEP_PAIRS
    assert chain.send(f"{brands[3]}-treasurer", "clearing.unwind", period=MONTH)["status"] == "unwinding"
    blocks = 0
    while status(chain, MONTH) == "unwinding":
        assert [owed(chain, brand) for brand in brands] == before
        assert [exposure(chain, *pair) for pair in some] == exposed
        chain.block([])
        blocks += 1
    assert blocks > 0
    assert status(chain, MONTH) == "unwound"
    assert [owed(chain, brand) for brand in brands] == before
    assert [exposure(chain, *pair) for pair in some] == exposed
    assert UNWINDINGS.get(chain.context(), "EUR", MONTH) is None
    (line,) = lines(chain, brands[18], NEXT if status_is_there(chain, NEXT) else AFTER, other=brands[19])
    assert len(line["tx"]) == 64


def status_is_there(chain: Chain, period: str) -> bool:
    return any(item["period"] == period for item in chain.view("clearing_periods", currency="EUR")["items"])


def test_steps_fit_the_least_budget_of_an_agenda() -> None:
    """So that nothing is ever put off: see the note of a refusal in vm.agenda."""
    chain, brands = many(80, LEAST_COST)
    least = agenda_budget(LEAST_COST)
    chain.until(end_of(MONTH))
    while status(chain, MONTH) != "closed":
        result = chain.block([])
        assert result.receipts[-1].cost < 2 * least
        assert not any(name == "chain.postponed" for name, _ in chain.events)
    chain.until(chain.time + Params().due_ms)
    receipt = chain.send_ops(f"{brands[0]}-treasurer", [("clearing.unwind", {"period": MONTH})])
    assert receipt.status == "ok", receipt.error
    assert receipt.cost < BOUNDS["max_tx_cost"][0]
    while status(chain, MONTH) != "unwound":
        chain.block([])
        assert not any(name == "chain.postponed" for name, _ in chain.events)


def test_periods_that_stay_unpaid_for_years_are_unwound_one_by_one() -> None:
    chain = clearing_chain()
    period = MONTH
    for months in range(MAX_UNSETTLED + 2):
        book(chain, "aurora", "basil", 1 + months)
        chain.until(end_of(period))
        period = next_period(period)
    chain.block([])
    live = LIVE.get(chain.context(), "EUR") or ()
    assert len(live) == MAX_UNSETTLED + 1
    assert [status(chain, name) for name in (MONTH, NEXT, AFTER)] == ["unwound", "unwound", "closed"]
    total = sum(range(1, MAX_UNSETTLED + 3))
    assert (owed(chain, "aurora"), owed(chain, "basil"), exposure(chain, "aurora", "basil")) == (
        -total,
        total,
        total,
    )
    book(chain, "aurora", "basil", 1)
    (second,) = [line for line in lines(chain, "aurora", period) if line["cause"]["kind"] == "unwind"]
    assert (second["amount"], second["cause"]["ref"]) == (2, NEXT)
    assert "tx" not in second


def test_an_agenda_item_of_a_period_that_has_gone_on_without_it_does_nothing() -> None:
    """As one that was put off for an hour while a treasurer closed the period."""
    chain = case_55()
    close(chain)

    def put_stale_items(ctx: Context) -> None:
        for schedule in (CLOSES, UNWINDS):
            schedule.put(ctx, ctx.time + 1, "EUR", MONTH)

    chain.govern(put_stale_items)
    chain.block([])
    assert (chain.events, status(chain, MONTH)) == ([], "closed")
    assert payments(chain, MONTH) == [("aurora", "comet", 6), ("dune", "comet", 5)]
    assert AGENDA.first(chain.state) is None


def test_the_currency_must_be_named_among_more_than_are_looked_at() -> None:
    currencies = [f"X{letter}X" for letter in ascii_uppercase[: MAX_CURRENCIES_TRIED + 1]]
    chain = clearing_chain(ops=[limit_op("aurora", "basil", 9, currency) for currency in currencies])
    for count, currency in enumerate(currencies, 1):
        if count == MAX_CURRENCIES_TRIED:
            args = {"period": MONTH, "payer": "comet", "payee": "basil", "amount": 1, "bank_ref": "b"}
            assert chain.refused("basil-treasurer", "clearing.confirm", **args) == "NOT_FOUND"
        book(chain, "aurora", "basil", 1, price={**EUR, "currency": currency})
    args = {"period": MONTH, "payer": "aurora", "payee": "basil", "amount": 1, "bank_ref": "b"}
    close(chain, currency=currencies[0])
    assert chain.refused("basil-treasurer", "clearing.confirm", **args) == "INVALID_ARGS"
    other = {**args, "payer": "comet", "currency": currencies[0]}
    assert chain.refused("basil-treasurer", "clearing.confirm", **other) == "NOT_FOUND"
    assert confirm(chain, MONTH, "aurora", "basil", 1, currency=currencies[0])["amount"] == 1


def test_the_term_of_payment_is_the_alliances_to_set() -> None:
    chain = clearing_chain(params=Params(due_ms=MS_PER_DAY))
    book(chain, "aurora", "basil", 5)
    shown = close(chain)
    assert shown["due"] == chain.time + MS_PER_DAY


def test_netting_is_greedy_with_ties_by_slug() -> None:
    made = list(payments_of({"dd": -5, "cc": -5, "bb": 7, "aa": 3, "ee": 0}))
    assert made == [("cc", "bb", 5), ("dd", "aa", 3), ("dd", "bb", 2)]
    assert list(payments_of({})) == []


@pytest.mark.parametrize(
    ("time", "period"),
    [
        (0, "1970-01"),
        (START, "2023-11"),
        (1_709_251_199_999, "2024-02"),
        (1_709_251_200_000, "2024-03"),
        (2**53 - 1, "287396-10"),
    ],
)
def test_periods_are_months_in_utc(time: int, period: str) -> None:
    assert period_of(time) == period
    assert begin_of(period) <= time <= end_of(period)
    assert next_period("2023-12") == "2024-01"


def test_the_last_month_of_all_time_can_be_booked_in() -> None:
    chain = clearing_chain()
    chain.until(2**53 - 1_000)
    book(chain, "aurora", "basil", 5)
    assert owed(chain, "basil") == 5
