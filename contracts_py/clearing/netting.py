"""Netting: from what each brand is owed or owes in all, to few payments.

The brand that owes most pays the one that is owed most, as much as both allow; ties go by slug. Each payment brings
at least one of the two to zero and the last brings both, so n brands need at most n − 1 payments, and no two brands
pay each other twice. What is left after some payments, netted again, gives the other payments: so the work can be
interrupted anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import NamedTuple


class Owed(NamedTuple):
    """A payment that is to be made."""

    payer: str
    payee: str
    amount: int


def payments_of(positions: Mapping[str, int]) -> Iterator[Owed]:
    """Yield the payments that bring all positions to zero.

    Args:
        positions: by brand, what it is owed less what it owes; they sum to zero.
    """
    debtors = [(amount, brand) for brand, amount in positions.items() if amount < 0]
    creditors = [(-amount, brand) for brand, amount in positions.items() if amount > 0]
    heapify(debtors)
    heapify(creditors)
    while debtors:
        owes, payer = heappop(debtors)
        owed, payee = heappop(creditors)
        amount = min(-owes, -owed)
        if owes + amount:
            heappush(debtors, (owes + amount, payer))
        if owed + amount:
            heappush(creditors, (owed + amount, payee))
        yield Owed(payer, payee, amount)
