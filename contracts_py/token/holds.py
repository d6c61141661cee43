"""Holds: a till reserves points, and captures or releases them later; else they release themselves."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from contracts_py.clearing import Clearing
from contracts_py.identity import Authority
from contracts_py.token import asides
from contracts_py.token.allowances import require_consent, restore
from contracts_py.token.answers import Capture, HoldMade, HoldReleased, HoldShown, HoldStatus, SetAside
from contracts_py.token.deeds import (
    ASIDES,
    ASIDES_OF,
    ENDED_HOLDS,
    HOLD_ENDS,
    HOLDS,
    REDEMPTIONS,
    AsideKey,
    Booked,
    EndedHold,
    Hold,
    HoldEnd,
    RedeemRef,
)
from contracts_py.token.events import Held, HoldEnded, Redeemed
from contracts_py.token.limits import return_door, use_door
from contracts_py.token.purse import Purse, split, sum_of
from contracts_py.token.records import Parts, Program
from contracts_py.token.redemptions import require_unused
from contracts_py.token.spending import (
    note_activity,
    purse_with_points,
    receiver_of,
    require_open_brands,
    save,
    shown_parts,
)
from contracts_py.token.supply import Supply
from contracts_py.token.terms import rules_of
from vm.contract_api import (
    DEFAULT_PAGE,
    Address,
    Amount,
    Context,
    Contract,
    Cursor,
    Name,
    Page,
    PageLimit,
    Ref,
    Refused,
    Slug,
    TimeMs,
    call,
    current_params,
    due,
    view,
)

MODULE: Final = "token"

STEP_LOTS: Final = 16
"""Lots that a step of the agenda gives back: below 8,000 units, which fit the least budget of an agenda."""


class Holds(Contract):
    """The room for holds."""

    name = "token"

    def __init__(self, authority: Authority, clearing: Clearing) -> None:
        self._authority = authority
        self._clearing = clearing

    @call
    def hold(
        self,
        ctx: Context,
        program: Slug,
        from_: Address,
        amount: Amount,
        at_brand: Slug,
        hold: Ref,
        expires: TimeMs,
    ) -> HoldMade:
        """Reserve points for a redemption (a cashier of `at_brand`; the holder, or by his allowance).

        Points, allowance and, at another brand, credit at today's price are reserved until `expires`, at most
        `max_hold_ms` from now; then it releases itself.
        """
        rules = rules_of(ctx, program)
        require_open_brands(ctx, self._authority, rules.brand, at_brand)
        self._authority.require_role(ctx, at_brand, "cashier")
        _require_time(ctx, expires)
        HOLDS.require_absent(ctx, at_brand, hold)
        if ENDED_HOLDS.get(ctx, at_brand, hold) is not None:
            raise Refused("ALREADY_EXISTS", "the hold has ended", at_brand=at_brand, hold=hold)
        counted = use_door(ctx, program, rules, at_brand, from_, amount)
        allowance = require_consent(ctx, self._authority, program, from_, at_brand, amount)
        purse, supply = purse_with_points(ctx, program, from_, amount), Supply(ctx, program)
        purse.require_unfrozen()
        asides.set_aside(ctx, purse, supply, (MODULE, at_brand, hold), amount)
        purse.save()
        supply.save()
        record = Hold(program, from_, amount, expires, ctx.time, allowance, counted=counted)
        if at_brand != rules.brand:
            record = self._with_credit(ctx, record, rules, at_brand)
        HOLDS.put(ctx, record, at_brand, hold)
        HOLD_ENDS.put(ctx, expires, at_brand, hold)
        ctx.emit(Held(program, rules.brand, at_brand, from_, amount, hold, expires))
        return HoldMade(hold, amount, expires)

    def _with_credit(self, ctx: Context, record: Hold, rules: Program, at_brand: str) -> Hold:
        """Reserve credit for all that a capture may book, and keep the price of this moment."""
        reserved = rules.price.at_most(record.amount)
        self._clearing.reserve(ctx, rules.brand, at_brand, rules.price.currency, reserved)
        return replace(record, version=rules.price_version, price=rules.price, reserved=reserved)

    @call
    def capture(
        self, ctx: Context, at_brand: Slug, hold: Ref, amount: Amount, ref: Ref, item: Name | None = None
    ) -> Capture:
        """Redeem points that are held, or a part of them; the rest is released (a cashier of `at_brand`).

        In time it fails for nothing but a freeze: not for expiry of the points, credit or suspension.
        """
        record = HOLDS.get(ctx, at_brand, hold)
        self._authority.require_role(ctx, at_brand, "cashier")
        if record is None:
            raise _ended(ctx, at_brand, hold)
        if ctx.time >= record.expires:
            words = "the hold has ended, its points go back: redeem or hold again before the goods go out"
            raise Refused("EXPIRED", words, expires=record.expires)
        if amount > record.amount:
            raise Refused("LIMIT_EXCEEDED", "more than is held", limit=record.amount)
        rules = rules_of(ctx, record.program)
        require_unused(ctx, record.program, at_brand, ref)
        purse, supply = Purse.of(ctx, record.program, rules.brand, record.account), Supply(ctx, record.program)
        purse.require_unfrozen()
        offsets = self._authority.brand_record(ctx, rules.brand).offsets
        taken, rest = split(list(asides.end(ctx, (MODULE, at_brand, hold)).lots), amount)
        asides.consume(purse, supply, taken, "redeemed")
        receiver = receiver_of(ctx, self._authority, rules.brand, purse)
        asides.give_back(ctx, offsets, purse, receiver, supply, rest)
        note_activity(ctx, offsets, rules, receiver, supply)
        save(purse, receiver, supply)
        booked = self._settle(ctx, record, rules.brand, at_brand, amount, ref)
        self._forget(ctx, record, rules.brand, at_brand, hold, "captured", amount)
        redemption = RedeemRef(ctx.tx_id, record.account, amount, tuple(taken), record.allowance, booked)
        REDEMPTIONS.put(ctx, redemption, record.program, at_brand, ref)
        ctx.emit(Redeemed(record.program, rules.brand, at_brand, record.account, amount, ref, item, hold))
        return Capture(amount, sum_of(rest), shown_parts(taken))

    def _settle(
        self, ctx: Context, record: Hold, brand: str, at_brand: str, amount: int, ref: str
    ) -> Booked | None:
        """Book what is owed for captured points, by the price of the hold, out of the credit that it keeps."""
        if record.price is None:
            return None
        owed = self._clearing.book_reserved(
            ctx,
            brand,
            at_brand,
            record.program,
            record.version,
            record.price,
            amount,
            "redemption",
            ref,
            record.reserved,
        )
        return Booked(record.price.currency, owed)

    @call
    def release(self, ctx: Context, at_brand: Slug, hold: Ref) -> HoldReleased:
        """Give held points back (a cashier of `at_brand`)."""
        record = HOLDS.get(ctx, at_brand, hold)
        self._authority.require_role(ctx, at_brand, "cashier")
        if record is None:
            raise _ended(ctx, at_brand, hold)
        parts = self._release(ctx, record, at_brand, hold, "released")
        return HoldReleased(record.amount, shown_parts(parts))

    @due(HOLD_ENDS)
    def end_hold(self, ctx: Context, at: int, at_brand: str, hold: str) -> bool:
        """Release a hold whose time is over."""
        del at
        record = HOLDS.get(ctx, at_brand, hold)
        if record is None:
            return False
        if self._release_some(ctx, record, at_brand, hold):
            return True
        self._release(ctx, record, at_brand, hold, "expired")
        return False

    def _release_some(self, ctx: Context, record: Hold, at_brand: str, hold: str) -> bool:
        """Give back as many lots as one step may, where there are more; tell whether it has."""
        key = (MODULE, at_brand, hold)
        if asides.lots_of(ctx, key) <= STEP_LOTS:
            return False
        self._give_back(ctx, record, rules_of(ctx, record.program).brand, asides.take_some(ctx, key, STEP_LOTS))
        return True

    def _release(self, ctx: Context, record: Hold, at_brand: str, hold: str, end: HoldEnd) -> Parts:
        brand = rules_of(ctx, record.program).brand
        parts = self._give_back(ctx, record, brand, list(asides.end(ctx, (MODULE, at_brand, hold)).lots))
        if record.price is not None:
            self._clearing.release(ctx, brand, at_brand, record.price.currency, record.reserved)
        self._forget(ctx, record, brand, at_brand, hold, end, 0)
        return parts

    def _give_back(self, ctx: Context, record: Hold, brand: str, lots: Parts) -> Parts:
        """Give points of a hold back to whom they belong now; return them with the dates that they have."""
        purse, supply = Purse.of(ctx, record.program, brand, record.account), Supply(ctx, record.program)
        offsets = self._authority.brand_record(ctx, brand).offsets
        receiver = receiver_of(ctx, self._authority, brand, purse)
        parts = asides.give_back(ctx, offsets, purse, receiver, supply, lots)
        save(purse, receiver, supply)
        return parts

    def _forget(
        self, ctx: Context, record: Hold, brand: str, at_brand: str, hold: str, end: HoldEnd, captured: int
    ) -> None:
        """Remove a hold's record, give back what it has reserved and not used, and note how it has ended."""
        program, account, rest = record.program, record.account, record.amount - captured
        HOLDS.delete(ctx, at_brand, hold)
        HOLD_ENDS.cancel(ctx, record.expires, at_brand, hold)
        if rest:
            restore(ctx, program, account, at_brand, record.allowance, rest)
            return_door(ctx, record, at_brand, rest)
        ended = EndedHold(program, account, record.amount, end, captured, ctx.tx_id or None)
        ENDED_HOLDS.put(ctx, ended, at_brand, hold)
        ctx.emit(HoldEnded(program, brand, at_brand, account, hold, end, captured, rest))

    # Views

    @view
    def hold_view(self, ctx: Context, at_brand: Slug, hold: Ref) -> HoldShown:
        """Return a hold: `open`, or how it has ended; `expired` from its time on."""
        record = HOLDS.get(ctx, at_brand, hold)
        if record is not None:
            status: HoldStatus = "open" if ctx.time < record.expires else "expired"
            return HoldShown(
                record.program, at_brand, hold, record.account, record.amount, status, 0, record.expires
            )
        ended = ENDED_HOLDS.get(ctx, at_brand, hold)
        if ended is None:
            raise Refused("NOT_FOUND", "no such hold", at_brand=at_brand, hold=hold)
        return HoldShown(
            ended.program, at_brand, hold, ended.account, ended.amount, ended.end, ended.captured, None, ended.tx
        )

    @view
    def set_asides(
        self, ctx: Context, account: Address, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[SetAside]:
        """Return what is set aside of an account's points, in all programs, and by whom."""

        def show(key: AsideKey) -> SetAside:
            aside = ASIDES.require(ctx, *key)
            return SetAside(*key, aside.program, sum_of(list(aside.lots)), shown_parts(list(aside.lots)))

        return ASIDES_OF.page(ctx, account, cursor=cursor, limit=limit, show=show)


def _require_time(ctx: Context, expires: int) -> None:
    if expires <= ctx.time:
        raise Refused("EXPIRED", "the hold would have ended already", expires=expires)
    limit = current_params(ctx).max_hold_ms
    if expires > ctx.time + limit:
        raise Refused("LIMIT_EXCEEDED", "the hold would last too long", limit=limit, latest=ctx.time + limit)


def _ended(ctx: Context, at_brand: str, hold: str) -> Refused:
    ended = ENDED_HOLDS.get(ctx, at_brand, hold)
    if ended is None:
        return Refused("NOT_FOUND", "no such hold", at_brand=at_brand, hold=hold)
    if ended.end == "expired":
        return Refused("EXPIRED", "the hold has ended by itself, its points went back", hold=hold)
    return Refused("NOT_ELIGIBLE", f"the hold was {ended.end} already", hold=hold, captured=ended.captured)
