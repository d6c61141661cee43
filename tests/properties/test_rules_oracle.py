"""The rule language against Google's CEL: equal values, or both an error.

Deliberate differences are left out of the random expressions by their options, and have tests of their own in
tests/unit/vm/rules/test_differences.py. RULES_EXPRESSIONS chooses how many.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.rules_oracle import ERROR, answer, told
from tests.support.rule_expressions import FACTS, Expressions, Options
from vm.rules import DYN, Facts, NoHost, RuleRefused, check

BATCH = 50
PARTS = 4
"""Tests of equal size, which workers share."""
EXPRESSIONS = int(os.environ.get("RULES_EXPRESSIONS", "20000"))
SOAK = "RULES_EXPRESSIONS" in os.environ
"""`make test` asks the same questions each time; a soak asks new ones, and may find what the oracle does oddly."""

KINDS = Facts.of(dict.fromkeys(FACTS, DYN))
NO_LIMIT = 10**12


def ours(source: str) -> object:
    try:
        rule = check(source, KINDS, "any", limit=NO_LIMIT)
    except RuleRefused:
        return ERROR
    outcome = rule.evaluate(FACTS, NoHost())
    assert outcome.cost <= rule.max_cost
    return ERROR if outcome.error else told(outcome.value)


@pytest.mark.parametrize("part", range(PARTS))
@settings(max_examples=EXPRESSIONS // PARTS // BATCH, deadline=None, derandomize=not SOAK)
@given(seed=st.integers(min_value=0, max_value=2**40))
def test_values_are_those_of_cel_or_both_are_errors(part: int, seed: int) -> None:
    made = Expressions(Random(f"{part} {seed}"), Options())
    for source in [made.any() for _ in range(BATCH)]:
        assert agrees(source), source


def agrees(source: str) -> bool:
    """Ask the oracle, and once more without its checker, which takes an element of a dyn for one certain type."""
    value = ours(source)
    return value == answer(source) or (value != ERROR and value == answer(source, checked=False))
