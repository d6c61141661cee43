"""`entente statement`: both sides of a period agree to the unit, in the page and in the table."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from contracts_py.clearing.periods import end_of
from node.statements.amounts import decimal
from node.statements.csv_table import COLUMNS
from node.statements.moment import PAGE
from tests.contract_harness import Chain
from tests.support.clearing import EUR, book, clearing_chain, confirm
from tests.support.fake_node import CHAIN, INFO, FakeNode, run
from vm.errors import Refused

MONTH = "2023-11"
JPY = {**EUR, "currency": "JPY"}


def failed(reason: str, message: str = "no") -> dict[str, Any]:
    return {"code": -32001, "message": message, "data": {"reason": reason}}


def answer_from(chain: Chain, node: FakeNode) -> None:
    """Let the node answer views as of its heights, of which it keeps those whose heads it has told."""
    kept: dict[int, Chain] = {}

    def info(params: dict[str, Any]) -> Any:
        kept[chain.height] = chain.fork()
        return {**INFO, "height": chain.height}

    def view(params: dict[str, Any]) -> Any:
        if params["height"] not in kept:
            return failed("STATE_PRUNED")
        try:
            result = kept[params["height"]].view(params["view"], **params["args"])
        except Refused as refusal:
            return failed(refusal.code, refusal.message)
        return {"height": params["height"], "time": 0, "result": result}

    node.answers |= {"node_info": info, "state_view": view}


def before_view(node: FakeNode, change: Callable[[dict[str, Any]], Any]) -> None:
    """Call `change` before each answer of a view; what it returns is answered in its place."""
    answer = node.answers["state_view"]

    def changed(params: dict[str, Any]) -> Any:
        instead = change(params)
        return answer(params) if instead is None else instead

    node.answers["state_view"] = changed


@pytest.fixture
def chain(node: FakeNode) -> Chain:
    """November: aurora owes basil and comet, basil owes aurora; one of the payments is confirmed."""
    chain = clearing_chain(ops=[("identity.update_brand", {"brand": "basil", "name": "=Basil <b>& Co</b>"})])
    for n in range(5):
        book(chain, "aurora", "basil", 123_456 + n, ref=f"=order-{n}")
        book(chain, "basil", "aurora", 100 + n)
    book(chain, "aurora", "comet", 7)
    chain.until(end_of(MONTH))
    confirm(chain, MONTH, "aurora", "comet", 7)
    answer_from(chain, node)
    return chain


def statement_of(node: FakeNode, folder: Path, brand: str, *options: str) -> tuple[str, list[dict[str, str]]]:
    """Return the page and the rows of the table that the command writes."""
    result = run("statement", brand, MONTH, "--to", folder, "--rpc", node.url, *options)
    assert result.exit_code == 0, result.output
    page, table = (Path(line) for line in result.stdout.splitlines())
    with table.open(newline="", encoding="utf-8") as file:
        return page.read_text(encoding="utf-8"), list(csv.DictReader(file))


def signed(row: dict[str, str]) -> int:
    """Return a row's amount in cents, below zero for a debit."""
    whole, part = row["Amt"].split(".")
    cents = int(whole) * 100 + int(part)
    return -cents if row["CdtDbtInd"] == "DBIT" else cents


@pytest.mark.usefixtures("chain")
def test_two_sides_of_a_period_agree_to_the_unit_line_by_line(node: FakeNode, tmp_path: Path) -> None:
    sides = {brand: statement_of(node, tmp_path, brand)[1] for brand in ("aurora", "basil", "comet")}
    for brand, rows in sides.items():
        assert tuple(rows[0]) == COLUMNS
        assert rows[0]["Record"] == "OPBD"
        entries = [row for row in rows if row["Record"] == "NTRY"]
        (closing,) = [row for row in rows if row["Record"] == "CLBD"]
        assert signed(rows[0]) == 0
        assert signed(closing) == sum(map(signed, entries))
        assert all(len(row["AcctSvcrRef"]) == 64 for row in entries)
        for other in sides.keys() - {brand}:
            mine = {row["NtryRef"]: signed(row) for row in entries if row["RltdPty"] == other}
            theirs = {
                row["NtryRef"]: signed(row)
                for row in sides[other]
                if row["Record"] == "NTRY" and row["RltdPty"] == brand
            }
            assert mine == {key: -amount for key, amount in theirs.items()}
    closings = [signed(row) for rows in sides.values() for row in rows if row["Record"] == "CLBD"]
    assert (sum(closings), closings[0]) == (0, -(5 * 123_456 + 10) + 510 - 7)


