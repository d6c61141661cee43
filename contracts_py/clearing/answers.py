"""What the clearing contract's calls and views answer. Amounts are whole minor units of the currency."""

from __future__ import annotations

import msgspec

from contracts_py.clearing.periods import Period
from contracts_py.clearing.records import Balance, Cause, DisputeStatus, Receipt, Status
from contracts_py.money import Currency
from vm.contract_api import Amount, Count, Hash, Name, Slug, TimeMs


class LimitSet(msgspec.Struct, frozen=True, gc=False):
    """How much the debtor may owe the creditor from now on."""

    creditor: Slug
    debtor: Slug
    currency: Currency
    amount: Count


class CreditShown(msgspec.Struct, frozen=True, gc=False):
    """A credit limit and its use.

    `exposure` is what is open or unconfirmed, and what is reserved for holds; `available` what may still be booked.
    """

    creditor: Slug
    debtor: Slug
    currency: Currency
    limit: Count
    exposure: Balance
    reserved: Count
    available: Count


class PeriodShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A period: from its close on, when payments are due, how many there are, and how many are not confirmed."""

    currency: Currency
    period: Period
    status: Status
    closed: TimeMs | None = None
    due: TimeMs | None = None
    payments: Count | None = None
    unconfirmed: Count | None = None


class PositionIn(msgspec.Struct, frozen=True, gc=False):
    """A brand's position in one period."""

    period: Period
    status: Status
    position: Balance


class Position(msgspec.Struct, frozen=True, gc=False):
    """What a brand is owed less what it owes, in all periods whose debts stand, and in each of them."""

    brand: Slug
    currency: Currency
    position: Balance
    periods: tuple[PositionIn, ...]


class StatementLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A booking. `tx` is left out where no transaction booked it."""

    debtor: Slug
    creditor: Slug
    line: Count
    amount: Amount
    cause: Cause
    time: TimeMs
    tx: Hash | None = None


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page of a brand's lines in a period; `owes`, `owed` and `position` are of the whole statement."""

    brand: Slug
    currency: Currency
    period: Period
    status: Status
    owes: Count
    owed: Count
    position: Balance
    items: list[StatementLine]
    next: str | None
    other: Slug | None = None


class PaymentShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A payment; `receipt` once it is confirmed."""

    currency: Currency
    period: Period
    payer: Slug
    payee: Slug
    amount: Amount
    receipt: Receipt | None = None


class DisputeShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A disputed line: what it says, who disputes it, and how much of it is conceded."""

    currency: Currency
    period: Period
    debtor: Slug
    creditor: Slug
    line: Count
    amount: Amount
    brand: Slug
    status: DisputeStatus
    opened: TimeMs
    conceded: Count
    reason: Name | None = None
