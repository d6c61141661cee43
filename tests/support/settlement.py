"""Chains whose periods are closed, paid and unwound, and what their brands owe each other."""

from __future__ import annotations

from typing import Any

from tests.contract_harness import Chain
from tests.support.clearing import (
    EUR,
    book,
    clearing_chain,
    exposure,
    owed,
)
from vm.params import BOUNDS, Params

MONTH, NEXT, AFTER = "2023-11", "2023-12", "2024-01"


LEAST_COST = Params(max_block_cost=BOUNDS["max_block_cost"][0], max_tx_cost=BOUNDS["max_tx_cost"][0])


USD = {**EUR, "currency": "USD"}


CLOSE = {"currency": "EUR", "period": MONTH}


def close(chain: Chain, brand: str = "aurora", **more: Any) -> Any:
    return chain.send(f"{brand}-treasurer", "clearing.close", **{**CLOSE, **more})


def case_55(limit: int = 1_000_000) -> Chain:
    """A owes B 10, B owes A 4, B owes C 6; and D owes C 5, so that two payments are needed."""
    chain = clearing_chain(("aurora", "basil", "comet", "dune"), limit=limit)
    for debtor, creditor, amount in (
        ("aurora", "basil", 10),
        ("basil", "aurora", 4),
        ("basil", "comet", 6),
        ("dune", "comet", 5),
    ):
        book(chain, debtor, creditor, amount)
    return chain


BRANDS = ("aurora", "basil", "comet", "dune")


PAIRS = [("aurora", "basil"), ("basil", "aurora"), ("basil", "comet"), ("dune", "comet")]


def positions(chain: Chain) -> list[int]:
    return [owed(chain, brand) for brand in BRANDS]


def exposures(chain: Chain) -> list[int]:
    return [exposure(chain, *pair) for pair in PAIRS]


def many(count: int, params: Params | None = None) -> tuple[Chain, list[str]]:
    """Return a chain of so many brands, of which the even ones owe the next odd one, each another amount."""
    brands = [f"brand-{n:03}" for n in range(count)]
    ops = [
        ("till.book", {"debtor": a, "creditor": b, "price": EUR, "units": 1 + place})
        for place, (a, b) in enumerate((a, b) for a in brands for b in brands if a < b)
    ]
    limits = [
        ("clearing.set_credit_limit", {"creditor": b, "debtor": a, "currency": "EUR", "amount": 10**9})
        for a in brands
        for b in brands
        if a < b
    ]
    return clearing_chain(brands, params, limit=0, ops=[*limits, *ops]), brands
