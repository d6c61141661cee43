"""Points set aside: for a till's hold, and for whatever else keeps points of an account for a while.

    set_aside(ctx, purse, supply, ("token", at_brand, hold), amount)
    aside = end(ctx, key)                                     # then its points are given back, or debited
    give_back(ctx, offsets, keeper, receiver, supply, parts)

Points that are set aside count in `held` and in outstanding, cannot be spent, and do not expire. The one piece of
code that gives them back is here.

Invariants:
    1. Holding.held = the sum of the account's asides in the program; the supply's `held` = that of all.
    2. ASIDES_OF lists exactly the account's asides.
    3. A lot's date moves by at most one extension in its life: a date that was moved is marked (`dates.is_marked`).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from contracts_py.calendar import Offsets
from contracts_py.token import dates
from contracts_py.token.deeds import ASIDES, ASIDES_OF, Aside, AsideKey
from contracts_py.token.lot_costs import SET_ASIDE
from contracts_py.token.purse import Purse, sum_of
from contracts_py.token.records import Parts
from contracts_py.token.supply import Supply
from vm.contract_api import Context

MAX_LOTS_OF_ASIDE: Final = 250
"""So that what is set aside can be given back within one operation: some 110,000 units of work."""


def set_aside(ctx: Context, purse: Purse, supply: Supply, key: AsideKey, amount: int) -> None:
    """Set points of an account aside, earliest-expiring first; the caller saves purse and supply.

    Raises:
        Refused: ALREADY_EXISTS, INSUFFICIENT_BALANCE, LIMIT_EXCEEDED.
    """
    ASIDES.require_absent(ctx, *key)
    parts = purse.take(amount, SET_ASIDE, MAX_LOTS_OF_ASIDE)
    supply.set_aside(parts)
    purse.change(held=amount)
    ASIDES.put(ctx, Aside(purse.program, purse.account, tuple(parts)), *key)
    ASIDES_OF.add(ctx, purse.account, item=key)


def end(ctx: Context, key: AsideKey) -> Aside:
    """Remove an aside; the caller sees to its points.

    Raises:
        Refused: NOT_FOUND.
    """
    aside = ASIDES.require(ctx, *key)
    ASIDES.delete(ctx, *key)
    ASIDES_OF.discard(ctx, aside.account, item=key)
    return aside


def lots_of(ctx: Context, key: AsideKey) -> int:
    """Return how many lots an aside has.

    Raises:
        Refused: NOT_FOUND.
    """
    return len(ASIDES.require(ctx, *key).lots)


def take_some(ctx: Context, key: AsideKey, most: int) -> Parts:
    """Take the first lots out of an aside, which has more of them; the caller sees to their points."""
    aside = ASIDES.require(ctx, *key)
    ASIDES.put(ctx, replace(aside, lots=aside.lots[most:]), *key)
    return list(aside.lots[:most])


def give_back(
    ctx: Context, offsets: Offsets, keeper: Purse, receiver: Purse, supply: Supply, parts: Parts
) -> Parts:
    """Give points of `keeper` that were set aside to `receiver`; return them with the dates that they have now.

    They keep their dates. Where a date has passed meanwhile, they get the grace, once; what had it expires.
    """
    returned: Parts = []
    for date, amount in parts:
        returned.append((dates.graced(ctx, offsets, date), amount))
    keeper.change(held=-sum_of(parts))
    supply.give_back(returned)
    receiver.credit(supply, returned)
    return returned


def consume(purse: Purse, supply: Supply, parts: Parts, counter: str) -> None:
    """Let points go that were set aside; `counter` says where, as of `Supply.debit`."""
    amount = sum_of(parts)
    purse.change(held=-amount)
    supply.debit_held(amount, counter)
