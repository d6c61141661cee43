"""Redemptions: in one step, at the issuing brand or where it has opened a door; and refunds of them."""

from __future__ import annotations

from typing import Final

from contracts_py.clearing import Clearing
from contracts_py.identity import Authority
from contracts_py.token import dates
from contracts_py.token.allowances import require_consent, restore
from contracts_py.token.answers import AllowanceSet, AllowanceShown, DoorShown, RedemptionOfRef, Refund, Spend
from contracts_py.token.backing import require_backed, require_backed_brand
from contracts_py.token.deeds import (
    ALLOWANCES,
    DOORS,
    REDEMPTIONS,
    REFUNDED,
    REFUNDS,
    Allowance,
    Booked,
    Door,
    RedeemRef,
    RefundRef,
    RefundTotal,
)
from contracts_py.token.events import Allowed, DoorClosed, DoorOpened, Redeemed, Refunded
from contracts_py.token.limits import use_door
from contracts_py.token.lot_costs import LOTS_OF_ANY_TRANSACTION, MOVED, most_lots
from contracts_py.token.purse import Purse, split, sum_of
from contracts_py.token.records import PROGRAMS, Parts, Program
from contracts_py.token.spending import (
    duplicate_ref,
    note_activity,
    purse_with_points,
    require_holder,
    require_open_brands,
    shown_parts,
    spend,
)
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import (
    Address,
    Amount,
    Context,
    Contract,
    Count,
    Name,
    Ref,
    Refused,
    Slug,
    TimeMs,
    call,
    view,
)

MAX_BRANDS_OF_CASHIER: Final = 16
"""At how many brands a refund without `at_brand` looks for the redemption."""


