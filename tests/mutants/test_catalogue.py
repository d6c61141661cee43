"""The mutants still apply: a rule that was rewritten must be broken anew."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .mutant import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_its_source_and_leaves_it_python(mutant: Mutant) -> None:
    for edit in mutant.edits:
        text = (ROOT / edit.path).read_text()
        assert ast.dump(ast.parse(edit.applied_to(text))) != ast.dump(ast.parse(text))
    assert all((ROOT / path).exists() for path in mutant.tests)


def test_names_are_distinct() -> None:
    assert len(MUTANTS) > 30
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
