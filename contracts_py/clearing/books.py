"""The books: lines, pairs and positions of the open period, and what a debtor's exposure comes to.

Each line moves one pair and two positions with it, so that closing a period and asking for a position scan nothing.

Invariants, at every block, for each currency:
    1. A pair's sum is that of its lines. Over the brands of a period the positions sum to zero; a brand's is what
       its pairs come to, less what unwinding has carried on.
    2. A pair's sum, with what holds keep, passes MAX_BOOKED by what unwinding moves and counter-entries alone,
       which so fit; a capture finds the room that its hold has kept.
    3. Lines are added to the open period alone: that of the block's time, or the next where that was closed early.
    4. A reserve grows and falls with its brand's lines, but for those by which unwinding moves older debts: what is
       confirmed was owed before, and what is put back never left.
    5. LIVE has exactly the periods whose debts stand; a debtor's exposure is what these periods' pairs say, and
       what is reserved.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from contracts_py.clearing.events import Booked
from contracts_py.clearing.periods import begin_of, end_of, next_period, period_of
from contracts_py.clearing.records import (
    BRANDS_IN,
    CLOSES,
    COUNTERPARTIES,
    CREDITS,
    CURRENCIES_IN,
    LINES,
    LIVE,
    MAX_BOOKED,
    NO_CREDIT,
    NO_PAIR,
    PAIRS,
    PERIODS,
    PERIODS_OF,
    POSITIONS,
    RESERVES,
    Books,
    Cause,
    Credit,
    Line,
    Pair,
)
from vm.contract_api import Context, InvariantBroken, Refused


def add_line(
    ctx: Context,
    debtor: str,
    creditor: str,
    currency: str,
    amount: int,
    cause: Cause,
    *,
    exposed: int,
    tx: str | None = None,
    moved: bool = False,
    kept: int | None = 0,
) -> None:
    """Book that `debtor` owes `creditor` an amount, in the open period.

    Args:
        exposed: how much the debtor's exposure grows by it.
        tx: the transaction that is answerable; None: the one that executes.
        moved: unwinding moves an older debt here, which counts in reserves already.
        kept: what holds keep of the debtor's credit, for which there must be room, too; None: the line is a hold's
            own, for which there is.

    Raises:
        Refused: LIMIT_EXCEEDED, the pair's sum of the period, with what is kept, is beyond MAX_BOOKED, and not by
            what is moved or was kept.
    """
    period = open_period(ctx, currency)
    pair = _pair_to_book(ctx, currency, period, debtor, creditor)
    if not moved and kept is not None:
        require_room(debtor, creditor, pair.sum + kept + amount)
    line = Line(amount, cause, ctx.time, tx or ctx.tx_id or None, None if exposed == amount else exposed)
    LINES.put(ctx, line, currency, period, debtor, creditor, pair.lines)
    after = Pair(pair.lines + 1, pair.sum + amount, pair.exposed + exposed)
    PAIRS.put(ctx, after, currency, period, debtor, creditor)
    _shift(ctx, currency, period, debtor, -amount)
    _shift(ctx, currency, period, creditor, amount)
    if not moved:
        _shift_reserve(ctx, currency, debtor, -amount)
        _shift_reserve(ctx, currency, creditor, amount)
    ctx.emit(Booked(debtor, creditor, currency, period, pair.lines, amount, cause.kind, cause.ref))


def require_room(debtor: str, creditor: str, booked: int) -> None:
    """Refuse what would bring a pair's sum, with what holds keep, beyond what may be booked in a period.

    Raises:
        Refused: LIMIT_EXCEEDED.
    """
    if booked > MAX_BOOKED:
        words = f"{debtor} owes {creditor} too much in this period, with what is held"
        raise Refused("LIMIT_EXCEEDED", words, debtor=debtor, creditor=creditor, limit=MAX_BOOKED)


def booked_now(ctx: Context, currency: str, debtor: str, creditor: str) -> int:
    """Return a pair's sum of the period to which a line would be added now."""
    period = period_of(ctx.time)
    books = PERIODS.get(ctx, currency, period)
    if books is not None and books.status != "open":
        period = next_period(period)
    return pair_of(ctx, currency, period, debtor, creditor).sum


def change_exposure(ctx: Context, debtor: str, creditor: str, currency: str, by: int) -> None:
    """Let a debtor's exposure to a creditor grow or fall, in the open period."""
    period = open_period(ctx, currency)
    pair = _pair_to_book(ctx, currency, period, debtor, creditor)
    PAIRS.put(ctx, replace(pair, exposed=pair.exposed + by), currency, period, debtor, creditor)


def lower_exposure(ctx: Context, currency: str, period: str, debtor: str, creditor: str, most: int) -> int:
    """Lower what a period adds to a debtor's exposure by up to `most`, to no less than 0; return by how much."""
    pair = pair_of(ctx, currency, period, debtor, creditor)
    by = min(most, max(0, pair.exposed))
    if by:
        PAIRS.put(ctx, replace(pair, exposed=pair.exposed - by), currency, period, debtor, creditor)
    return by


