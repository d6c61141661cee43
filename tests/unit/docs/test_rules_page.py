"""docs/rules.md: its examples give what they say, and its tables name all that there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from node.cli.rules_lines import answer
from node.cli.rules_values import as_json
from tests.unit.vm.rules.questions import value
from vm.rules import ErrorKind, costs
from vm.rules.functions import FUNCTIONS
from vm.rules.parser import RESERVED

PAGE = (Path(__file__).parents[3] / "docs/rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^    (\S.*?) +→  (.+)$", PAGE, re.MULTILINE)
LINES = re.findall(r"^    (\{.*?\}|nonsense) {5,}(\{.*\})$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("source", "expected"), EXAMPLES)
def test_an_example_gives_what_the_page_says(source: str, expected: str) -> None:
    assert as_json(value(source)) == json.loads(expected)


@pytest.mark.parametrize(("asked", "told"), LINES)
def test_a_line_is_answered_as_the_page_says(asked: str, told: str) -> None:
    expected, answered = json.loads(told), answer(asked.encode())
    if expected.get("message", "").endswith("…"):
        expected["message"] = answered["message"]
    assert answered == expected


def test_the_examples_are_found() -> None:
    assert len(EXAMPLES) >= 13
    assert len(LINES) == 4


def test_every_error_and_function_is_told() -> None:
    for kind in ErrorKind:
        assert f"| `{kind.value}` |" in PAGE
    for name in (*FUNCTIONS, "local", "in_collection", "lookup", "all", "exists", "exists_one", "filter", "map"):
        assert re.search(rf"`(?:\w+\.)?{name}\(", PAGE), name
    assert all(word in PAGE for word in RESERVED)


def test_the_table_of_costs_is_that_of_the_code() -> None:
    rows = {
        "| index |": f"{costs.INDEX} |",
        "| `in` |": f"{costs.MEMBERSHIP}, and {costs.COMPARED_ELEMENT} for each",
        r"| each `&&` and `\|\|` |": f"{costs.CONNECTIVE} |",
        "| `? :` |": f"{costs.CONDITIONAL} |",
        "| list literal |": f"{costs.LIST}, and {costs.ELEMENT} for each",
        "| map literal |": f"{costs.MAP}, and {costs.ENTRY} for each",
        "| call; of `local`, `in_collection`, `lookup` |": f"{costs.CALL}; {costs.HOST_CALL}, and",
        "| macro |": f"{costs.MACRO}, and {costs.ITERATION} for each turn; {costs.SORTED_KEY} more",
        "| comparing text or bytes |": f"1 for each {costs.COMPARED_PER_UNIT} |",
        "| joining, searching and converting text, bytes, lists |": f"1 for each {costs.COPIED_PER_UNIT} |",
        "| comparing lists or maps |": f"{costs.COMPARED}, and {costs.COMPARED_ELEMENT} for each element,"
        f" {costs.COMPARED_ELEMENT + costs.SORTED_KEY} for each entry",
        "| `sum`, `min`, `max` of a list |": f"{costs.SUMMED} for each",
    }
    for head, told in rows.items():
        assert f"{head} {told}" in PAGE
    assert (costs.LITERAL, costs.NAME, costs.SELECT, costs.UNARY, costs.ARITHMETIC, costs.COMPARE) == (1,) * 6
    assert f"at most {costs.MAX_COST:,} units" in PAGE
    assert f"Table version {costs.VERSION}:" in PAGE
    assert costs.UNITS_PER_METERED == 8
