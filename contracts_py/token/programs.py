"""Programs: their rules, and what is outstanding of them."""

from __future__ import annotations

from typing import Final

from msgspec import structs
from msgspec.structs import replace

from contracts_py.identity import Authority
from contracts_py.money import Currency, Price
from contracts_py.token.answers import (
    Backing,
    DateLiability,
    Deferral,
    ExpiringLot,
    LiabilityCap,
    ProgramLiability,
    ProgramNamed,
    ProgramShown,
    SupplyShown,
)
from contracts_py.token.backing import backing_of, require_own_reserve
from contracts_py.token.dates import deferral
from contracts_py.token.deeds import EXPIRED_LOTS, LIABILITY_CAPS, ExpiredLot
from contracts_py.token.events import LiabilityCapped, ProgramCreated, ProgramUpdated
from contracts_py.token.expiring import expiring_page, live_dates
from contracts_py.token.liability import worth
from contracts_py.token.purse import Purse
from contracts_py.token.records import (
    ALL_PROGRAMS,
    BRAND_PROGRAMS,
    EXPIRIES,
    LOTS_ON,
    PROGRAMS,
    SUPPLIES,
    Decimals,
    Expiry,
    Program,
    SupplyRecord,
    Symbol,
    TransferRule,
)
from contracts_py.token.supply import Supply
from contracts_py.token.terms import changed, in_force, rules_of
from vm.contract_api import (
    DEFAULT_PAGE,
    MAX_INT,
    Amount,
    BasisPoints,
    Context,
    Contract,
    Count,
    Cursor,
    Name,
    Page,
    PageLimit,
    Refused,
    Slug,
    TimeMs,
    call,
    due,
    refuse,
    view,
)

MAX_PROGRAMS_OF_BRAND: Final = 256

MAX_SHOWN_DATES: Final = 1_000
MAX_SHOWN_LIABILITIES: Final = 10
"""Of so many programs, with so many dates each, the liability is shown on one page: some half a megabyte."""


