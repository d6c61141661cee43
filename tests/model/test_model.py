"""The exhaustive check at the smallest bounds; `make model` goes further."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .__main__ import DEEP
from .explore import explore
from .protocol import RULE_NAMES, Bounds, Rules


@pytest.mark.parametrize("n", [4, 5])
def test_two_rounds_never_decide_two_values(n: int) -> None:
    result = explore(Bounds(n, 2))
    assert result.trace == []
    assert result.states > 2_000


@pytest.mark.parametrize("name", [name for name in RULE_NAMES if DEEP.get(name, 2) < 4])
def test_a_broken_rule_is_found(name: str) -> None:
    assert explore(Bounds(4, DEEP.get(name, 2)), replace(Rules(), **{name: False}), greedy=True).trace


def test_without_byzantine_validators_nobody_disagrees() -> None:
    assert explore(Bounds(4, 2, byzantine=0)).trace == []


def test_values_can_be_decided_at_all() -> None:
    """The check would also pass if nobody could ever decide; with two Byzantine validators two values are."""
    assert explore(Bounds(4, 2, byzantine=2), greedy=True).trace
