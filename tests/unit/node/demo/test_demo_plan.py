"""What the demo sends: who earns what, when it expires, and who spends."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime
from fractions import Fraction
from itertools import permutations
from math import prod

from node.demo import rules
from node.demo.data import Lines
from node.demo.lots import Member
from node.demo.plan import Deed, Plan, Purchase, month_start
from node.demo.planner import make_plan


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000


def lines_of(*rows: tuple[int, int, str, int, int]) -> Lines:
    """Rows of (household, basket, date, partner, cents)."""
    household, basket, date, partner, cents = (list(column) for column in zip(*rows, strict=True))
    names = ("GROCERY", "FUEL", "DRUG GM", "FLORAL")
    departments = [names[each] for each in partner]
    return Lines(basket, household, [ms(text) for text in date], partner, departments, cents, whole=True)


def deeds_of(plan: Plan, *kinds: str) -> list[tuple[int, Deed]]:
    return [(phase.month, deed) for phase in plan.phases for deed in phase.deeds if deed.kind in kinds]


def random_lines(seed: int) -> Lines:
    source = random.Random(seed)
    rows = []
    for basket in range(400):
        household = source.randrange(1, 30)
        day = f"2017-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}T{source.randrange(24):02}:00:00"
        for _ in range(source.randrange(1, 4)):
            rows.append((household, basket, day, source.randrange(4), source.randrange(0, 9_000)))
    return lines_of(*rows)


def test_month_starts_count_on_into_the_next_year() -> None:
    assert month_start(1) == ms("2017-01-01")
    assert month_start(12) == ms("2017-12-01")
    assert month_start(13) == ms("2018-01-01")
    assert month_start(19) == ms("2018-07-01")


def test_a_basket_is_one_purchase_at_each_partner_and_earns_for_whole_units() -> None:
    plan = make_plan(
        lines_of(
            (7, 100, "2017-01-31T23:59:59", 0, 150),
            (7, 100, "2017-01-31T23:59:59", 0, 149),
            (7, 100, "2017-01-31T23:59:59", 1, 499),
            (7, 100, "2017-01-31T23:59:59", 2, 401),
            (7, 100, "2017-01-31T23:59:59", 3, 100),
        )
    )
    at = ms("2017-01-31T23:59:59")
    assert plan.purchases == [
        Purchase(at, Member(0, 7), 100, (("GROCERY", 299),), 2, ms("2017-05-01")),
        Purchase(at, Member(1, 7), 100, (("FUEL", 499),), 0, ms("2017-04-01")),
        Purchase(at, Member(2, 7), 100, (("DRUG GM", 401),), 10, ms("2017-08-01")),
        Purchase(at, Member(3, 7), 100, (("FLORAL", 100),), 2, None),
    ]
    assert plan.members == [Member(partner, 7) for partner in range(4)]


def points_at(partner: int, *purchases: tuple[str, int]) -> list[int]:
    """What each of a household's purchases at a partner earns."""
    rows = [(7, basket, day, partner, cents) for basket, (day, cents) in enumerate(purchases, 1)]
    return [purchase.points for purchase in make_plan(lines_of(*rows)).purchases]


def test_food_earns_half_as_much_again_on_weekends() -> None:
    days = ("2017-01-06T23:59:59", "2017-01-07", "2017-01-08T23:59:59", "2017-01-09")  # Friday to Monday
    assert points_at(0, *[(day, 399) for day in days]) == [3, 4, 4, 3]


def test_fresh_goods_earn_a_second_point_for_each_whole_dollar() -> None:
    time = [ms("2017-01-05")] * 2
    lines = Lines([1, 1], [7, 7], time, [0, 0], ["PRODUCE", "GROCERY"], [199, 250], whole=True)
    assert make_plan(lines).purchases[0].points == 4 + 1


def test_fuel_gives_more_by_the_level_before_the_purchase_and_for_each_tenth() -> None:
    # 50 dollars make bronze, 150 silver; levels count from the next purchase on.
    assert points_at(1, ("2017-01-05", 5_000), ("2017-01-06", 10_000), ("2017-01-07", 1_000)) == [50, 120, 14]
    tenth = [(f"2017-01-{day:02}", 400) for day in range(1, 22)]
    assert [place for place, points in enumerate(points_at(1, *tenth), 1) if points] == [10, 20]


