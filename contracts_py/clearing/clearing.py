"""What contracts above ask of clearing, within the operation that makes a brand owe another something.

    clearing.book(ctx, debtor, creditor, program, version, price, units, "redemption", ref)     → minor units
    clearing.reserve(ctx, debtor, creditor, currency, price.at_most(units))                     a hold
    clearing.book_reserved(…, reserved=…)                                                       its capture
    clearing.release(ctx, debtor, creditor, currency, reserved)                                 its end
    clearing.counter(ctx, debtor, creditor, currency, amount, "refund", ref)                    a refund
    clearing.concede(ctx, debtor, creditor, currency, amount, freed, cause)                     a dispute's end

Invariants:
    1. After a booking that is neither a capture, a counter-entry nor carried on, the debtor's exposure is within
       its limit; after `reserve` too.
    2. Over all bookings of one (debtor, creditor, program, price version), den · minor units booked + what is left
       over = num · units: however small they are, nothing is lost and nothing is made.
    3. A brand owes itself nothing: debtor = creditor books, reserves and releases nothing.
"""

from __future__ import annotations

from contracts_py.clearing.books import (
    add_line,
    booked_now,
    change_exposure,
    credit_of,
    exposure_of,
    require_room,
)
from contracts_py.clearing.records import CREDITS, FRACTIONS, Cause, Credit
from contracts_py.money import Price
from vm.contract_api import MAX_INT, Context, InvariantBroken, Refused


class Clearing:
    """Books what brands owe each other, for contracts above; it keeps nothing itself."""

    def book(
        self,
        ctx: Context,
        debtor: str,
        creditor: str,
        program: str,
        version: int,
        price: Price,
        units: int,
        cause_kind: str,
        cause_ref: str,
    ) -> int:
        """Book the price of so many units; return the minor units booked, the rest below one is carried.

        Args:
            version: of the program's price: what is left over at one price goes into no other.

        Raises:
            Refused: CREDIT_LIMIT; LIMIT_EXCEEDED, the pair's sum of the period is beyond MAX_BOOKED.
        """
        if debtor == creditor:
            return 0
        amount = _whole_units(ctx, debtor, creditor, program, version, price, units)
        if amount:
            credit = _require_credit(ctx, price.currency, debtor, creditor, amount)
            cause = Cause(cause_kind, cause_ref)
            add_line(ctx, debtor, creditor, price.currency, amount, cause, exposed=amount, kept=credit.reserved)
        return amount

    def reserve(self, ctx: Context, debtor: str, creditor: str, currency: str, amount: int) -> None:
        """Keep credit for a hold; `Price.at_most` says how much its capture can need.

        Raises:
            Refused: CREDIT_LIMIT; LIMIT_EXCEEDED, with what is booked and kept it would pass MAX_BOOKED.
        """
        if debtor == creditor or not amount:
            return
        credit = _require_credit(ctx, currency, debtor, creditor, amount)
        booked = booked_now(ctx, currency, debtor, creditor)
        require_room(debtor, creditor, booked + credit.reserved + amount)
        CREDITS.put(ctx, Credit(credit.limit, credit.reserved + amount), currency, debtor, creditor)

    def release(self, ctx: Context, debtor: str, creditor: str, currency: str, amount: int) -> None:
        """Let go of credit that a hold has kept."""
        if debtor == creditor or not amount:
            return
        credit = credit_of(ctx, currency, debtor, creditor)
        if amount > credit.reserved:
            raise InvariantBroken(f"{amount} {currency} of {debtor} at {creditor} are released, not reserved")
        put_credit(ctx, currency, debtor, creditor, Credit(credit.limit, credit.reserved - amount))

    def book_reserved(
        self,
        ctx: Context,
        debtor: str,
        creditor: str,
        program: str,
        version: int,
        price: Price,
        units: int,
        cause_kind: str,
        cause_ref: str,
        reserved: int,
    ) -> int:
        """Let go of what a hold has kept, and book the price of the units captured; that never fails.

        Returns:
            The minor units booked, which are at most `Price.at_most(units)`.
        """
        if debtor == creditor:
            return 0
        self.release(ctx, debtor, creditor, price.currency, reserved)
        amount = _whole_units(ctx, debtor, creditor, program, version, price, units)
        if amount:
            cause = Cause(cause_kind, cause_ref)
            add_line(ctx, debtor, creditor, price.currency, amount, cause, exposed=amount, kept=None)
        return amount

    def counter(
        self,
        ctx: Context,
        debtor: str,
        creditor: str,
        currency: str,
        amount: int,
        cause_kind: str,
        cause_ref: str,
    ) -> None:
        """Take back an amount that `debtor` was booked to owe `creditor`; never fails for credit.

        The line goes the other way: `creditor` owes it `debtor`. It frees the debtor's credit, and needs none of
        the creditor's.
        """
        if debtor == creditor or not amount:
            return
        add_line(ctx, creditor, debtor, currency, amount, Cause(cause_kind, cause_ref), exposed=0)
        change_exposure(ctx, debtor, creditor, currency, -amount)

    def concede(
        self, ctx: Context, debtor: str, creditor: str, currency: str, amount: int, freed: int, cause: Cause
    ) -> None:
        """Take back an amount of a line that exposed its debtor to `freed` of it alone.

        The rest exposes the creditor, who owes it from now on: of a refund's line, which exposed nobody, its
        creditor would else be let off the limit that the refund had freed. So does what its debtor is not exposed
        to any more, as it was paid, refunded, or conceded as a line that was carried on.

        Raises:
            Refused: CREDIT_LIMIT, the creditor may not owe the rest; LIMIT_EXCEEDED.
        """
        credit = credit_of(ctx, currency, debtor, creditor)
        owed = exposure_of(ctx, currency, debtor, creditor, credit) - credit.reserved
        freed = min(freed, max(0, owed))
        rest = amount - freed
        if rest:
            _require_credit(ctx, currency, creditor, debtor, rest)
        add_line(ctx, creditor, debtor, currency, amount, cause, exposed=rest)
        if freed:
            change_exposure(ctx, debtor, creditor, currency, -freed)


def put_credit(ctx: Context, currency: str, debtor: str, creditor: str, credit: Credit) -> None:
    """Set a limit and what of it is reserved; one that says nothing leaves the state."""
    if credit.limit or credit.reserved:
        CREDITS.put(ctx, credit, currency, debtor, creditor)
    else:
        CREDITS.delete(ctx, currency, debtor, creditor)


def _require_credit(ctx: Context, currency: str, debtor: str, creditor: str, amount: int) -> Credit:
    credit = credit_of(ctx, currency, debtor, creditor)
    exposure = exposure_of(ctx, currency, debtor, creditor, credit)
    if exposure + amount > credit.limit:
        # Neither sum is bounded before it is booked, and details hold integers of the protocol only.
        raise Refused(
            "CREDIT_LIMIT",
            f"{debtor} may owe {creditor} no more",
            debtor=debtor,
            creditor=creditor,
            currency=currency,
            limit=credit.limit,
            exposure=min(exposure, MAX_INT),
            amount=min(amount, MAX_INT),
        )
    return credit


def _whole_units(
    ctx: Context, debtor: str, creditor: str, program: str, version: int, price: Price, units: int
) -> int:
    """Return what units cost in whole minor units, and carry the rest."""
    before = FRACTIONS.get(ctx, debtor, creditor, program, version) or 0
    amount, left = divmod(units * price.num + before, price.den)
    if left != before:
        if left:
            FRACTIONS.put(ctx, left, debtor, creditor, program, version)
        else:
            FRACTIONS.delete(ctx, debtor, creditor, program, version)
    return amount
