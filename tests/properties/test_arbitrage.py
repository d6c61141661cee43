"""The check for cycles against trying all of them, and a quote against trying all routes."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_py.swap.records import MAX_HOPS
from tests.contract_harness import Chain, account_of, brand_ops, program_args

PROGRAMS = ("one", "two", "three", "four")
FOREVER = 2**50

edges = st.tuples(st.sampled_from(PROGRAMS), st.sampled_from(PROGRAMS)).filter(lambda pair: pair[0] != pair[1])
rates = st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([0, 1, 500, 5_000]))


def new_chain() -> Chain:
    ops = []
    for program in PROGRAMS:
        ops += brand_ops(f"brand-{program}")
        ops.append(("token.create_program", program_args(program, f"brand-{program}")))
        ops.append(("token.issue", {"program": program, "to": account_of("ann"), "amount": 10**9}))
    return Chain(ops)


def net(rate: tuple[int, int, int]) -> Fraction:
    return Fraction(rate[0] * (10_000 - rate[2]), rate[1] * 10_000)


def gains(treaties: dict[str, tuple[str, str, Fraction]]) -> bool:
    """Tell whether any cycle's product exceeds 1, by trying all orders of programs."""
    best: dict[tuple[str, str], Fraction] = {}
    for source, target, rate in treaties.values():
        best[source, target] = max(rate, best.get((source, target), Fraction(0)))
    for length in range(2, len(PROGRAMS) + 1):
        for cycle in permutations(PROGRAMS, length):
            product = Fraction(1)
            for place, source in enumerate(cycle):
                product *= best.get((source, cycle[(place + 1) % length]), Fraction(0))
            if product > 1:
                return True
    return False


def most(treaties: dict[str, tuple[str, str, Fraction]], source: str, target: str, amount: int) -> int:
    """Return the most that any route gives, by trying all of them."""

    def best_from(program: str, units: int, hops: int) -> int:
        found = units if program == target else 0
        if program == target or not hops:
            return found
        for start, end, rate in treaties.values():
            if start == program:
                found = max(found, best_from(end, units * rate.numerator // rate.denominator, hops - 1))
        return found

    return best_from(source, amount, MAX_HOPS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(edges, rates), min_size=1, max_size=9), st.integers(1, 1_000))
def test_treaties_are_accepted_exactly_where_no_cycle_gains_and_quotes_are_the_best(
    proposals: list[tuple[tuple[str, str], tuple[int, int, int]]], amount: int
) -> None:
    chain = new_chain()
    accepted: dict[str, tuple[str, str, Fraction]] = {}
    for place, ((source, target), (num, den, fee)) in enumerate(proposals):
        name = f"brand-{source}-{place}"
        args: dict[str, Any] = {"treaty": name, "from_program": source, "to_program": target, "limits": {}}
        args |= {"rate": [num, den], "fee_bps": fee, "valid_from": 0, "valid_to": FOREVER}
        chain.send(f"brand-{source}-admin", "swap.propose", **args)
        would = {**accepted, name: (source, target, net((num, den, fee)))}
        receipt = chain.send_ops(f"brand-{target}-admin", [("swap.accept", {"treaty": name})])
        if gains(would):
            assert receipt.error
            assert receipt.error.code == "ARBITRAGE"
            product = Fraction(1)
            for step in receipt.error.details["cycle"]:
                product *= would[step][2]
            assert product > 1
        else:
            assert receipt.status == "ok", receipt.error
            accepted = would
    for source in PROGRAMS:
        for target in PROGRAMS:
            if source != target:
                quote = chain.view("swap_quote", from_program=source, to_program=target, amount=amount)
                assert quote["out"] == most(accepted, source, target, amount)
                assert quote["taken"] <= amount
