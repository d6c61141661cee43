"""What must have come of it: balances, totals, holds and debts, recomputed from the data and `rules` alone.

This is a second implementation of the demo's rules, made to disagree with the first if either is wrong. Where
`turns` walks events through dated lots in ms, this keeps for each household a row of numbers: how many points last
to the end of which month. It has no dates, no transactions, no code of the chain. All it shares with the plan is
the constants in `rules` and the choice of the sample.

Invariants:
    1. issued + refunded + swapped in = outstanding + redeemed + burned + expired + reversed + swapped out.
    2. Nothing here depends on the chain, on time, or on the order of anything but months.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from node.demo import rules
from node.demo.accounts import FOREVER, Account, Parts, cut, shares
from node.demo.earnings import Earned, Returned, Shopper, read_earned
from node.demo.errors import DemoError
from node.demo.obligations import Obligations
from node.demo.rules import PARTNERS, TREATIES, Partner


@dataclass(slots=True)
class Expected:
    """What a partner's programme must show.

    Attributes:
        totals: what never depends on the time: issued, redeemed, burned, reversed, refunded, swapped_in and _out.
        accounts: points by household, of every one that bought there; shoppers: all else.
        given: points that each campaign issued, without what came back.
        told: how many deeds of which kind there were, for people.
    """

    partner: Partner
    records: int
    shoppers: dict[int, Shopper]
    given: Counter[str]
    totals: Counter[str] = field(default_factory=Counter)
    accounts: dict[int, Account] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)

    @property
    def members(self) -> list[int]:
        """Return every household that bought there, in order."""
        return list(self.accounts)

    def lots(self, household: int, time: int) -> dict[int, int]:
        """Return what a household has at a time (ms), by the month to whose end it lasts."""
        now = month_of(time)
        row = self.accounts[household].row
        return {last: row[last] for last in range(now, FOREVER + 1) if row[last]}

    def outstanding(self, time: int) -> int:
        """Return what all households together have at a time."""
        now = month_of(time)
        return sum(account.alive(now) for account in self.accounts.values())

    def expired(self, time: int) -> int:
        """Return what was not spent in time."""
        now = month_of(time)
        return sum(sum(account.row[:now]) for account in self.accounts.values())

    def members_by_level(self) -> list[int]:
        """Return how many households have no level, and each of LEVELS."""
        counts = Counter(shopper.level for shopper in self.shoppers.values())
        return [counts[rank] for rank in range(len(rules.LEVELS) + 1)]

    def debt(self) -> int:
        """Return what all households together owe."""
        return sum(account.debt for account in self.accounts.values())


@dataclass(slots=True)
class Hold:
    """A till's hold: at which partner, how it must have ended, and how much was captured."""

    at: int
    status: str
    captured: int


@dataclass(slots=True)
class Recomputed:
    """Everything that the chain must show."""

    programs: list[Expected]
    books: Obligations
    holds: dict[str, Hold]
    treaty_given: list[int]


def month_of(time: int) -> int:
    """Return the month of a time, counted from January of the demo's year as 1."""
    date = datetime.fromtimestamp(time / 1_000, tz=UTC)
    return (date.year - rules.YEAR) * 12 + date.month


def recompute(folder: Path, baskets: int | None, seed: int) -> Recomputed:
    """Return what the chain must show."""
    return _Walk(read_earned(folder, baskets, seed)).walked()


