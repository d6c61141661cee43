"""What contracts above ask of token: to let points out of one program and into another, and what is in force."""

from __future__ import annotations

from contracts_py.identity import Authority
from contracts_py.token import dates
from contracts_py.token.backing import require_backed, require_backed_brand
from contracts_py.token.purse import Purse
from contracts_py.token.records import FROZEN_AT, Parts, Program
from contracts_py.token.spending import purse_with_points, require_holder
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import Context


class Ledger:
    """Token's own code for what other contracts do with points; it checks no roles."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def rules(self, ctx: Context, program: str) -> Program:
        """Return the rules of a program that are in force.

        Raises:
            Refused: NOT_FOUND.
        """
        return rules_of(ctx, program)

    def require_holder(self, ctx: Context, from_: str | None) -> str:
        """Return the account whose points an operation moves; raises as `spending.require_holder`."""
        return require_holder(ctx, self._authority, from_)

    def is_frozen_at(self, ctx: Context, brand: str, account: str) -> bool:
        """Tell whether compliance has frozen an account at all programs of a brand."""
        return FROZEN_AT.get(ctx, brand, account) is not None

    def swap_out(self, ctx: Context, program: str, account: str, amount: int) -> Parts:
        """Take points of an account out of a program, earliest-expiring first; return them by date.

        Raises:
            Refused: FROZEN, INSUFFICIENT_BALANCE, LIMIT_EXCEEDED.
        """
        purse, supply = purse_with_points(ctx, program, account, amount), Supply(ctx, program)
        purse.require_unfrozen()
        parts = purse.take(amount)
        supply.debit(parts, "swapped_out")
        purse.save()
        supply.save()
        return parts

    def swap_in(self, ctx: Context, program: str, account: str, parts: Parts) -> int:
        """Bring points with these dates into a program, for an account; return how many paid its debt.

        Raises:
            Refused: FROZEN, CAP_EXCEEDED, LIMIT_EXCEEDED.
        """
        rules = rules_of(ctx, program)
        purse, supply = Purse.of(ctx, program, rules.brand, account), Supply(ctx, program)
        purse.require_unfrozen()
        for date, amount in parts:
            supply.credit(date, amount, "swapped_in", rules.cap)
        debt_paid = purse.credit(supply, parts)
        purse.save()
        supply.save()
        return debt_paid

    def swap_through(self, ctx: Context, program: str, account: str, staying: Parts, leaving: Parts) -> None:
        """Count points that come into a program for an account: some stay with it, some leave again at once.

        Where none stay, a freeze stops them all the same: that depends on no rounding.

        Raises:
            Refused: FROZEN, CAP_EXCEEDED, LIMIT_EXCEEDED.
        """
        if staying:
            self.swap_in(ctx, program, account, staying)
        else:
            Purse.of(ctx, program, rules_of(ctx, program).brand, account).require_unfrozen()
        supply = Supply(ctx, program)
        for date, amount in leaving:
            supply.credit(date, amount, "swapped_in")
        supply.debit(leaving, "swapped_out")
        supply.save()

    def require_backed(self, ctx: Context, program: str) -> None:
        """Make sure that what is outstanding of a program is backed, where it is one that must be.

        Raises:
            Refused: UNDERFUNDED.
        """
        require_backed(ctx, program, rules_of(ctx, program))

    def require_backed_brand(self, ctx: Context, brand: str, to_program: str) -> None:
        """Make sure that a brand's points are still backed, which has come to owe points of `to_program`.

        Raises:
            Refused: UNDERFUNDED.
        """
        require_backed_brand(ctx, brand, rules_of(ctx, to_program).price.currency)

    def exchanged_date(self, ctx: Context, rules: Program, date: int) -> int:
        """Return the date in a program of points that had `date` in the one they come from.

        It is the earlier of that and of the program's rule; what has had its one extension stays marked.
        """
        offsets = self._authority.brand_record(ctx, rules.brand).offsets
        ruled = dates.rule_date(ctx, offsets, rules.expiry)
        if date <= ruled:
            return date
        return dates.marked(ruled) if dates.is_marked(date) else ruled
