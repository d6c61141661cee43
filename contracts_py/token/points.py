"""Points: issuing, moving, burning, redeeming them, and who may."""

from __future__ import annotations

from msgspec import structs

from contracts_py.identity import Authority
from contracts_py.token import dates
from contracts_py.token.answers import (
    AllowanceSet,
    AllowanceShown,
    Balance,
    Issue,
    IssueOfRef,
    LotPart,
    LotShown,
    ProgramBalance,
    Spend,
    Transfer,
)
from contracts_py.token.events import Allowed, Burned, Issued, Redeemed, Transferred
from contracts_py.token.purse import Purse
from contracts_py.token.records import (
    ALLOWANCES,
    ISSUES,
    NEVER,
    PROGRAMS,
    PROGRAMS_OF,
    REDEMPTIONS,
    Allowance,
    InactivityExpiry,
    IssueRef,
    Parts,
    Program,
    RedeemRef,
    lot_name,
)
from contracts_py.token.supply import Supply
from vm.contract_api import (
    DEFAULT_PAGE,
    Address,
    Amount,
    Context,
    Contract,
    Count,
    Cursor,
    Name,
    Page,
    PageLimit,
    Ref,
    Refused,
    Slug,
    TimeMs,
    call,
    refuse,
    view,
)


class Points(Contract):
    """The room for points."""

    name = "token"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def issue(
        self,
        ctx: Context,
        program: Slug,
        to: Address,
        amount: Amount,
        ref: Ref | None = None,
        expires: TimeMs | None = None,
    ) -> Issue:
        """Issue points to an account (issuer); a `ref` pays once for ever."""
        rules = PROGRAMS.require(ctx, program)
        offsets = self._authority.require_active(ctx, rules.brand).offsets
        self._authority.require_role(ctx, rules.brand, "issuer")
        used = None if ref is None else ISSUES.get(ctx, program, ref)
        if used is not None:
            raise _duplicate_ref(used.tx, used.account, used.issued)
        if expires is None:
            date = dates.rule_date(ctx, offsets, rules.expiry)
        else:
            date = dates.explicit_date(ctx, offsets, expires)
        purse, supply = Purse.of(ctx, program, rules.brand, to), Supply(ctx, program)
        self._note_activity(ctx, rules, purse, supply)
        supply.credit(date, amount, "issued", rules.cap)
        purse.add([(date, amount)])
        purse.save()
        supply.save()
        lot = lot_name(date)
        if ref is not None:
            ISSUES.put(ctx, IssueRef(ctx.tx_id, to, lot, amount), program, ref)
        ctx.emit(Issued(program, rules.brand, to, amount, lot, ref))
        return Issue(lot, amount, 0)

    @call
    def transfer(
        self, ctx: Context, program: Slug, to: Address, amount: Amount, from_: Address | None = None
    ) -> Transfer:
        """Move points with their dates, earliest-expiring first; the program's share of it is burned (holder)."""
        rules = PROGRAMS.require(ctx, program)
        source = self._holder(ctx, from_)
        if source == to:
            refuse("to", "another account than the one that gives")
        if rules.transfer != "free":
            self._require_transferable(ctx, program, rules, source, to)
        sending = _purse_with_points(ctx, program, source, amount)
        receiving = Purse.of(ctx, program, rules.brand, to)
        sending.require_unfrozen()
        receiving.require_unfrozen()
        parts = sending.take(amount)
        burned = -(-amount * rules.transfer_burn_bps // 10_000)
        if burned:
            gone, parts = split(parts, burned)
            supply = Supply(ctx, program)
            supply.debit(gone, "burned")
            supply.save()
        receiving.add(parts)
        sending.save()
        receiving.save()
        ctx.emit(Transferred(program, rules.brand, source, to, amount, burned))
        return Transfer(amount, burned, amount - burned)

    @call
    def burn(self, ctx: Context, program: Slug, amount: Amount, from_: Address | None = None) -> Spend:
        """Destroy points, earliest-expiring first (holder)."""
        rules = PROGRAMS.require(ctx, program)
        account = self._holder(ctx, from_)
        purse, supply = _purse_with_points(ctx, program, account, amount), Supply(ctx, program)
        parts = _spend(purse, supply, amount, "burned")
        purse.save()
        supply.save()
        ctx.emit(Burned(program, rules.brand, account, amount))
        return Spend(amount, _shown_parts(parts))

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
        rules = PROGRAMS.require(ctx, program)
        self._authority.brand_record(ctx, at_brand)
        self._authority.require_role(ctx, at_brand, "cashier")
        self._require_open_at(rules, at_brand)
        used = REDEMPTIONS.get(ctx, program, at_brand, ref)
        if used is not None:
            raise _duplicate_ref(used.tx, used.account, used.amount)
        if not self._authority.acts_for(ctx, from_):
            _use_allowance(ctx, program, from_, at_brand, amount)
        purse, supply = _purse_with_points(ctx, program, from_, amount), Supply(ctx, program)
        parts = _spend(purse, supply, amount, "redeemed")
        self._note_activity(ctx, rules, purse, supply)
        purse.save()
        supply.save()
        REDEMPTIONS.put(ctx, RedeemRef(ctx.tx_id, from_, amount, tuple(parts)), program, at_brand, ref)
        ctx.emit(Redeemed(program, rules.brand, at_brand, from_, amount, ref, item))
        return Spend(amount, _shown_parts(parts))

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
        """Let a brand redeem up to `limit` without the holder's signature (holder).

        It replaces the former allowance; 0 ends it.
        """
        rules = PROGRAMS.require(ctx, program)
        self._authority.brand_record(ctx, spender)
        account = self._holder(ctx, from_)
        if limit and expires <= ctx.time:
            raise Refused("EXPIRED", "the allowance would have expired already", expires=expires)
        if limit:
            ALLOWANCES.put(ctx, Allowance(limit, expires), program, account, spender)
        else:
            ALLOWANCES.delete(ctx, program, account, spender)
        ctx.emit(Allowed(program, rules.brand, account, spender, limit, expires))
        return AllowanceSet(spender, limit, expires)

    # Who may

    def _holder(self, ctx: Context, from_: str | None) -> str:
        """Return the account whose points an operation moves, after checking that it may."""
        if from_ is None:
            if not ctx.sender:
                refuse("from", "an account, as nobody sends this")
            return ctx.sender
        if not self._authority.acts_for(ctx, from_):
            raise Refused("NOT_AUTHORISED", "the signers may not act for the holder", account=from_)
        return from_

    def _require_transferable(self, ctx: Context, program: str, rules: Program, source: str, to: str) -> None:
        if rules.transfer == "none":
            raise Refused("NOT_TRANSFERABLE", "the program's points cannot be transferred", program=program)
        for account in (source, to):
            if not self._authority.is_member(ctx, account, rules.brand):
                raise Refused("NOT_TRANSFERABLE", "only between members of the program's brand", account=account)

    def _require_open_at(self, rules: Program, at_brand: str) -> None:
        """Refuse redemption at a brand that the program's own has not opened it for."""
        if at_brand != rules.brand:
            raise Refused("NOT_AUTHORISED", "the issuer has not opened redemption there", at_brand=at_brand)

    def _note_activity(self, ctx: Context, rules: Program, purse: Purse, supply: Supply) -> None:
        """Where inactivity ends points: put the account's on the date that its activity gives them; none comes
        earlier.

        The day begins in the local time of the program's brand, wherever the points are redeemed.
        """
        if type(rules.expiry) is InactivityExpiry:
            offsets = self._authority.brand_record(ctx, rules.brand).offsets
            date = dates.rule_date(ctx, offsets, rules.expiry)
            supply.move(purse.re_date(date), date)

    # Views

    @view
    def balance(self, ctx: Context, program: Slug, account: Address) -> Balance:
        """Return an account's points in a program, with zeros where it never had any."""
        PROGRAMS.require(ctx, program)
        purse = Purse.existing(ctx, program, account)
        return Balance(0, 0, 0, 0, False, ()) if purse is None else _shown_balance(purse)

    @view
    def balances(
        self, ctx: Context, account: Address, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[ProgramBalance]:
        """Return an account's points in each program in which it has ever had any."""

        def show(program: str) -> ProgramBalance:
            return ProgramBalance(**structs.asdict(self.balance(ctx, program, account)), program=program)

        return PROGRAMS_OF.page(ctx, account, cursor=cursor, limit=limit, show=show)

    @view
    def ref(self, ctx: Context, program: Slug, ref: Ref) -> IssueOfRef:
        """Return what an issue with a reference did."""
        PROGRAMS.require(ctx, program)
        record = ISSUES.get(ctx, program, ref)
        if record is None:
            raise Refused("NOT_FOUND", "no issue has this reference", ref=ref)
        return IssueOfRef(record.tx, record.account, record.lot, record.issued, 0)

    @view
    def allowance(self, ctx: Context, program: Slug, account: Address, spender: Slug) -> AllowanceShown:
        """Return what a brand may redeem without the holder's signature."""
        PROGRAMS.require(ctx, program)
        record = ALLOWANCES.get(ctx, program, account, spender)
        if record is None or record.expires <= ctx.time:
            raise Refused("NOT_FOUND", "there is no allowance", account=account, spender=spender)
        return AllowanceShown(record.remaining, record.expires)


def split(parts: Parts, amount: int) -> tuple[Parts, Parts]:
    """Divide parts into the first `amount` points and the rest."""
    first: Parts = []
    rest: Parts = []
    for date, size in parts:
        part = min(size, amount)
        amount -= part
        if part:
            first.append((date, part))
        if size > part:
            rest.append((date, size - part))
    return first, rest


def _duplicate_ref(tx: str, account: str, amount: int) -> Refused:
    return Refused("DUPLICATE_REF", "the reference has been used", tx=tx, account=account, amount=amount)


def _purse_with_points(ctx: Context, program: str, account: str, amount: int) -> Purse:
    purse = Purse.existing(ctx, program, account)
    if purse is None:
        raise Refused("INSUFFICIENT_BALANCE", "the account has no points", available=0, needed=amount)
    return purse


def _spend(purse: Purse, supply: Supply, amount: int, counter: str) -> Parts:
    purse.require_unfrozen()
    parts = purse.take(amount)
    supply.debit(parts, counter)
    return parts


def _use_allowance(ctx: Context, program: str, account: str, spender: str, amount: int) -> None:
    allowance = ALLOWANCES.get(ctx, program, account, spender)
    if allowance is None or allowance.expires <= ctx.time:
        raise Refused("NOT_AUTHORISED", "neither the holder nor an allowance permits this", account=account)
    if allowance.remaining < amount:
        raise Refused("LIMIT_EXCEEDED", "the allowance is smaller", remaining=allowance.remaining, needed=amount)
    remaining = allowance.remaining - amount
    if remaining:
        ALLOWANCES.put(ctx, Allowance(remaining, allowance.expires), program, account, spender)
    else:
        ALLOWANCES.delete(ctx, program, account, spender)


def _shown_parts(parts: Parts) -> tuple[LotPart, ...]:
    return tuple([LotPart(lot_name(date), amount) for date, amount in parts])


def _shown_balance(purse: Purse) -> Balance:
    holding, lots = purse.holding, list(purse.lots())
    return Balance(
        available=sum(amount for _, amount in lots),
        held=holding.held,
        pending=holding.pending,
        debt=holding.debt,
        frozen=holding.frozen != 0,
        lots=tuple([LotShown(lot_name(date), amount, None if date == NEVER else date) for date, amount in lots]),
    )
