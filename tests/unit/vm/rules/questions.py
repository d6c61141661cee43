"""Sources asked over the tests' facts, for tables of expectations."""

from __future__ import annotations

from tests.support.rule_expressions import FACTS
from vm.rules import DYN, ErrorKind, Facts, NoHost, Outcome, RuleRefused, Value, check

KINDS = Facts.of(dict.fromkeys((*FACTS, "a", "x"), DYN))
NO_LIMIT = 10**12


def outcome(source: str, **more: Value) -> Outcome:
    """Evaluate over the facts, and more of them."""
    return check(source, KINDS, "any", limit=NO_LIMIT).evaluate(FACTS | more, NoHost())


def value(source: str, **more: Value) -> Value:
    """Return a value; an error fails the test."""
    found = outcome(source, **more)
    assert found.error is None, found.error
    return found.value


def error(source: str, **more: Value) -> ErrorKind:
    """Return the kind of an error; a value fails the test."""
    found = outcome(source, **more)
    assert found.error is not None, found.value
    return found.error.kind


def refusal(source: str) -> str:
    """Return why a source is refused, with its place; a rule fails the test."""
    try:
        check(source, KINDS, "any")
    except RuleRefused as refused:
        return str(refused)
    raise AssertionError(f"not refused: {source}")
