"""What the demo sends to the chain: members, dated issues, and three steps of spending in each month.

`make_plan` is a pure function of the data's lines and of `rules`. It keeps a ledger of dated lots in the order
of events, only to know what each member will have to spend; what the chain ends up with is judged by `proof`,
which shares none of this code.

Invariants:
    1. Issues are sorted by time; a basket earns at most once at each partner.
    2. No spend can fail for want of points: it spends what the member had at the month's start at most.
    3. Spends of one step can be executed in any order (see `rules`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from node.demo import rules
from node.demo.data import Lines
from node.demo.rules import PARTNERS

SpendKind = Literal["gift", "redeem", "donate"]

MS_PER_DAY: Final = 86_400_000
NEVER: Final = 2**53
"""Sorts after every date: the key of points that do not expire."""


class Member(msgspec.Struct, frozen=True, gc=False, order=True):
    """A household as a member of one partner's brand; `partner` is an index into PARTNERS."""

    partner: int
    household: int


class Issue(msgspec.Struct, frozen=True, gc=False):
    """Points that a basket earned at one partner."""

    time: int
    member: Member
    basket: int
    points: int
    expires: int | None


class Spend(msgspec.Struct, frozen=True, gc=False):
    """Points that a member gives away, redeems or donates; `to` is the receiver of a gift."""

    kind: SpendKind
    member: Member
    points: int
    to: Member | None


class Step(msgspec.Struct, frozen=True, gc=False):
    """All spends of one kind in one month.

    Attributes:
        needs: every issue dated before this time is final before the step begins.
        opens, closes: it happens at or after the one and before the other.
    """

    kind: SpendKind
    month: int
    needs: int
    opens: int
    closes: int
    spends: list[Spend]


class Plan(msgspec.Struct, frozen=True, gc=False):
    """Everything that the demo does, in order."""

    members: list[Member]
    issues: list[Issue]
    steps: list[Step]


def month_start(month: int) -> int:
    """Return the first instant of a month, ms; months count on from January of the year as 1, so 13 is the next."""
    years, index = divmod(month - 1, 12)
    return round(datetime(rules.YEAR + years, index + 1, 1, tzinfo=UTC).timestamp()) * 1_000


def make_plan(lines: Lines) -> Plan:
    """Work out every action of the demo from the lines of its baskets."""
    totals: dict[tuple[int, int], int] = {}
    heads: dict[int, tuple[int, int]] = {}
    for basket, household, time, partner, cents in zip(
        lines.basket, lines.household, lines.time, lines.partner, lines.cents, strict=True
    ):
        heads[basket] = (time, household)
        key = (basket, partner)
        totals[key] = totals.get(key, 0) + cents
    members = sorted({Member(partner, heads[basket][1]) for basket, partner in totals})
    issues = [
        issue for (basket, partner), cents in totals.items() if (issue := _issue(heads, basket, partner, cents))
    ]
    issues.sort(key=lambda issue: (issue.time, issue.basket, issue.member.partner))
    return Plan(members, issues, list(_steps(members, issues)))


def _issue(heads: dict[int, tuple[int, int]], basket: int, partner: int, cents: int) -> Issue | None:
    terms = PARTNERS[partner]
    points = cents // terms.unit_cents * terms.points_per_unit
    if not points:
        return None
    time, household = heads[basket]
    expires = None
    if terms.lasting_months is not None:
        expires = month_start(_month_of(time) + 1 + terms.lasting_months)
    return Issue(time, Member(partner, household), basket, points, expires)


def _month_of(time: int) -> int:
    date = datetime.fromtimestamp(time // 1_000, tz=UTC)
    return (date.year - rules.YEAR) * 12 + date.month


class _Ledger:
    """Each member's points by expiry date, as far as the plan has got."""

    def __init__(self) -> None:
        self._lots: dict[Member, dict[int, int]] = {}

    def credit(self, member: Member, date: int, points: int) -> None:
        lots = self._lots.setdefault(member, {})
        lots[date] = lots.get(date, 0) + points

    def expire(self, now: int) -> None:
        for lots in self._lots.values():
            for date in [date for date in lots if date <= now]:
                del lots[date]

    def available(self, member: Member) -> int:
        return sum(self._lots.get(member, {}).values())

    def take(self, member: Member, points: int) -> dict[int, int]:
        """Take points, the earliest-expiring first; return what was taken of each date."""
        lots = self._lots[member]
        taken: dict[int, int] = {}
        for date in sorted(lots):
            if not points:
                break
            taken[date] = min(points, lots[date])
            points -= taken[date]
            lots[date] -= taken[date]
            if not lots[date]:
                del lots[date]
        return taken


def _steps(members: list[Member], issues: list[Issue]) -> Iterator[Step]:
    ledger = _Ledger()
    done = 0
    for month in range(rules.FIRST_SPEND_MONTH, rules.LAST_SPEND_MONTH + 1):
        start, end = month_start(month), month_start(month + 1)
        while done < len(issues) and issues[done].time < start:
            issue = issues[done]
            ledger.credit(issue.member, NEVER if issue.expires is None else issue.expires, issue.points)
            done += 1
        ledger.expire(start)
        yield _step("gift", month, rules.GIFT_DAY, start, end, _gifts(ledger, members, month))
        yield _step("redeem", month, rules.REDEEM_DAY, start, end, _redemptions(ledger, members, month))
        yield _step("donate", month, rules.DONATE_DAY, start, end, _donations(ledger, members, month))


def _step(kind: SpendKind, month: int, day: int, start: int, end: int, spends: list[Spend]) -> Step:
    return Step(kind, month, start, start + (day - 1) * MS_PER_DAY, end, spends)


def _gifts(ledger: _Ledger, members: list[Member], month: int) -> list[Spend]:
    spends = []
    receivers = _receivers(members, month)
    for giver, to in receivers.items():
        available = ledger.available(giver)
        if available >= rules.GIFT_MINIMUM:
            spends.append(Spend("gift", giver, available // rules.GIFT_SHARE, to))
    for spend in spends:
        for date, points in ledger.take(spend.member, spend.points).items():
            ledger.credit(receivers[spend.member], date, points)
    return spends


def _receivers(members: list[Member], month: int) -> dict[Member, Member]:
    """Return this month's givers, each with the next member of the same brand who is no giver, if any."""
    pairs: dict[Member, Member] = {}
    for partner in range(len(PARTNERS)):
        ring = [member for member in members if member.partner == partner]
        following: Member | None = None
        # Backwards and twice round, so that whoever comes after the last is found too.
        for member in reversed(ring + ring):
            if member.household % rules.GIFT_CYCLE != month % rules.GIFT_CYCLE:
                following = member
            elif following is not None:
                pairs[member] = following
    return dict(sorted(pairs.items()))


def _redemptions(ledger: _Ledger, members: list[Member], month: int) -> list[Spend]:
    spends = []
    for member in members:
        points = ledger.available(member) // rules.REDEEM_STEP * rules.REDEEM_STEP
        if points and member.household % rules.REDEEM_CYCLE == month % rules.REDEEM_CYCLE:
            ledger.take(member, points)
            spends.append(Spend("redeem", member, points, None))
    return spends


def _donations(ledger: _Ledger, members: list[Member], month: int) -> list[Spend]:
    spends = []
    for member in members:
        available = ledger.available(member)
        chosen = member.household % rules.DONATE_CYCLE == month % rules.DONATE_CYCLE
        if chosen and available >= rules.DONATE_MINIMUM:
            points = available // rules.DONATE_SHARE
            ledger.take(member, points)
            spends.append(Spend("donate", member, points, None))
    return spends
