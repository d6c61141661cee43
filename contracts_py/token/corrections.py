"""Corrections: returned purchases, adjustments, later dates, and points that come back after they expired."""

from __future__ import annotations

from contracts_py.identity import Authority
from contracts_py.token import dates, pending
from contracts_py.token.answers import Adjustment, Extension, Reversal
from contracts_py.token.backing import require_backed
from contracts_py.token.deeds import (
    ADJUSTMENTS,
    EXPIRED_LATE,
    EXPIRED_LOTS,
    EXPIRED_USED,
    ISSUES,
    REVERSED,
    AdjustRef,
    ExpiredLot,
)
from contracts_py.token.events import Adjusted, Extended, Reinstated, Reversed
from contracts_py.token.liability import require_liability_within_cap
from contracts_py.token.purse import Purse, sum_of
from contracts_py.token.records import NEVER, LotName, Program, date_of_lot, lot_name
from contracts_py.token.spending import duplicate_ref, receiver_of, save
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import (
    MAX_INT,
    MS_PER_DAY,
    Address,
    Amount,
    Context,
    Contract,
    Hash,
    Integer,
    Name,
    Ref,
    Refused,
    Slug,
    TimeMs,
    call,
    refuse,
)

REINSTATE_MS = 90 * MS_PER_DAY
"""How long after their date expired points may come back: a quarter, in which a shopper's complaint arrives."""


class Corrections(Contract):
    """The room for corrections."""

    name = "token"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def reverse(self, ctx: Context, program: Slug, ref: Ref, amount: Amount) -> Reversal:
        """Take points of a returned purchase back, in parts up to what its ref has issued (issuer).

        They come from the ref's lot, pending or not, where what has expired of it counts as taken; then from the
        account's other lots, earliest-expiring first; what is left is the account's debt, which any later credit
        pays first.
        """
        rules = rules_of(ctx, program)
        self._authority.require_role(ctx, rules.brand, "issuer")
        issue = ISSUES.get(ctx, program, ref)
        if issue is None:
            raise Refused("NOT_FOUND", "no issue has this reference", ref=ref)
        before = REVERSED.get(ctx, program, ref) or 0
        if before + amount > issue.issued:
            left = issue.issued - before
            raise Refused(
                "LIMIT_EXCEEDED", "more than the reference has issued", limit=issue.issued, available=left
            )
        REVERSED.put(ctx, before + amount, program, ref)
        first, supply = Purse.of(ctx, program, rules.brand, issue.account), Supply(ctx, program)
        purse = receiver_of(ctx, self._authority, rules.brand, first)
        date = NEVER if issue.lot == "never" else int(issue.lot)
        answer = take_back(ctx, first, purse, supply, date, amount, issue.pending_until)
        save(first, purse, supply)
        ctx.emit(Reversed(program, rules.brand, issue.account, ref, amount, answer.expired, answer.debt))
        return answer

    @call
    def adjust(
        self,
        ctx: Context,
        program: Slug,
        account: Address,
        amount: Integer,
        reason: Name,
        ref: Ref,
        note_hash: Hash | None = None,
    ) -> Adjustment:
        """Give points out of goodwill, or correct a mistake: a negative amount takes them (issuer).

        Above the program's `adjust_limit` a second issuer, or a treasurer, signs too. A `ref` adjusts once for
        ever.
        """
        rules = rules_of(ctx, program)
        if not amount:
            refuse("amount", "a number of points other than 0")
        self._require_enough_signers(ctx, rules, abs(amount))
        used = ADJUSTMENTS.get(ctx, program, ref)
        if used is not None:
            raise duplicate_ref(used.tx, used.account, used.amount)
        purse, supply = Purse.of(ctx, program, rules.brand, account), Supply(ctx, program)
        debt_paid = 0
        if amount > 0:
            offsets = self._authority.require_active(ctx, rules.brand).offsets
            date = dates.rule_date(ctx, offsets, rules.expiry)
            supply.credit(date, amount, "issued", rules.cap)
            supply.change(adjusted_up=amount)
            debt_paid = purse.credit(supply, [(date, amount)])
        else:
            supply.debit(purse.take(-amount), "reversed")
            supply.change(adjusted_down=-amount)
        purse.save()
        supply.save()
        if amount > 0:
            require_liability_within_cap(ctx, rules)
            require_backed(ctx, program, rules)
        ADJUSTMENTS.put(ctx, AdjustRef(ctx.tx_id, account, amount), program, ref)
        ctx.emit(Adjusted(program, rules.brand, account, amount, reason, ref, note_hash))
        return Adjustment(amount, debt_paid)

    def _require_enough_signers(self, ctx: Context, rules: Program, amount: int) -> None:
        brand = rules.brand
        self._authority.require_role(ctx, brand, "issuer")
        if amount <= rules.adjust_limit:
            return
        issuers = {who for who, brands in self._authority.brands_of_signers(ctx, "issuer") if brand in brands}
        treasurers = {who for who, brands in self._authority.brands_of_signers(ctx, "treasurer") if brand in brands}
        if len(issuers | treasurers) < 2:
            words = "above the program's limit a second issuer, or a treasurer, signs too"
            raise Refused("NOT_AUTHORISED", words, limit=rules.adjust_limit)

    @call
    def extend(self, ctx: Context, program: Slug, account: Address, lot: LotName, expires: TimeMs) -> Extension:
        """Give a live lot a later date (issuer)."""
        rules = rules_of(ctx, program)
        offsets = self._authority.require_active(ctx, rules.brand).offsets
        self._authority.require_role(ctx, rules.brand, "issuer")
        old = _date(lot)
        new = dates.explicit_date(ctx, offsets, expires)
        if new <= old:
            refuse("expires", "a later date than the lot has")
        purse, supply = Purse.of(ctx, program, rules.brand, account), Supply(ctx, program)
        parts = purse.take_from(old, MAX_INT)
        if not parts:
            raise Refused("NOT_FOUND", "the account has no live lot of this name", account=account, lot=lot)
        supply.move(parts, new)
        amount = sum_of(parts)
        purse.put_on(new, amount)
        purse.save()
        supply.save()
        ctx.emit(Extended(program, rules.brand, account, lot, lot_name(new), amount))
        return Extension(lot_name(new), amount)

    @call
    def reinstate(self, ctx: Context, program: Slug, account: Address, lot: LotName, expires: TimeMs) -> Extension:
        """Give back points that expired in the last 90 days, with a new date (issuer).

        What a reversal has counted as taken does not come back.
        """
        rules = rules_of(ctx, program)
        offsets = self._authority.require_active(ctx, rules.brand).offsets
        self._authority.require_role(ctx, rules.brand, "issuer")
        old = _date(lot)
        if old > ctx.time:
            raise Refused("NOT_ELIGIBLE", "the lot has not expired: extend it", account=account, lot=lot)
        if ctx.time - old > REINSTATE_MS:
            raise Refused("EXPIRED", "the lot expired too long ago", lot=lot, limit=REINSTATE_MS)
        new = dates.explicit_date(ctx, offsets, expires)
        purse, supply = Purse.of(ctx, program, rules.brand, account), Supply(ctx, program)
        amount = use_expired(ctx, purse, old, MAX_INT)
        if not amount:
            raise Refused("NOT_FOUND", "nothing of such a lot has expired", account=account, lot=lot)
        supply.reinstate(new, amount, rules.cap)
        debt_paid = purse.credit(supply, [(new, amount)])
        purse.save()
        supply.save()
        require_backed(ctx, program, rules)
        ctx.emit(Reinstated(program, rules.brand, account, lot, lot_name(new), amount, debt_paid))
        return Extension(lot_name(new), amount)


