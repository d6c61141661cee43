"""A statement as a page: HTML without scripts or outside parts, which prints on A4 or as PDF.

The page is built as a tree of elements (`xml.etree`), so that text which others have written is always text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from node.statements.amounts import decimal
from node.statements.csv_table import iso_time
from node.statements.statement import Entry, Settling, Statement

STYLE: Final = """
@page { size: A4; margin: 18mm 14mm; }
body { font: 10pt/1.45 "Helvetica Neue", Arial, sans-serif; color: #1b1f24; max-width: 182mm; margin: 10mm auto; }
h1 { font-size: 17pt; margin: 0 0 1mm; }
h2 { font-size: 11.5pt; margin: 8mm 0 2mm; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 0.5mm 5mm; margin: 4mm 0; }
.facts dt { color: #57606a; }
.facts dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th { text-align: left; font-weight: 600; border-bottom: 0.4mm solid #1b1f24; padding: 1mm 2mm 1mm 0; }
td { border-bottom: 0.1mm solid #d0d7de; padding: 1mm 2mm 1mm 0; vertical-align: top; }
.amount { text-align: right; white-space: nowrap; padding-right: 0; padding-left: 3mm; }
.lines th:nth-child(3) { width: 50%; }
.tx { font: 6.2pt/1.4 ui-monospace, Menlo, Consolas, monospace; color: #57606a; overflow-wrap: anywhere; }
.sum td { font-weight: 600; border-top: 0.3mm solid #1b1f24; }
footer { margin-top: 8mm; color: #57606a; font-size: 8.5pt; }
@media print { body { margin: 0; max-width: none; } }
"""

NARROW_SPACE: Final = "\u202f"
"""Between groups of digits, as ISO 80000-1 has it."""


def html_of(statement: Statement) -> str:
    """Return the page."""
    root = Element("html", lang="en")
    head = SubElement(root, "head")
    SubElement(head, "meta", charset="utf-8")
    title = f"Statement of {statement.names[statement.brand]}, {statement.period}, {statement.currency}"
    SubElement(head, "title").text = title
    SubElement(head, "style").text = STYLE
    body = SubElement(root, "body")
    SubElement(body, "h1").text = f"Clearing statement {statement.period}"
    _facts(body, statement)
    _by_other(body, statement)
    _entries(body, statement)
    if statement.payments:
        _payments(body, statement)
    _footer(body)
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _facts(body: Element, statement: Statement) -> None:
    facts = [
        ("Account", f"{statement.names[statement.brand]} ({statement.brand})"),
        ("Alliance", statement.chain),
        ("Currency", statement.currency),
        ("Status", _status(statement)),
        ("Opening balance", _amount(0, statement)),
        ("Owed to the account", _amount(statement.owed, statement)),
        ("Owed by the account", _amount(-statement.owes, statement)),
        ("Closing balance", _amount(statement.closing, statement)),
    ]
    if statement.due is not None:
        facts.append(("Payments due", f"{_time(statement.due)} UTC"))
    listed = SubElement(body, "dl", {"class": "facts"})
    for name, value in facts:
        SubElement(listed, "dt").text = name
        SubElement(listed, "dd").text = value


def _status(statement: Statement) -> str:
    """Return the status, and the height of a period that still grows: a closed one's page stays as it is."""
    return statement.status if statement.due is not None else f"{statement.status}, as of height {statement.height}"


def _by_other(body: Element, statement: Statement) -> None:
    rows = [
        (
            _party(other, statement),
            _amount(owed, statement),
            _amount(-owes, statement),
            _amount(owed - owes, statement),
        )
        for other, (owes, owed) in sorted(statement.by_other.items())
    ]
    total = ("Total", _amount(statement.owed, statement), _amount(-statement.owes, statement))
    SubElement(body, "h2").text = "By brand"
    columns = ("Brand", "Owes the account", "Is owed by the account", "Balance")
    _table(body, columns, rows, first_amount=1, last=(*total, _amount(statement.closing, statement)))


def _entries(body: Element, statement: Statement) -> None:
    SubElement(body, "h2").text = "Lines"
    columns = ("Booked (UTC)", "Brand", "For", "Amount", "Balance")
    table = _table(body, columns, [_entry(entry, statement) for entry in statement.entries], first_amount=3)
    table.set("class", "lines")
    for row, entry in zip(table.iter("tr"), (None, *statement.entries), strict=True):
        if entry is not None:
            told = f"tx {entry.tx}" if entry.tx else "booked by the chain itself"
            SubElement(row[2], "div", {"class": "tx"}).text = told
            SubElement(row[2], "div", {"class": "tx"}).text = entry.key


def _entry(entry: Entry, statement: Statement) -> tuple[str, ...]:
    party, for_what = _party(entry.other, statement), f"{entry.kind} {entry.ref}"
    return _time(entry.time), party, for_what, _amount(entry.amount, statement), _amount(entry.balance, statement)


def _payments(body: Element, statement: Statement) -> None:
    SubElement(body, "h2").text = "Payments"
    rows = [_payment(payment, statement) for payment in statement.payments]
    _table(body, ("Brand", "Payment", "Confirmed (UTC)", "Bank reference", "Amount"), rows, first_amount=4)


def _payment(payment: Settling, statement: Statement) -> tuple[str, ...]:
    return (
        _party(payment.other, statement),
        "to receive" if payment.amount > 0 else "to pay",
        "not yet" if payment.confirmed is None else _time(payment.confirmed),
        payment.bank_ref or "",
        _amount(payment.amount, statement),
    )


def _table(
    body: Element,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    first_amount: int,
    last: Sequence[str] | None = None,
) -> Element:
    """Add a table, whose columns from `first_amount` on hold amounts."""
    table = SubElement(body, "table")
    _cells(SubElement(SubElement(table, "thead"), "tr"), "th", columns, first_amount)
    inner = SubElement(table, "tbody")
    for row in rows:
        _cells(SubElement(inner, "tr"), "td", row, first_amount)
    if last is not None:
        _cells(SubElement(inner, "tr", {"class": "sum"}), "td", last, first_amount)
    return table


def _cells(row: Element, tag: str, texts: Sequence[str], first_amount: int) -> None:
    for place, text in enumerate(texts):
        SubElement(row, tag, {"class": "amount"} if place >= first_amount else {}).text = text


def _footer(body: Element) -> None:
    SubElement(body, "footer").text = (
        "Amounts below zero are owed by the account. Each line names the transaction (tx) that booked it, and is a "
        "record of the chain: ask any node for state_proof of the key under the transaction, and check the answer "
        "with `entente verify state FILE --genesis FILE`, which needs the genesis document only. The record "
        "clearing/pair/… of a pair proves how many lines it has."
    )


def _party(other: str, statement: Statement) -> str:
    return f"{statement.names[other]} ({other})"


def _time(time_ms: int) -> str:
    """Return a time to the second, in UTC."""
    return iso_time(time_ms)[:19].replace("T", " ")


def _amount(amount: int, statement: Statement) -> str:
    return decimal(amount, statement.currency, NARROW_SPACE)
