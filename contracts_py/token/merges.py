"""Two accounts of one shopper become one: the points of the source move to the target, and back again.

What is pending, or set aside, of the source stays where it is, and comes to the target when it comes back. What is
frozen, on either side, stays for good where it is: a freeze in one program keeps no two accounts from being merged.
"""

from __future__ import annotations

from contracts_py.identity import Merge
from contracts_py.token.deeds import MERGED_POINTS, MergedPoints
from contracts_py.token.events import PointsMerged, PointsUnmerged
from contracts_py.token.purse import Purse, sum_of
from contracts_py.token.records import PROGRAMS_OF, Parts
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import Context


class Merges:
    """Token's side of merges; told by identity."""

    def merged(self, ctx: Context, merge: Merge) -> None:
        """Move the source's live lots and debt to the target, in every program in which neither is frozen.

        Raises:
            Refused: LIMIT_EXCEEDED, too many lots.
        """
        for program in list(PROGRAMS_OF.iterate(ctx, merge.source)):
            self._move(ctx, program, merge)

    def _move(self, ctx: Context, program: str, merge: Merge) -> None:
        rules = rules_of(ctx, program)
        source, target = (Purse.of(ctx, program, rules.brand, account) for account in (merge.source, merge.target))
        if source.holding.frozen or target.holding.frozen:
            return
        parts, debt = source.take_up_to(source.available()), source.holding.debt
        supply = Supply(ctx, program)
        source.change(debt=-debt)
        target.change(debt=debt)
        debt_paid = target.credit(supply, parts)
        for changed in (source, target, supply):
            changed.save()
        MERGED_POINTS.put(ctx, MergedPoints(tuple(parts), debt), program, merge.source)
        ctx.emit(PointsMerged(program, rules.brand, merge.source, merge.target, sum_of(parts), debt_paid))

    def unmerged(self, ctx: Context, merge: Merge) -> None:
        """Move back what had come from the source and is still there: by lot, and what is owed.

        In a program in which one of the two is frozen it stays with the target.
        """
        for program in list(PROGRAMS_OF.iterate(ctx, merge.source)):
            moved = MERGED_POINTS.get(ctx, program, merge.source)
            if moved is not None:
                MERGED_POINTS.delete(ctx, program, merge.source)
                self._move_back(ctx, program, merge, list(moved.lots), moved.debt)

    def _move_back(self, ctx: Context, program: str, merge: Merge, lots: Parts, debt: int) -> None:
        rules = rules_of(ctx, program)
        source, target = (Purse.of(ctx, program, rules.brand, account) for account in (merge.source, merge.target))
        if source.holding.frozen or target.holding.frozen:
            return
        parts = [part for date, amount in lots for part in target.take_from(date, amount)]
        owed = min(debt, target.holding.debt)
        supply = Supply(ctx, program)
        target.change(debt=-owed)
        source.change(debt=owed)
        debt_paid = source.credit(supply, parts)
        for changed in (source, target, supply):
            changed.save()
        ctx.emit(PointsUnmerged(program, rules.brand, merge.target, merge.source, sum_of(parts), debt_paid))