@pytest.mark.usefixtures("chain")
def test_the_table_has_running_balances_payments_and_no_formulas(node: FakeNode, tmp_path: Path) -> None:
    _, rows = statement_of(node, tmp_path, "aurora")
    entries = [row for row in rows if row["Record"] == "NTRY"]
    assert [row["Bal"] for row in entries[:2]] == ["-1234.56", "-1233.56"]
    assert entries[0]["BookgDt"].startswith("2023-11-14T")
    assert (entries[0]["EndToEndId"], entries[0]["RltdPtyNm"]) == ("'=order-0", "'=Basil <b>& Co</b>")
    paid = [(row["RltdPty"], row["Amt"], row["Sts"], row["EndToEndId"]) for row in rows if row["Record"] == "PMNT"]
    assert paid == [("basil", "6167.80", "PDNG", ""), ("comet", "0.07", "BOOK", "b-1")]


def test_no_spreadsheet_takes_a_text_of_the_table_for_a_formula(node: FakeNode, tmp_path: Path) -> None:
    chain = clearing_chain(ops=[("identity.update_brand", {"brand": "basil", "name": "＝cmd|' /C calc'!A0"})])
    book(chain, "aurora", "basil", 500, ref="a;=HYPERLINK(B1)")
    answer_from(chain, node)
    _, rows = statement_of(node, tmp_path, "aurora")
    assert (rows[1]["EndToEndId"], rows[1]["RltdPtyNm"]) == ("a;=HYPERLINK(B1)", "'＝cmd|' /C calc'!A0")
    assert rows[1]["Bal"] == "-5.00", "amounts are numbers"
    (table,) = tmp_path.glob("*.csv")
    assert ',"a;=HYPERLINK(B1)",' in table.read_text(encoding="utf-8")


