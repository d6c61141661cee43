"""Points: issuing, moving and burning them, and what an account has."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import groupby

from msgspec import structs

from contracts_py.identity import Authority
from contracts_py.token import dates, pending
from contracts_py.token.answers import (
    Balance,
    HolderBalance,
    Issue,
    IssueOfRef,
    PendingLot,
    ProgramBalance,
    Spend,
    Transfer,
)
from contracts_py.token.deeds import ISSUES, PENDING, REVERSED, UNLOCKS, IssueRef
from contracts_py.token.events import Burned, Issued, Transferred, Unlocked
from contracts_py.token.holders import holders_page
from contracts_py.token.households import Households
from contracts_py.token.issuing import issue_points
from contracts_py.token.limits import use_transfer
from contracts_py.token.purse import Purse, split, sum_of
from contracts_py.token.records import PROGRAMS, PROGRAMS_OF, Program, lot_name
from contracts_py.token.spending import (
    duplicate_ref,
    purse_with_points,
    receiver_of,
    require_holder,
    save,
    shown_lot,
    shown_parts,
    spend,
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
    Page,
    PageLimit,
    Ref,
    Refused,
    Slug,
    TimeMs,
    as_cursor,
    call,
    due,
    from_cursor,
    paged,
    refuse,
    view,
)


class Points(Contract):
    """The room for points."""

    name = "token"

    def __init__(self, authority: Authority, households: Households) -> None:
        self._authority = authority
        self._households = households

    @call
    def issue(
        self,
        ctx: Context,
        program: Slug,
        to: Address,
        amount: Amount,
        ref: Ref | None = None,
        expires: TimeMs | None = None,
        pending_until: TimeMs | None = None,
    ) -> Issue:
        """Issue points to an account (issuer); a `ref` pays once for ever.

        They pay the account's debt first. With `pending_until` they count, but cannot be spent before that time.
        """
        rules = rules_of(ctx, program)
        brand = self._authority.require_active(ctx, rules.brand)
        offsets = brand.offsets
        self._authority.require_role(ctx, rules.brand, "issuer")
        used = None if ref is None else ISSUES.get(ctx, program, ref)
        if used is not None:
            raise duplicate_ref(used.tx, used.account, used.issued)
        if expires is None:
            date = dates.rule_date(ctx, offsets, rules.expiry)
        else:
            date = dates.explicit_date(ctx, offsets, expires)
        households = self._households if brand.pooling else None
        debt_paid = issue_points(ctx, households, offsets, rules, program, to, date, amount, pending_until)
        lot = lot_name(date)
        if ref is not None:
            ISSUES.put(ctx, IssueRef(ctx.tx_id, to, lot, amount, pending_until), program, ref)
        ctx.emit(Issued(program, rules.brand, to, amount, lot, ref, pending_until, debt_paid))
        return Issue(lot, amount, debt_paid)

    @call
    def transfer(
        self, ctx: Context, program: Slug, to: Address, amount: Amount, from_: Address | None = None
    ) -> Transfer:
        """Move points with their dates, earliest-expiring first; the program's share of it is burned (holder)."""
        rules = rules_of(ctx, program)
        source = require_holder(ctx, self._authority, from_)
        if source == to:
            refuse("to", "another account than the one that gives")
        receiving = Purse.of(ctx, program, rules.brand, to)
        contributes = self._households.purse_of_pool(ctx, program, rules, source, receiving)
        if rules.transfer != "free" and not contributes:
            self._require_transferable(ctx, program, rules, source, to)
        sending = purse_with_points(ctx, program, source, amount)
        sending.require_unfrozen()
        receiving.require_unfrozen()
        if contributes:
            return self._contribute(ctx, rules, sending, receiving, amount)
        use_transfer(ctx, program, rules, source, amount)
        parts = sending.take(amount)
        burned = -(-amount * rules.transfer_burn_bps // 10_000)
        debt_paid = 0
        if burned or receiving.holding.debt:
            supply = Supply(ctx, program)
            gone, parts = split(parts, burned)
            supply.debit(gone, "burned")
            debt_paid = receiving.credit(supply, parts)
            supply.save()
        else:
            receiving.receive(parts)  # The program's counters stay as they are: most transfers do not read them.
        sending.save()
        receiving.save()
        ctx.emit(Transferred(program, rules.brand, source, to, amount, burned, debt_paid))
        return Transfer(amount, burned, amount - burned, debt_paid)

    def _contribute(self, ctx: Context, rules: Program, member: Purse, pool: Purse, amount: int) -> Transfer:
        """Bring points into one's own pool: that is no transfer to others, so nothing is burned or limited."""
        supply = Supply(ctx, pool.program)
        self._households.contribute(ctx, rules, pool, supply, member.account, member.take(amount))
        for changed in (member, pool, supply):
            changed.save()
        return Transfer(amount, 0, amount, 0)

    @call
    def burn(self, ctx: Context, program: Slug, amount: Amount, from_: Address | None = None) -> Spend:
        """Destroy points, earliest-expiring first (holder)."""
        rules = rules_of(ctx, program)
        account = require_holder(ctx, self._authority, from_)
        purse, supply = purse_with_points(ctx, program, account, amount), Supply(ctx, program)
        parts = spend(purse, supply, amount, "burned")
        purse.save()
        supply.save()
        ctx.emit(Burned(program, rules.brand, account, amount))
        return Spend(amount, shown_parts(parts))

    @due(UNLOCKS)
    def unlock(self, ctx: Context, at: int, program: str, account: str, until: int) -> bool:
        """Make points available whose `pending_until` has come, some lots at a time."""
        del at
        rules = rules_of(ctx, program)
        purse, supply = Purse.of(ctx, program, rules.brand, account), Supply(ctx, program)
        parts, more = pending.take_due(ctx, purse, until)
        supply.unlock(parts)
        receiver = receiver_of(ctx, self._authority, rules.brand, purse)
        debt_paid = receiver.credit(supply, parts)
        save(purse, receiver, supply)
        if parts:
            ctx.emit(Unlocked(program, rules.brand, receiver.account, sum_of(parts), debt_paid))
        return more

    def _require_transferable(self, ctx: Context, program: str, rules: Program, source: str, to: str) -> None:
        if rules.transfer == "none":
            raise Refused("NOT_TRANSFERABLE", "the program's points cannot be transferred", program=program)
        for account in (source, to):
            if not self._authority.is_member(ctx, account, rules.brand):
                raise Refused("NOT_TRANSFERABLE", "only between members of the program's brand", account=account)

    # Views

    @view
    def balance(self, ctx: Context, program: Slug, account: Address) -> Balance:
        """Return an account's points in a program, with zeros where it never had any."""
        PROGRAMS.require(ctx, program)
        purse = Purse.existing(ctx, program, account)
        return _sum_of_purses([] if purse is None else [purse])

    @view
    def pending(
        self,
        ctx: Context,
        program: Slug,
        account: Address,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[PendingLot]:
        """Return an account's pending points, by the time at which they become available."""
        PROGRAMS.require(ctx, program)

        def show(item: tuple[int, int]) -> PendingLot:
            until, date = item
            amount = PENDING.get(ctx, program, account, item=item) or 0
            return PendingLot(**structs.asdict(shown_lot(date, amount)), until=until)

        return PENDING.page(ctx, program, account, cursor=cursor, limit=limit, show=show)

    @view
    def balances(
        self,
        ctx: Context,
        account: Address,
        linked: bool | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[ProgramBalance]:
        """Return an account's points in each program in which it has ever had any, by program.

        With `linked` they are those of all addresses that are linked to it, each address once; `frozen` then says
        whether one of them is.
        """
        accounts = self._authority.linked_addresses(ctx, account) if linked else (account,)
        after = None if cursor is None else from_cursor(PROGRAMS_OF.item, cursor)
        found = merge(*[PROGRAMS_OF.iterate(ctx, one, after=after) for one in accounts])

        def show(program: str) -> ProgramBalance:
            purses = [Purse.existing(ctx, program, one) for one in accounts]
            total = _sum_of_purses([purse for purse in purses if purse is not None])
            return ProgramBalance(**structs.asdict(total), program=program)

        return paged((program for program, _ in groupby(found)), limit, show, lambda _, last: as_cursor(last))

    @view
    def holders(
        self, ctx: Context, program: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[HolderBalance]:
        """Return the accounts that have points of a program, or owe some, in the order in which they first had any.

        What is issued between two pages moves none: an account keeps its place for ever.
        """
        PROGRAMS.require(ctx, program)

        def show(account: str) -> HolderBalance | None:
            balance = self.balance(ctx, program, account)
            if not (balance.available or balance.held or balance.pending or balance.debt):
                return None
            return HolderBalance(**structs.asdict(balance), account=account)

        return holders_page(ctx, program, cursor, limit, show)

    @view
    def ref(self, ctx: Context, program: Slug, ref: Ref) -> IssueOfRef:
        """Return what an issue with a reference did."""
        PROGRAMS.require(ctx, program)
        record = ISSUES.get(ctx, program, ref)
        if record is None:
            raise Refused("NOT_FOUND", "no issue has this reference", ref=ref)
        undone = REVERSED.get(ctx, program, ref) or 0
        return IssueOfRef(record.tx, record.account, record.lot, record.issued, undone, record.pending_until)


def _sum_of_purses(purses: Sequence[Purse]) -> Balance:
    lots: dict[int, int] = {}
    for purse in purses:
        for date, amount in purse.lots():
            lots[date] = lots.get(date, 0) + amount
    return Balance(
        available=sum(lots.values()),
        held=sum([purse.holding.held for purse in purses]),
        pending=sum([purse.holding.pending for purse in purses]),
        debt=sum([purse.holding.debt for purse in purses]),
        frozen=any(purse.holding.frozen for purse in purses),
        lots=tuple([shown_lot(date, amount) for date, amount in sorted(lots.items())]),
    )
