"""The room for credit: how much a brand lets another owe it. None where it has said nothing."""

from __future__ import annotations

from contracts_py.clearing.answers import CreditShown, LimitSet
from contracts_py.clearing.books import credit_of, exposure_of
from contracts_py.clearing.clearing import put_credit
from contracts_py.clearing.events import CreditLimitSet
from contracts_py.clearing.records import Credit
from contracts_py.identity import Authority
from contracts_py.money import Currency
from vm.contract_api import MAX_INT, Context, Contract, Count, Slug, call, refuse, view


class CreditLimits(Contract):
    """Setting and showing credit limits."""

    name = "clearing"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def set_credit_limit(
        self, ctx: Context, creditor: Slug, debtor: Slug, currency: Currency, amount: Count
    ) -> LimitSet:
        """Say how much a brand may owe (treasurer of the creditor); what it owes already stays.

        A limit below the exposure stops further bookings until payments are confirmed.
        """
        self._authority.brand_record(ctx, creditor)
        self._authority.require_role(ctx, creditor, "treasurer")
        self._authority.brand_record(ctx, debtor)
        if debtor == creditor:
            refuse("debtor", "another brand than the creditor")
        reserved = credit_of(ctx, currency, debtor, creditor).reserved
        put_credit(ctx, currency, debtor, creditor, Credit(amount, reserved))
        ctx.emit(CreditLimitSet(creditor, debtor, currency, amount))
        return LimitSet(creditor, debtor, currency, amount)

    @view
    def credit(self, ctx: Context, creditor: Slug, debtor: Slug, currency: Currency) -> CreditShown:
        """Return a debtor's limit with a creditor, and what of it is used."""
        credit = credit_of(ctx, currency, debtor, creditor)
        exposure = exposure_of(ctx, currency, debtor, creditor, credit)
        # Refunds can take back more than what stands: then the exposure is below zero.
        available = min(max(0, credit.limit - exposure), MAX_INT)
        return CreditShown(creditor, debtor, currency, credit.limit, exposure, credit.reserved, available)
