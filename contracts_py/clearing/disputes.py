"""The room for disputes: a line that is wrong is never changed; the creditor concedes a counter-entry.

Either brand of a line may dispute it. It stays in the netting of its period meanwhile. What the creditor concedes,
at once or in parts, is booked the other way in the open period, and names the line. The brand that has raised a
dispute may withdraw it; what was conceded stays.

Invariants:
    1. What is conceded of a line is at most its amount, whatever becomes of its period.
    2. A line has at most one dispute; one that was withdrawn may be raised again.
    3. Conceding a line frees as much of its debtor's credit as the line took and the debtor still uses, at most;
       what is conceded beyond that takes the creditor's. So conceding a line and what carried it on, or refunding
       and conceding, never lets the creditor owe more than its limit.
"""

from __future__ import annotations

from contracts_py.clearing.answers import DisputeShown
from contracts_py.clearing.clearing import Clearing
from contracts_py.clearing.events import Disputed, Resolved
from contracts_py.clearing.periods import Period
from contracts_py.clearing.records import DISPUTES, LINES, RESERVES, Cause, Dispute, DisputeStatus, Line
from contracts_py.identity import Authority
from contracts_py.money import Currency
from vm.contract_api import Context, Contract, Count, Name, Refused, Slug, call, view


class Disputes(Contract):
    """Disputing lines and resolving it."""

    name = "clearing"

    def __init__(self, authority: Authority, clearing: Clearing) -> None:
        self._authority = authority
        self._clearing = clearing

    @call
    def dispute(
        self,
        ctx: Context,
        currency: Currency,
        period: Period,
        debtor: Slug,
        creditor: Slug,
        line: Count,
        reason: Name | None = None,
        brand: Slug | None = None,
    ) -> DisputeShown:
        """Say that a line is wrong (treasurer of its debtor or creditor).

        Args:
            brand: for which of the two, where the signers are treasurers of both.
        """
        place = (currency, period, debtor, creditor, line)
        record = _line(ctx, *place)
        brand = self._authority.acting_brand(ctx, "treasurer", brand, among=(debtor, creditor))
        former = DISPUTES.get(ctx, *place)
        if former is not None and former.status != "withdrawn":
            raise Refused("ALREADY_EXISTS", f"the dispute is {former.status}", brand=former.brand)
        conceded = 0 if former is None else former.conceded
        dispute = Dispute(brand, "open", ctx.time, conceded, reason)
        DISPUTES.put(ctx, dispute, *place)
        ctx.emit(Disputed(currency, period, debtor, creditor, line, brand, reason))
        return _show(*place, record, dispute)

    @call
    def resolve(
        self,
        ctx: Context,
        currency: Currency,
        period: Period,
        debtor: Slug,
        creditor: Slug,
        line: Count,
        amount: Count,
    ) -> DisputeShown:
        """Concede an amount of a disputed line (treasurer of the creditor), or 0: withdraw the dispute.

        A counter-entry gives the amount back. The dispute is over when the whole line is conceded, or the brand
        that raised it withdraws it.
        """
        place = (currency, period, debtor, creditor, line)
        record, dispute = _line(ctx, *place), DISPUTES.require(ctx, *place)
        brand = creditor if amount else dispute.brand
        self._authority.require_role(ctx, brand, "treasurer")
        if dispute.status != "open":
            raise Refused("NOT_ELIGIBLE", f"the dispute is {dispute.status}", status=dispute.status)
        left = record.amount - dispute.conceded
        if amount > left:
            raise Refused("LIMIT_EXCEEDED", "more than is left of the line", amount=amount, limit=left)
        if amount and RESERVES.get(ctx, currency, creditor) is not None:
            words = "what the creditor is owed backs points that are outstanding, and is not conceded"
            raise Refused("NOT_ELIGIBLE", words, creditor=creditor)
        if amount:
            freed = _freed(record, dispute.conceded + amount) - _freed(record, dispute.conceded)
            cause = Cause("dispute", _name_of(*place))
            self._clearing.concede(ctx, debtor, creditor, currency, amount, freed, cause)
        conceded = dispute.conceded + amount
        status: DisputeStatus = "withdrawn" if not amount else "resolved" if amount == left else "open"
        after = Dispute(dispute.brand, status, dispute.opened, conceded, dispute.reason)
        DISPUTES.put(ctx, after, *place)
        ctx.emit(Resolved(currency, period, debtor, creditor, line, brand, amount))
        return _show(*place, record, after)

    @view
    def dispute_view(
        self, ctx: Context, currency: Currency, period: Period, debtor: Slug, creditor: Slug, line: Count
    ) -> DisputeShown:
        """Return what has become of a disputed line."""
        place = (currency, period, debtor, creditor, line)
        return _show(*place, _line(ctx, *place), DISPUTES.require(ctx, *place))


def _line(ctx: Context, currency: str, period: str, debtor: str, creditor: str, line: int) -> Line:
    record = LINES.get(ctx, currency, period, debtor, creditor, line)
    if record is None:
        raise Refused("NOT_FOUND", "there is no such line", debtor=debtor, creditor=creditor, line=line)
    return record


def _freed(line: Line, conceded: int) -> int:
    """Return how much of the debtor's exposure goes once so much of a line is conceded."""
    return min(max(0, line.exposes()), conceded)


def _name_of(currency: str, period: str, debtor: str, creditor: str, line: int) -> str:
    """Return the reference by which a counter-entry names a line."""
    return f"{currency}/{period}/{debtor}/{creditor}/{line}"


def _show(
    currency: str, period: str, debtor: str, creditor: str, line: int, record: Line, dispute: Dispute
) -> DisputeShown:
    return DisputeShown(
        currency,
        period,
        debtor,
        creditor,
        line,
        record.amount,
        dispute.brand,
        dispute.status,
        dispute.opened,
        dispute.conceded,
        dispute.reason,
    )
