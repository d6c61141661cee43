"""What the clearing contract keeps in the state. Amounts are whole minor units of a currency.

Everything but credit and fractions is kept by (currency, period); a pair is told apart by its direction.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from contracts_py.clearing.periods import PERIOD, Period
from contracts_py.money import CURRENCY, Currency
from vm.contract_api import (
    MAX_INT,
    NUMBER,
    SLUG,
    Amount,
    Count,
    Hash,
    Meta,
    Name,
    OnceTable,
    OrderedMap,
    OrderedSet,
    Ref,
    Schedule,
    Slug,
    Table,
    TimeMs,
    code,
)

MAX_UNSETTLED: Final = 24
"""Closed periods of a currency that are neither discharged nor unwound: two years of months. One more close unwinds
the oldest of them, which was closed 23 months before, and was due within 366 days of that.
"""

MAX_BOOKED: Final = 2**45
"""What a pair's sum of a period may come to by bookings: 35 million million minor units.

Unwinding books the sum of a whole pair again, and must never be refused, else a pair of accomplices could keep
everybody's debts of a period from being moved. So bookings keep that far from the 2^53 − 1 that an integer of the
protocol holds: a pair that is filled up to here each month, and never paid, is carried on for 21 years; where what
it owes is paid and unwound each month as well, for ten.
"""

_MAX_LIVE: Final = MAX_UNSETTLED + 8
"""Beside those: the month, the one after it where that closed early, and what is being closed or unwound."""

Balance = Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)]
CauseRef = Annotated[str, code(128), Meta(max_length=128)]
"""A reference of the contract that books (64 characters at most), or the place of a line."""

Status = Literal["open", "closing", "closed", "discharged", "unwinding", "unwound"]


class Cause(msgspec.Struct, frozen=True, gc=False):
    """Why a line was booked: a kind (`redemption`, `exchange`, `refund`, …), and what of that kind."""

    kind: Slug
    ref: CauseRef


class Line(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A booking. `tx` is the transaction that booked it; none where the agenda did without one.

    `exposed` is how much the debtor's exposure grew by it, where that is not its amount.
    """

    amount: Amount
    cause: Cause
    time: TimeMs
    tx: Hash | None = None
    exposed: Balance | None = None

    def exposes(self) -> int:
        """Return how much the debtor's exposure grew by it."""
        return self.amount if self.exposed is None else self.exposed


class Pair(msgspec.Struct, frozen=True, gc=False):
    """What one brand owes another in a period.

    Attributes:
        lines, sum: how many lines there are, and what they come to; neither ever falls.
        exposed: what this period adds to the debtor's exposure, which lines that never fail for credit and
            counter-entries move otherwise than `sum`.
    """

    lines: Count
    sum: Count
    exposed: Balance


NO_PAIR: Final = Pair(0, 0, 0)


class Credit(msgspec.Struct, frozen=True, gc=False):
    """How much a creditor lets a debtor owe, and how much of that is kept for holds."""

    limit: Count
    reserved: Count


NO_CREDIT: Final = Credit(0, 0)


