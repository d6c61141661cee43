"""Issuing points: the one way in which they come into being, whoever asks for it."""

from __future__ import annotations

from contracts_py.calendar import Offsets
from contracts_py.token import pending
from contracts_py.token.backing import require_backed
from contracts_py.token.households import Households
from contracts_py.token.liability import require_liability_within_cap
from contracts_py.token.purse import Purse
from contracts_py.token.records import Program
from contracts_py.token.spending import note_activity
from contracts_py.token.supply import Supply
from vm.contract_api import Context


def issue_points(
    ctx: Context,
    households: Households | None,
    offsets: Offsets,
    rules: Program,
    program: str,
    to: str,
    date: int,
    amount: int,
    pending_until: int | None = None,
) -> int:
    """Issue points with a date to an account, where caps and backing allow it; return how many paid its debt.

    Args:
        households: where the brand lets points be pooled.

    Raises:
        Refused: CAP_EXCEEDED, LIMIT_EXCEEDED, UNDERFUNDED; INVALID_ARGS or EXPIRED for `pending_until`.
    """
    purse, supply = Purse.of(ctx, program, rules.brand, to), Supply(ctx, program)
    note_activity(ctx, offsets, rules, purse, supply)
    debt_paid = 0
    if pending_until is None:
        supply.credit(date, amount, "issued", rules.cap)
        debt_paid = purse.credit(supply, [(date, amount)])
        if households is not None:
            households.contribute_of_issue(ctx, rules, purse, supply, date, amount - debt_paid)
    else:
        supply.credit_pending(amount, "issued", rules.cap)
        pending.add(ctx, purse, pending_until, date, amount)
    purse.save()
    supply.save()
    require_liability_within_cap(ctx, rules)
    require_backed(ctx, program, rules)
    return debt_paid
