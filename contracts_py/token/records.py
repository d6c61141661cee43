"""What the token contract keeps in the state.

A lot is named by its date: the milliseconds of its expiry as a decimal, or `never`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from contracts_py.money import Price
from vm.contract_api import (
    ADDRESS,
    EMPTY,
    MAX_INT,
    NUMBER,
    SLUG,
    Address,
    Amount,
    Bag,
    BasisPoints,
    Count,
    Name,
    OrderedSet,
    Part,
    Root,
    Schedule,
    Sequence,
    Slug,
    Table,
    TimeMs,
    Tree,
    code,
    text,
)

NEVER: Final = MAX_INT
"""Stands for "no expiry" among dates: it sorts after every other."""

MAX_EXPIRY_DAYS: Final = 3_650
MAX_EXPIRY_MONTHS: Final = 120
"""Ten years: longer lives are `none`."""

LOCKED_IN_PROGRAM: Final = 1
LOCKED_AT_BRAND: Final = 2
"""Bits of `Holding.frozen`: by `freeze` with and without a program."""

Symbol = Annotated[str, text(1, 12), Meta(max_length=12)]
Decimals = Annotated[int, Meta(ge=0, le=15)]
"""2^53 has 16 digits: with more decimals than 15 not even one whole unit could be told."""


def lot_name(date: int) -> str:
    """Return the name of a lot with this date."""
    return "never" if date == NEVER else str(date)


def date_of_lot(lot: str) -> int | None:
    """Return the date of a lot with this name; None where no lot can have it."""
    if lot == "never":
        return NEVER
    # A decimal as lot_name writes it: no sign, no zero in front, nothing but ASCII digits.
    digits = lot.isascii() and lot.isdigit() and (lot == "0" or not lot.startswith("0"))
    return int(lot) if digits and int(lot) < NEVER else None


LOT: Final = Part("date in ms, or `never`", lot_name, lambda text: NEVER if text == "never" else int(text), 16, int)
Parts = list[tuple[int, int]]
"""Points as (date, amount), by date."""

PROGRAM: Final = ("program", SLUG)
ACCOUNT: Final = ("address", ADDRESS)


class NoExpiry(msgspec.Struct, frozen=True, tag_field="kind", tag="none", gc=False):
    """Points last."""


class DaysExpiry(msgspec.Struct, frozen=True, tag_field="kind", tag="days", gc=False):
    """Points expire so many days after they were issued, at the next start of a day."""

    days: Annotated[int, Meta(ge=1, le=MAX_EXPIRY_DAYS)]


class MonthEndExpiry(msgspec.Struct, frozen=True, tag_field="kind", tag="month_end", gc=False):
    """Points expire when the month that is so many months after that of their issue is over."""

    months: Annotated[int, Meta(ge=0, le=MAX_EXPIRY_MONTHS)]


class InactivityExpiry(msgspec.Struct, frozen=True, tag_field="kind", tag="inactivity", gc=False):
    """All an account's points expire so many days after its last activity, at the next start of a day."""

    days: Annotated[int, Meta(ge=1, le=MAX_EXPIRY_DAYS)]


Expiry = NoExpiry | DaysExpiry | MonthEndExpiry | InactivityExpiry

TransferRule = Literal["none", "brand", "free"]