def _date(lot: str) -> int:
    date = date_of_lot(lot)
    if date is None:
        refuse("lot", "a lot's name: its date in ms, or `never`")
    return date


def take_back(
    ctx: Context,
    first: Purse,
    purse: Purse,
    supply: Supply,
    date: int,
    amount: int,
    pending_until: int | None = None,
) -> Reversal:
    """Take the points of a returned purchase from where they are.

    Args:
        first: of the account to which they were issued.
        purse: of the account that this is now: another one after a merge.
        date: of the lot into which they were issued.
    """
    left = amount
    if pending_until is not None:
        unlocked = pending.take_from(ctx, first, pending_until, date, left)
        supply.debit_pending(unlocked, "reversed")
        left -= unlocked
    own = purse.take_from(date, left)
    left -= sum_of(own)
    expired = 0
    if date <= ctx.time:
        expired = use_expired(ctx, first, date, left)
        if purse is not first:
            expired += use_expired(ctx, purse, date, left - expired)
    left -= expired
    others = purse.take_up_to(left, amount - left) if left else []
    left -= sum_of(others)
    supply.debit(own, "reversed")
    supply.debit(others, "reversed")
    if left:
        purse.change(debt=left)
        supply.change(debt=left)
    return Reversal(amount, amount - expired - left, expired, left)


def use_expired(ctx: Context, purse: Purse, date: int, most: int) -> int:
    """Count up to `most` of what has expired of a lot, and was not counted before, as taken; return how many."""
    program, account = purse.program, purse.account
    if not most:
        return 0
    expired = _swept(ctx, purse, date) + (EXPIRED_LATE.get(ctx, program, account, date) or 0)
    used = EXPIRED_USED.get(ctx, program, account, date) or 0
    part = min(expired - used, most)
    if part:
        EXPIRED_USED.put(ctx, used + part, program, account, date)
    return part


def _swept(ctx: Context, purse: Purse, date: int) -> int:
    """Return what was left of a lot whose date has passed; where it waits to be swept, it is swept now."""
    record = EXPIRED_LOTS.get(ctx, purse.program, purse.account, date)
    if record is not None:
        return record.amount
    left = purse.sweep(date)
    if left:
        EXPIRED_LOTS.put(ctx, ExpiredLot(left), purse.program, purse.account, date)
    return left
