"""Compiled rules against the plain interpreter, and what holds for every rule: round trip, worst case, cost."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from node.cli.rules_documents import sizes_of
from tests.support.rule_expressions import FACTS, Expressions, Options
from vm.rules import DYN, Facts, HostRefusal, Kind, Outcome, Rule, RuleRefused, Value, check, dyn
from vm.rules.interpreter import interpreted
from vm.rules.parser import parse
from vm.rules.printer import text
from vm.rules.rule import exhausted

BATCH = 20
EXAMPLES = int(os.environ.get("RULES_EXPRESSIONS", "6000")) // BATCH
EVERYTHING = Options(
    unequal_types=True, own_functions=True, ordered_keys=True, null_operands=True, made_keys=True, int_of_bool=True
)
KINDS = Facts.of(dict.fromkeys(FACTS, DYN))
NO_LIMIT = 10**12
STRANGE: tuple[Value, ...] = (
    1.5, {1, 2}, 2**70, -(2**63) - 1, (1, 2), {True: 1}, {1: 1, "a": 2}, object(), [1.5], [[True]], [[1]],
    None, True, 1, "",
    "\ud800", b"", list(range(300)), ["x" * 5_000] * 3,
)  # fmt: skip
seeds = st.integers(min_value=0, max_value=2**40)


class Till:
    """A host that answers some and refuses others."""

    def local(self, ms: int) -> int:
        return ms + 3_600_000

    def in_collection(self, name: str, item: Value) -> bool:
        if name == "none":
            raise HostRefusal("there is no collection none")
        return item == "gold"

    def lookup(self, name: str, key: Value, default: Value) -> Value:
        return {"gold": 3}.get(key, default) if isinstance(key, str) else default


def rules(seed: int, count: int = BATCH, kinds: Facts = KINDS) -> list[Rule]:
    """Return the rules among random expressions."""
    made = Expressions(Random(seed), EVERYTHING)
    found = []
    for source in [made.any() for _ in range(count)]:
        try:
            found.append(check(source, kinds, "any", limit=NO_LIMIT))
        except RuleRefused:
            continue
    return found


def twin(rule: Rule, values: dict[str, Value]) -> Outcome:
    """Evaluate by walking the tree."""
    return interpreted(rule.tree, rule.result, rule.max_cost, values, Till()) or exhausted(rule.max_cost)


def same(one: Outcome, other: Outcome) -> bool:
    """Compare so that True is not 1; the value's text tells its types."""
    return (repr(one.value), one.error, one.cost) == (repr(other.value), other.error, other.cost)


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=seeds)
def test_compiled_is_interpreted_in_value_error_and_cost(seed: int) -> None:
    for rule in rules(seed):
        outcome = rule.evaluate(FACTS, Till())
        assert same(outcome, twin(rule, FACTS)), rule.source


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=seeds)
def test_so_it_is_over_facts_that_are_missing_or_of_any_type(seed: int) -> None:
    random = Random(seed)
    for rule in rules(seed):
        values: dict[str, Value] = {}
        for name, value in FACTS.items():
            if random.random() < 0.9:
                values[name] = random.choice(STRANGE) if random.random() < 0.3 else value
        outcome = rule.evaluate(values, Till())
        assert same(outcome, twin(rule, values)), (rule.source, values)
        assert outcome.cost <= rule.max_cost


def tight(value: Value) -> Kind:
    """Return any type of no more than a value's size."""
    items, characters = sizes_of({"value": value})
    return dyn(items=items, characters=characters)


TIGHT = Facts.of({name: tight(value) for name, value in FACTS.items()})
"""Facts declared no larger than they are, so that nothing that an estimate forgets hides in room that is left."""


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=seeds)
def test_the_worst_case_is_never_less_than_a_cost(seed: int) -> None:
    for rule in rules(seed, kinds=TIGHT):
        # Facts are within their declared sizes, so that the meter never has to stop.
        without_limit = interpreted(rule.tree, rule.result, NO_LIMIT, FACTS, Till())
        assert without_limit is not None
        assert without_limit.cost <= rule.max_cost, rule.source


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(seed=seeds)
def test_printed_and_parsed_again_a_tree_is_the_same(seed: int) -> None:
    made = Expressions(Random(seed), EVERYTHING)
    for source in [made.any() for _ in range(BATCH)]:
        tree = parse(source)
        assert parse(text(tree)) == tree, source


def outcomes(count: int) -> str:
    """Return what many rules give, for a comparison of processes."""
    told = [(rule.source, rule.max_cost, str(rule.evaluate(FACTS, Till()))) for rule in rules(7, count)]
    return repr(told)


def test_two_processes_with_other_hashes_agree() -> None:
    program = "from tests.properties.test_rules_twin import outcomes; print(outcomes(400))"
    answers = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) > 10_000
