"""What brands must owe each other in each month, and who must pay whom: recomputed by plain sums.

Points exchanged in all by a month come to a whole number of cents, rounded down; a month's share is what that grew
by, whatever the order within the month. Redemptions and refunds are whole vouchers, which come to whole cents.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from node.demo.rules import PARTNERS

Pair = tuple[int, int]
"""Debtor and creditor, as indexes into PARTNERS."""


@dataclass(slots=True)
class Obligations:
    """The books of the year.

    Attributes:
        sums: month → (debtor, creditor) → cents.
    """

    sums: dict[int, dict[Pair, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    _exchanged: dict[Pair, int] = field(default_factory=lambda: defaultdict(int))

    def redeemed(self, month: int, issuer: int, at: int, points: int) -> None:
        """Note that a partner's points were redeemed at another one."""
        if issuer != at:
            self.sums[month][issuer, at] += _cents(issuer, points)

    def refunded(self, month: int, issuer: int, at: int, points: int) -> None:
        """Note that such points were given back: the other one owes them, by an entry the other way."""
        if issuer != at:
            self.sums[month][at, issuer] += _cents(issuer, points)

    def exchanged(self, month: int, source: int, target: int, points: int) -> None:
        """Note that points became so many of the target's."""
        before = _cents(target, self._exchanged[source, target])
        self._exchanged[source, target] += points
        self.sums[month][source, target] += _cents(target, self._exchanged[source, target]) - before

    def positions(self, month: int) -> list[int]:
        """Return what each partner is owed less what it owes."""
        found = [0] * len(PARTNERS)
        for (debtor, creditor), cents in self.sums[month].items():
            found[debtor] -= cents
            found[creditor] += cents
        return found

    def payments(self, month: int) -> dict[Pair, int]:
        """Return (payer, payee) → cents: the largest debtor pays the largest creditor, until nothing is left."""
        left = self.positions(month)
        paid: dict[Pair, int] = {}
        while any(left):
            payer = left.index(min(left))
            payee = left.index(max(left))
            amount = min(-left[payer], left[payee])
            paid[payer, payee] = amount
            left[payer] += amount
            left[payee] -= amount
        return paid


def _cents(partner: int, points: int) -> int:
    num, den = PARTNERS[partner].price
    return points * num // den
