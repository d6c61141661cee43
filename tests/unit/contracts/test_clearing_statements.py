"""Statements: both sides of a period show the same lines and sums, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.clearing.periods import end_of
from tests.contract_harness import Chain
from tests.support.clearing import EUR, book, clearing_chain, confirm, lines, payments
from vm.contract_api import Refused

MONTH = "2023-11"
VIEW: dict[str, Any] = {"currency": "EUR", "period": MONTH}


def busy() -> Chain:
    chain = clearing_chain()
    for n in range(7):
        book(chain, "aurora", "basil", 10 + n, ref=f"a-{n}")
        book(chain, "basil", "aurora", 3 + n, ref=f"b-{n}")
        book(chain, "comet", "aurora", 1 + n, ref=f"c-{n}")
    return chain


def test_a_statement_has_every_line_once_in_order_whatever_the_pages() -> None:
    chain = busy()
    whole = chain.view("clearing_statement", brand="aurora", **VIEW)
    assert (whole["owes"], whole["owed"], whole["position"]) == (91, 42 + 28, -21)
    assert (whole["status"], whole["next"]) == ("open", None)
    places = [(line["debtor"], line["creditor"], line["line"]) for line in whole["items"]]
    pairs = [("aurora", "basil"), ("basil", "aurora"), ("comet", "aurora")]
    assert places == [(*pair, n) for pair in pairs for n in range(7)]
    for limit in (1, 4, 7, 20):
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = chain.view("clearing_statement", brand="aurora", **VIEW, limit=limit, **cursor)
            assert (page["owes"], page["owed"]) == (91, 70)
            found += page["items"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert found == whole["items"]


def test_both_sides_agree_to_the_unit_line_by_line() -> None:
    chain = busy()
    for brand, other in (("aurora", "basil"), ("aurora", "comet"), ("basil", "comet")):
        mine, theirs = (
            chain.view("clearing_statement", brand=a, other=b, **VIEW) for a, b in ((brand, other), (other, brand))
        )
        assert (mine["owes"], mine["owed"]) == (theirs["owed"], theirs["owes"])
        assert mine["position"] == -theirs["position"]
        assert mine["other"] == other

        def by_place(line: dict[str, Any]) -> tuple[str, int]:
            return line["debtor"], line["line"]

        assert sorted(mine["items"], key=by_place) == sorted(theirs["items"], key=by_place)
        for side in (mine, theirs):
            assert sum(line["amount"] for line in side["items"] if line["debtor"] == side["brand"]) == side["owes"]


def test_the_statement_of_a_brand_without_lines_is_empty_and_a_period_without_bookings_has_none() -> None:
    chain = clearing_chain()
    book(chain, "aurora", "basil", 1)
    empty = chain.view("clearing_statement", brand="comet", **VIEW)
    assert (empty["owes"], empty["owed"], empty["items"], empty["next"]) == (0, 0, [], None)
    assert refused(chain, "clearing_statement", brand="aurora", currency="EUR", period="2023-12") == "NOT_FOUND"


def refused(chain: Chain, view: str, **args: Any) -> str:
    try:
        chain.view(view, **args)
    except Exception as refusal:
        return str(getattr(refusal, "code", refusal))
    return "answered"


def test_cursors_that_no_page_has_answered_are_refused() -> None:
    chain = busy()
    chain.until(end_of(MONTH))
    page = chain.view("clearing_statement", brand="aurora", **VIEW, limit=15)
    for cursor in ("00", "zz", page["next"] + "00"):
        assert refused(chain, "clearing_statement", brand="aurora", **VIEW, cursor=cursor) == "INVALID_ARGS"
        assert refused(chain, "clearing_payments", period=MONTH, cursor=cursor) == "INVALID_ARGS"
    assert refused(chain, "clearing_statement", brand="basil", **VIEW, cursor=page["next"]) == "INVALID_ARGS"


def test_payments_come_in_pages_over_all_currencies() -> None:
    chain = clearing_chain()
    for price in (EUR, {**EUR, "currency": "USD"}):
        for debtor in ("aurora", "comet"):
            book(chain, debtor, "basil", 5, price=price)
    chain.until(end_of(MONTH))
    confirm(chain, MONTH, "comet", "basil", 5, currency="EUR")
    whole = chain.view("clearing_payments", period=MONTH)["items"]
    assert [(item["currency"], item["payer"]) for item in whole] == [
        ("EUR", "aurora"),
        ("EUR", "comet"),
        ("USD", "aurora"),
        ("USD", "comet"),
    ]
    assert ["receipt" in item for item in whole] == [False, True, False, False]
    assert whole[1]["receipt"]["bank_ref"] == "b-1"
    for limit in (1, 2, 3):
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = chain.view("clearing_payments", period=MONTH, limit=limit, **cursor)
            found += page["items"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert found == whole
    assert payments(chain, "2023-12") == []
    assert chain.view("clearing_currencies", period=MONTH) == {"items": ["EUR", "USD"], "next": None}
    assert chain.view("clearing_currencies", period="2023-12")["items"] == []


def test_periods_and_positions_of_brands() -> None:
    chain = clearing_chain()
    book(chain, "aurora", "basil", 5)
    chain.until(end_of(MONTH))
    book(chain, "aurora", "basil", 6)
    items = chain.view("clearing_periods", currency="EUR")["items"]
    assert [item["period"] for item in items] == [MONTH, "2023-12"]
    assert items[1] == {"currency": "EUR", "period": "2023-12", "status": "open"}
    assert chain.view("clearing_periods", currency="EUR", limit=1)["next"] is not None
    assert chain.view("clearing_periods", currency="GBP")["items"] == []
    assert refused(chain, "clearing_position", brand="nobody", currency="EUR") == "NOT_FOUND"
    assert lines(chain, "aurora", "2023-12")[0]["amount"] == 6


def test_a_brand_that_is_none_has_no_statement() -> None:
    chain = busy()
    for brands in (
        {"brand": "nobody"},
        {"brand": "nobody", "other": "basil"},
        {"brand": "basil", "other": "nobody"},
    ):
        with pytest.raises(Refused, match="NOT_FOUND"):
            chain.view("clearing_statement", **brands, **VIEW)
