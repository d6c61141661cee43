"""Two accounts of one shopper become one: the points of the source move to the target, and back again.

What is pending, or set aside, of the source stays where it is, and comes to the target when it comes back. What is
frozen, on either side, stays for good where it is: a freeze in one program keeps no two accounts from being merged.
`contracts_py.token.moves` calls these steps, program by program.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts_py.identity import Authority
from contracts_py.token.deeds import MERGED_DEBT, MERGED_POINTS, MergedPoints
from contracts_py.token.events import PointsMerged, PointsUnmerged
from contracts_py.token.purse import Purse, sum_of
from contracts_py.token.records import Parts, Program
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import Context


class Merges:
    """Token's side of merges: steps that carry a bounded number of lots."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def forward(self, ctx: Context, program: str, account: str, most_lots: int) -> tuple[int, bool]:
        """Move lots and debt of an account that was merged into another; return how many lots, and if that is all.

        Nothing moves from a frozen account, or into one.
        """
        rules = rules_of(ctx, program)
        source = Purse.of(ctx, program, rules.brand, account)
        target, passed = self._reach(ctx, rules, source)
        if not passed:
            return 0, True
        parts, debt = source.take_first(most_lots), source.holding.debt
        if not parts and not debt:
            return 0, True
        is_all, supply = not source.has_more_lots_than(len(parts)), Supply(ctx, program)
        source.change(debt=-debt)
        target.change(debt=debt)
        debt_paid = target.credit(supply, parts)
        target.share()
        for changed in (source, target, supply):
            changed.save()
        _note(ctx, program, passed, parts, debt)
        ctx.emit(PointsMerged(program, rules.brand, account, target.account, sum_of(parts), debt_paid))
        return len(parts), is_all

    def bring(self, ctx: Context, rules: Program, program: str, account: str, supply: Supply, parts: Parts) -> int:
        """Give points to an account, or, as they come late, to the one that it was merged into; return what paid
        debt.
        """
        purse, passed = self._reach(ctx, rules, Purse.of(ctx, program, rules.brand, account))
        debt_paid = purse.credit(supply, parts)
        if passed:
            purse.share()
            _note(ctx, program, passed, parts, 0)
            ctx.emit(PointsMerged(program, rules.brand, account, purse.account, sum_of(parts), debt_paid))
        purse.save()
        return debt_paid

    def _reach(self, ctx: Context, rules: Program, purse: Purse) -> tuple[Purse, list[str]]:
        """Return the purse that points of a merged account come to, and the accounts that they pass before.

        The way ends where one of two accounts is frozen.
        """
        passed = []
        for account in self._authority.way_to_current(ctx, purse.account)[1:]:
            following = Purse.of(ctx, purse.program, rules.brand, account)
            if purse.holding.frozen or following.holding.frozen:
                break
            passed.append(purse.account)
            purse = following
        return purse, passed

    def back(self, ctx: Context, program: str, account: str, source: str, most_lots: int) -> tuple[int, bool]:
        """Move back what had come from `source` and is still there, by lot, and what is owed; return as `forward`.

        Where one of the two is frozen it stays with the target, for good.
        """
        chunks = MERGED_POINTS.length(ctx, program, source)
        debt = MERGED_DEBT.get(ctx, program, source) or 0
        if not chunks and not debt:
            return 0, True
        lots, is_all = _taken_off(ctx, program, source, chunks, most_lots)
        if debt:
            MERGED_DEBT.delete(ctx, program, source)
        self._move_back(ctx, program, account, source, lots, debt)
        return len(lots), is_all

    def _move_back(self, ctx: Context, program: str, account: str, to: str, lots: Parts, debt: int) -> None:
        rules = rules_of(ctx, program)
        target, source = (Purse.of(ctx, program, rules.brand, one) for one in (account, to))
        if source.holding.frozen or target.holding.frozen:
            return
        parts = [part for date, amount in lots for part in target.take_from(date, amount)]
        owed = min(debt, target.holding.debt)
        supply = Supply(ctx, program)
        target.change(debt=-owed)
        source.change(debt=owed)
        debt_paid = source.credit(supply, parts)
        source.share()
        for changed in (source, target, supply):
            changed.save()
        ctx.emit(PointsUnmerged(program, rules.brand, account, to, sum_of(parts), debt_paid))


def _note(ctx: Context, program: str, passed: Sequence[str], parts: Parts, debt: int) -> None:
    """Note with each account that points have passed what a merge has moved out of it."""
    for account in passed:
        if parts:
            MERGED_POINTS.append(ctx, MergedPoints(tuple(parts)), program, account)
        if debt:
            before = MERGED_DEBT.get(ctx, program, account) or 0
            MERGED_DEBT.put(ctx, before + debt, program, account)


def _taken_off(ctx: Context, program: str, source: str, chunks: int, most_lots: int) -> tuple[Parts, bool]:
    """Take lots off what is noted of a source; return them, and whether these were all."""
    if not chunks:
        return [], True
    noted = MERGED_POINTS.at(ctx, program, source, place=chunks - 1).lots
    lots, rest = noted[:most_lots], noted[most_lots:]
    if rest:
        MERGED_POINTS.replace_last(ctx, MergedPoints(rest), program, source)
    else:
        MERGED_POINTS.drop_last(ctx, program, source)
    return list(lots), not rest and chunks == 1


def is_owed(ctx: Context, program: str, source: str) -> bool:
    """Tell whether something that had come from an account has not been moved back."""
    return bool(MERGED_POINTS.length(ctx, program, source) or MERGED_DEBT.get(ctx, program, source))
