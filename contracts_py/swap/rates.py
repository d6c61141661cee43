"""Rates: what an exchange gives and takes, in exact integers.

out = floor(amount · num · (10,000 − fee) / (den · 10,000)): one floor, for what the whole exchange gives.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts_py.swap.records import Terms


class NetRate(NamedTuple):
    """To-units per from-unit after the fee: an exact fraction, not reduced."""

    num: int
    den: int

    def out(self, amount: int) -> int:
        """Return what this amount gives, rounded down."""
        return amount * self.num // self.den

    def least(self, out: int) -> int:
        """Return the smallest amount that gives at least `out`."""
        return -(-out * self.den // self.num)


def net_rate(terms: Terms) -> NetRate:
    """Return the rate of a treaty after its fee."""
    return NetRate(terms.num * (10_000 - terms.fee_bps), terms.den * 10_000)


def divided(out: int, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Divide `out` over parts given as (date, amount) by cumulative floors, in their order; shares may be 0."""
    total = sum(amount for _, amount in parts)
    shares = []
    seen = given = 0
    for date, amount in parts:
        seen += amount
        upto = out * seen // total
        shares.append((date, upto - given))
        given = upto
    return shares
