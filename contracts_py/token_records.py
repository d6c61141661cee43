"""What token keeps in the state, and under which keys.

token/program/<program>                    Program: the rules
token/programs                             list of program slugs
token/programs/of/<brand>                  list of one brand's program slugs
token/supply/<program>                     Supply: counters
token/calendar/<program>                   Calendar: the dates on which points will expire
token/expiring/<program>/<date>            points outstanding that expire on a date
token/account/<program>/<address>          Holding: which lots an account has; stays once it exists
token/balance/<program>/<address>/<lot>    the amount of one lot
token/holders/<program>                    list of the addresses that have a Holding
token/holdings/<address>                   Holdings: the programs in which an account has one
token/frozen/<brand>/<address>             True where an account is frozen at all programs of a brand
token/ref/<program>/issue/<ref>            IssueRef: what an issue with a ref did
token/ref/<program>/redeem/<brand>/<ref>   RedeemRef: what a redemption did
token/allowance/<program>/<address>/<brand>  Allowance: what a brand may redeem without the holder's signature
token/due                                  Due: each program's next date
token/sweep                                Sweep: whose expired lots are being removed from storage

A lot is named by its date: the milliseconds of its expiry as a decimal, or `never`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from vm.contract_api import MAX_INT, Amount, Context, Count, Meta, Refused, Rule, refuse

NEVER: Final = MAX_INT
"""Stands for "no expiry" among dates: it sorts after every other."""

MAX_EXPIRY_DAYS: Final = 3_650
MAX_EXPIRY_MONTHS: Final = 120
"""Ten years. Longer lives would only lengthen the calendar of dates; `none` is there for points that last."""

PROGRAMS: Final = "token/programs"
DUE: Final = "token/due"
SWEEP: Final = "token/sweep"

LOCKED_IN_PROGRAM: Final = 1
LOCKED_AT_BRAND: Final = 2
"""Bits of `Holding.frozen`: by `freeze` with and without a program."""


def _currency(value: Any, field: str) -> Any:
    if type(value) is not str or len(value) != 3 or not (value.isascii() and value.isalpha() and value.isupper()):
        refuse(field, "three capital letters (ISO 4217)")
    return value


Currency = Annotated[str, Rule(_currency, {"type": "string", "pattern": "^[A-Z]{3}$"})]


class Price(msgspec.Struct, frozen=True):
    """What one unit costs its issuer at settlement: num/den minor units of a currency."""

    currency: Currency
    num: Count
    den: Amount


class NoExpiry(msgspec.Struct, frozen=True, tag_field="kind", tag="none"):
    """Points last."""


class DaysExpiry(msgspec.Struct, frozen=True, tag_field="kind", tag="days"):
    """Points expire so many days after they were issued, at the next start of a day."""

    days: Annotated[int, Meta(ge=1, le=MAX_EXPIRY_DAYS)]


class MonthEndExpiry(msgspec.Struct, frozen=True, tag_field="kind", tag="month_end"):
    """Points expire when the month that is so many months after that of their issue is over."""

    months: Annotated[int, Meta(ge=0, le=MAX_EXPIRY_MONTHS)]


class InactivityExpiry(msgspec.Struct, frozen=True, tag_field="kind", tag="inactivity"):
    """All an account's points expire so many days after its last activity, at the next start of a day."""

    days: Annotated[int, Meta(ge=1, le=MAX_EXPIRY_DAYS)]


Expiry = NoExpiry | DaysExpiry | MonthEndExpiry | InactivityExpiry

TransferRule = Literal["none", "brand", "free"]


class Program(msgspec.Struct, frozen=True, omit_defaults=True):
    """A loyalty program's rules. `cap` bounds outstanding; `version` counts changes of the rules."""

    brand: str
    name: str
    symbol: str
    decimals: int
    transfer: TransferRule
    expiry: Expiry
    transfer_burn_bps: int
    notice_ms: int
    price: Price
    cap: int | None = None
    version: int = 1