class Redemptions(Contract):
    """The room for redemptions."""

    name = "token"

    def __init__(self, authority: Authority, clearing: Clearing) -> None:
        self._authority = authority
        self._clearing = clearing

    @call
    def redeem(
        self,
        ctx: Context,
        program: Slug,
        from_: Address,
        amount: Amount,
        at_brand: Slug,
        ref: Ref,
        item: Name | None = None,
    ) -> Spend:
        """Redeem points at a brand, in one step (a cashier of `at_brand`; the holder, or by his allowance)."""
        rules = rules_of(ctx, program)
        require_open_brands(ctx, self._authority, rules.brand, at_brand)
        self._authority.require_role(ctx, at_brand, "cashier")
        require_unused(ctx, program, at_brand, ref)
        use_door(ctx, program, rules, at_brand, from_, amount)
        allowance = require_consent(ctx, self._authority, program, from_, at_brand, amount)
        purse, supply = purse_with_points(ctx, program, from_, amount), Supply(ctx, program)
        parts = spend(purse, supply, amount, "redeemed")
        note_activity(ctx, self._authority.brand_record(ctx, rules.brand).offsets, rules, purse, supply)
        purse.save()
        supply.save()
        booked = self._book(ctx, program, rules, at_brand, amount, ref)
        record = RedeemRef(ctx.tx_id, from_, amount, tuple(parts), allowance, booked)
        REDEMPTIONS.put(ctx, record, program, at_brand, ref)
        ctx.emit(Redeemed(program, rules.brand, at_brand, from_, amount, ref, item))
        return Spend(amount, shown_parts(parts))

    def _book(
        self, ctx: Context, program: str, rules: Program, at_brand: str, amount: int, ref: str
    ) -> Booked | None:
        if at_brand == rules.brand:
            return None
        owed = self._clearing.book(
            ctx, rules.brand, at_brand, program, rules.price_version, rules.price, amount, "redemption", ref
        )
        return Booked(rules.price.currency, owed)

    @call
    def refund(
        self,
        ctx: Context,
        program: Slug,
        redemption_ref: Ref,
        amount: Amount,
        ref: Ref,
        at_brand: Slug | None = None,
    ) -> Refund:
        """Give points of a cancelled redemption back, in parts (a cashier of the brand at which they were
        redeemed).

        They keep their dates, but have 30 days at least, once. `at_brand` may be left out where the signers are
        cashiers of one brand only.
        """
        rules = rules_of(ctx, program)
        at_brand = self._authority.acting_brand(ctx, "cashier", at_brand)
        redemption = REDEMPTIONS.get(ctx, program, at_brand, redemption_ref)
        if redemption is None:
            raise Refused("NOT_FOUND", "no redemption has this reference", redemption_ref=redemption_ref)
        used = REFUNDS.get(ctx, program, at_brand, ref)
        if used is not None:
            raise duplicate_ref(used.tx, used.account, used.amount)
        before = REFUNDED.get(ctx, program, at_brand, redemption_ref) or RefundTotal(0, 0)
        if before.amount + amount > redemption.amount:
            left = redemption.amount - before.amount
            raise Refused("LIMIT_EXCEEDED", "more than was redeemed", limit=redemption.amount, available=left)
        parts, debt_paid = self._return_points(ctx, program, rules, redemption, before.amount, amount)
        booked = self._book_back(ctx, rules, at_brand, redemption, before, amount, ref)
        require_backed(ctx, program, rules)
        require_backed_brand(ctx, at_brand, rules.price.currency)
        REFUNDED.put(ctx, RefundTotal(before.amount + amount, booked), program, at_brand, redemption_ref)
        REFUNDS.put(ctx, RefundRef(ctx.tx_id, redemption_ref, redemption.account, amount), program, at_brand, ref)
        restore(ctx, program, redemption.account, at_brand, redemption.allowance, amount)
        ctx.emit(
            Refunded(program, rules.brand, at_brand, redemption.account, amount, redemption_ref, ref, debt_paid)
        )
        return Refund(amount, debt_paid, shown_parts(parts))

    def _return_points(
        self, ctx: Context, program: str, rules: Program, redemption: RedeemRef, before: int, amount: int
    ) -> tuple[Parts, int]:
        """Put the points back that were taken last and have not been refunded; return them, and what paid debt."""
        offsets = self._authority.brand_record(ctx, rules.brand).offsets
        _, left = split(list(reversed(redemption.lots)), before)
        taken, _ = split(left, amount)
        _require_payable(ctx, taken)
        account = self._authority.current_account(ctx, redemption.account)
        purse, supply = Purse.of(ctx, program, rules.brand, account), Supply(ctx, program)
        parts = [(dates.refunded(ctx, offsets, date), part) for date, part in reversed(taken)]
        for date, part in parts:
            supply.credit(date, part, "refunded")
        debt_paid = purse.credit(supply, parts)
        purse.save()
        supply.save()
        return parts, debt_paid

    def _book_back(
        self,
        ctx: Context,
        rules: Program,
        at_brand: str,
        redemption: RedeemRef,
        before: RefundTotal,
        amount: int,
        ref: str,
    ) -> int:
        """Book what a refund takes back of what was owed; return what all refunds have booked by now."""
        booked = redemption.booked
        if booked is None:
            return 0
        total = booked.amount * (before.amount + amount) // redemption.amount
        if total > before.booked:
            back = total - before.booked
            self._clearing.counter(ctx, rules.brand, at_brand, booked.currency, back, "refund", ref)
        return total

    @call
    def allow(
        self,
        ctx: Context,
        program: Slug,
        spender: Slug,
        limit: Count,
        expires: TimeMs,
        from_: Address | None = None,
    ) -> AllowanceSet:
        """Let a brand redeem and hold up to `limit` without the holder's signature (holder).

        It replaces the former allowance; 0 ends it.
        """
        rules = PROGRAMS.require(ctx, program)
        self._authority.brand_record(ctx, spender)
        account = require_holder(ctx, self._authority, from_)
        if self._authority.is_pool(ctx, account):
            # Its spenders sign: what one of them had allowed would outlive his leaving.
            raise Refused("NOT_ELIGIBLE", "a household's pool gives no allowance", account=account)
        if limit and expires <= ctx.time:
            raise Refused("EXPIRED", "the allowance would have expired already", expires=expires)
        former = ALLOWANCES.get(ctx, program, account, spender)
        if limit:
            serial = max(ctx.time, 1 if former is None else former.serial + 1)
            ALLOWANCES.put(ctx, Allowance(limit, expires, limit, serial), program, account, spender)
        elif former is not None and former.serial >= ctx.time:
            # A further one in this block must have another serial, so this one leaves a trace that allows nothing.
            ended = Allowance(0, ctx.time, former.limit, former.serial)
            ALLOWANCES.put(ctx, ended, program, account, spender)
        else:
            ALLOWANCES.delete(ctx, program, account, spender)
        ctx.emit(Allowed(program, rules.brand, account, spender, limit, expires))
        return AllowanceSet(spender, limit, expires)

    @call
    def partner(
        self,
        ctx: Context,
        program: Slug,
        at_brand: Slug,
        member_day: Count | None = None,
        total_day: Count | None = None,
        closed: bool = False,
    ) -> DoorShown:
        """Open redemption of a program's points at another brand, or change its limits per UTC day, or close it
        (admin).

        A limit that is left out is none. What is held there already can be captured after it has been closed.
        """
        rules = PROGRAMS.require(ctx, program)
        self._authority.require_role(ctx, rules.brand, "admin")
        self._authority.brand_record(ctx, at_brand)
        if at_brand == rules.brand:
            raise Refused("NOT_ELIGIBLE", "a program is always redeemed at its own brand", at_brand=at_brand)
        if closed:
            DOORS.require(ctx, program, at_brand)
            DOORS.delete(ctx, program, at_brand)
            ctx.emit(DoorClosed(program, rules.brand, at_brand))
        else:
            DOORS.put(ctx, Door(member_day, total_day), program, at_brand)
            ctx.emit(DoorOpened(program, rules.brand, at_brand, member_day, total_day))
        return DoorShown(at_brand, not closed, member_day, total_day)

    # Views

    @view
    def allowance(self, ctx: Context, program: Slug, account: Address, spender: Slug) -> AllowanceShown:
        """Return what a brand may redeem without the holder's signature."""
        PROGRAMS.require(ctx, program)
        record = ALLOWANCES.get(ctx, program, account, spender)
        if record is None or record.expires <= ctx.time:
            raise Refused("NOT_FOUND", "there is no allowance", account=account, spender=spender)
        return AllowanceShown(record.remaining, record.expires, record.limit)

    @view
    def door(self, ctx: Context, program: Slug, at_brand: Slug) -> DoorShown:
        """Return whether a program's points may be redeemed at another brand, and how many on a UTC day."""
        PROGRAMS.require(ctx, program)
        record = DOORS.get(ctx, program, at_brand)
        if record is None:
            return DoorShown(at_brand, False)
        return DoorShown(at_brand, True, record.member_day, record.total_day)

    @view
    def redemption(self, ctx: Context, program: Slug, at_brand: Slug, ref: Ref) -> RedemptionOfRef:
        """Return what a redemption did, and how much of it was refunded since."""
        PROGRAMS.require(ctx, program)
        record = REDEMPTIONS.get(ctx, program, at_brand, ref)
        if record is None:
            raise Refused("NOT_FOUND", "no redemption has this reference", ref=ref)
        undone = REFUNDED.get(ctx, program, at_brand, ref) or RefundTotal(0, 0)
        lots = shown_parts(list(record.lots))
        return RedemptionOfRef(record.tx, record.account, record.amount, lots, undone.amount, record.booked)


def _require_payable(ctx: Context, taken: Parts) -> None:
    """Refuse a refund of more lots than a transaction can pay for.

    Raises:
        Refused: LIMIT_EXCEEDED, with how much would go.
    """
    if len(taken) > LOTS_OF_ANY_TRANSACTION:
        limit = most_lots(ctx, MOVED)
        if len(taken) > limit:
            words = f"the amount lies in more than {limit} lots; refund less at once"
            raise Refused("LIMIT_EXCEEDED", words, possible=sum_of(taken[:limit]))


def require_unused(ctx: Context, program: str, at_brand: str, ref: str) -> None:
    """Refuse a reference that another redemption at the brand has.

    Raises:
        Refused: DUPLICATE_REF, with what that one did.
    """
    used = REDEMPTIONS.get(ctx, program, at_brand, ref)
    if used is not None:
        raise duplicate_ref(used.tx, used.account, used.amount)
