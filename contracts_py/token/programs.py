"""Programs: their rules, and what is outstanding of them."""

from __future__ import annotations

from typing import Any, Final

from msgspec import to_builtins

from contracts_py.identity import Authority
from contracts_py.paging import DEFAULT_PAGE, Cursor, PageLimit, shown
from contracts_py.token import records
from contracts_py.token.dates import deferral
from contracts_py.token.events import CreateProgramResult, ProgramCreated
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
    Amount,
    BasisPoints,
    Context,
    Contract,
    Count,
    Name,
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
    state = (records,)

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
    ) -> CreateProgramResult:
        """Begin a brand's loyalty program (admin)."""
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "admin")
        PROGRAMS.require_absent(ctx, program)
        if BRAND_PROGRAMS.length(ctx, brand) >= MAX_PROGRAMS_OF_BRAND:
            raise Refused("LIMIT_EXCEEDED", "the brand has too many programs", limit=MAX_PROGRAMS_OF_BRAND)
        rules = Program(brand, name, symbol, decimals, transfer, expiry, transfer_burn_bps, notice_ms, price, cap)
        PROGRAMS.put(ctx, rules, program)
        SUPPLIES.put(ctx, SupplyRecord(), program)
        ALL_PROGRAMS.append(ctx, program)
        BRAND_PROGRAMS.append(ctx, program, brand)
        ctx.emit(ProgramCreated(program, brand, name, symbol))
        return CreateProgramResult(program)

    @due(EXPIRIES)
    def expire(self, ctx: Context, at: int, program: str, date: int) -> bool:
        """Count what has expired, and remove one page of lots from storage; without events."""
        del at
        Supply(ctx, program).save()
        for account in LOTS_ON.drain(ctx, program, date):
            purse = Purse.existing(ctx, program, account)
            if purse is not None and purse.sweep():
                purse.save()
        return not LOTS_ON.is_empty(ctx, program, date)

    @view
    def program(self, ctx: Context, program: Slug) -> dict[str, Any]:
        """Return the program's rules: create_program's arguments, and `version`."""
        return {"program": program, **to_builtins(PROGRAMS.require(ctx, program))}

    @view
    def programs(
        self,
        ctx: Context,
        brand: Slug | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> dict[str, Any]:
        """Return {items, next}: all programs or a brand's, in order of creation, as `program` shows them."""
        if brand is None:
            page = ALL_PROGRAMS.page(ctx, cursor=cursor, limit=limit)
        else:
            self._authority.brand_record(ctx, brand)
            page = BRAND_PROGRAMS.page(ctx, brand, cursor=cursor, limit=limit)
        return shown(page, lambda program: self.program(ctx, program))

    @view
    def supply(self, ctx: Context, program: Slug) -> dict[str, Any]:
        """Return the program's counters; the module's page says how they add up."""
        PROGRAMS.require(ctx, program)
        counters = to_builtins(Supply(ctx, program).record)
        counters = {name: counters.get(name, 0) for name in SupplyRecord.__struct_fields__ if name != "next_date"}
        return {**counters, "available": counters["outstanding"] - counters["held"] - counters["pending"]}

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
        return deferral(sale, points, unit_price, expected_bps, redeemed)


