"""A naive twin of campaigns: lists of what happened, from which everything is added up anew each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Facts = dict[str, int]


@dataclass(frozen=True)
class NaiveRule:
    """A campaign in plain Python: what it gives for an amount and facts; None where it does not fire.

    Attributes:
        limit: how often, and in how many days (None: ever); None: as often as one likes.
    """

    name: str
    gives: Callable[[int, Facts], int | None]
    budget: int
    limit: tuple[int, int | None] | None = None
    group: str | None = None
    voucher: bool = False


@dataclass
class NaiveRecord:
    """A purchase, what is left of it, and what its rules have given."""

    member: str
    day: int
    amount: int
    facts: Facts
    given: dict[str, int] = field(default_factory=dict)
    whole: bool = True


class NaiveCampaigns:
    """Rules in their order, and all that happened.

    Attributes:
        vouchers: (record, whether it was used).
    """

    def __init__(self, rules: list[NaiveRule]) -> None:
        self.rules = rules
        self.records: list[NaiveRecord] = []
        self.burned: dict[str, int] = {}
        self.groups: list[set[str]] = []
        self.used_vouchers: set[int] = set()
        self.open_vouchers: set[int] = set()

    # -- adding up ---------------------------------------------------------------------------------

    def person(self, member: str) -> set[str]:
        """Return the accounts that are one shopper's."""
        return next((group for group in self.groups if member in group), {member})

    def net(self, member: str) -> int:
        """Return what a member has, or with a minus owes."""
        issued = sum(sum(one.given.values()) for one in self.records if one.member == member)
        return issued - self.burned.get(member, 0)

    def spent(self, rule: str) -> int:
        """Return what of a budget is used."""
        return sum(one.given.get(rule, 0) for one in self.records)

    def live(self, member: str) -> Iterator[NaiveRecord]:
        """Yield a member's purchases that have not come back wholly."""
        return (one for one in self.records if one.member == member and one.whole)

    def profile(self, member: str, today: int) -> Facts:
        """Return what a member has done."""
        mine = list(self.live(member))
        lately = [one for one in mine if today - 7 < one.day <= today]
        return {
            "purchases": len(mine),
            "spend": sum(one.amount for one in mine),
            "purchases_7d": len(lately),
            "spend_7d": sum(one.amount for one in lately),
        }

    def _may_fire(self, rule: NaiveRule, record: NaiveRecord) -> bool:
        if rule.limit is None:
            return True
        count, width = rule.limit
        person = self.person(record.member)
        days = [one.day for one in self.records if one.member in person and rule.name in one.given]
        if width is None:
            return len(days) < count
        windows = range(record.day - width + 1, record.day + 1)
        return all(sum(first <= day < first + width for day in days) < count for first in windows)

    # -- what happens ------------------------------------------------------------------------------

    def record(self, member: str, amount: int, day: int) -> list[str]:
        """Record a purchase; return which rules fired."""
        facts = {**self.profile(member, day), "balance": max(0, self.net(member))}
        record = NaiveRecord(member, day, amount, facts)
        self._run(record, self.rules)
        self.records.append(record)
        for rule in self.rules:
            if rule.voucher and rule.name in record.given:
                self.open_vouchers.add(len(self.records) - 1)
        return list(record.given)

    def _run(self, record: NaiveRecord, rules: list[NaiveRule]) -> None:
        groups: set[str] = set()
        for rule in rules:
            points = rule.gives(record.amount, record.facts)
            if points is None or (rule.group in groups and rule.group is not None):
                continue
            used = self.spent(rule.name) + record.given.get(rule.name, 0)
            if self._may_fire(rule, record) and used + points <= rule.budget:
                record.given[rule.name] = points
                if rule.group is not None:
                    groups.add(rule.group)

    def reverse(self, number: int, keep: int | None) -> list[str]:
        """Take a purchase back, or a part of it; return which rules fired for the rest."""
        record = self.records[number]
        again = [rule for rule in self.rules if rule.name in record.given]
        record.given = {}
        if number in self.open_vouchers:
            self.open_vouchers.discard(number)
        if keep is None:
            record.whole = False
            return []
        record.amount = min(record.amount, keep)
        record.given = {}
        self._run(record, [*again])
        if any(rule.voucher and rule.name in record.given for rule in again) and number not in self.used_vouchers:
            self.open_vouchers.add(number)
        return list(record.given)

    def redeem(self, number: int) -> None:
        """Use the voucher of a purchase."""
        self.open_vouchers.discard(number)
        self.used_vouchers.add(number)

    def burn(self, member: str, amount: int) -> None:
        """Destroy points that a member has."""
        self.burned[member] = self.burned.get(member, 0) + amount

    def link(self, one: str, other: str) -> None:
        """Let two accounts be one shopper's."""
        joined = self.person(one) | self.person(other)
        self.groups = [group for group in self.groups if not group & joined] + [joined]


Step = tuple[Any, ...]
