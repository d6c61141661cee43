"""The recomputation: against figures worked out by hand, and against the plan it knows nothing of."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from node.demo.data import load_lines
from node.demo.plan import make_plan, month_start
from node.demo.proof import month_of, recompute

Rows = list[tuple[int, int, str, int, float]]
Write = Callable[[Rows], Path]

AFTER = month_start(13) + 86_400_000


def random_rows(seed: int) -> Rows:
    source = random.Random(seed)
    rows: Rows = []
    for basket in range(600):
        household = source.randrange(1, 40)
        day = f"2017-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}T{source.randrange(24):02}:00:00"
        for _ in range(source.randrange(1, 4)):
            rows.append((household, basket, day, source.randrange(1, 7), source.randrange(0, 9_000) / 100))
    return rows


def test_earnings_and_expiry_worked_out_by_hand(write_data: Write) -> None:
    rows: Rows = [
        (4, 1, "2017-01-31T23:59:59", 1, 5.99),  # Food: 5 points to the end of April
        (4, 1, "2017-01-31T23:59:59", 6, 1.01),  # Food: 7.00 in all, 7 points
        (4, 1, "2017-01-31T23:59:59", 2, 9.99),  # Fuel: one whole unit, 5 points to the end of March
        (4, 1, "2017-01-31T23:59:59", 3, 1.99),  # Drugstore: nothing
        (4, 1, "2017-01-31T23:59:59", 5, 2.50),  # All else: 4 points for ever
    ]
    food, fuel, drugstore, rest = recompute(write_data(rows), None, 1)
    assert [each.issued for each in (food, fuel, drugstore, rest)] == [7, 5, 0, 4]
    assert [each.issues for each in (food, fuel, drugstore, rest)] == [1, 1, 0, 1]
    assert drugstore.members == [4]
    assert food.balance(4, month_start(5) - 1) == 7
    assert food.balance(4, month_start(5)) == 0
    assert food.expired(month_start(5)) == 7
    assert fuel.balance(4, month_start(4) - 1) == 5
    assert fuel.balance(4, month_start(4)) == 0
    assert rest.balance(4, AFTER) == 4


def test_spending_worked_out_by_hand(write_data: Write) -> None:
    rows: Rows = [(2, 1, "2017-01-05", 1, 120.0), (3, 2, "2017-01-06", 1, 10.0)]
    food = recompute(write_data(rows), None, 1)[0]
    # February: 2 gives a quarter of 120 to 3, redeems 50 of the 90 left, donates a tenth of 40.
    # March: 3 has 10 + 30, gives a quarter to 2, has less than 50 to redeem, donates a tenth of 30.
    assert food.given == 30 + 10
    assert food.redeemed == 50
    assert food.donated == 4 + 3
    assert food.balance(2, month_start(4)) == 36 + 10
    assert food.balance(3, month_start(4)) == 27
    assert food.expired(AFTER) == 46 + 27


def test_months() -> None:
    assert month_of(month_start(1)) == 1
    assert month_of(month_start(13)) == 13
    assert month_of(month_start(13) - 1) == 12


def test_it_agrees_with_the_plan_on_random_data(write_data: Write) -> None:
    for seed in range(6):
        rows = random_rows(seed)
        folder = write_data(rows)
        wanted = None if seed % 2 else 400
        plan = make_plan(load_lines(folder, wanted, seed))
        issued: dict[int, int] = defaultdict(int)
        spent: dict[tuple[int, str], int] = defaultdict(int)
        for issue in plan.issues:
            issued[issue.member.partner] += issue.points
        for step in plan.steps:
            for spend in step.spends:
                spent[spend.member.partner, spend.kind] += spend.points
        for index, each in enumerate(recompute(folder, wanted, seed)):
            assert each.issued == issued[index] > 0
            assert each.given == spent[index, "gift"]
            assert each.redeemed == spent[index, "redeem"]
            assert each.donated == spent[index, "donate"]
            assert each.members == [member.household for member in plan.members if member.partner == index]


def test_nothing_is_lost(write_data: Write) -> None:
    for each in recompute(write_data(random_rows(3)), None, 1):
        for month in range(1, 20):
            now = month_start(month)
            if month > 12:
                assert each.issued == each.outstanding(now) + each.expired(now) + each.redeemed + each.donated
        assert each.outstanding(AFTER) == sum(each.balance(household, AFTER) for household in each.members)