class Supply(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A program's counters, as of its last change; `next_date` tells when they are out of date.

    issued + swapped_in + refunded = outstanding + redeemed + burned + expired + reversed + swapped_out.
    """

    next_date: int = NEVER
    issued: int = 0
    outstanding: int = 0
    held: int = 0
    pending: int = 0
    debt: int = 0
    redeemed: int = 0
    burned: int = 0
    expired: int = 0
    reversed: int = 0
    refunded: int = 0
    swapped_in: int = 0
    swapped_out: int = 0


class Calendar(msgspec.Struct, frozen=True):
    """The dates, sorted, on which something of a program will expire; `never` is not among them."""

    dates: tuple[int, ...] = ()


class Holding(msgspec.Struct, frozen=True, omit_defaults=True):
    """An account in a program: the dates of its lots, sorted, expired ones until they are swept.

    `frozen` is a sum of LOCKED_… bits. `debt`, `held` and `pending` are what it owes, has reserved and
    has not unlocked yet.
    """

    lots: tuple[int, ...] = ()
    frozen: int = 0
    debt: int = 0
    held: int = 0
    pending: int = 0


class Holdings(msgspec.Struct, frozen=True):
    """The programs in which an account has a Holding, in the order in which it first got one."""

    programs: tuple[str, ...] = ()


class IssueRef(msgspec.Struct, frozen=True):
    """What an issue with a ref did: in which transaction, to whom, into which lot, and what was reversed since."""

    tx: str
    account: str
    lot: str
    issued: int
    reversed: int = 0


class RedeemRef(msgspec.Struct, frozen=True):
    """What a redemption took from which lots, and what was refunded since."""

    tx: str
    account: str
    amount: int
    lots: tuple[tuple[int, int], ...]
    refunded: int = 0


class Allowance(msgspec.Struct, frozen=True):
    """What a brand may still redeem from an account without its signature, until `expires`."""

    remaining: int
    expires: int


class Due(msgspec.Struct, frozen=True):
    """(next date, program) of every program that has one, sorted."""

    entries: tuple[tuple[int, str], ...] = ()


class Sweep(msgspec.Struct, frozen=True):
    """Programs whose expired lots are to be removed; `position` is the place among the first one's holders."""

    programs: tuple[str, ...] = ()
    position: int = 0


def program_key(program: str) -> str:
    """Return the key of a Program."""
    return f"token/program/{program}"


def brand_programs_key(brand: str) -> str:
    """Return the key of the list of a brand's programs."""
    return f"token/programs/of/{brand}"


def supply_key(program: str) -> str:
    """Return the key of a Supply."""
    return f"token/supply/{program}"


def calendar_key(program: str) -> str:
    """Return the key of a Calendar."""
    return f"token/calendar/{program}"


def expiring_key(program: str, date: int) -> str:
    """Return the key of the points that expire on a date."""
    return f"token/expiring/{program}/{date}"


def holding_key(program: str, account: str) -> str:
    """Return the key of a Holding."""
    return f"token/account/{program}/{account}"


def lot_key(program: str, account: str, date: int) -> str:
    """Return the key of a lot's amount."""
    return f"token/balance/{program}/{account}/{'never' if date == NEVER else date}"


def holders_key(program: str) -> str:
    """Return the key of the list of a program's holders."""
    return f"token/holders/{program}"


def holdings_key(account: str) -> str:
    """Return the key of an account's Holdings."""
    return f"token/holdings/{account}"


def frozen_key(brand: str, account: str) -> str:
    """Return the key that marks an account as frozen at a brand."""
    return f"token/frozen/{brand}/{account}"


def issue_ref_key(program: str, ref: str) -> str:
    """Return the key of an IssueRef."""
    return f"token/ref/{program}/issue/{ref}"


def redeem_ref_key(program: str, brand: str, ref: str) -> str:
    """Return the key of a RedeemRef."""
    return f"token/ref/{program}/redeem/{brand}/{ref}"


def allowance_key(program: str, account: str, brand: str) -> str:
    """Return the key of an Allowance."""
    return f"token/allowance/{program}/{account}/{brand}"


def lot_name(date: int) -> str:
    """Return the name of a lot with this date."""
    return "never" if date == NEVER else str(date)


def get_program(ctx: Context, program: str) -> Program:
    """Return a program's rules.

    Raises:
        Refused: NOT_FOUND.
    """
    rules = ctx.get(program_key(program), Program)
    if rules is None:
        raise Refused("NOT_FOUND", "no such program", program=program)
    return rules
