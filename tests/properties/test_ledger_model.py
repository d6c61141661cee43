"""Token and swap against a naive ledger: random calls by random actors, every figure compared after every block.

`make soak` runs more: `LEDGER_SEEDS` names how many seeds, or a range A-B.
"""

from __future__ import annotations

import os

import pytest

from tests.properties.ledger_driver import Run

OPERATIONS = int(os.environ.get("LEDGER_OPERATIONS", "10000"))
"""Calls of one seed."""


def _seeds() -> range:
    first, dash, last = os.environ.get("LEDGER_SEEDS", "20").partition("-")
    return range(int(first), int(last) + 1) if dash else range(1, int(first) + 1)


@pytest.mark.parametrize("seed", _seeds())
def test_the_ledger_is_what_a_naive_one_says(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other seed holds the agenda back, so that expired lots, late holds and pending points lie about."""
    Run(seed, monkeypatch, held_back=seed % 2 == 0).until(OPERATIONS)
