"""The mutants still apply: a rule that was rewritten must be broken anew. And none of the lessons lacks one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from .mutant import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
LESSONS_PAGE = (ROOT / "docs/lessons.md").read_text()

LESSONS = (
    ("besu#7642", "quorum#1681"),
    ("besu#1822", "besu#7838"),
    ("besu#3785",),
    ("besu#8307", "besu#6457"),
    ("quorum#1630", "besu#10917", "besu#11109"),
    ("besu#2241", "celo#1285"),
    ("plenum#1488",),
    ("besu#7589", "besu#9529"),
    ("besu#9255", "besu#11102", "quorum#1660"),
    ("FISCO#2211", "FISCO#2448", "FISCO#2312"),
    ("sawtooth-pbft#166", "fabric#5076"),
    ("SmartBFT#622", "SmartBFT#663"),
    ("fabric#1917",),
    ("tendermint#3295", "tendermint#8679", "tendermint#5804"),
    ("leveldb#333", "leveldb#75", "plyvel#41"),
    ("besu#5672", "quorum-kubernetes#58"),
    ("agoric-sdk#7910", "xian-core"),
    ("besu (prepared state in memory)",),
    ("besu#2095",),
    ("anchor#549", "anchor#599", "anchor#600"),
)
"""What chains of others suffered for want of a rule, as their trackers name it; one row of docs/lessons.md each."""


def names_a_test(argument: str) -> bool:
    """Tell whether a pytest argument, a path or path::test, names what is there."""
    path, _, test = argument.partition("::")
    file = ROOT / path
    return file.exists() and (not test or f"def {test}(" in file.read_text())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_its_source_and_leaves_it_python(mutant: Mutant) -> None:
    for edit in mutant.edits:
        text = (ROOT / edit.path).read_text()
        assert ast.dump(ast.parse(edit.applied_to(text))) != ast.dump(ast.parse(text))
    assert all(names_a_test(argument) for argument in mutant.tests)


def test_names_are_distinct() -> None:
    assert len(MUTANTS) > 30
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_every_lesson_has_a_mutant_that_one_test_must_notice() -> None:
    taught = {lesson for mutant in MUTANTS for lesson in mutant.lessons}
    assert taught == {place for row in LESSONS for place in row}
    assert all("::" in argument for mutant in MUTANTS if mutant.lessons for argument in mutant.tests)


@pytest.mark.parametrize("places", LESSONS, ids=lambda places: places[0])
def test_the_page_of_lessons_names_every_mutant_with_its_test(places: tuple[str, ...]) -> None:
    (row,) = [line for line in LESSONS_PAGE.splitlines() if line.startswith(f"| {', '.join(places)} |")]
    told = set(re.findall(r"\*(.+?)\* → `(.+?)`", row))
    tests = {
        (mutant.name, argument.rpartition("/")[2])
        for mutant in MUTANTS
        if set(places) <= set(mutant.lessons)
        for argument in mutant.tests
    }
    assert told == tests
