"""The events of the clearing contract. Amounts are whole minor units of the currency."""

from __future__ import annotations

import msgspec

from contracts_py.clearing.periods import Period
from contracts_py.clearing.records import CauseRef
from contracts_py.money import Currency
from vm.contract_api import Amount, BrandId, Count, Name, Ref, Slug, TimeMs, event


@event("clearing.booked")
class Booked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand owes another an amount: a line of a period's statement."""

    debtor: BrandId
    creditor: BrandId
    currency: Currency
    period: Period
    line: Count
    amount: Amount
    cause: Slug
    ref: CauseRef


@event("clearing.credit_limit_set")
class CreditLimitSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A creditor has said how much a debtor may owe it."""

    creditor: BrandId
    debtor: BrandId
    currency: Currency
    amount: Count


@event("clearing.payment_due")
class PaymentDue(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Closing a period has led to a payment; when it is due, `clearing.closed` tells."""

    currency: Currency
    period: Period
    payer: BrandId
    payee: BrandId
    amount: Amount


@event("clearing.closed")
class Closed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A period was closed: so many payments are due."""

    currency: Currency
    period: Period
    payments: Count
    due: TimeMs


@event("clearing.confirmed")
class Confirmed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A payee has confirmed a payment; so many of the period are left."""

    currency: Currency
    period: Period
    payer: BrandId
    payee: BrandId
    amount: Amount
    bank_ref: Ref
    left: Count


@event("clearing.discharged")
class Discharged(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """All payments of a period are confirmed: its debts stand no longer."""

    currency: Currency
    period: Period


@event("clearing.unwinding")
class UnwindingBegun(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A period's debts go back into the open period, since payments stayed away."""

    currency: Currency
    period: Period


@event("clearing.unwound")
class Unwound(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """All debts of a period, and its confirmed payments in reverse, stand in later periods."""

    currency: Currency
    period: Period


@event("clearing.disputed")
class Disputed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand says that a line is wrong."""

    currency: Currency
    period: Period
    debtor: BrandId
    creditor: BrandId
    line: Count
    brand: BrandId
    reason: Name | None = None


@event("clearing.resolved")
class Resolved(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The creditor of a disputed line has conceded an amount; or, 0, the dispute was withdrawn."""

    currency: Currency
    period: Period
    debtor: BrandId
    creditor: BrandId
    line: Count
    brand: BrandId
    amount: Count
