"""What a booking and a close cost does not depend on how much was booked before."""

from __future__ import annotations

import pytest

from contracts_py.clearing.periods import end_of
from contracts_py.clearing.records import PAIRS, Pair
from tests.contract_harness import Chain
from tests.support.clearing import EUR, clearing_chain, limit_op, owed, payments, status
from vm.agenda import agenda_budget
from vm.contract_api import Context
from vm.params import Params

MONTH = "2023-11"
BRANDS = [f"brand-{n:02}" for n in range(50)]
PAIRS_OF_50 = [(a, b) for a in BRANDS for b in BRANDS if a != b]


@pytest.fixture(scope="module")
def chain() -> Chain:
    """All of 50 brands owe each other: 2,450 pairs, 1,002,050 obligations.

    Each pair's first line is booked; the others are written into the pair's record, as if they had been. Positions
    move with the first lines alone, so that no two brands have the same.
    """
    ops = [
        op
        for place, (debtor, creditor) in enumerate(PAIRS_OF_50)
        for op in (
            limit_op(debtor, creditor, 10**9),
            (
                "till.book",
                {"debtor": debtor, "creditor": creditor, "price": EUR, "units": 1 + place * place % 9_973},
            ),
        )
    ]
    chain = clearing_chain(BRANDS, limit=0, ops=ops)
    assert sum(pair_lines(chain)) == 2_450
    chain.govern(write_lines)
    assert sum(pair_lines(chain)) > 1_000_000
    return chain


def write_lines(ctx: Context) -> None:
    for debtor, creditor in PAIRS_OF_50:
        pair = PAIRS.require(ctx, "EUR", MONTH, debtor, creditor)
        PAIRS.put(ctx, Pair(409, pair.sum, pair.exposed), "EUR", MONTH, debtor, creditor)


def pair_lines(chain: Chain) -> list[int]:
    ctx = chain.context()
    return [PAIRS.require(ctx, "EUR", MONTH, *pair).lines for pair in PAIRS_OF_50]


def booking_cost(chain: Chain, debtor: str, creditor: str) -> int:
    args = {"debtor": debtor, "creditor": creditor, "price": EUR, "units": 7}
    receipt = chain.send_ops("ann", [("till.book", args)])
    assert receipt.status == "ok", receipt.error
    return receipt.cost


def test_a_booking_costs_the_same_among_a_million_obligations_as_among_none(chain: Chain) -> None:
    fresh = clearing_chain(BRANDS[:2], limit=10**9)
    first = booking_cost(fresh, *BRANDS[:2])
    second = booking_cost(fresh, *BRANDS[:2])
    assert second < first  # nothing is introduced any more
    assert abs(booking_cost(chain, *BRANDS[:2]) - second) <= 5
    assert second < 750


def test_fifty_brands_close_within_what_the_agenda_has_of_one_block(chain: Chain) -> None:
    before = {brand: owed(chain, brand) for brand in BRANDS}
    chain.until(end_of(MONTH) - 200)
    result = chain.block([])
    assert status(chain, MONTH) == "closed"
    system = result.receipts[-1]
    made = payments(chain, MONTH)
    assert 25 <= len(made) <= 49
    for payer, payee, amount in made:
        before[payer] += amount
        before[payee] -= amount
    assert set(before.values()) == {0}
    assert system.cost < agenda_budget(Params()) // 5