def test_all_else_gives_a_bonus_once_in_seven_days() -> None:
    days = ("2017-01-02", "2017-01-02T12:00:00", "2017-01-08T23:59:59", "2017-01-09", "2017-01-16")
    assert points_at(3, *[(day, 1_000) for day in days]) == [30, 20, 20, 30, 30]
    assert points_at(3, ("2017-01-02", 999), ("2017-01-03", 1_000)) == [18, 30]


def test_gifts_go_to_the_next_member_of_the_brand_that_rests() -> None:
    # In February (month 2) households 6 and 14 give, 5 and 13 rest; 21 rests at another brand.
    rows = [(household, household, "2017-01-05", 0, 8_300) for household in (6, 14, 5, 13, 7)]
    plan = make_plan(lines_of(*rows, (21, 21, "2017-01-05", 1, 8_300)))
    assert [deed for month, deed in deeds_of(plan, "gift") if month == 2] == [
        Deed("gift", Member(0, 6), 20, 0, to=Member(0, 13)),
        Deed("gift", Member(0, 14), 20, 0, to=Member(0, 5)),
    ]


def test_no_gift_goes_where_no_member_rests() -> None:
    plan = make_plan(lines_of(*[(h, h, "2017-01-05", 0, 8_300) for h in (6, 14)]))
    assert not [deed for month, deed in deeds_of(plan, "gift") if month == 2]


def test_points_of_the_running_month_are_not_spent() -> None:
    # Household 7 redeems in February and holds in March; what it buys in February is there in March.
    plan = make_plan(lines_of((7, 1, "2017-02-01", 0, 10_000)))
    assert min(month for month, _ in deeds_of(plan, *KINDS)) == 3


def test_expired_points_are_not_spent() -> None:
    # Bought in January, good to the end of April.
    plan = make_plan(lines_of((3, 1, "2017-01-05", 0, 19_900)))
    months = [month for month, _ in deeds_of(plan, "gift", "redeem", "hold", "exchange", "donate")]
    assert months
    assert max(months) <= 4


def returning(month: str, basket: int, *later: tuple[int, int, str, int, int]) -> Plan:
    """Household 3 buys for 60.00 and 40.00 at partner 0, with a basket that comes back."""
    return make_plan(lines_of((3, basket, month, 0, 6_000), (3, basket, month, 0, 4_000), *later))


def test_the_dearest_item_comes_back_and_the_desk_sees_to_it_in_the_month_that_follows() -> None:
    # 20 // 20 = 1: not all of it, and 2 + 1 days later.
    february = returning("2017-01-29", 20)
    kept = (("GROCERY", 4_000),)
    assert deeds_of(february, "return") == [(3, Deed("return", Member(0, 3), 90, 0, "20", kept=kept))]
    assert [month for month, _ in deeds_of(returning("2017-01-28", 20), "return")] == [2]


def test_a_whole_basket_comes_back_and_leaves_other_brands_points() -> None:
    plan = returning("2017-01-05", 60, (3, 60, "2017-01-05", 2, 900))
    assert [(deed.points, deed.member.partner) for _, deed in deeds_of(plan, "return")] == [(100, 0)]


def test_fuel_does_not_come_back() -> None:
    assert not deeds_of(make_plan(lines_of((3, 20, "2017-01-05", 1, 6_000))), "return")


def test_a_household_that_returns_or_owes_does_nothing_else() -> None:
    # Household 5 redeems in April (5 + 4 = 9) all it has, and what it bought comes back in May.
    rows = [(5, 60, "2017-03-30", 0, 5_000), (6, 1, "2017-03-30", 0, 5_000)]
    plan = make_plan(lines_of(*rows))
    mine = [(month, deed.kind) for month, deed in deeds_of(plan, *KINDS) if deed.member == Member(0, 5)]
    assert mine[:2] == [(4, "redeem"), (5, "return")]
    assert len([kind for _, kind in mine if kind != "refund"]) == 2


def test_a_hold_is_captured_in_part_and_the_rest_comes_back() -> None:
    # Household 0 holds in February (0 + 2 = 2); (0 // 8 + 2) mod 4 = 2 releases. Household 24: (3 + 2) mod 4 = 1.
    plan = make_plan(lines_of((24, 1, "2017-01-05", 3, 12_500), (0, 2, "2017-01-05", 3, 12_500)))
    ends = [(deed.kind, deed.member.household, deed.points) for _, deed in deeds_of(plan, "capture", "release")]
    assert ("capture", 24, 100) in ends
    assert ("release", 0, 250) in ends


