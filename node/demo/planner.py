"""From the data's lines to the plan: who earns what with which basket, which items come back, and then the months.

`make_plan` is a pure function of the lines and of `rules`. What the chain ends up with is judged by `proof`, which
shares none of this code.
"""

from __future__ import annotations

from collections import defaultdict

from node.demo import rules
from node.demo.data import Lines
from node.demo.lots import Member
from node.demo.plan import MS_PER_DAY, Goods, Plan, Purchase, Return, date_by_rule, month_holding
from node.demo.promises import Customer, points_of
from node.demo.rules import PARTNERS
from node.demo.turns import Year

Dearest = tuple[int, int, str]
"""Of a basket's items: cents, the partner as a negative number, department. The greatest comes back."""


def make_plan(lines: Lines) -> Plan:
    """Work out every action of the demo from the lines of its baskets."""
    bought: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    heads: dict[int, tuple[int, int]] = {}
    dearest: dict[int, Dearest] = {}
    for basket, household, time, partner, department, cents in zip(
        lines.basket, lines.household, lines.time, lines.partner, lines.department, lines.cents, strict=True
    ):
        heads[basket] = (time, household)
        bought[basket, partner][department] += cents
        if PARTNERS[partner].takes_back and basket % rules.RETURN_CYCLE == 0:
            item = (cents, -partner, department)
            dearest[basket] = max(dearest.get(basket, item), item)
    purchases = _purchases(heads, bought)
    found = {(each.basket, each.member.partner): each for each in purchases}
    returns = [
        returned
        for basket, item in dearest.items()
        if (returned := _return(found[basket, -item[1]], item)) is not None
    ]
    members = sorted({each.member for each in purchases})
    return Plan(members, purchases, Year(members, purchases, returns).phases())


def _purchases(heads: dict[int, tuple[int, int]], bought: dict[tuple[int, int], dict[str, int]]) -> list[Purchase]:
    """Return all purchases in the order of time, with what each one's campaigns issue."""
    customers: dict[Member, Customer] = defaultdict(Customer)
    purchases = []
    for basket, partner in sorted(bought, key=lambda key: (heads[key[0]][0], *key)):
        time, household = heads[basket]
        member = Member(partner, household)
        goods = tuple(sorted(bought[basket, partner].items()))
        points = customers[member].buys(partner, time, goods)
        expires = date_by_rule(partner, month_holding(time))
        purchases.append(Purchase(time, member, basket, goods, points, expires))
    return purchases


def _return(purchase: Purchase, item: Dearest) -> Return | None:
    """Return what comes back, if it cost anything, and the desk sees to it within the year."""
    cents, _, department = item
    number = purchase.basket // rules.RETURN_CYCLE
    kept: Goods = ()
    if number % rules.RETURN_WHOLE_CYCLE:
        left = [(name, paid - cents if name == department else paid) for name, paid in purchase.goods]
        kept = tuple([(name, paid) for name, paid in left if paid])
    first, spread = rules.RETURN_DAYS
    month = month_holding(purchase.time + (first + number % spread) * MS_PER_DAY) + 1
    if not cents or month > rules.LAST_SPEND_MONTH:
        return None
    points = points_of(purchase.member.partner, purchase.time, kept) if kept else 0
    return Return(month, purchase, kept, points)
