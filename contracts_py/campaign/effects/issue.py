"""Points, out of the campaign's budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts_py.campaign import budgets
from contracts_py.campaign.effect_types import Funded, IssueArg, Issued, IssueEffect
from contracts_py.campaign.effects.numbers import amount_from
from contracts_py.campaign.facts import Sight
from contracts_py.campaign.kinds import Draft, RuleFailed, Run, Value
from contracts_py.campaign.types import source_of
from contracts_py.clearing import Clearing
from contracts_py.token import Ledger
from vm.contract_api import Context, Refused, refuse


class PlannedIssue(NamedTuple):
    """Points of a program; to another account than the member's where `to` names it."""

    program: str
    amount: int
    expires_days: int | None
    to: str | None


class IssueKind:
    """Effects `issue`."""

    issues = True

    def __init__(self, ledger: Ledger, clearing: Clearing) -> None:
        self._ledger = ledger
        self._clearing = clearing

    def check(self, ctx: Context, draft: Draft, arg: IssueArg, field: str) -> IssueEffect:
        """See `Kind`."""
        if self._ledger.rules(ctx, arg.program).brand != draft.brand:
            raise Refused("NOT_AUTHORISED", "the program is another brand's", program=arg.program)
        if draft.budget is None or draft.budget.program != arg.program:
            refuse(f"{field}.program", "the program of the budget, out of which points are issued")
        return IssueEffect(arg.program, source_of(arg.amount), arg.expires_days, arg.to)

    def expressions(self, effect: IssueEffect) -> Sequence[str]:
        """See `Kind`."""
        return (effect.amount,)

    def plan(self, ctx: Context, sight: Sight, effect: IssueEffect, values: Sequence[Value]) -> PlannedIssue:
        """See `Kind`."""
        amount = amount_from(values[0], "issue.amount")
        to = None
        if effect.to == "referrer":
            to = sight.fact("referrer")
            if not to:
                raise RuleFailed("member.referrer: the member has none")
        return PlannedIssue(effect.program, amount, effect.expires_days, to)

    def worth(self, ctx: Context, planned: PlannedIssue) -> int:
        """See `Kind`; what others get counts nothing for the member."""
        if planned.to is not None:
            return 0
        return self._ledger.rules(ctx, planned.program).price.at_most(planned.amount)

    def apply(self, ctx: Context, run: Run, planned: PlannedIssue) -> Issued | None:
        """See `Kind`."""
        program, amount, expires_days, to = planned
        if not amount:
            return None
        budgets.take(ctx, run.campaign, run.terms.budget, amount)
        receiver = run.cause.receiver if to is None else to
        date = _date_before(run, program, to)
        date = self._ledger.issue(ctx, program, receiver, amount, expires_days, date)
        funded: tuple[Funded, ...] = ()
        if run.shares:
            price = self._ledger.rules(ctx, program)
            funded = budgets.fund(ctx, self._clearing, run, program, price, amount)
        return Issued(program, amount, date, to, funded)

    def undo(self, ctx: Context, run: Run, given: Issued) -> str | None:
        """See `Kind`."""
        receiver = run.cause.member if given.to is None else given.to
        taken = self._ledger.take_back(ctx, given.program, receiver, given.date, given.amount, run.cause.ref)
        budgets.give_back(ctx, run.campaign, given.amount)
        for one in given.funded:
            self._clearing.counter(
                ctx, one.brand, run.cause.brand, one.currency, one.amount, "campaign-return", run.campaign
            )
        return f"{taken.debt} points are owed" if taken.debt else None


def _date_before(run: Run, program: str, to: str | None) -> int | None:
    """Return the date of the points that these take the place of, if they do: a return makes none last longer."""
    for given in run.before:
        if isinstance(given, Issued) and (given.program, given.to) == (program, to):
            return given.date
    return None
