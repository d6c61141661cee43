"""The room for settlement: periods close, payments are confirmed, what stays unpaid is unwound.

    open → closing → closed → discharged
                        └───→ unwinding → unwound

A period closes by itself once its month is over, or by a treasurer's call once it has begun. A step of netting
makes a bounded number of payments; a call takes all steps at once, the agenda as many as a block has room for.

Invariants:
    1. Payments of a closed period bring its positions exactly to zero, and are at most one fewer than its brands.
    2. Nothing of a period is discharged before its last payment is confirmed; then all of it is, in one operation.
    3. Unwinding moves whole pairs: at every block a pair's debt stands in one period. It exposes no two brands to
       each other for one debt: a confirmed payment is set off against what it paid.
    4. An agenda item for a period that has gone on without it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from msgspec.structs import replace

from contracts_py.clearing.answers import PaymentShown, PeriodShown
from contracts_py.clearing.books import (
    add_line,
    change_exposure,
    end_life,
    has_begun,
    live_periods,
    lower_exposure,
    pairs_in,
    positions_in,
    take_out,
)
from contracts_py.clearing.events import (
    Closed,
    Confirmed,
    Discharged,
    PaymentDue,
    UnwindingBegun,
    Unwound,
)
from contracts_py.clearing.netting import payments_of
from contracts_py.clearing.periods import Period, end_of
from contracts_py.clearing.records import (
    BRANDS_IN,
    CLOSES,
    CURRENCIES_IN,
    MAX_UNSETTLED,
    PAYMENTS,
    PERIODS,
    UNWINDINGS,
    UNWINDS,
    Books,
    Cause,
    Payment,
    Receipt,
    Unwinding,
)
from contracts_py.clearing.statements import show_payment, show_period
from contracts_py.identity import Authority
from contracts_py.money import Currency
from vm.contract_api import (
    MAX_INT,
    Amount,
    Context,
    Contract,
    Ref,
    Refused,
    Slug,
    call,
    current_params,
    due,
    refuse,
)

STEP_PAYMENTS: Final = 16
STEP_PAIRS: Final = 8
"""So a step of netting costs below 10,000 units among 256 brands, and one of unwinding below 8,000: both fit the
least budget of an agenda.
"""

STEPS_OF_UNWIND: Final = 8
"""Steps that the call takes, within the least max_tx_cost: what seven brands owe each other is moved at once."""

MAX_CURRENCIES_TRIED: Final = 16
"""Currencies among which a call looks for the one that is meant."""


class Settlement(Contract):
    """Closing, confirming, unwinding."""

    name = "clearing"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def close(self, ctx: Context, currency: Currency, period: Period) -> PeriodShown:
        """Net a period into payments (a treasurer of a brand in it); before its month is over, too."""
        books = PERIODS.require(ctx, currency, period)
        self._require_treasurer(ctx, currency, period)
        if books.status not in ("open", "closing"):
            raise _not_now(books, period)
        if not has_begun(ctx, period):
            raise Refused("NOT_ELIGIBLE", "the month has not begun", period=period)
        CLOSES.cancel(ctx, end_of(period), currency, period)
        while _close_step(ctx, currency, period):
            pass
        return show_period(ctx, currency, period)

    @due(CLOSES)
    def close_when_over(self, ctx: Context, at: int, currency: str, period: str) -> bool:
        """Net a period whose month is over."""
        del at
        if PERIODS.require(ctx, currency, period).status not in ("open", "closing"):
            return False
        return _close_step(ctx, currency, period)

    @call
    def confirm(
        self,
        ctx: Context,
        period: Period,
        payer: Slug,
        payee: Slug,
        amount: Amount,
        bank_ref: Ref,
        currency: Currency | None = None,
    ) -> PaymentShown:
        """Say that a payment has arrived (treasurer of the payee); the last one discharges the period.

        `currency` may be left out where the period has a payment of these two in one currency only.
        """
        currency = _currency_of_payment(ctx, period, payer, payee, currency)
        books, payment = PERIODS.require(ctx, currency, period), _payment(ctx, currency, period, payer, payee)
        self._authority.require_role(ctx, payee, "treasurer")
        if payment.receipt is not None:
            raise Refused("ALREADY_EXISTS", "the payment is confirmed", bank_ref=payment.receipt.bank_ref)
        if books.status != "closed":
            raise _not_now(books, period)
        if amount != payment.amount:
            raise Refused("CHANGED", "another amount is to be paid", amount=payment.amount)
        confirmed = Payment(amount, Receipt(bank_ref, ctx.time, ctx.tx_id or None))
        PAYMENTS.put(ctx, confirmed, currency, period, item=(payer, payee))
        left = books.unconfirmed - 1
        ctx.emit(Confirmed(currency, period, payer, payee, amount, bank_ref, left))
        _settle(ctx, currency, period, replace(books, unconfirmed=left))
        return show_payment(currency, period, (payer, payee), confirmed)

    @call
    def unwind(self, ctx: Context, period: Period, currency: Currency | None = None) -> PeriodShown:
        """Put an overdue period's debts back into the open one (a treasurer of a brand in it).

        What was confirmed is booked in reverse: the payee owes it the payer. `currency` may be left out where only
        one is closed and unpaid.
        """
        currency = _currency_unpaid(ctx, period, currency)
        books = PERIODS.require(ctx, currency, period)
        self._require_treasurer(ctx, currency, period)
        if books.status != "closed":
            raise _not_now(books, period)
        if books.due is not None and ctx.time < books.due:
            raise Refused("NOT_ELIGIBLE", "the payments are not overdue yet", due=books.due)
        _begin_unwinding(ctx, currency, period)
        if all(_unwind_step(ctx, currency, period) for _ in range(STEPS_OF_UNWIND)):
            UNWINDS.put(ctx, ctx.time, currency, period)
        return show_period(ctx, currency, period)

    @due(UNWINDS)
    def go_on_unwinding(self, ctx: Context, at: int, currency: str, period: str) -> bool:
        """Move further debts of a period that is unwound."""
        del at
        if PERIODS.require(ctx, currency, period).status != "unwinding":
            return False
        return _unwind_step(ctx, currency, period)

    def _require_treasurer(self, ctx: Context, currency: str, period: str) -> None:
        """Refuse unless a treasurer of a brand in the period has signed."""
        if ctx.governance:
            return
        for _, brands in self._authority.brands_of_signers(ctx, "treasurer"):
            if any(BRANDS_IN.contains(ctx, currency, period, item=brand) for brand in brands):
                return
        raise Refused("NOT_AUTHORISED", "needs the role treasurer of a brand in this period", period=period)


# Closing


def _close_step(ctx: Context, currency: str, period: str) -> bool:
    """Make some payments of what the earlier ones have left; tell whether more remain."""
    books = PERIODS.require(ctx, currency, period)
    left = positions_in(ctx, currency, period)
    ctx.charge(2 * len(left))
    for (payer, payee), payment in PAYMENTS.entries(ctx, currency, period):
        left[payer] += payment.amount
        left[payee] -= payment.amount
    made = list(islice(payments_of(left), STEP_PAYMENTS))
    for payer, payee, amount in made:
        PAYMENTS.put(ctx, Payment(amount), currency, period, item=(payer, payee))
        ctx.emit(PaymentDue(currency, period, payer, payee, amount))
    payments = books.payments + len(made)
    if len(made) == STEP_PAYMENTS:
        PERIODS.put(ctx, replace(books, status="closing", payments=payments), currency, period)
        return True
    due_at = min(ctx.time + current_params(ctx).due_ms, MAX_INT)
    ctx.emit(Closed(currency, period, payments, due_at))
    _settle(ctx, currency, period, Books("closed", ctx.time, due_at, payments, payments))
    _make_room(ctx, currency)
    return False


def _settle(ctx: Context, currency: str, period: str, books: Books) -> None:
    """Keep the books of a closed period, which end where no payment is left."""
    if not books.unconfirmed:
        books = replace(books, status="discharged")
        end_life(ctx, currency, period)
        ctx.emit(Discharged(currency, period))
    PERIODS.put(ctx, books, currency, period)


def _make_room(ctx: Context, currency: str) -> None:
    """Unwind the oldest unpaid period where there are too many."""
    closed = [
        period
        for period in live_periods(ctx, currency)
        if PERIODS.require(ctx, currency, period).status == "closed"
    ]
    if len(closed) > MAX_UNSETTLED:
        _begin_unwinding(ctx, currency, closed[0])
        UNWINDS.put(ctx, ctx.time, currency, closed[0])


# Unwinding


def _begin_unwinding(ctx: Context, currency: str, period: str) -> None:
    books = PERIODS.require(ctx, currency, period)
    PERIODS.put(ctx, replace(books, status="unwinding"), currency, period)
    UNWINDINGS.put(ctx, Unwinding(tx=ctx.tx_id or None), currency, period)
    ctx.emit(UnwindingBegun(currency, period))


def _unwind_step(ctx: Context, currency: str, period: str) -> bool:
    """Reverse some payments, or move some pairs; tell whether more remain."""
    progress = UNWINDINGS.require(ctx, currency, period)
    found = _payments_after if progress.reversing else pairs_in
    done = list(islice(found(ctx, currency, period, progress.after), STEP_PAIRS))
    for first, second in done:
        move = _reverse_payment if progress.reversing else _move_pair
        move(ctx, currency, period, first, second, progress.tx)
    if len(done) == STEP_PAIRS:
        UNWINDINGS.put(ctx, replace(progress, after=done[-1]), currency, period)
        return True
    if progress.reversing:
        UNWINDINGS.put(ctx, Unwinding(False, None, progress.tx), currency, period)
        return True
    _end_unwinding(ctx, currency, period)
    return False


def _payments_after(
    ctx: Context, currency: str, period: str, after: tuple[str, str] | None
) -> Iterator[tuple[str, str]]:
    return PAYMENTS.iterate(ctx, currency, period, after=after)


def _reverse_payment(ctx: Context, currency: str, period: str, payer: str, payee: str, tx: str | None) -> None:
    """Let the payee owe what it was paid, where it has confirmed that it was.

    What the payer owes the payee in this period comes back too, and is set off in what both are exposed to: else a
    payer that pays everything each month runs out of credit where two others never do.
    """
    payment = _payment(ctx, currency, period, payer, payee)
    if payment.receipt is not None:
        set_off = lower_exposure(ctx, currency, period, payer, payee, payment.amount)
        cause, exposed = Cause("payment", period), payment.amount - set_off
        add_line(ctx, payee, payer, currency, payment.amount, cause, exposed=exposed, tx=tx, moved=True)


def _move_pair(ctx: Context, currency: str, period: str, debtor: str, creditor: str, tx: str | None) -> None:
    """Let a pair's debt stand in the open period, with the same exposure."""
    pair = take_out(ctx, currency, period, debtor, creditor)
    if pair.sum:
        cause = Cause("unwind", period)
        add_line(ctx, debtor, creditor, currency, pair.sum, cause, exposed=pair.exposed, tx=tx, moved=True)
    elif pair.exposed:
        change_exposure(ctx, debtor, creditor, currency, pair.exposed)