class Programs(Contract):
    """The room for programs."""

    name = "token"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

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
        adjust_limit: Count | None = None,
        transfer_day: Count | None = None,
        backed: bool | None = None,
    ) -> ProgramNamed:
        """Begin a brand's loyalty program (admin).

        What is outstanding of a `backed` program is never worth more than what other brands owe and have paid the
        brand, less what it owes and has paid; its price is fixed.
        """
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "admin")
        self._authority.require_free_name(ctx, program, brand)
        PROGRAMS.require_absent(ctx, program)
        if BRAND_PROGRAMS.length(ctx, brand) >= MAX_PROGRAMS_OF_BRAND:
            raise Refused("LIMIT_EXCEEDED", "the brand has too many programs", limit=MAX_PROGRAMS_OF_BRAND)
        rules = Program(brand, name, symbol, decimals, transfer, expiry, transfer_burn_bps, notice_ms, price, cap)
        rules = replace(rules, adjust_limit=adjust_limit or 0, transfer_day=transfer_day, backed=bool(backed))
        require_own_reserve(ctx, brand, price, rules.backed)
        PROGRAMS.put(ctx, rules, program)
        SUPPLIES.put(ctx, SupplyRecord(), program)
        ALL_PROGRAMS.append(ctx, program)
        BRAND_PROGRAMS.append(ctx, program, brand)
        ctx.emit(ProgramCreated(program, brand, name, symbol))
        return ProgramNamed(program)

    @call
    def update_program(
        self,
        ctx: Context,
        program: Slug,
        name: Name | None = None,
        transfer: TransferRule | None = None,
        expiry: Expiry | None = None,
        transfer_burn_bps: BasisPoints | None = None,
        notice_ms: Count | None = None,
        price: Price | None = None,
        cap: Amount | None = None,
        adjust_limit: Count | None = None,
        transfer_day: Count | None = None,
    ) -> ProgramShown:
        """Change a program's rules (admin); what is to members' disadvantage is in force after `notice_ms`.

        That is: less free transfer, a shorter or another kind of expiry, a higher burn, a shorter notice, a lower
        price, a lower daily limit. Lots that were issued before keep their dates.
        """
        rules = PROGRAMS.require(ctx, program)
        self._authority.require_role(ctx, rules.brand, "admin")
        if price is not None and price.currency != rules.price.currency:
            raise Refused("NOT_ELIGIBLE", "a program's currency does not change", currency=rules.price.currency)
        if price is not None and rules.backed and price != rules.price:
            raise Refused("NOT_ELIGIBLE", "a backed program's price does not change", program=program)
        given = {
            "name": name,
            "transfer": transfer,
            "expiry": expiry,
            "transfer_burn_bps": transfer_burn_bps,
            "notice_ms": notice_ms,
            "price": price,
            "cap": cap,
            "adjust_limit": adjust_limit,
            "transfer_day": transfer_day,
        }
        changes = {key: value for key, value in given.items() if value is not None}
        rules = changed(rules, changes, ctx.time)
        PROGRAMS.put(ctx, rules, program)
        announced = None if rules.announced is None else rules.announced.from_
        ctx.emit(ProgramUpdated(program, rules.brand, rules.version, announced))
        return _shown(program, rules)

    @call
    def liability_cap(
        self, ctx: Context, brand: Slug, currency: Currency, amount: Amount | None = None
    ) -> LiabilityCap:
        """Bound what a brand's outstanding points may be worth; without `amount` they are not bounded (treasurer).

        An issue that would lift it above fails with LIMIT_EXCEEDED.
        """
        self._authority.brand_record(ctx, brand)
        self._authority.require_role(ctx, brand, "treasurer")
        if amount is None:
            LIABILITY_CAPS.delete(ctx, brand, currency)
        else:
            LIABILITY_CAPS.put(ctx, amount, brand, currency)
        ctx.emit(LiabilityCapped(brand, currency, amount))
        return LiabilityCap(brand, currency, amount)

    @due(EXPIRIES)
    def expire(self, ctx: Context, at: int, program: str, date: int) -> bool:
        """Count what has expired, and remove one page of lots from storage; without events."""
        del at
        Supply(ctx, program, date).save()
        for account in LOTS_ON.drain(ctx, program, date):
            purse = Purse.existing(ctx, program, account)
            left = 0 if purse is None else purse.sweep(date)
            if purse is not None and left:
                EXPIRED_LOTS.put(ctx, ExpiredLot(left), program, account, date)
                purse.save()
        return not LOTS_ON.is_empty(ctx, program, date)

    @view
    def program(self, ctx: Context, program: Slug) -> ProgramShown:
        """Return a program's rules."""
        return _shown(program, in_force(PROGRAMS.require(ctx, program), ctx.time))

    @view
    def programs(
        self,
        ctx: Context,
        brand: Slug | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[ProgramShown]:
        """Return all programs, or a brand's, in order of creation."""
        if brand is None:
            return ALL_PROGRAMS.page(ctx, cursor=cursor, limit=limit, show=lambda name: self.program(ctx, name))
        self._authority.brand_record(ctx, brand)
        return BRAND_PROGRAMS.page(
            ctx, brand, cursor=cursor, limit=limit, show=lambda name: self.program(ctx, name)
        )

    @view
    def supply(self, ctx: Context, program: Slug) -> SupplyShown:
        """Return a program's counters."""
        PROGRAMS.require(ctx, program)
        counters = structs.asdict(Supply(ctx, program).record)
        del counters["next_date"]
        available = counters["outstanding"] - counters["held"] - counters["pending"]
        return SupplyShown(available=available, **counters)

    @view
    def backing(self, ctx: Context, program: Slug) -> Backing:
        """Return what stands behind a backed program."""
        return backing_of(ctx, program, rules_of(ctx, program))

    @view
    def deferral(
        self,
        ctx: Context,
        sale: Amount,
        points: Amount,
        unit_price: Count,
        expected_bps: BasisPoints,
        redeemed: Count,
    ) -> Deferral:
        """Divide a sale with points in it between goods and points (IFRS 15, paragraphs B39 to B43)."""
        del ctx
        return deferral(sale, points, unit_price, expected_bps, redeemed)

    @view
    def liability(
        self,
        ctx: Context,
        brand: Slug,
        breakage_bps: BasisPoints = 0,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[ProgramLiability]:
        """Return what a brand's outstanding points are worth at their prices, program by program and by date."""
        self._authority.brand_record(ctx, brand)

        def show(program: str) -> ProgramLiability:
            return _liability(ctx, program, breakage_bps)

        return BRAND_PROGRAMS.page(ctx, brand, cursor=cursor, limit=min(limit, MAX_SHOWN_LIABILITIES), show=show)

    @view
    def expiring(
        self,
        ctx: Context,
        program: Slug,
        from_: TimeMs,
        to: TimeMs,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[ExpiringLot]:
        """Return whose points expire from one time to another, both included, by date, for those who must warn.

        A lot that was emptied and filled again may be listed more than once.
        """
        PROGRAMS.require(ctx, program)
        if to < from_:
            refuse("to", "a time that is not before `from`")
        return expiring_page(ctx, program, max(from_, ctx.time + 1), to, cursor, limit)


def _shown(program: str, rules: Program) -> ProgramShown:
    shown = [name for name in rules.__struct_fields__ if name != "price_version"]
    return ProgramShown(program=program, **{name: getattr(rules, name) for name in shown})


def _liability(ctx: Context, program: str, breakage_bps: int) -> ProgramLiability:
    rules, outstanding = rules_of(ctx, program), Supply(ctx, program).record.outstanding
    dated = [
        DateLiability(date, amount, worth(rules.price, amount))
        for date, amount in live_dates(ctx, program, MAX_SHOWN_DATES)
    ]
    expected = Price(rules.price.currency, rules.price.num * (10_000 - breakage_bps), rules.price.den * 10_000)
    if max(worth(rules.price, outstanding), outstanding) > MAX_INT:
        words = "the program's points are worth more than an answer can tell"
        raise Refused("LIMIT_EXCEEDED", words, program=program, limit=MAX_INT)
    return ProgramLiability(
        program,
        rules.price.currency,
        outstanding,
        worth(rules.price, outstanding),
        worth(expected, outstanding),
        tuple(dated),
        outstanding - sum(entry.amount for entry in dated),
    )
