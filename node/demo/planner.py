"""From the data's lines to the plan: who earns what with which basket, which items come back, and then the months.

`make_plan` is a pure function of the lines and of `rules`. What the chain ends up with is judged by `proof`, which
shares none of this code.
"""

from __future__ import annotations

from node.demo import rules
from node.demo.data import Lines
from node.demo.lots import Member
from node.demo.plan import MS_PER_DAY, Issue, Plan, Return, date_by_rule, month_holding
from node.demo.rules import PARTNERS
from node.demo.turns import Year


def make_plan(lines: Lines) -> Plan:
    """Work out every action of the demo from the lines of its baskets."""
    totals: dict[tuple[int, int], int] = {}
    heads: dict[int, tuple[int, int]] = {}
    dearest: dict[int, tuple[int, int]] = {}
    for basket, household, time, partner, cents in zip(
        lines.basket, lines.household, lines.time, lines.partner, lines.cents, strict=True
    ):
        heads[basket] = (time, household)
        key = (basket, partner)
        totals[key] = totals.get(key, 0) + cents
        if PARTNERS[partner].takes_back and basket % rules.RETURN_CYCLE == 0:
            dearest[basket] = max(dearest.get(basket, (0, -len(PARTNERS))), (cents, -partner))
    members = sorted({Member(partner, heads[basket][1]) for basket, partner in totals})
    found = {
        key: issue for key, cents in totals.items() if (issue := _issue(heads[key[0]], *key, cents)) is not None
    }
    returns = []
    for basket, (cents, partner) in dearest.items():
        key = (basket, -partner)
        returned = _return(found.get(key), totals.get(key, 0), cents)
        if returned is not None:
            returns.append(returned)
    issues = sorted(found.values(), key=lambda issue: (issue.time, issue.basket, issue.member.partner))
    return Plan(members, issues, Year(members, issues, returns).phases())


def _points(partner: int, cents: int) -> int:
    return cents // PARTNERS[partner].unit_cents * PARTNERS[partner].points_per_unit


def _issue(head: tuple[int, int], basket: int, partner: int, cents: int) -> Issue | None:
    points = _points(partner, cents)
    if not points:
        return None
    time, household = head
    return Issue(time, Member(partner, household), basket, points, date_by_rule(partner, month_holding(time)))


def _return(issue: Issue | None, total: int, cents: int) -> Return | None:
    """Return what a return takes back: what the basket would have earned less without the goods."""
    if issue is None:
        return None
    points = issue.points
    if issue.basket // rules.RETURN_CYCLE % rules.RETURN_WHOLE_CYCLE:
        points -= _points(issue.member.partner, total - cents)
    first, spread = rules.RETURN_DAYS
    days = first + issue.basket // rules.RETURN_CYCLE % spread
    month = month_holding(issue.time + days * MS_PER_DAY) + 1
    return Return(month, issue, points) if points and month <= rules.LAST_SPEND_MONTH else None
