"""The language from outside: source and facts in, value or error and cost out."""

from __future__ import annotations

import pytest

from vm.rules import DYN, INT, STRING, ErrorKind, Facts, NoHost, RuleRefused, Value, check, record

FACTS = Facts.of({"event": record({"amount": INT}), "member": record({"tier": STRING}), "x": DYN, "l": DYN})
VALUES: dict[str, Value] = {
    "event": {"amount": 12_000, "channel": "web", "attrs": {"total": "5", "nothing": None}},
    "member": {"tier": "gold"},
    "x": 1,
    "l": [1, 2, 3],
}


def value(source: str) -> Value:
    outcome = check(source, FACTS, "any").evaluate(VALUES, NoHost())
    assert outcome.error is None, outcome.error
    return outcome.value


def error(source: str) -> ErrorKind:
    outcome = check(source, FACTS, "any").evaluate(VALUES, NoHost())
    assert outcome.error is not None, outcome.value
    return outcome.error.kind


def test_a_condition_over_facts() -> None:
    assert value('event.amount >= 10000 && member.tier == "gold" && event.channel in ["web","store"]') is True


@pytest.mark.parametrize("total", ["attrs.none", "attrs.nothing", "attrs.total"])
def test_a_missing_null_or_wrong_total_is_no_number(total: str) -> None:
    outcome = check(f"event.{total} >= 0", FACTS, "bool").evaluate(VALUES, NoHost())
    assert outcome.error is not None
    assert f"event.{total}" in outcome.error.message


def test_a_refusal_points_at_the_character() -> None:
    with pytest.raises(RuleRefused) as refused:
        check("event.amount >=\n  member.tiers.size( 1.5 )", FACTS)
    assert (refused.value.line, refused.value.column) == (2, 22)
    assert refused.value.pointed().splitlines()[1:] == ["    member.tiers.size( 1.5 )", " " * 23 + "^"]
