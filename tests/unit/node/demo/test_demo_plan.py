"""What the demo sends: who earns what, when it expires, and who spends."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime

from node.demo import rules
from node.demo.data import Lines
from node.demo.plan import Issue, Member, Plan, Spend, make_plan, month_start


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000


def lines_of(*rows: tuple[int, int, str, int, int]) -> Lines:
    """Rows of (household, basket, date, partner, cents)."""
    household, basket, date, partner, cents = (list(column) for column in zip(*rows, strict=True))
    return Lines(basket, household, [ms(text) for text in date], partner, cents, whole=True)


def spends_of(plan: Plan, kind: str) -> list[tuple[int, Spend]]:
    return [(step.month, spend) for step in plan.steps if step.kind == kind for spend in step.spends]


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


def test_a_basket_earns_once_for_each_partner_and_whole_units_only() -> None:
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
    assert plan.issues == [
        Issue(at, Member(0, 7), 100, 2, ms("2017-05-01")),
        Issue(at, Member(2, 7), 100, 10, ms("2017-08-01")),
        Issue(at, Member(3, 7), 100, 2, None),
    ]
    assert plan.members == [Member(partner, 7) for partner in range(4)]


def test_gifts_go_to_the_next_member_of_the_brand_who_does_not_give() -> None:
    # In February (month 2) households 2, 7 and 12 give; 13 belongs to another brand.
    rows = [(household, household, "2017-01-05", 0, 8_300) for household in (2, 7, 12, 3)]
    plan = make_plan(lines_of(*rows, (13, 13, "2017-01-05", 1, 8_300)))
    february = [spend for month, spend in spends_of(plan, "gift") if month == 2]
    assert february == [
        Spend("gift", Member(0, 2), 20, Member(0, 3)),
        Spend("gift", Member(0, 7), 20, Member(0, 3)),
        Spend("gift", Member(0, 12), 20, Member(0, 3)),
    ]


def test_nobody_gives_where_everybody_would() -> None:
    plan = make_plan(lines_of(*[(h, h, "2017-01-05", 0, 8_300) for h in (2, 7, 12)]))
    assert not [spend for month, spend in spends_of(plan, "gift") if month == 2]


def test_points_of_the_running_month_are_not_spent() -> None:
    plan = make_plan(lines_of((2, 1, "2017-02-01", 0, 10_000)))
    assert [month for month, _ in spends_of(plan, "redeem")] == [5]


def test_expired_points_are_not_spent() -> None:
    # Bought in January, good to the end of April; household 3 redeems in March, June, September and December.
    plan = make_plan(lines_of((3, 1, "2017-01-05", 0, 19_900)))
    assert [(month, spend.points) for month, spend in spends_of(plan, "redeem")] == [(3, 150)]
    assert all(month <= 4 for kind in ("gift", "redeem", "donate") for month, _ in spends_of(plan, kind))


def test_a_step_debits_a_member_once_and_no_giver_receives() -> None:
    for seed in range(5):
        for step in make_plan(random_lines(seed)).steps:
            debited = [spend.member for spend in step.spends]
            assert len(debited) == len(set(debited))
            assert not set(debited) & {spend.to for spend in step.spends}
            assert step.needs <= step.opens < step.closes
            assert step.closes == month_start(step.month + 1)


def test_no_spend_exceeds_what_was_earned_received_and_not_yet_spent() -> None:
    plan = make_plan(random_lines(11))
    assert sum(len(step.spends) for step in plan.steps) > 100
    have: dict[Member, int] = defaultdict(int)
    done = 0
    for step in plan.steps:
        while done < len(plan.issues) and plan.issues[done].time < step.needs:
            have[plan.issues[done].member] += plan.issues[done].points
            done += 1
        for spend in step.spends:
            have[spend.member] -= spend.points
            assert spend.points > 0
            assert have[spend.member] >= 0
        for spend in step.spends:
            if spend.to is not None:
                have[spend.to] += spend.points


def test_the_partners_name_disjoint_departments_and_one_takes_the_rest() -> None:
    named = [department for partner in rules.PARTNERS for department in partner.departments]
    assert len(named) == len(set(named))
    assert [bool(partner.departments) for partner in rules.PARTNERS] == [True, True, True, False]
    assert rules.REST == 3