def take_out(ctx: Context, currency: str, period: str, debtor: str, creditor: str) -> Pair:
    """Let a pair of a period that is unwound count no longer, and return what it was; its lines stay."""
    pair = pair_of(ctx, currency, period, debtor, creditor)
    if pair is not NO_PAIR:
        PAIRS.put(ctx, replace(pair, exposed=0), currency, period, debtor, creditor)
        _shift(ctx, currency, period, debtor, pair.sum)
        _shift(ctx, currency, period, creditor, -pair.sum)
    return pair


def open_period(ctx: Context, currency: str) -> str:
    """Return the period to which lines are added now, after beginning it where it has none yet."""
    period = period_of(ctx.time)
    books = PERIODS.get(ctx, currency, period)
    if books is not None and books.status != "open":
        period = next_period(period)
        books = PERIODS.get(ctx, currency, period)
    if books is None:
        _begin(ctx, currency, period)
    elif books.status != "open":
        raise InvariantBroken(f"{currency} {period} is {books.status} before it has begun")
    return period


def _begin(ctx: Context, currency: str, period: str) -> None:
    PERIODS.put(ctx, Books("open"), currency, period)
    PERIODS_OF.add(ctx, currency, item=period)
    CURRENCIES_IN.add(ctx, period, item=currency)
    LIVE.put(ctx, (*live_periods(ctx, currency), period), currency)
    CLOSES.put(ctx, end_of(period), currency, period)


def _pair_to_book(ctx: Context, currency: str, period: str, debtor: str, creditor: str) -> Pair:
    """Return a pair, after making its brands known to the period."""
    pair = PAIRS.get(ctx, currency, period, debtor, creditor)
    if pair is not None:
        return pair
    for brand, other in ((debtor, creditor), (creditor, debtor)):
        BRANDS_IN.add(ctx, currency, period, item=brand)
        COUNTERPARTIES.add(ctx, currency, period, brand, item=other)
    return NO_PAIR


def _shift(ctx: Context, currency: str, period: str, brand: str, by: int) -> None:
    POSITIONS.put(ctx, position_in(ctx, currency, period, brand) + by, currency, period, brand)


def _shift_reserve(ctx: Context, currency: str, brand: str, by: int) -> None:
    reserve = RESERVES.get(ctx, currency, brand)
    if reserve is not None:
        RESERVES.put(ctx, reserve + by, currency, brand)


def live_periods(ctx: Context, currency: str) -> tuple[str, ...]:
    """Return the periods whose debts stand."""
    return LIVE.get(ctx, currency) or ()


def end_life(ctx: Context, currency: str, period: str) -> None:
    """Let the debts of a period stand no longer."""
    LIVE.put(ctx, tuple([name for name in live_periods(ctx, currency) if name != period]), currency)


def position_in(ctx: Context, currency: str, period: str, brand: str) -> int:
    """Return what a brand is owed less what it owes, in a period."""
    return POSITIONS.get(ctx, currency, period, brand) or 0


def pair_of(ctx: Context, currency: str, period: str, debtor: str, creditor: str) -> Pair:
    """Return what one brand owes another in a period."""
    return PAIRS.get(ctx, currency, period, debtor, creditor) or NO_PAIR


def pairs_in(
    ctx: Context, currency: str, period: str, after: tuple[str, str] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the (debtor, creditor) of a period that may have a pair, in order, those above `after`."""
    first, last = after or (None, None)
    for debtor in BRANDS_IN.iterate(ctx, currency, period, start=first):
        above = last if debtor == first else None
        for creditor in COUNTERPARTIES.iterate(ctx, currency, period, debtor, after=above):
            yield debtor, creditor


def positions_in(ctx: Context, currency: str, period: str) -> dict[str, int]:
    """Return the positions of all brands of a period."""
    brands = list(BRANDS_IN.iterate(ctx, currency, period))
    return {brand: position_in(ctx, currency, period, brand) for brand in brands}


def has_begun(ctx: Context, period: str) -> bool:
    """Tell whether the month of a period has begun."""
    return begin_of(period) <= ctx.time


def credit_of(ctx: Context, currency: str, debtor: str, creditor: str) -> Credit:
    """Return the credit that a debtor has with a creditor; none, where no limit was set."""
    return CREDITS.get(ctx, currency, debtor, creditor) or NO_CREDIT


def exposure_of(ctx: Context, currency: str, debtor: str, creditor: str, credit: Credit) -> int:
    """Return what counts against a debtor's limit: what is open or unconfirmed, and what is reserved."""
    owed = sum(pair_of(ctx, currency, period, debtor, creditor).exposed for period in live_periods(ctx, currency))
    return owed + credit.reserved