class Announced(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A change of a program's rules that is in force from `from_` on; what is None stays as it is."""

    from_: TimeMs = msgspec.field(name="from")
    transfer: TransferRule | None = None
    expiry: Expiry | None = None
    transfer_burn_bps: BasisPoints | None = None
    notice_ms: Count | None = None
    price: Price | None = None
    transfer_day: Count | None = None


class Program(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A loyalty program's rules. `cap` bounds outstanding; `version` counts changes of the rules,
    `price_version` those of the price: what is left over below one minor unit at one price goes into no other.

    `adjust_limit` is the amount up to which one issuer adjusts alone, `transfer_day` what an account may transfer
    on a UTC day, `announced` a change to members' disadvantage that is
    not in force before its time.
    What is outstanding of a `backed` program is worth no more than its brand's reserve.
    """

    brand: Slug
    name: Name
    symbol: Symbol
    decimals: Decimals
    transfer: TransferRule
    expiry: Expiry
    transfer_burn_bps: BasisPoints
    notice_ms: Count
    price: Price
    cap: Amount | None = None
    version: Count = 1
    adjust_limit: Count = 0
    transfer_day: Count | None = None
    announced: Announced | None = None
    backed: bool = False
    price_version: Count = 1


class SupplyRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A program's counters, as of its last change; `next_date` tells when they are out of date.

    `adjusted_up` is a part of issued, `adjusted_down` one of reversed.
    """

    next_date: TimeMs = NEVER
    issued: Count = 0
    outstanding: Count = 0
    held: Count = 0
    pending: Count = 0
    debt: Count = 0
    redeemed: Count = 0
    burned: Count = 0
    expired: Count = 0
    reversed: Count = 0
    refunded: Count = 0
    swapped_in: Count = 0
    swapped_out: Count = 0
    adjusted_up: Count = 0
    adjusted_down: Count = 0


LOT_DATES: Final = Tree("token/account", TimeMs)
"""The dates of an account's lots. The tree's root stands in the account's Holding: few lots cost no key of
their own.
"""

if TYPE_CHECKING:
    _LotDates = Root
else:
    _LotDates = LOT_DATES.root_type


class Holding(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An account in a program: the dates of its lots, expired ones until they are swept.

    `frozen` is a sum of LOCKED_… bits. `debt`, `held` and `pending` are what it owes, has reserved and
    has not unlocked yet. Where `shared`, points in it may be another account's: it is a pool to which members have
    brought some, or others were merged into it.
    """

    lots: _LotDates = EMPTY
    frozen: Annotated[int, Meta(ge=0, le=LOCKED_IN_PROGRAM | LOCKED_AT_BRAND)] = 0
    debt: Count = 0
    held: Count = 0
    pending: Count = 0
    shared: bool = False


LotName = Annotated[str, code(16), Meta(max_length=16)]

MAX_LOTS_OF_SPEND: Final = 4_096
"""Lots that one spend may take from: a redemption's record names them all, so that a refund can return them."""


PROGRAMS: Final[Table[Program]] = Table(
    "token/program", (PROGRAM,), Program, "the rules", missing="no such program", present="the program exists"
)
ALL_PROGRAMS: Final[Sequence[str]] = Sequence("token/programs", (), Slug, "all programs, in order of creation")
BRAND_PROGRAMS: Final[Sequence[str]] = Sequence(
    "token/brand-programs", (("brand", SLUG),), Slug, "a brand's programs, in order of creation"
)
SUPPLIES: Final[Table[SupplyRecord]] = Table(
    "token/supply", (PROGRAM,), SupplyRecord, "a program's counters, as of their last change"
)
EXPIRING: Final[Table[int]] = Table(
    "token/expiring", (PROGRAM, ("date", NUMBER)), Amount, "points outstanding that expire on a date"
)
EXPIRY_DATES: Final[OrderedSet[int]] = OrderedSet(
    "token/expiry-dates", (PROGRAM,), TimeMs, "the dates on which points of a program expire"
)
LOTS_ON: Final[Bag[str]] = Bag(
    "token/lots-on",
    (PROGRAM, ("date", NUMBER)),
    Address,
    "accounts that have got a lot of this date, to be swept when it has passed",
)
EXPIRIES: Final = Schedule(
    "token/expiry", (PROGRAM, ("date", NUMBER)), "a date on which points of a program expire"
)
HOLDINGS: Final[Table[Holding]] = Table(
    "token/account", (PROGRAM, ACCOUNT), Holding, "an account in a program, and the dates of its lots"
)
BALANCES: Final[Table[int]] = Table(
    "token/balance", (PROGRAM, ACCOUNT, ("lot", LOT)), Amount, "the amount of one lot"
)
PROGRAMS_OF: Final[OrderedSet[str]] = OrderedSet(
    "token/programs-of", (ACCOUNT,), Slug, "the programs in which an account has ever had points"
)
HOLDERS: Final[Bag[str]] = Bag(
    "token/holders", (PROGRAM,), Address, "accounts that have ever had points of the program; none is taken out"
)
FROZEN_AT: Final[Table[bool]] = Table(
    "token/frozen", (("brand", SLUG), ACCOUNT), bool, "true where an account is frozen at all programs of a brand"
)
