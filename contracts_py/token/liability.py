"""What a brand's outstanding points are worth at their programs' prices."""

from __future__ import annotations

from collections.abc import Iterator

from contracts_py.money import Price
from contracts_py.token.deeds import LIABILITY_CAPS
from contracts_py.token.records import BRAND_PROGRAMS, Program
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import Context, Refused


def worth(price: Price, units: int) -> int:
    """Return what points are worth, in whole minor units of the price's currency, rounded up."""
    return -(-units * price.num // price.den)


def programs_of_brand(ctx: Context, brand: str, currency: str) -> Iterator[tuple[str, Program]]:
    """Yield a brand's programs with a price in a currency, in order of creation."""
    for program in BRAND_PROGRAMS.iterate(ctx, brand):
        rules = rules_of(ctx, program)
        if rules.price.currency == currency:
            yield program, rules


def require_liability_within_cap(ctx: Context, rules: Program) -> None:
    """Make sure that a brand's outstanding points, those just issued included, are worth no more than its cap.

    Raises:
        Refused: LIMIT_EXCEEDED.
    """
    currency = rules.price.currency
    cap = LIABILITY_CAPS.get(ctx, rules.brand, currency)
    if cap is None:
        return
    total = 0
    for program, priced in programs_of_brand(ctx, rules.brand, currency):
        total += worth(priced.price, Supply(ctx, program).record.outstanding)
    if total > cap:
        raise Refused("LIMIT_EXCEEDED", "the brand's liability cap would be passed", limit=cap, liability=total)
