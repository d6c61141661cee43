"""What the partners' campaigns issue for a purchase, as the plan has it; `marketing` says the same to the chain."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from node.demo import rules
from node.demo.plan import MS_PER_DAY, Goods, total
from node.demo.rules import ALL_ELSE, FOOD, FUEL, LADDERS, PARTNERS

_SATURDAY = 2
"""1 January 1970 was a Thursday; counted from there, days 2 and 3 of seven are Saturday and Sunday."""


@dataclass(slots=True)
class Customer:
    """What a member of a brand has done there so far, as far as campaigns ask for it.

    Attributes:
        dollars: whole dollars of each purchase, added up: the tier points at FUEL.
        lucky_day: on which the weekly bonus was had last.
    """

    purchases: int = 0
    dollars: int = 0
    lucky_day: int | None = None

    def buys(self, partner: int, time: int, goods: Goods) -> int:
        """Return what a purchase earns, and count it."""
        cents = total(goods)
        points = points_of(partner, time, goods)
        if partner == FUEL:
            rank = bisect_right(LADDERS[FUEL].thresholds, self.dollars)
            points += cents // PARTNERS[FUEL].unit_cents * rank
            if self.purchases % rules.TENTH == rules.TENTH - 1:
                points += rules.TENTH_POINTS
        elif partner == ALL_ELSE:
            points += self._weekly(time // MS_PER_DAY, cents)
        self.purchases += 1
        self.dollars += cents // 100
        return points

    def _weekly(self, day: int, cents: int) -> int:
        if cents < rules.WEEKLY_CENTS:
            return 0
        if self.lucky_day is not None and day - self.lucky_day < rules.WEEK_DAYS:
            return 0
        self.lucky_day = day
        return rules.WEEKLY_POINTS


def points_of(partner: int, time: int, goods: Goods) -> int:
    """Return what goods earn that depends on nothing that the member has done before."""
    terms = PARTNERS[partner]
    cents = total(goods)
    points = cents // terms.unit_cents * terms.points_per_unit
    if partner == FOOD:
        points += sum([paid for department, paid in goods if department == rules.FRESH]) // 100
        if (time // MS_PER_DAY - _SATURDAY) % 7 < 2:
            points += cents // rules.WEEKEND_UNIT_CENTS
    return points
