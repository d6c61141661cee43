"""Periods close to the unit by multilateral netting, and are discharged as a whole."""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any

import pytest

from contracts_py.clearing.netting import payments_of
from contracts_py.clearing.periods import begin_of, end_of, next_period, period_of
from contracts_py.clearing.records import CLOSES
from contracts_py.clearing.settlement import MAX_CURRENCIES_TRIED, STEP_PAYMENTS
from tests.contract_harness import START, Chain
from tests.support.clearing import (
    EUR,
    book,
    clearing_chain,
    confirm,
    limit_op,
    owed,
    payments,
    status,
)
from tests.support.settlement import (
    CLOSE,
    LEAST_COST,
    MONTH,
    NEXT,
    USD,
    case_55,
    close,
    exposures,
    many,
    positions,
)
from vm.params import Params
from vm.primitives.units import MS_PER_DAY


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


def test_a_period_whose_positions_are_all_zero_is_discharged_at_once() -> None:
    chain = clearing_chain(limit=100)
    for debtor, creditor in (("aurora", "basil"), ("basil", "comet"), ("comet", "aurora")):
        book(chain, debtor, creditor, 100)
    shown = close(chain)
    assert (shown["status"], shown["payments"]) == ("discharged", 0)
    assert [name for name, _ in chain.events] == ["clearing.closed", "clearing.discharged"]
    assert payments(chain, MONTH) == []
    assert book(chain, "aurora", "basil", 100) == 100


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
