"""Texts in tables: no spreadsheet takes one for a formula, and each can be had back."""

from __future__ import annotations

import csv
import io

import pytest

from node.terminal.table_text import guarded, quoted_line

FORMULAS = [
    "=1+1|cmd",
    "+1",
    "-1",
    "@SUM(A1)",
    "＝cmd|' /C calc'!A0",
    "＋1",
    "－1",
    "＠SUM(A1)",
    " =1",
    "\u3000=1",
    "\t=1",
    "\rx",
    "\nx",
    "'quoted",
    "''",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_stands_behind_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "order-1", "a=b", "1-2", "Basil & Co", "O'Neill", "a;=HYPERLINK(B1)"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text


def test_all_fields_are_quoted_and_read_back() -> None:
    fields = ["", "a;=HYPERLINK(B1)", 'say "x", please', "two\r\nlines", *map(guarded, FORMULAS)]
    line = quoted_line(*fields)
    assert line.startswith('"","a;=HYPERLINK(B1)","say ""x"", please",')
    (read,) = csv.reader(io.StringIO(line, newline=""), strict=True)
    assert read == fields
    assert [field.removeprefix("'") for field in read[4:]] == FORMULAS
