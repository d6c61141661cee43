"""Loyalty programs: points that brands issue, held as dated lots.

The rules of a program are a `Program`; `contracts_py.lots` moves the lots of accounts, `contracts_py.supply`
keeps the counters. Expiry needs no transaction: a lot whose date has come is worth nothing, in every
view, spend and supply figure of that block, and is removed from storage later.

Not yet here: holds, pending points, reversals and refunds, redemption at another brand. Their fields in views are
0, and what is not there is refused: `redeem` at another brand than the program's own is NOT_AUTHORISED,
as no brand can have opened its door yet.

Invariants, at every block:
    1. issued + swapped_in + refunded = outstanding + redeemed + burned + expired + reversed + swapped_out.
    2. outstanding = available + held + pending = the sum of live lots.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from contracts_py import lots, supply, token_dates, token_views
from contracts_py.calendar import Offsets
from contracts_py.identity import Identity
from contracts_py.sequences import DEFAULT_PAGE, Cursor, PageLimit, append, length
from contracts_py.token_records import (
    LOCKED_AT_BRAND,
    LOCKED_IN_PROGRAM,
    PROGRAMS,
    Allowance,
    Expiry,
    Holding,
    Holdings,
    InactivityExpiry,
    IssueRef,
    Price,
    Program,
    RedeemRef,
    TransferRule,
    allowance_key,
    brand_programs_key,
    frozen_key,
    get_program,
    holding_key,
    holdings_key,
    issue_ref_key,
    lot_name,
    program_key,
    redeem_ref_key,
)
from vm.contract_api import (
    Address,
    Amount,
    BasisPoints,
    Context,
    Contract,
    Count,
    Meta,
    Name,
    Ref,
    Refused,
    Slug,
    TimeMs,
    call,
    refuse,
    text,
    view,
)

Symbol = Annotated[str, text(1, 12), Meta(max_length=12)]
Decimals = Annotated[int, Meta(ge=0, le=15)]
"""2^53 has 16 digits: with more decimals than 15 not even one whole unit could be told."""

MAX_PROGRAMS_OF_BRAND: Final = 256
"""Records name all programs with a next date, and all in which an account has points: both must stay short."""


class Token(Contract):
    """The token contract."""

    name = "token"

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def on_block(self, ctx: Context) -> None:
        """Settle dates that have passed, and remove expired lots, a bounded number of each."""
        supply.settle_due(ctx)
        lots.sweep(ctx)

    # Programs

    @call
    def create_program(
        self,
        ctx: Context,
        program: Slug,
        brand: Slug,
        name: Name,
        symbol: Symbol,
        decimals: Decimals,
        transfer: TransferRule,
        expiry: Expiry,
        transfer_burn_bps: BasisPoints,
        notice_ms: Count,
        price: Price,
        cap: Amount | None = None,
    ) -> dict[str, Any]:
        """Begin a brand's loyalty program (admin).

        Returns:
            {program}.
        """
        self._identity.require_active(ctx, brand)
        self._identity.require_role(ctx, brand, "admin")
        self._identity.require_free_name(ctx, program, brand)
        if ctx.get(program_key(program), Program) is not None:
            raise Refused("ALREADY_EXISTS", "the program exists", program=program)
        if length(ctx, brand_programs_key(brand)) >= MAX_PROGRAMS_OF_BRAND:
            raise Refused("LIMIT_EXCEEDED", "the brand has too many programs", limit=MAX_PROGRAMS_OF_BRAND)
        rules = Program(brand, name, symbol, decimals, transfer, expiry, transfer_burn_bps, notice_ms, price, cap)
        ctx.put(program_key(program), rules)
        supply.create(ctx, program)
        append(ctx, PROGRAMS, program)
        append(ctx, brand_programs_key(brand), program)
        ctx.emit("token.program_created", {"program": program, "brand": brand, "name": name, "symbol": symbol})
        return {"program": program}

    # Points

    @call
    def issue(
        self,
        ctx: Context,
        program: Slug,
        to: Address,
        amount: Amount,
        ref: Ref | None = None,
        expires: TimeMs | None = None,
    ) -> dict[str, Any]:
        """Issue points to an account (issuer); a `ref` pays once for ever.

        Returns:
            {lot, amount, debt_paid}.
        """
        rules = get_program(ctx, program)
        offsets = self._identity.require_active(ctx, rules.brand).offsets
        self._identity.require_role(ctx, rules.brand, "issuer")
        if ref is not None:
            _require_new_issue_ref(ctx, program, ref)
        date = (
            token_dates.explicit_date(ctx, offsets, expires)
            if expires is not None
            else token_dates.rule_date(ctx, offsets, rules.expiry)
        )
        holding = lots.open_holding(ctx, program, rules.brand, to)
        if type(rules.expiry) is InactivityExpiry:
            holding = _note_activity(ctx, program, offsets, rules.expiry, to, holding)
        supply.credit(ctx, program, rules, date, amount, "issued")
        lots.add(ctx, program, to, holding, [(date, amount)])
        lot = lot_name(date)
        event = {"program": program, "brand": rules.brand, "account": to, "amount": amount, "lot": lot}
        if ref is not None:
            ctx.put(issue_ref_key(program, ref), IssueRef(ctx.tx_id, to, lot, amount))
            event["ref"] = ref
        ctx.emit("token.issued", event)
        return {"lot": lot, "amount": amount, "debt_paid": 0}

    @call
    def transfer(
        self, ctx: Context, program: Slug, to: Address, amount: Amount, from_: Address | None = None
    ) -> dict[str, Any]:
        """Move points with their dates, earliest-expiring first; the program's share of it is burned (holder).

        Returns:
            {amount, burned, received}.
        """
        rules = get_program(ctx, program)
        source = self._holder(ctx, from_)
        if source == to:
            refuse("to", "another account than the one that gives")
        if rules.transfer != "free":
            self._require_transferable(ctx, program, rules, source, to)
        sending = ctx.get(holding_key(program, source), Holding)
        if sending is None:
            raise Refused("INSUFFICIENT_BALANCE", "the account has no points", available=0, needed=amount)
        receiving = lots.open_holding(ctx, program, rules.brand, to)
        if sending.frozen or receiving.frozen:
            raise Refused("FROZEN", "the account is frozen", account=source if sending.frozen else to)
        parts = lots.take(ctx, program, source, sending, amount)
        burned = -(-amount * rules.transfer_burn_bps // 10_000)
        if burned:
            gone, parts = lots.split(parts, burned)
            supply.debit(ctx, program, gone, "burned")
        lots.add(ctx, program, to, receiving, parts)
        event = {
            "program": program,
            "brand": rules.brand,
            "from": source,
            "to": to,
            "amount": amount,
            "burned": burned,
        }
        ctx.emit("token.transferred", event)
        return {"amount": amount, "burned": burned, "received": amount - burned}

    @call
    def burn(self, ctx: Context, program: Slug, amount: Amount, from_: Address | None = None) -> dict[str, Any]:
        """Destroy points, earliest-expiring first (holder).

        Returns:
            {amount, lots: [{lot, amount}]}.
        """
        rules = get_program(ctx, program)
        account = self._holder(ctx, from_)
        parts = _spend(ctx, program, account, amount)
        supply.debit(ctx, program, parts, "burned")
        ctx.emit("token.burned", {"program": program, "brand": rules.brand, "account": account, "amount": amount})
        return {"amount": amount, "lots": _show_parts(parts)}

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
    ) -> dict[str, Any]:
        """Redeem points at a brand, in one step (a cashier of `at_brand`; the holder, or by his allowance).

        Returns:
            {amount, lots: [{lot, amount}]}.
        """
        rules = get_program(ctx, program)
        self._identity.brand_record(ctx, at_brand)
        self._identity.require_role(ctx, at_brand, "cashier")
        self._require_open_at(rules, at_brand)
        key = redeem_ref_key(program, at_brand, ref)
        used = ctx.get(key, RedeemRef)
        if used is not None:
            raise _duplicate_ref(used.tx, used.account, used.amount)
        if not self._identity.acts_for(ctx, from_):
            _use_allowance(ctx, program, from_, at_brand, amount)
        parts = _spend(ctx, program, from_, amount)
        supply.debit(ctx, program, parts, "redeemed")
        if type(rules.expiry) is InactivityExpiry:
            holding = lots.open_holding(ctx, program, rules.brand, from_)
            # Wherever points are redeemed, their dates are days of the brand that issues them.
            offsets = self._identity.brand_record(ctx, rules.brand).offsets
            _note_activity(ctx, program, offsets, rules.expiry, from_, holding)
        ctx.put(key, RedeemRef(ctx.tx_id, from_, amount, tuple(parts)))
        event = {"program": program, "brand": rules.brand, "at_brand": at_brand, "account": from_, "amount": amount}
        event["ref"] = ref
        if item is not None:
            event["item"] = item
        ctx.emit("token.redeemed", event)
        return {"amount": amount, "lots": _show_parts(parts)}

    @call
    def allow(
        self,
        ctx: Context,
        program: Slug,
        spender: Slug,
        limit: Count,
        expires: TimeMs,
        from_: Address | None = None,
    ) -> dict[str, Any]:
        """Let a brand redeem up to `limit` without the holder's signature (holder); replaces the former, 0 ends it.

        Returns:
            {spender, limit, expires}.
        """
        rules = get_program(ctx, program)
        self._identity.brand_record(ctx, spender)
        account = self._holder(ctx, from_)
        if limit and expires <= ctx.time:
            raise Refused("EXPIRED", "the allowance would have expired already", expires=expires)
        key = allowance_key(program, account, spender)
        if limit:
            ctx.put(key, Allowance(limit, expires))
        else:
            ctx.delete(key)
        event = {"program": program, "brand": rules.brand, "account": account, "spender": spender}
        ctx.emit("token.allowed", {**event, "limit": limit, "expires": expires})
        return {"spender": spender, "limit": limit, "expires": expires}

    # Compliance

    @call
    def freeze(
        self, ctx: Context, account: Address, program: Slug | None = None, brand: Slug | None = None
    ) -> dict[str, Any]:
        """Stop an account from giving, receiving by transfer, and redeeming (compliance).

        Without `program`, at all programs, present and future, of `brand`; that may be left out where the signers
        hold the role compliance at one brand only.

        Returns:
            {account, frozen: true}.
        """
        self._set_frozen(ctx, account, program, brand, True)
        return {"account": account, "frozen": True}

    @call
    def unfreeze(
        self, ctx: Context, account: Address, program: Slug | None = None, brand: Slug | None = None
    ) -> dict[str, Any]:
        """End what `freeze` with the same arguments began (compliance).

        Returns:
            {account, frozen: false}.
        """
        self._set_frozen(ctx, account, program, brand, False)
        return {"account": account, "frozen": False}

    def _set_frozen(self, ctx: Context, account: str, program: str | None, brand: str | None, frozen: bool) -> None:
        if program is None:
            brand = self._identity.acting_brand(ctx, "compliance", brand)
            self._set_frozen_at(ctx, account, brand, frozen)
            event = {"brand": brand, "account": account}
        else:
            rules = get_program(ctx, program)
            if brand is not None and brand != rules.brand:
                refuse("brand", "the program's brand, or nothing")
            self._identity.require_role(ctx, rules.brand, "compliance")
            holding = lots.open_holding(ctx, program, rules.brand, account)
            _lock(ctx, program, account, holding, LOCKED_IN_PROGRAM, frozen)
            event = {"program": program, "brand": rules.brand, "account": account}
        ctx.emit("token.frozen" if frozen else "token.unfrozen", event)

    def _set_frozen_at(self, ctx: Context, account: str, brand: str, frozen: bool) -> None:
        """Freeze or unfreeze an account at all programs of a brand; those to come look at the brand's own mark."""
        if frozen:
            ctx.put(frozen_key(brand, account), True)
        else:
            ctx.delete(frozen_key(brand, account))
        for name in (ctx.get(holdings_key(account), Holdings) or Holdings()).programs:
            if get_program(ctx, name).brand == brand:
                holding = lots.open_holding(ctx, name, brand, account)
                _lock(ctx, name, account, holding, LOCKED_AT_BRAND, frozen)

    # Who may

    def _holder(self, ctx: Context, from_: str | None) -> str:
        """Return the account whose points an operation moves, after checking that it may."""
        if from_ is None:
            if not ctx.sender:
                refuse("from", "an account, as nobody sends this")
            return ctx.sender
        if not self._identity.acts_for(ctx, from_):
            raise Refused("NOT_AUTHORISED", "the signers may not act for the holder", account=from_)
        return from_

    def _require_transferable(self, ctx: Context, program: str, rules: Program, source: str, to: str) -> None:
        if rules.transfer == "none":
            raise Refused("NOT_TRANSFERABLE", "the program's points cannot be transferred", program=program)
        for account in (source, to):
            if not self._identity.is_member(ctx, account, rules.brand):
                raise Refused("NOT_TRANSFERABLE", "only between members of the program's brand", account=account)

    def _require_open_at(self, rules: Program, at_brand: str) -> None:
        """Refuse redemption at a brand that the program's own has not opened it for."""
        if at_brand != rules.brand:
            raise Refused("NOT_AUTHORISED", "the issuer has not opened redemption there", at_brand=at_brand)

    # Views

    @view
    def program(self, ctx: Context, program: Slug) -> dict[str, Any]:
        """Return the program's rules: create_program's arguments, and `version`."""
        return token_views.show_program(ctx, program)

    @view
    def programs(
        self,
        ctx: Context,
        brand: Slug | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> dict[str, Any]:
        """Return {items, next}: all programs or a brand's, in order of creation, as `program` shows them."""
        if brand is not None:
            self._identity.brand_record(ctx, brand)
        return token_views.list_programs(ctx, brand, cursor, limit)

    @view
    def balance(self, ctx: Context, program: Slug, account: Address) -> dict[str, Any]:
        """Return {available, held, pending, debt, frozen, lots: [{lot, amount, expires}]}; null: never."""
        get_program(ctx, program)
        return token_views.show_balance(ctx, program, account)

    @view
    def balances(
        self, ctx: Context, account: Address, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> dict[str, Any]:
        """Return {items, next}: {program, and what `balance` shows} of each program the account has ever had."""
        return token_views.list_balances(ctx, account, cursor, limit)

    @view
    def supply(self, ctx: Context, program: Slug) -> dict[str, Any]:
        """Return the program's counters; see the module's invariants."""
        get_program(ctx, program)
        return token_views.show_supply(ctx, program)

    @view
    def ref(self, ctx: Context, program: Slug, ref: Ref) -> dict[str, Any]:
        """Return {tx, account, lot, issued, reversed} of an issue."""
        get_program(ctx, program)
        return token_views.show_ref(ctx, program, ref)

    @view
    def allowance(self, ctx: Context, program: Slug, account: Address, spender: Slug) -> dict[str, Any]:
        """Return {remaining, expires}: what a brand may redeem without the holder's signature."""
        get_program(ctx, program)
        return token_views.show_allowance(ctx, program, account, spender)

    @view
    def deferral(
        self,
        ctx: Context,
        sale: Amount,
        points: Amount,
        unit_price: Count,
        expected_bps: BasisPoints,
        redeemed: Count,
    ) -> dict[str, Any]:
        """Return {goods, deferred, recognised, liability}: a sale with points in it (IFRS 15, B39–B43)."""
        del ctx
        return token_views.deferral(sale, points, unit_price, expected_bps, redeemed)


def _require_new_issue_ref(ctx: Context, program: str, ref: str) -> None:
    used = ctx.get(issue_ref_key(program, ref), IssueRef)
    if used is not None:
        raise _duplicate_ref(used.tx, used.account, used.issued)


def _duplicate_ref(tx: str, account: str, amount: int) -> Refused:
    return Refused("DUPLICATE_REF", "the reference has been used", tx=tx, account=account, amount=amount)


def _note_activity(
    ctx: Context, program: str, offsets: Offsets, expiry: InactivityExpiry, account: str, holding: Holding
) -> Holding:
    """Put the account's points on the date that its activity now gives them; none comes earlier by it."""
    date = token_dates.rule_date(ctx, offsets, expiry)
    moved, holding = lots.re_date(ctx, program, account, holding, date)
    if moved:
        supply.move_dates(ctx, program, moved, date)
    return holding


def _spend(ctx: Context, program: str, account: str, amount: int) -> lots.Parts:
    holding = ctx.get(holding_key(program, account), Holding)
    if holding is None:
        raise Refused("INSUFFICIENT_BALANCE", "the account has no points", available=0, needed=amount)
    if holding.frozen:
        raise Refused("FROZEN", "the account is frozen", account=account)
    return lots.take(ctx, program, account, holding, amount)


def _use_allowance(ctx: Context, program: str, account: str, spender: str, amount: int) -> None:
    key = allowance_key(program, account, spender)
    allowance = ctx.get(key, Allowance)
    if allowance is None or allowance.expires <= ctx.time:
        raise Refused("NOT_AUTHORISED", "neither the holder nor an allowance permits this", account=account)
    if allowance.remaining < amount:
        raise Refused("LIMIT_EXCEEDED", "the allowance is smaller", remaining=allowance.remaining, needed=amount)
    remaining = allowance.remaining - amount
    if remaining:
        ctx.put(key, Allowance(remaining, allowance.expires))
    else:
        ctx.delete(key)


def _lock(ctx: Context, program: str, account: str, holding: Holding, bit: int, locked: bool) -> None:
    frozen = holding.frozen | bit if locked else holding.frozen & ~bit
    changed = Holding(holding.lots, frozen, holding.debt, holding.held, holding.pending)
    ctx.put(holding_key(program, account), changed)


def _show_parts(parts: lots.Parts) -> list[dict[str, Any]]:
    return [{"lot": lot_name(date), "amount": amount} for date, amount in parts]
