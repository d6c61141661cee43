"""What the plan knows of each member's points: dated lots and debts, as far as the plan has got."""

from __future__ import annotations

from typing import Final

import msgspec

NEVER: Final = 2**53
"""Sorts after every date: the key of points that do not expire."""

Lots = dict[int, int]
"""Points by date."""


class Member(msgspec.Struct, frozen=True, gc=False, order=True):
    """A household as a member of one partner's brand; `partner` is an index into PARTNERS."""

    partner: int
    household: int


class LotBook:
    """Each member's points by expiry date, and what it owes.

    Invariant: a member that owes points has none.
    """

    def __init__(self) -> None:
        self._lots: dict[Member, Lots] = {}
        self._debts: dict[Member, int] = {}

    def available(self, member: Member) -> int:
        """Return what a member has."""
        return sum(self._lots.get(member, {}).values())

    def ending(self, member: Member, date: int) -> int:
        """Return what of it expires on a date."""
        return self._lots.get(member, {}).get(date, 0)

    def owes(self, member: Member) -> bool:
        """Tell whether a member has a debt."""
        return member in self._debts

    def credit(self, member: Member, date: int, points: int) -> None:
        """Add points, after paying what the member owes."""
        paid = min(points, self._debts.get(member, 0))
        if paid:
            self._debts[member] -= paid
            if not self._debts[member]:
                del self._debts[member]
        if points > paid:
            lots = self._lots.setdefault(member, {})
            lots[date] = lots.get(date, 0) + points - paid

    def expire(self, now: int) -> None:
        """Drop every lot whose date has come."""
        for lots in self._lots.values():
            for date in [date for date in lots if date <= now]:
                del lots[date]

    def take(self, member: Member, points: int) -> Lots:
        """Take points, the earliest-expiring first; return what was taken of each date."""
        lots = self._lots.get(member, {})
        taken: Lots = {}
        for date in sorted(lots):
            if not points:
                break
            taken[date] = self._take_from(lots, date, points)
            points -= taken[date]
        return taken

    def take_back(self, member: Member, date: int, points: int) -> None:
        """Take the points of a return: of the purchase's date, then of any, then as debt."""
        lots = self._lots.get(member, {})
        points -= self._take_from(lots, date, points)
        points -= sum(self.take(member, points).values())
        if points:
            self._debts[member] = self._debts.get(member, 0) + points

    @staticmethod
    def _take_from(lots: Lots, date: int, points: int) -> int:
        part = min(points, lots.get(date, 0))
        if part:
            lots[date] -= part
            if not lots[date]:
                del lots[date]
        return part


def latest(lots: Lots, points: int) -> Lots:
    """Return of points that were taken those that were taken last."""
    found: Lots = {}
    for date in sorted(lots, reverse=True):
        part = min(points, lots[date])
        if part:
            found[date] = part
            points -= part
    return found
