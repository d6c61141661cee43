"""Any text is a rule or is refused with a place; whatever is a rule is evaluated as its twin does."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.test_rules_twin import KINDS, Till, same, twin
from tests.support.rule_expressions import FACTS
from vm.rules import RuleRefused, check

PAGE = Path(__file__).parents[1] / "unit/vm/rules/conformance.txt"
SOURCES = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("# ")]
PIECES = (
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    "?",
    ":",
    "!",
    "-",
    "&&",
    "||",
    "==",
    "in",
    "'",
    '"',
    "\\",
    "`",
    "//",
    "\n",
    "0x",
)


def is_answered(source: str) -> None:
    """Check and evaluate; anything but a refusal with a place inside of the source fails the test."""
    refused = None
    try:
        rule = check(source, KINDS, "any")
    except RuleRefused as error:
        refused = error
    if refused is None:
        assert same(rule.evaluate(FACTS, Till()), twin(rule, FACTS)), source
        return
    assert 0 <= refused.position <= len(source)
    assert refused.line >= 1
    assert refused.column >= 1
    assert "^" in refused.pointed()


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=80))
def test_any_text(source: str) -> None:
    is_answered(source)


@settings(max_examples=3_000, deadline=None)
@given(st.sampled_from(SOURCES), st.sampled_from(SOURCES), st.sampled_from(PIECES), st.data())
def test_sources_cut_and_joined(one: str, other: str, piece: str, data: st.DataObject) -> None:
    start, end = data.draw(st.integers(0, len(one))), data.draw(st.integers(0, len(other)))
    is_answered(one[:start] + piece + other[end:])


@settings(max_examples=1_000, deadline=None)
@given(
    st.lists(
        st.sampled_from((*PIECES, "l", "m", "i", "s", "1", "all", "map", "has", "size", "x", "true", " ")),
        max_size=40,
    )
)
def test_pieces_in_any_order(pieces: list[str]) -> None:
    is_answered("".join(pieces))
