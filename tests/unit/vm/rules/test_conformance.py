"""Each line of conformance.txt: Google's CEL and this language give one value, or both an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.properties.rules_oracle import ERROR, answer, told
from tests.unit.vm.rules.questions import outcome
from vm.rules import RuleRefused

LINES = [
    line
    for line in Path(__file__).with_name("conformance.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("# ")
]


def ours(source: str) -> object:
    try:
        found = outcome(source)
    except RuleRefused:
        return ERROR
    return ERROR if found.error else told(found.value)


@pytest.mark.parametrize("source", LINES)
def test_one_value_or_both_an_error(source: str) -> None:
    assert ours(source) == answer(source)


@pytest.mark.parametrize(
    "source",
    ["'''a\nb'''", "r'''\n'''", "'a\nb'", '"a\rb"', "1 +\n// a\n2", "\t\f\r\n1 ", "'\x01\x7f\x1f'", "1 // \u00e9"],
)
def test_lines_and_control_characters(source: str) -> None:
    assert ours(source) == answer(source)


def test_there_are_many() -> None:
    assert len(LINES) > 330
