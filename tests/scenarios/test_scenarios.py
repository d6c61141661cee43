"""Every scenario goes as it is written; `python -m tests.scenarios --rewrite` where it should go otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from .script import Player

SCENARIOS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    assert Player().play(path.read_text()) == path.read_text()


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 5
