"""Programs: their rules, and what is outstanding of them."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from contracts_py.identity import Authority
from contracts_py.token.answers import Deferral, ProgramNamed, ProgramShown, SupplyShown
from contracts_py.token.dates import deferral
from contracts_py.token.events import ProgramCreated
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
    Price,
    Program,
    SupplyRecord,
    Symbol,
    TransferRule,
)
from contracts_py.token.supply import Supply
from vm.contract_api import (
    DEFAULT_PAGE,
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
    call,
    due,
    view,
)

MAX_PROGRAMS_OF_BRAND: Final = 256


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
    ) -> ProgramNamed:
        """Begin a brand's loyalty program (admin)."""
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "admin")
        self._authority.require_free_name(ctx, program, brand)
        PROGRAMS.require_absent(ctx, program)
        if BRAND_PROGRAMS.length(ctx, brand) >= MAX_PROGRAMS_OF_BRAND:
            raise Refused("LIMIT_EXCEEDED", "the brand has too many programs", limit=MAX_PROGRAMS_OF_BRAND)
        rules = Program(brand, name, symbol, decimals, transfer, expiry, transfer_burn_bps, notice_ms, price, cap)
        PROGRAMS.put(ctx, rules, program)
        SUPPLIES.put(ctx, SupplyRecord(), program)
        ALL_PROGRAMS.append(ctx, program)
        BRAND_PROGRAMS.append(ctx, program, brand)
        ctx.emit(ProgramCreated(program, brand, name, symbol))
        return ProgramNamed(program)

    @due(EXPIRIES)
    def expire(self, ctx: Context, at: int, program: str, date: int) -> bool:
        """Count what has expired, and remove one page of lots from storage; without events."""
        del at
        Supply(ctx, program, date).save()
        for account in LOTS_ON.drain(ctx, program, date):
            purse = Purse.existing(ctx, program, account)
            if purse is not None:
                purse.sweep(date)
                purse.save()
        return not LOTS_ON.is_empty(ctx, program, date)

    @view
    def program(self, ctx: Context, program: Slug) -> ProgramShown:
        """Return a program's rules."""
        return ProgramShown(program=program, **structs.asdict(PROGRAMS.require(ctx, program)))

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