class Texts(HTMLParser):
    """The texts of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name in ("src", "href", "onload")]


def test_the_page_names_every_transaction_and_takes_nothing_for_markup(
    node: FakeNode, tmp_path: Path, chain: Chain
) -> None:
    page, rows = statement_of(node, tmp_path, "aurora")
    found = Texts(page)
    text = "\n".join(found.texts)
    assert "=Basil <b>& Co</b> (basil)" in text
    assert not {"b", "script", "img", "link"} & set(found.tags)
    for row in rows:
        if row["Record"] == "NTRY":
            assert f"tx {row['AcctSvcrRef']}" in text
            assert row["NtryRef"] in text
    assert CHAIN in text
    assert "-6\u202f167.87" in text
    assert text.count("closed") == 1
    assert chain.view("clearing_position", brand="aurora", currency="EUR")["position"] == -616_787


def test_each_currency_has_its_own_files_with_its_decimals(node: FakeNode, tmp_path: Path) -> None:
    chain = clearing_chain(
        ops=[
            (
                "clearing.set_credit_limit",
                {"creditor": "basil", "debtor": "aurora", "currency": "JPY", "amount": 9_999},
            )
        ]
    )
    for price in (EUR, JPY):
        book(chain, "aurora", "basil", 1_234, price=price)
    answer_from(chain, node)
    result = run("statement", "basil", MONTH, "--to", tmp_path / "new", "--rpc", node.url, "--json")
    made = json.loads(result.stdout)
    assert [(item["currency"], item["closing"], item["lines"]) for item in made] == [
        ("EUR", "12.34", 1),
        ("JPY", "1234", 1),
    ]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        f"statement-basil-{MONTH}-{currency}.{kind}" for currency in ("EUR", "JPY") for kind in ("csv", "html")
    ]
    _, rows = statement_of(node, tmp_path, "basil", "--currency", "JPY")
    assert [row["Amt"] for row in rows] == ["0", "1234", "1234"]


def test_a_statement_of_many_pages_is_read_whole(node: FakeNode, tmp_path: Path) -> None:
    ops = [
        ("till.book", {"debtor": "aurora", "creditor": "basil", "price": EUR, "units": 1}) for _ in range(PAGE + 3)
    ]
    answer_from(clearing_chain(ops=ops), node)
    _, rows = statement_of(node, tmp_path, "aurora")
    assert len([row for row in rows if row["Record"] == "NTRY"]) == PAGE + 3
    asked = [params["args"] for method, params, _ in node.asked if method == "state_view"]
    assert [args["limit"] for args in asked if "brand" in args and "period" in args] == [PAGE, PAGE, 1]


def test_pages_that_are_too_much_work_are_asked_for_smaller(node: FakeNode, tmp_path: Path) -> None:
    ops = [("till.book", {"debtor": "aurora", "creditor": "basil", "price": EUR, "units": 1}) for _ in range(40)]
    answer_from(clearing_chain(ops=ops), node)
    before_view(node, lambda params: failed("OUT_OF_BUDGET") if params["args"].get("limit", 1) > 17 else None)
    _, rows = statement_of(node, tmp_path, "aurora")
    assert len([row for row in rows if row["Record"] == "NTRY"]) == 40
    before_view(node, lambda params: failed("OUT_OF_BUDGET") if "limit" in params["args"] else None)
    told = run("statement", "aurora", MONTH, "--to", tmp_path, "--rpc", node.url)
    assert (told.exit_code, "OUT_OF_BUDGET" in told.stderr) == (1, True)


@pytest.mark.parametrize("at", range(1, 8))
def test_a_period_that_closes_while_it_is_read_makes_no_statement_of_two_moments(
    node: FakeNode, tmp_path: Path, at: int
) -> None:
    chain = clearing_chain()
    book(chain, "aurora", "basil", 5)
    answer_from(chain, node)
    views = [0]

    def closed_meanwhile(params: dict[str, Any]) -> None:
        views[0] += 1
        if views[0] == at:
            book(chain, "aurora", "basil", 7)
            chain.until(end_of(MONTH))

    before_view(node, closed_meanwhile)
    page, rows = statement_of(node, tmp_path, "aurora")
    assert views[0] >= at, "the period was closed"
    assert [(row["Record"], row["Amt"]) for row in rows] == [("OPBD", "0.00"), ("NTRY", "0.05"), ("CLBD", "0.05")]
    text = "\n".join(Texts(page).texts)
    assert f"open, as of height {chain.height - 2}" in text
    assert "Payments due" not in text

    page, rows = statement_of(node, tmp_path, "aurora")
    assert [row["Amt"] for row in rows if row["Record"] in ("CLBD", "PMNT")] == ["0.12", "0.12"]
    text = "\n".join(Texts(page).texts)
    assert "Payments due" in text
    assert "as of height" not in text, "a closed period's page does not change any more"


def test_a_height_that_is_no_longer_kept_is_told(node: FakeNode, tmp_path: Path, chain: Chain) -> None:
    del chain
    before_view(node, lambda params: failed("STATE_PRUNED") if params["view"] == "clearing_payments" else None)
    told = run("statement", "aurora", MONTH, "--to", tmp_path / "out", "--rpc", node.url)
    assert (told.exit_code, "no longer has the state of height" in told.stderr) == (1, True)
    assert not (tmp_path / "out").exists()


def test_lines_that_do_not_come_to_the_sums_make_no_statement(node: FakeNode, tmp_path: Path, chain: Chain) -> None:
    answer = node.answers["state_view"]

    def wrong(params: dict[str, Any]) -> Any:
        found = answer(params)
        return {**found, "result": {**found["result"], "owes": 1}} if "brand" in params["args"] else found

    del chain
    node.answers["state_view"] = wrong
    told = run("statement", "aurora", MONTH, "--to", tmp_path / "out", "--rpc", node.url)
    assert (told.exit_code, "do not use its answers" in told.stderr) == (1, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("brand", "period", "words"),
    [("aurora", "2023-12", "nothing was booked"), ("aurora", "2023-13", "INVALID_ARGS"), ("../x", MONTH, "slug")],
)
def test_mistakes_are_one_sentence_and_write_nothing(
    node: FakeNode, tmp_path: Path, chain: Chain, brand: str, period: str, words: str
) -> None:
    del chain
    result = run("statement", brand, period, "--to", tmp_path / "out", "--rpc", node.url)
    assert result.exit_code == 1
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told(node: FakeNode, tmp_path: Path, chain: Chain) -> None:
    del chain
    (tmp_path / "file").write_text("")
    result = run("statement", "aurora", MONTH, "--to", tmp_path / "file" / "x", "--rpc", node.url)
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (0, "EUR", "0.00"),
        (-5, "EUR", "-0.05"),
        (123_456_789, "EUR", "1 234 567.89"),
        (-1_234, "JPY", "-1 234"),
        (1_234, "KWD", "1.234"),
        (2**53 - 1, "CLF", "900 719 925 474.0991"),
    ],
)
def test_amounts_are_written_by_integers(amount: int, currency: str, text: str) -> None:
    assert decimal(amount, currency, " ") == text
