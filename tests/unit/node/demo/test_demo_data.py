"""Reading the data set: cents, partners, and the choice of a sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from node.demo.data import choose_baskets, load_lines, to_cents
from node.demo.rules import REST

Write = Callable[[list[tuple[int, int, str, int, float]]], Path]


@pytest.mark.parametrize(
    ("dollars", "cents"),
    [
        (0.0, 0),
        (0.29, 29),
        (1.15, 115),
        (2.675, 268),
        (1.005, 100),
        (631.8, 63180),
        (1.776357e-15, 0),
        (840.0, 84000),
    ],
)
def test_dollars_become_cents_by_their_decimal_text(dollars: float, cents: int) -> None:
    assert to_cents(dollars) == cents


def test_lines_carry_partners_and_integers(write_data: Write) -> None:
    rows: list[tuple[int, int, str, int, float]] = [
        (7, 100, "2017-01-02T10:00:00", 1, 1.5),
        (7, 100, "2017-01-02T10:00:00", 2, 20.0),
        (7, 100, "2017-01-02T10:00:00", 3, 0.07),
        (8, 101, "2017-01-03T00:00:01", 4, 3.0),
        (8, 101, "2017-01-03T00:00:01", 5, 0.0),
        (8, 101, "2017-01-03T00:00:01", 99, 4.0),
    ]
    lines = load_lines(write_data(rows), None, 1)
    assert lines.partner == [0, 1, 2, REST, REST, REST]
    assert lines.cents == [150, 2000, 7, 300, 0, 400]
    assert lines.time[0] == 1_483_351_200_000
    assert lines.whole


def test_a_sample_takes_whole_households_and_cuts_the_last_by_time() -> None:
    rows = [(household, time, household * 100 - time) for household in (1, 2, 3) for time in range(5)]
    chosen = choose_baskets(rows, 7, seed=1)
    by_household = {h: sorted(t for house, t, b in rows if house == h and b in chosen) for h in (1, 2, 3)}
    assert sorted(by_household.values()) == [[], [0, 1], [0, 1, 2, 3, 4]]


def test_the_sample_depends_on_the_seed_and_not_on_the_order() -> None:
    rows = [(household, 0, household) for household in range(100)]
    assert choose_baskets(rows, 10, seed=1) == choose_baskets(rows[::-1], 10, seed=1)
    assert choose_baskets(rows, 10, seed=1) != choose_baskets(rows, 10, seed=2)
    assert len(choose_baskets(rows, 500, seed=1)) == 100


def test_a_sample_as_large_as_the_data_is_the_whole(write_data: Write) -> None:
    rows: list[tuple[int, int, str, int, float]] = [(h, h * 10, "2017-01-02T10:00:00", 1, 1.0) for h in range(1, 4)]
    folder = write_data(rows)
    assert load_lines(folder, 3, 1).whole
    part = load_lines(folder, 2, 1)
    assert not part.whole
    assert len(part.basket) == 2
