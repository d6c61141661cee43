"""Backed programs: what is outstanding of them is worth no more than what their brand is owed and was paid."""

from __future__ import annotations

from contracts_py.clearing import open_reserve, reserve_of
from contracts_py.money import Price
from contracts_py.token.answers import Backing
from contracts_py.token.liability import programs_of_brand, worth
from contracts_py.token.records import Program
from contracts_py.token.supply import Supply
from vm.contract_api import Context, Refused


def require_own_reserve(ctx: Context, brand: str, price: Price, backed: bool) -> None:
    """Begin to count what backs a new program; make sure that no other program of its brand uses that up.

    Raises:
        Refused: NOT_ELIGIBLE, a point costs no whole minor units, so that fractions of them would be missing from
            the reserve; or the program would not be its brand's only one in a currency.
    """
    if backed:
        if price.den != 1 or not price.num:
            raise Refused("NOT_ELIGIBLE", "a point of a backed program costs whole minor units, one at least")
        alone = next(programs_of_brand(ctx, brand, price.currency), None) is None
    else:
        alone = reserve_of(ctx, brand, price.currency) is None
    if not alone:
        words = "a backed program is its brand's only one in a currency"
        raise Refused("NOT_ELIGIBLE", words, brand=brand, currency=price.currency)
    if backed:
        open_reserve(ctx, brand, price.currency)


def require_backed(ctx: Context, program: str, rules: Program) -> None:
    """Make sure, after a change, that a backed program's outstanding points are worth no more than the reserve.

    Raises:
        Refused: UNDERFUNDED.
    """
    if not rules.backed:
        return
    reserve = reserve_of(ctx, rules.brand, rules.price.currency) or 0
    needed = worth(rules.price, Supply(ctx, program).record.outstanding)
    if needed > reserve:
        words = "the program's points would be worth more than what backs them"
        raise Refused("UNDERFUNDED", words, program=program, reserve=reserve, needed=needed)


def require_backed_brand(ctx: Context, brand: str, currency: str) -> None:
    """Make sure, after a brand has come to owe more in a currency, that its points are still backed.

    Raises:
        Refused: UNDERFUNDED.
    """
    if reserve_of(ctx, brand, currency) is None:
        return
    for program, rules in programs_of_brand(ctx, brand, currency):
        require_backed(ctx, program, rules)


def backing_of(ctx: Context, program: str, rules: Program) -> Backing:
    """Return what stands behind a program.

    Raises:
        Refused: NOT_ELIGIBLE, the program is not backed.
    """
    if not rules.backed:
        raise Refused("NOT_ELIGIBLE", "the program is not backed", program=program)
    currency, outstanding = rules.price.currency, Supply(ctx, program).record.outstanding
    reserve = reserve_of(ctx, rules.brand, currency) or 0
    return Backing(program, currency, reserve, outstanding, worth(rules.price, outstanding))