class Books(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A period of a currency; `due` and the numbers of payments from its close on."""

    status: Status
    closed: TimeMs | None = None
    due: TimeMs | None = None
    payments: Count = 0
    unconfirmed: Count = 0


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """That a payment has arrived: the bank's reference, when this was confirmed, and by which transaction."""

    bank_ref: Ref
    time: TimeMs
    tx: Hash | None = None


class Payment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A payment that closing a period has led to."""

    amount: Amount
    receipt: Receipt | None = None


class Unwinding(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How far a period's unwinding has come: payments first, then pairs, each in order from `after` on."""

    reversing: bool = True
    after: tuple[Slug, Slug] | None = None
    tx: Hash | None = None


DisputeStatus = Literal["open", "resolved", "withdrawn"]


class Dispute(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A line that one of its brands says is wrong: who, why, and how much of it the creditor has conceded."""

    brand: Slug
    status: DisputeStatus
    opened: TimeMs
    conceded: Count = 0
    reason: Name | None = None


DEBTOR: Final = ("debtor", SLUG)
CREDITOR: Final = ("creditor", SLUG)
IN_CURRENCY: Final = ("currency", CURRENCY)
IN_PERIOD: Final = ("period", PERIOD)
LINE: Final = (IN_CURRENCY, IN_PERIOD, DEBTOR, CREDITOR, ("line", NUMBER))

LINES: Final[OnceTable[Line]] = OnceTable("clearing/line", LINE, Line, "a booking; lines of a pair count from 0")
PAIRS: Final[Table[Pair]] = Table(
    "clearing/pair",
    (IN_CURRENCY, IN_PERIOD, DEBTOR, CREDITOR),
    Pair,
    "how many lines a pair has, what they come to, and what they add to the debtor's exposure",
)
COUNTERPARTIES: Final[OrderedSet[str]] = OrderedSet(
    "clearing/counterparties",
    (IN_CURRENCY, IN_PERIOD, ("brand", SLUG)),
    Slug,
    "the brands that a brand owes, or that owe it, in a period",
)
POSITIONS: Final[Table[int]] = Table(
    "clearing/position",
    (IN_CURRENCY, IN_PERIOD, ("brand", SLUG)),
    Balance,
    "what a brand is owed less what it owes, in a period",
)
BRANDS_IN: Final[OrderedSet[str]] = OrderedSet(
    "clearing/brands", (IN_CURRENCY, IN_PERIOD), Slug, "the brands with a position in a period"
)
CREDITS: Final[Table[Credit]] = Table(
    "clearing/credit",
    (IN_CURRENCY, DEBTOR, CREDITOR),
    Credit,
    "the credit limit of a debtor with a creditor, and what of it is kept for holds",
)
RESERVES: Final[Table[int]] = Table(
    "clearing/reserve",
    (IN_CURRENCY, ("brand", SLUG)),
    Balance,
    "what backs a brand's program: what the brand is owed and was paid, less what it owes and has paid",
)
FRACTIONS: Final[Table[int]] = Table(
    "clearing/fraction",
    (DEBTOR, CREDITOR, ("program", SLUG), ("version", NUMBER)),
    Amount,
    "what is left over below one minor unit: a numerator over the price's denominator; absent where nothing is",
)
PERIODS: Final[Table[Books]] = Table(
    "clearing/period",
    (IN_CURRENCY, IN_PERIOD),
    Books,
    "how far the settlement of a period has come",
    missing="nothing was booked in this period",
)
PERIODS_OF: Final[OrderedSet[str]] = OrderedSet(
    "clearing/periods", (IN_CURRENCY,), Period, "the periods in which something was booked"
)
CURRENCIES_IN: Final[OrderedSet[str]] = OrderedSet(
    "clearing/currencies", (IN_PERIOD,), Currency, "the currencies in which something was booked in a period"
)
LIVE: Final[Table[tuple[str, ...]]] = Table(
    "clearing/live",
    (IN_CURRENCY,),
    Annotated[tuple[Period, ...], Meta(max_length=_MAX_LIVE)],
    "the periods whose debts stand: neither discharged nor wholly unwound, in the order in which they began",
)
PAYMENTS: Final[OrderedMap[tuple[str, str], Payment]] = OrderedMap(
    "clearing/payments",
    (IN_CURRENCY, IN_PERIOD),
    tuple[Slug, Slug],
    Payment,
    "the payments of a closed period, by payer and payee",
)
UNWINDINGS: Final[Table[Unwinding]] = Table(
    "clearing/unwinding", (IN_CURRENCY, IN_PERIOD), Unwinding, "how far the unwinding of a period has come"
)
DISPUTES: Final[Table[Dispute]] = Table(
    "clearing/dispute", LINE, Dispute, "what has become of a disputed line", missing="the line is not disputed"
)
CLOSES: Final = Schedule("clearing/close", (IN_CURRENCY, IN_PERIOD), "the end of a period")
UNWINDS: Final = Schedule("clearing/unwind", (IN_CURRENCY, IN_PERIOD), "a period that is being unwound")