class _Walk:
    """The months, one after the other."""

    def __init__(self, earned: list[Earned]) -> None:
        self._earned = earned
        self._programs = []
        for terms, theirs in zip(PARTNERS, earned, strict=True):
            accounts = {household: Account() for household in theirs.shoppers}
            expected = Expected(terms, theirs.records, theirs.shoppers, theirs.given, accounts=accounts)
            self._programs.append(expected)
        self._result = Recomputed(self._programs, Obligations(), {}, [0] * len(TREATIES))
        self._lapsed: list[tuple[Account, Parts]] = []
        self._month = 0
        self._barred: list[set[int]] = []

    def walked(self) -> Recomputed:
        """Walk to the year's end."""
        months = range(rules.FIRST_SPEND_MONTH, rules.LAST_SPEND_MONTH + 1)
        for month in range(1, 14):
            self._month = month
            self._return_lapsed()
            if month in months:
                self._live()
            self._earn()
        return self._result

    def _return_lapsed(self) -> None:
        for account, parts in self._lapsed:
            for last, part in parts:
                account.add(last, part)
        self._lapsed = []

    def _earn(self) -> None:
        """Credit a month's purchases, which nothing can spend before the next month."""
        for each, theirs in zip(self._programs, self._earned, strict=True):
            for household, points in theirs.points.get(self._month, {}).items():
                each.totals["issued"] += points
                last = _last(each.partner, self._month)
                each.totals["reversed"] += each.accounts[household].add(last, points)

    def _live(self) -> None:
        self._barred = []
        for index, each in enumerate(self._programs):
            self._take_returns(each, self._earned[index].returned.get(self._month, []))
        for index, each in enumerate(self._programs):
            self._give(each, self._barred[index])
            for household, account in each.accounts.items():
                if household not in self._barred[index]:
                    self._act(index, household, account)
        for household in sorted({household for each in self._programs for household in each.accounts}):
            if self._turn(household) == rules.EXCHANGES:
                self._exchange(household)

    def _turn(self, household: int) -> int:
        return (household + self._month) % rules.TURNS

    # -- returns -----------------------------------------------------------------------------------

    def _take_returns(self, each: Expected, returned: list[Returned]) -> None:
        """Take the points of purchases back of which goods came back, and issue those for what was kept.

        Households that return goods, or owe points, are barred from all else.
        """
        for back in returned:
            account = each.accounts[back.household]
            own = _last(each.partner, back.bought)
            if own < self._month:
                raise DemoError("by the rules points are returned that have expired")
            part = min(back.points, account.row[own])
            account.row[own] -= part
            others = min(back.points - part, account.alive(self._month))
            account.spend(self._month, others)
            account.debt += back.points - part - others
            each.totals["reversed"] += part + others
            each.totals["issued"] += back.kept
            each.totals["reversed"] += account.add(own, back.kept)
            each.told["returns"] += 1
            each.told["debts"] += account.debt > 0
        owing = {household for household, account in each.accounts.items() if account.debt}
        self._barred.append(owing | {back.household for back in returned})

    # -- what a member does ------------------------------------------------------------------------

    def _give(self, each: Expected, barred: set[int]) -> None:
        free = [household for household in each.accounts if household not in barred]
        resting = [household for household in free if self._turn(household) == rules.RESTS]
        for giver in free:
            account = each.accounts[giver]
            points = account.alive(self._month)
            if self._turn(giver) == rules.GIVES and points >= rules.GIFT_MINIMUM and resting:
                receiver = next((household for household in resting if household > giver), resting[0])
                for last, part in account.spend(self._month, points // rules.GIFT_SHARE):
                    each.accounts[receiver].add(last, part)
                each.told["given"] += points // rules.GIFT_SHARE

    def _act(self, index: int, household: int, account: Account) -> None:
        turn, door = self._turn(household), PARTNERS[index].door
        acts: dict[int, Callable[[], None]] = {
            rules.REDEEMS: lambda: self._redeem(index, household, account, index),
            rules.REDEEMS_ABROAD: lambda: self._redeem(index, household, account, door),
            rules.HOLDS: lambda: self._hold(index, household, account, index),
            rules.HOLDS_ABROAD: lambda: self._hold(index, household, account, door),
            rules.DONATES: lambda: self._donate(index, account),
        }
        if turn in acts:
            acts[turn]()

    def _donate(self, index: int, account: Account) -> None:
        points = account.alive(self._month)
        if points >= rules.DONATE_MINIMUM:
            account.spend(self._month, points // rules.DONATE_SHARE)
            self._programs[index].totals["burned"] += points // rules.DONATE_SHARE

    def _vouchers(self, account: Account, abroad: bool) -> int:
        points = account.alive(self._month)
        points = min(points, rules.DOOR_MEMBER_DAY) if abroad else points
        return points - points % rules.VOUCHER

    def _redeem(self, index: int, household: int, account: Account, at: int) -> None:
        points = self._vouchers(account, at != index)
        if points:
            steady = not account.row[self._month]
            parts = account.spend(self._month, points)
            self._count_redemption(index, household, account, at, parts, steady)

    def _hold(self, index: int, household: int, account: Account, at: int) -> None:
        points = self._vouchers(account, at != index)
        if not points:
            return
        steady = not account.row[self._month]
        ending = (household // rules.TURNS + self._month) % 4
        parts = account.spend(self._month, points)
        name = f"hold-{self._month}-{PARTNERS[index].brand}-{household}"
        told = self._programs[index].told
        told["holds"] += 1
        if ending == 3 and steady:
            self._lapsed.append((account, parts))
            self._result.holds[name] = Hold(at, "expired", 0)
            told["lapsed"] += 1
        elif ending == 2:
            for last, part in parts:
                account.add(last, part)
            self._result.holds[name] = Hold(at, "released", 0)
            told["released"] += 1
        else:
            vouchers = points // rules.VOUCHER
            if ending == 1 and vouchers > 1:
                told["in part"] += 1
                vouchers //= 2
            else:
                told["in full"] += 1
            captured = vouchers * rules.VOUCHER
            taken, rest = cut(parts, captured)
            for last, part in rest:
                account.add(last, part)
            self._result.holds[name] = Hold(at, "captured", captured)
            self._count_redemption(index, household, account, at, taken, steady)

    def _count_redemption(
        self, index: int, household: int, account: Account, at: int, parts: Parts, steady: bool
    ) -> None:
        """Count points as redeemed, and give a voucher back where the rules say so."""
        each = self._programs[index]
        points = sum(part for _, part in parts)
        each.totals["redeemed"] += points
        if at != index:
            each.told["abroad"] += points
        self._result.books.redeemed(self._month, index, at, points)
        if steady and (household // 32 + self._month) % rules.REFUND_CYCLE == 0:
            _, back = cut(parts, points - rules.VOUCHER)
            for last, part in back:
                account.add(last, part)
            each.totals["refunded"] += rules.VOUCHER
            each.told["refunds"] += 1
            self._result.books.refunded(self._month, index, at, rules.VOUCHER)

    # -- exchanges ---------------------------------------------------------------------------------

    def _exchange(self, household: int) -> None:
        number = (household // rules.TURNS + self._month) % len(TREATIES)
        treaty = TREATIES[number]
        sides = (treaty.source, treaty.target)
        if any(household not in self._programs[side].accounts or household in self._barred[side] for side in sides):
            return
        source, target = (self._programs[side] for side in sides)
        giving, getting = source.accounts[household], target.accounts[household]
        top = treaty.rate[0] * (10_000 - treaty.fee_bps)
        bottom = treaty.rate[1] * 10_000
        most = min(giving.alive(self._month) // rules.EXCHANGE_SHARE, treaty.member_day)
        out = most * top // bottom
        if not out or self._result.treaty_given[number] + out > treaty.inventory:
            return
        taken = next(count for count in range(1, most + 1) if count * top // bottom == out)
        parts = giving.spend(self._month, taken)
        for last, share in shares(parts, out):
            getting.add(min(last, _last(target.partner, self._month)), share)
        source.totals["swapped_out"] += taken
        target.totals["swapped_in"] += out
        source.told["exchanges"] += 1
        self._result.treaty_given[number] += out
        self._result.books.exchanged(self._month, treaty.source, treaty.target, out)


def _last(partner: Partner, bought: int) -> int:
    return FOREVER if partner.lasting_months is None else bought + partner.lasting_months