def test_a_hold_lapses_only_where_no_points_end_with_the_month() -> None:
    # Household 8 holds in February, (1 + 2) mod 4 = 3: it lapses, and can be redeemed in a later month.
    lasting = make_plan(lines_of((8, 1, "2017-01-05", 3, 12_500)))
    assert [deed.lapses for month, deed in deeds_of(lasting, "hold") if month == 2] == [True]
    assert not [deed for month, deed in deeds_of(lasting, "capture", "release") if month == 2]
    # Fuel points of March, of which household 21 redeems 200 in April, end with May, when it holds what there is.
    ending = make_plan(lines_of((21, 1, "2017-03-05", 1, 24_500), (21, 2, "2017-04-05", 1, 12_500)))
    may = [deed for month, deed in deeds_of(ending, "hold", "capture") if month == 5]
    assert [(deed.kind, deed.lapses) for deed in may] == [("hold", False), ("capture", False)]


def test_an_exchange_takes_the_least_that_gives_as_much_and_keeps_within_its_treaty() -> None:
    # Household 3 exchanges in February, under treaty (0 + 2) mod 4: 5 drug points for 2 food points less 1 %.
    plan = make_plan(lines_of((3, 1, "2017-01-05", 2, 20_000), (3, 2, "2017-01-05", 0, 100)))
    february = [deed for month, deed in deeds_of(plan, "exchange") if month == 2]
    assert [(deed.points, deed.out, deed.to) for deed in february] == [(250, 99, Member(0, 3))]
    assert 250 * 2 * 9_900 // 50_000 == 99
    assert 249 * 2 * 9_900 // 50_000 == 98
    alone = make_plan(lines_of((3, 1, "2017-01-05", 2, 20_000)))
    assert not deeds_of(alone, "exchange")


def test_a_treaty_gives_no_more_than_its_inventory() -> None:
    rows = [(3 + 32 * n, 10 * n + x, "2017-01-05", x, 90_000) for n in range(80) for x in (0, 2)]
    plan = make_plan(lines_of(*rows))
    given: dict[str, int] = defaultdict(int)
    for _, deed in deeds_of(plan, "exchange"):
        given[deed.ref] += deed.out
    treaty = rules.TREATIES[2]
    assert treaty.inventory - 200 < given[treaty.name] <= treaty.inventory


KINDS = ("return", "gift", "redeem", "hold", "capture", "release", "refund", "exchange", "donate")


def test_in_a_phase_an_account_is_debited_by_one_deed_and_no_receiver_acts() -> None:
    for seed in range(5):
        for phase in make_plan(random_lines(seed)).phases:
            debited = [deed.member for deed in phase.deeds if deed.kind != "return"]
            returned = {deed.member for deed in phase.deeds if deed.kind == "return"}
            receivers = {deed.to for deed in phase.deeds}
            assert len(debited) == len(set(debited))
            assert not (set(debited) | returned) & receivers
            assert not set(debited) & returned
            assert phase.needs <= phase.opens < phase.closes == month_start(phase.month + 1)


def test_every_kind_of_deed_occurs() -> None:
    plan = make_plan(random_lines(11))
    assert {deed.kind for deed in plan.deeds} == set(KINDS)
    assert any(deed.at != deed.member.partner for deed in plan.deeds)
    assert all(deed.points > 0 for deed in plan.deeds)


def test_no_cycle_of_treaties_makes_points_and_none_leads_where_nothing_expires() -> None:
    rates = {(t.source, t.target): Fraction(*t.rate) * Fraction(10_000 - t.fee_bps, 10_000) for t in rules.TREATIES}
    for length in (2, 3, 4):
        for way in permutations(range(len(rules.PARTNERS)), length):
            steps = list(zip(way, (*way[1:], way[0]), strict=True))
            if all(step in rates for step in steps):
                assert prod(rates[step] for step in steps) < 1
    assert all(rules.PARTNERS[treaty.target].lasting_months is not None for treaty in rules.TREATIES)


def test_vouchers_come_to_whole_cents() -> None:
    for partner in rules.PARTNERS:
        num, den = partner.price
        assert rules.VOUCHER * num % den == 0


def test_the_partners_name_disjoint_departments_and_one_takes_the_rest() -> None:
    named = [department for partner in rules.PARTNERS for department in partner.departments]
    assert len(named) == len(set(named))
    assert [bool(partner.departments) for partner in rules.PARTNERS] == [True, True, True, False]
    assert rules.REST == 3
