"""Periods come back whole where a payment stays away."""

from __future__ import annotations

from contracts_py.clearing.periods import begin_of, end_of, next_period, period_of
from contracts_py.clearing.records import CLOSES, LIVE, MAX_BOOKED, MAX_UNSETTLED, UNWINDINGS, UNWINDS
from contracts_py.clearing.settlement import STEP_PAIRS, STEPS_OF_UNWIND
from tests.contract_harness import Chain
from tests.support.clearing import (
    EUR,
    book,
    clearing_chain,
    confirm,
    exposure,
    lines,
    owed,
    payments,
    status,
)
from tests.support.settlement import (
    AFTER,
    BRANDS,
    CLOSE,
    LEAST_COST,
    MONTH,
    NEXT,
    PAIRS,
    USD,
    case_55,
    close,
    exposures,
    many,
    positions,
)
from vm.agenda import agenda_budget
from vm.contract_api import Context
from vm.params import BOUNDS, Params
from vm.tables.schedule import AGENDA


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


def test_unwinding_asks_for_the_currency_where_several_are_unpaid() -> None:
    chain = clearing_chain()
    for price in (EUR, USD):
        book(chain, "aurora", "basil", 5, price=price)
    chain.until(end_of(MONTH))
    chain.until(chain.time + Params().due_ms)
    assert chain.refused("aurora-treasurer", "clearing.unwind", period=MONTH) == "INVALID_ARGS"
    assert chain.send("aurora-treasurer", "clearing.unwind", period=MONTH, currency="USD")["status"] == "unwound"
    assert status(chain, MONTH) == "closed"


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
