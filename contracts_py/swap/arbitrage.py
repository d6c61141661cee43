"""No treaty set may make points out of nothing: the product of net rates along a cycle never exceeds 1.

Before a treaty is accepted or amended no cycle's product exceeds 1. So one that does leads through the changed
treaty: from its to-program back to its from-program. By the treaties as they were the best product of any way
between two programs is that of a way without a cycle, which relaxing every treaty, round after round, finds
(Bellman and Ford, with products of exact fractions in place of sums). The former terms of the changed treaty need
not be left out: they lead to where the way starts, and no way that comes back there was better than 1.

Cost: charged by treaty that is looked at, and by the length of the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import Final, NamedTuple

from contracts_py.swap.rates import net_rate
from contracts_py.swap.records import LEADING_FROM, TREATIES, Treaty, is_over
from vm.contract_api import Context, Refused

STEP: Final = 8
"""Work units of looking at one treaty: a few multiplications of numbers of some hundred bits."""

BITS_PER_WORD: Final = 64
SQUARED_WORDS_PER_UNIT: Final = 64
"""A multiplication of long numbers by short ones takes as long as they are, reducing a fraction the square of that
(measured: 880 hops with rates of large primes).
"""


class _Best(NamedTuple):
    """The best product of a way to a program, as a reduced fraction, and the treaty it ends with."""

    num: int
    den: int
    treaty: str | None
    before: str | None


def require_no_profit(ctx: Context, name: str, changed: Treaty) -> None:
    """Refuse a treaty through which points could be multiplied.

    Args:
        name: of the treaty.
        changed: the treaty as it is going to be.

    Raises:
        Refused: ARBITRAGE, with the cycle.
    """
    rate = net_rate(changed.terms)
    best = _best_ways(ctx, changed.to_program)
    back = best.get(changed.from_program)
    if back is None or back.num * rate.num <= back.den * rate.den:
        return
    cycle = [name]
    place = changed.from_program
    while (step := best[place]).treaty is not None:
        cycle.append(step.treaty)
        place = step.before or ""
    cycle[1:] = reversed(cycle[1:])
    raise Refused("ARBITRAGE", "the treaties along this cycle would make points out of nothing", cycle=cycle)


def _best_ways(ctx: Context, start: str) -> dict[str, _Best]:
    """Return the best way from a program to each that can be reached, by program."""
    best = {start: _Best(1, 1, None, None)}
    fresh = [start]
    while fresh:
        improved: dict[str, None] = {}
        for program in fresh:
            here = best[program]
            for name, treaty in _treaties_from(ctx, program):
                rate = net_rate(treaty.terms)
                num, den = here.num * rate.num, here.den * rate.den
                words = den.bit_length() // BITS_PER_WORD
                ctx.charge(STEP + words + words * words // SQUARED_WORDS_PER_UNIT)
                known = best.get(treaty.to_program)
                if known is None or num * known.den > known.num * den:
                    common = gcd(num, den)
                    best[treaty.to_program] = _Best(num // common, den // common, name, program)
                    improved[treaty.to_program] = None
        # No way that comes back to the start is better than 1, so none replaces it, and the rounds come to an end.
        fresh = list(improved)
    return best


def _treaties_from(ctx: Context, program: str) -> Iterator[tuple[str, Treaty]]:
    for name in LEADING_FROM.iterate(ctx, program):
        treaty = TREATIES.require(ctx, name)
        if not is_over(treaty, ctx.time):
            yield name, treaty
