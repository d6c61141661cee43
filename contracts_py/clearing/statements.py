"""The room for reading: positions, statements, payments, periods. All lists come in pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contracts_py.clearing.answers import (
    PaymentShown,
    PeriodShown,
    Position,
    PositionIn,
    Statement,
    StatementLine,
)
from contracts_py.clearing.books import live_periods, pair_of, position_in
from contracts_py.clearing.periods import Period
from contracts_py.clearing.records import (
    COUNTERPARTIES,
    CURRENCIES_IN,
    LINES,
    PAYMENTS,
    PERIODS,
    PERIODS_OF,
    Line,
    Payment,
)
from contracts_py.identity import Authority
from contracts_py.money import Currency
from vm.contract_api import (
    DEFAULT_PAGE,
    Context,
    Contract,
    Count,
    Cursor,
    InvariantBroken,
    Page,
    PageLimit,
    Slug,
    Stored,
    as_cursor,
    from_cursor,
    paged,
    refuse,
    view,
)

Place = tuple[str, str, int]
"""Where a line stands among those of a period: debtor, creditor, number."""

_PLACE: Final[Stored[Place]] = Stored(tuple[Slug, Slug, Count])
_PAYMENT: Final[Stored[tuple[str, str, str]]] = Stored(tuple[Currency, Slug, Slug])
"""What cursors hold."""


class Statements(Contract):
    """Views of what was booked and what became of it."""

    name = "clearing"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @view
    def position(self, ctx: Context, brand: Slug, currency: Currency) -> Position:
        """Return what a brand is owed less what it owes, in all periods whose debts stand, and in each."""
        self._authority.brand_record(ctx, brand)
        periods = tuple(
            [
                PositionIn(
                    period,
                    PERIODS.require(ctx, currency, period).status,
                    position_in(ctx, currency, period, brand),
                )
                for period in live_periods(ctx, currency)
            ]
        )
        return Position(brand, currency, sum(shown.position for shown in periods), periods)

    @view
    def statement(
        self,
        ctx: Context,
        brand: Slug,
        currency: Currency,
        period: Period,
        other: Slug | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Statement:
        """Return a brand's lines of a period, those with one other brand alone where it is named.

        They are in the order of the other brand, first what the brand owes it, then what it is owed, as booked.
        """
        books = PERIODS.require(ctx, currency, period)
        for named in (brand, other):
            if named is not None:
                self._authority.brand_record(ctx, named)
        others = list(COUNTERPARTIES.iterate(ctx, currency, period, brand)) if other is None else [other]
        pairs = [pair for name in others for pair in ((brand, name), (name, brand))]
        sums = {pair: pair_of(ctx, currency, period, *pair).sum for pair in pairs}
        owes = sum(amount for (debtor, _), amount in sums.items() if debtor == brand)
        owed = sum(amount for (debtor, _), amount in sums.items() if debtor != brand)
        page = paged(
            _lines_of(ctx, currency, period, pairs, None if cursor is None else from_cursor(_PLACE, cursor)),
            limit,
            lambda found: _show_line(*found),
            lambda _, last: as_cursor(last[0]),
        )
        return Statement(
            brand, currency, period, books.status, owes, owed, owed - owes, page.items, page.next, other
        )

    @view
    def payments(
        self,
        ctx: Context,
        period: Period,
        currency: Currency | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[PaymentShown]:
        """Return the payments that closing a period has led to, in one currency or all."""
        names = list(CURRENCIES_IN.iterate(ctx, period)) if currency is None else [currency]
        after = None if cursor is None else from_cursor(_PAYMENT, cursor)
        return paged(
            _payments_of(ctx, period, names, after),
            limit,
            lambda found: show_payment(found[0], period, found[1], found[2]),
            lambda _, last: as_cursor((last[0], *last[1])),
        )

    @view
    def currencies(
        self, ctx: Context, period: Period, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[Currency]:
        """Return the currencies in which something was booked in a period, in order."""
        return CURRENCIES_IN.page(ctx, period, cursor=cursor, limit=limit)

    @view
    def periods(
        self, ctx: Context, currency: Currency, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[PeriodShown]:
        """Return the periods in which something was booked, in order."""
        return PERIODS_OF.page(
            ctx, currency, cursor=cursor, limit=limit, show=lambda period: show_period(ctx, currency, period)
        )


def show_period(ctx: Context, currency: str, period: str) -> PeriodShown:
    """Return a period as calls and views answer it."""
    books = PERIODS.require(ctx, currency, period)
    if books.closed is None:
        return PeriodShown(currency, period, books.status)
    return PeriodShown(currency, period, books.status, books.closed, books.due, books.payments, books.unconfirmed)


def show_payment(currency: str, period: str, parties: tuple[str, str], payment: Payment) -> PaymentShown:
    """Return a payment as calls and views answer it."""
    return PaymentShown(currency, period, *parties, payment.amount, payment.receipt)


def _show_line(place: Place, line: Line) -> StatementLine:
    return StatementLine(*place, line.amount, line.cause, line.time, line.tx)


def _lines_of(
    ctx: Context, currency: str, period: str, pairs: list[tuple[str, str]], after: Place | None
) -> Iterator[tuple[Place, Line]]:
    """Yield the lines of these pairs, those behind `after`."""
    if after is not None:
        if after[:2] not in pairs:
            refuse("cursor", "a cursor that an earlier page has answered")
        pairs = pairs[pairs.index(after[:2]) :]
    for debtor, creditor in pairs:
        first = after[2] + 1 if after is not None and after[:2] == (debtor, creditor) else 0
        for number in range(first, pair_of(ctx, currency, period, debtor, creditor).lines):
            line = LINES.get(ctx, currency, period, debtor, creditor, number)
            if line is None:
                raise InvariantBroken(f"{currency} {period} {debtor} {creditor} has no line {number}")
            yield (debtor, creditor, number), line


def _payments_of(
    ctx: Context, period: str, currencies: list[str], after: tuple[str, str, str] | None
) -> Iterator[tuple[str, tuple[str, str], Payment]]:
    for currency in currencies:
        if after is not None and currency < after[0]:
            continue
        start = after[1:] if after is not None and currency == after[0] else None
        for parties, payment in PAYMENTS.entries(ctx, currency, period, start=start):
            if parties != start:
                yield currency, parties, payment
