"""How many lots one operation may take: what a transaction can pay for.

Who has got his points in thousands of lots, by others' doing, is told how much would go at once, and never ends in
OUT_OF_BUDGET for it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from contracts_py.token.records import MAX_LOTS_OF_SPEND
from vm.contract_api import Context, current_params

LOTS_OF_ANY_TRANSACTION: Final = 125
"""So many lots fit into the least `max_tx_cost` (75,000), whatever is done with them: no limit is looked up."""


class LotCost(NamedTuple):
    """What lots cost an operation at most, in units of work: each of them, and what else it does."""

    of_lot: int
    beside: int


SPENT: Final = LotCost(170, 45_000)
"""Points that go: measured 158 a lot; beside that an activity may put 250 other lots on a new date."""

SET_ASIDE: Final = LotCost(170, 0)
"""Points that are held: as those that go, but that is no activity."""

MOVED: Final = LotCost(600, 0)
"""Points that come to another account or date: an exchange over four treaties costs most."""


def most_lots(ctx: Context, cost: LotCost) -> int:
    """Return how many lots one operation may take from, or give back.

    A redemption's record names them all, which is the other bound.
    """
    payable = (current_params(ctx).max_tx_cost - cost.beside) // cost.of_lot
    return min(MAX_LOTS_OF_SPEND, payable)