def _end_unwinding(ctx: Context, currency: str, period: str) -> None:
    UNWINDINGS.delete(ctx, currency, period)
    books = PERIODS.require(ctx, currency, period)
    PERIODS.put(ctx, replace(books, status="unwound"), currency, period)
    end_life(ctx, currency, period)
    ctx.emit(Unwound(currency, period))


# Which payment, which currency


def _payment(ctx: Context, currency: str, period: str, payer: str, payee: str) -> Payment:
    payment = PAYMENTS.get(ctx, currency, period, item=(payer, payee))
    if payment is None:
        raise _no_payment(period, payer, payee)
    return payment


def _no_payment(period: str, payer: str, payee: str) -> Refused:
    return Refused("NOT_FOUND", "there is no such payment", period=period, payer=payer, payee=payee)


def _currency_of_payment(ctx: Context, period: str, payer: str, payee: str, currency: str | None) -> str:
    def has_payment(name: str) -> bool:
        return PAYMENTS.get(ctx, name, period, item=(payer, payee)) is not None

    return _only_currency(ctx, period, currency, has_payment) or _fail(_no_payment(period, payer, payee))


def _currency_unpaid(ctx: Context, period: str, currency: str | None) -> str:
    def is_unpaid(name: str) -> bool:
        return PERIODS.require(ctx, name, period).status == "closed"

    missing = Refused("NOT_FOUND", "nothing of this period is closed and unpaid", period=period)
    return _only_currency(ctx, period, currency, is_unpaid) or _fail(missing)


def _fail(refusal: Refused) -> str:
    raise refusal


def _only_currency(ctx: Context, period: str, currency: str | None, fits: Callable[[str], bool]) -> str | None:
    """Return the currency named, or the only one of a period that fits; None where none does.

    Raises:
        Refused: INVALID_ARGS, several fit, or there are too many to look at.
    """
    if currency is not None:
        return currency
    names = list(islice(CURRENCIES_IN.iterate(ctx, period), MAX_CURRENCIES_TRIED + 1))
    found = [name for name in names[:MAX_CURRENCIES_TRIED] if fits(name)]
    if len(found) > 1 or len(names) > MAX_CURRENCIES_TRIED:
        refuse("currency", "a currency, as the period has several that fit")
    return found[0] if found else None


def _not_now(books: Books, period: str) -> Refused:
    return Refused("NOT_ELIGIBLE", f"the period is {books.status}", period=period, status=books.status)
