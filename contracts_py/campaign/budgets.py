"""A campaign's budget, and who pays for it.

Invariants:
    1. SPENT is what came out of the budget and has not come back; `take` leaves it within the budget.
    2. Over all points of a campaign that were issued since it was funded, a co-funder is booked the floor of its
       part of the units, and of these what clearing makes of fractions.
"""

from __future__ import annotations

from contracts_py.campaign.deeds import FUNDED
from contracts_py.campaign.effect_types import Funded
from contracts_py.campaign.kinds import Run
from contracts_py.campaign.records import SPENT
from contracts_py.campaign.types import Budget
from contracts_py.clearing import Clearing
from contracts_py.token import Program
from vm.contract_api import Context, Refused


def take(ctx: Context, campaign: str, budget: Budget | None, amount: int) -> None:
    """Take points out of a campaign's budget.

    Raises:
        Refused: BUDGET_EXHAUSTED.
    """
    spent = SPENT.get(ctx, campaign) or 0
    limit = 0 if budget is None else budget.amount
    if spent + amount > limit:
        left = max(0, limit - spent)
        raise Refused("BUDGET_EXHAUSTED", "the campaign's budget is used up", limit=limit, available=left)
    SPENT.put(ctx, spent + amount, campaign)


def give_back(ctx: Context, campaign: str, amount: int) -> None:
    """Return points to a campaign's budget."""
    left = max(0, (SPENT.get(ctx, campaign) or 0) - amount)
    if left:
        SPENT.put(ctx, left, campaign)
    else:
        SPENT.delete(ctx, campaign)


def fund(
    ctx: Context, clearing: Clearing, run: Run, program: str, rules: Program, amount: int
) -> tuple[Funded, ...]:
    """Book what co-funding brands owe for points that were issued.

    Raises:
        Refused: CREDIT_LIMIT, LIMIT_EXCEEDED.
    """
    before = FUNDED.get(ctx, run.campaign) or 0
    after = before + amount
    FUNDED.put(ctx, after, run.campaign)
    booked = []
    for share in run.shares:
        units = after * share.bps // 10_000 - before * share.bps // 10_000
        price = rules.price
        owed = clearing.book(
            ctx, share.brand, run.cause.brand, program, rules.price_version, price, units, "campaign", run.campaign
        )
        if owed:
            booked.append(Funded(share.brand, price.currency, owed))
    return tuple(booked)
