"""What contracts above ask of token: to let points out of one program and into another, and what is in force."""

from __future__ import annotations

from collections.abc import Iterator

from contracts_py.identity import Authority
from contracts_py.token import dates
from contracts_py.token.answers import ExpiringLot, Reversal
from contracts_py.token.backing import require_backed, require_backed_brand
from contracts_py.token.corrections import take_back
from contracts_py.token.events import Issued, Reversed
from contracts_py.token.expiring import expiring_page
from contracts_py.token.households import Households
from contracts_py.token.issuing import issue_points
from contracts_py.token.purse import Purse
from contracts_py.token.records import FROZEN_AT, PROGRAMS_OF, Parts, Program, lot_name
from contracts_py.token.spending import purse_with_points, receiver_of, require_holder, save
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import MS_PER_DAY, Context, Page


class Ledger:
    """Token's own code for what other contracts do with points; it checks no roles."""

    def __init__(self, authority: Authority, households: Households) -> None:
        self._authority = authority
        self._households = households

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

    def available(self, ctx: Context, program: str, account: str) -> int:
        """Return how many points of a program an account may spend."""
        purse = Purse.existing(ctx, program, account)
        return 0 if purse is None else purse.available()

    def programs_of(self, ctx: Context, account: str) -> Iterator[str]:
        """Yield the programs in which an account has ever had points."""
        return PROGRAMS_OF.iterate(ctx, account)

    def expiring(
        self, ctx: Context, program: str, first: int, last: int, cursor: str | None, limit: int
    ) -> Page[ExpiringLot]:
        """Return some of the lots that expire from `first` to `last`, by date: `limit` accounts are looked at."""
        return expiring_page(ctx, program, first, last, cursor, limit, limit)

    def issue(
        self,
        ctx: Context,
        program: str,
        to: str,
        amount: int,
        expires_days: int | None = None,
        date: int | None = None,
    ) -> int:
        """Issue points to an account; return their date.

        Args:
            expires_days: how long they last where it is not as long as the program's rule says.
            date: exactly the date that they have, where they take the place of others; it may have passed.

        Raises:
            Refused: SUSPENDED, CAP_EXCEEDED, LIMIT_EXCEEDED, UNDERFUNDED.
        """
        rules = rules_of(ctx, program)
        brand = self._authority.require_active(ctx, rules.brand)
        if date is None:
            date = dates.rule_date(ctx, brand.offsets, rules.expiry)
            if expires_days is not None:
                date = dates.explicit_date(ctx, brand.offsets, ctx.time + expires_days * MS_PER_DAY)
        households = self._households if brand.pooling else None
        debt_paid = issue_points(ctx, households, brand.offsets, rules, program, to, date, amount)
        ctx.emit(Issued(program, rules.brand, to, amount, lot_name(date), debt_paid=debt_paid))
        return date

    def take_back(self, ctx: Context, program: str, account: str, date: int, amount: int, ref: str) -> Reversal:
        """Take points back that were issued to an account with a date, as `reverse` does: what is missing is debt.

        The caller knows that they were issued, and takes none back twice.

        Raises:
            Refused: LIMIT_EXCEEDED, they lie in too many lots.
        """
        brand = rules_of(ctx, program).brand
        first, supply = Purse.of(ctx, program, brand, account), Supply(ctx, program)
        purse = receiver_of(ctx, self._authority, brand, first)
        answer = take_back(ctx, first, purse, supply, date, amount)
        save(first, purse, supply)
        ctx.emit(Reversed(program, brand, account, ref, amount, answer.expired, answer.debt))
        return answer

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
