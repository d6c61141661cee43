"""Explanations: which condition of a rule gave what, and from which facts."""

from __future__ import annotations

from tests.support.rule_expressions import FACTS
from tests.unit.vm.rules.questions import KINDS
from vm.rules import NoHost, Part, check, explain


def parts(source: str) -> list[tuple[int, str, object]]:
    found = explain(check(source, KINDS, "any"), FACTS, NoHost())
    return [(part.depth, part.source, _gives(part)) for part in found]


def _gives(part: Part) -> object:
    if not part.reached:
        return "not reached"
    return part.error.kind.value if part.error else part.value


def test_conditions_stand_below_what_joins_them() -> None:
    assert parts('event.amount > 99999 || (member.tier == "gold" && !(b && c)) || i > 1') == [
        (0, 'event.amount > 99999 || member.tier == "gold" && !(b && c) || i > 1', True),
        (1, "event.amount > 99999", False),
        (1, 'member.tier == "gold" && !(b && c)', True),
        (2, 'member.tier == "gold"', True),
        (2, "!(b && c)", True),
        (3, "b && c", False),
        (4, "b", True),
        (4, "c", False),
        (1, "i > 1", "not reached"),
    ]


def test_an_error_is_told_where_it_is() -> None:
    assert parts("event.none > 1 && b") == [
        (0, "event.none > 1 && b", "MISSING"), (1, "event.none > 1", "MISSING"), (1, "b", True),
    ]  # fmt: skip


def test_the_branch_that_was_not_taken_is_not_reached() -> None:
    assert parts("b ? i : j")[1:] == [(1, "b", True), (1, "i", 5), (1, "j", "not reached")]


def test_the_facts_of_a_condition_are_told_but_not_those_of_macros() -> None:
    (part,) = explain(check("size(lm.filter(x, x.p > event.amount)) > m['a'] + event.none", KINDS), FACTS, NoHost())
    assert part.read == (("lm", FACTS["lm"]), ('m["a"]', 1))
