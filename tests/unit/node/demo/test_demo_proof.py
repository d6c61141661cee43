"""The recomputation: against figures worked out by hand, and against the plan it knows nothing of."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from node.demo.accounts import FOREVER
from node.demo.data import load_lines
from node.demo.obligations import Obligations
from node.demo.plan import month_start
from node.demo.planner import make_plan
from node.demo.proof import Expected, month_of, recompute

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


def programs_of(rows: Rows, write_data: Write) -> list[Expected]:
    return recompute(write_data(rows), None, 1).programs


def balance(each: Expected, household: int, time: int) -> int:
    return sum(each.lots(household, time).values())


def test_earnings_and_expiry_worked_out_by_hand(write_data: Write) -> None:
    rows: Rows = [
        (4, 1, "2017-01-31T23:59:59", 1, 5.99),  # Food: 5 points to the end of April
        (4, 1, "2017-01-31T23:59:59", 6, 1.01),  # Food: 7.00 in all, 7 points, and one for fresh goods
        (4, 1, "2017-01-31T23:59:59", 2, 9.99),  # Fuel: one whole unit, 5 points to the end of March
        (4, 1, "2017-01-31T23:59:59", 3, 1.99),  # Drugstore: nothing
        (4, 1, "2017-01-31T23:59:59", 5, 2.50),  # All else: 4 points for ever
    ]
    food, fuel, drugstore, rest = programs_of(rows, write_data)
    assert [each.totals["issued"] for each in (food, fuel, drugstore, rest)] == [8, 5, 0, 4]
    assert [each.records for each in (food, fuel, drugstore, rest)] == [1, 1, 1, 1]
    assert drugstore.members == [4]
    assert food.lots(4, month_start(5) - 1) == {4: 8}
    assert food.lots(4, month_start(5)) == {}
    assert food.expired(month_start(5)) == 8
    assert balance(fuel, 4, month_start(4) - 1) == 5
    assert balance(fuel, 4, month_start(4)) == 0
    assert rest.lots(4, AFTER) == {FOREVER: 4}


def test_a_debt_worked_out_by_hand(write_data: Write) -> None:
    # 5 redeems 50 of 50 in April. They come back in May as goods: 50 are owed; May brings 20, June 40.
    rows: Rows = [
        (5, 60, "2017-03-30", 1, 50.0),
        (5, 1, "2017-05-19", 1, 20.0),
        (5, 2, "2017-06-20", 1, 40.0),
    ]
    food = programs_of(rows, write_data)[0]
    assert (food.told["returns"], food.told["debts"]) == (1, 1)
    assert food.totals["redeemed"] == 50
    assert food.totals["reversed"] == 50
    assert food.debt() == 0
    # Of 110 issued 10 are left, of which household 5 donates a tenth in September.
    assert food.lots(5, month_start(7)) == {9: 9}


def test_a_redemption_abroad_and_its_refund_are_booked(write_data: Write) -> None:
    # 33 redeems food points at the fuel brand in February: (33 + 2) mod 8 = 3; (33 // 32 + 2) mod 3 = 0 refunds.
    result = recompute(write_data([(33, 1, "2017-01-05", 1, 180.0)]), None, 1)
    assert result.programs[0].totals["redeemed"] >= 150
    assert result.books.sums[2] == {(0, 1): 150, (1, 0): 50}
    assert result.books.payments(2) == {(0, 1): 100}


def test_an_exchange_is_booked_at_the_price_of_what_it_gives(write_data: Write) -> None:
    # 3 exchanges 250 of 500 drug points in February for 99 food points, at one cent each.
    result = recompute(write_data([(3, 1, "2017-01-05", 3, 200.0), (3, 2, "2017-01-05", 1, 1.0)]), None, 1)
    assert result.books.sums[2] == {(2, 0): 99}
    assert result.programs[2].totals["swapped_out"] == 250
    assert result.treaty_given == [0, 0, 99, 0]
    # Drug points of January last to July; food points that come in February, to May.
    assert result.programs[0].lots(3, month_start(3)).get(5, 0) >= 49


def test_netting_worked_out_by_hand() -> None:
    books = Obligations()
    books.redeemed(2, issuer=0, at=1, points=300)
    books.redeemed(2, issuer=3, at=2, points=200)
    books.redeemed(2, issuer=2, at=0, points=50)
    # Positions: -280, +300, +80, -100. The largest debtor pays the largest creditor.
    assert books.positions(2) == [-280, 300, 80, -100]
    assert books.payments(2) == {(0, 1): 280, (3, 2): 80, (3, 1): 20}


def test_fractions_of_exchanges_are_carried_from_month_to_month() -> None:
    books = Obligations()
    books.exchanged(2, 1, 2, 1)
    books.exchanged(2, 1, 2, 1)
    books.exchanged(3, 1, 2, 1)
    assert [dict(books.sums[month]) for month in (2, 3)] == [{(1, 2): 0}, {(1, 2): 1}]


def test_months() -> None:
    assert month_of(month_start(1)) == 1
    assert month_of(month_start(13)) == 13
    assert month_of(month_start(13) - 1) == 12


def test_it_agrees_with_the_plan_on_random_data(write_data: Write) -> None:
    for seed in range(6):
        folder = write_data(random_rows(seed))
        wanted = None if seed % 2 else 400
        plan = make_plan(load_lines(folder, wanted, seed))
        issued: dict[int, int] = defaultdict(int)
        done: dict[tuple[int, str], int] = defaultdict(int)
        for purchase in plan.purchases:
            issued[purchase.member.partner] += purchase.points
        for deed in plan.deeds:
            done[deed.member.partner, deed.kind] += deed.points
        result = recompute(folder, wanted, seed)
        for index, each in enumerate(result.programs):
            # What is kept of a return is issued anew, after all of it was taken back.
            taken = each.totals["reversed"] + each.debt()
            assert each.totals["issued"] - taken == issued[index] - done[index, "return"]
            assert sum(each.given.values()) == issued[index] - done[index, "return"] > 0
            assert each.told["given"] == done[index, "gift"]
            assert each.totals["redeemed"] == done[index, "redeem"] + done[index, "capture"]
            assert each.totals["refunded"] == done[index, "refund"]
            assert each.totals["burned"] == done[index, "donate"]
            assert each.totals["swapped_out"] == done[index, "exchange"]
            assert each.members == [member.household for member in plan.members if member.partner == index]
        held = {deed.ref: deed for deed in plan.of("hold")}
        assert sorted(held) == sorted(result.holds)
        assert all((result.holds[name].status == "expired") == deed.lapses for name, deed in held.items())


def test_nothing_is_lost(write_data: Write) -> None:
    for each in programs_of(random_rows(3), write_data):
        totals = each.totals
        for month in range(14, 20):
            now = month_start(month)
            gone = totals["redeemed"] + totals["burned"] + totals["reversed"] + totals["swapped_out"]
            came = totals["issued"] + totals["refunded"] + totals["swapped_in"]
            assert came == each.outstanding(now) + each.expired(now) + gone
        assert each.outstanding(AFTER) == sum(balance(each, household, AFTER) for household in each.members)
