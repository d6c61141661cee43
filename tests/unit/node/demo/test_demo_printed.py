"""The printed statements, and the check that their two sides agree."""

from __future__ import annotations

from pathlib import Path

from node.demo.obligations import Obligations
from node.demo.printed import Printed, check_tables
from node.statements.csv_table import csv_of
from node.statements.statement import Entry, Statement

NAMES = {"aurora": "Aurora", "basil": "Basil"}
LINES = [("clearing/line/USD/2017-02/aurora/basil/0", -150), ("clearing/line/USD/2017-02/basil/aurora/0", 50)]


def table(brand: str, other: str, lines: list[tuple[str, int]]) -> str:
    entries = tuple([Entry(key, other, amount, amount, "redemption", "ref", 0, None) for key, amount in lines])
    return csv_of(Statement("chain", 1, brand, "USD", "2017-02", "closed", 150, 50, 0, entries, (), NAMES))


def books() -> Obligations:
    made = Obligations()
    made.redeemed(2, issuer=0, at=1, points=150)
    made.refunded(2, issuer=0, at=1, points=50)
    return made


def checked(aurora: list[tuple[str, int]], basil: list[tuple[str, int]]) -> Printed:
    printed = Printed(Path())
    tables = {"aurora": table("aurora", "basil", aurora), "basil": table("basil", "aurora", basil)}
    check_tables(printed, 2, tables, books())
    return printed


def mirrored(lines: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return [(key, -amount) for key, amount in lines]


def test_two_sides_of_the_same_lines_agree() -> None:
    printed = checked(LINES, mirrored(LINES))
    assert printed.agrees
    assert printed.lines == 2


def test_a_line_that_one_side_does_not_have_is_told() -> None:
    printed = checked(LINES, mirrored(LINES[:1]))
    assert not printed.agrees
    assert any("basil/aurora/0: aurora's statement says 0.50 CRDT, basil's None" in told for told in printed.told)


def test_another_amount_on_one_side_is_told() -> None:
    printed = checked(LINES, [(LINES[0][0], 151), *mirrored(LINES[1:])])
    assert any("1.50 DBIT" in told and "1.51" in told for told in printed.told)


def test_both_sides_wrong_differ_from_the_data() -> None:
    lines = [(LINES[0][0], -151), LINES[1]]
    printed = checked(lines, mirrored(lines))
    assert printed.told == [
        "2017-02: by the statements brands owe {('aurora', 'basil'): 151, ('basil', 'aurora'): 50}, "
        "by the data {('aurora', 'basil'): 150, ('basil', 'aurora'): 50}"
    ]
