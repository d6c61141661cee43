"""Compliance: freezing accounts."""

from __future__ import annotations

from contracts_py.identity import Authority
from contracts_py.token.answers import FreezeState
from contracts_py.token.events import Frozen, Unfrozen
from contracts_py.token.purse import Purse
from contracts_py.token.records import (
    FROZEN_AT,
    LOCKED_AT_BRAND,
    LOCKED_IN_PROGRAM,
    PROGRAMS,
    PROGRAMS_OF,
)
from vm.contract_api import Address, Context, Contract, Slug, call, refuse


class Compliance(Contract):
    """The room for compliance."""

    name = "token"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def freeze(
        self, ctx: Context, account: Address, program: Slug | None = None, brand: Slug | None = None
    ) -> FreezeState:
        """Stop an account from giving, receiving by transfer, and redeeming (compliance).

        Without `program`, at all programs, present and future, of `brand`; that may be left out where the signers
        hold the role compliance at one brand only.
        """
        self._set_frozen(ctx, account, program, brand, True)
        return FreezeState(account, True)

    @call
    def unfreeze(
        self, ctx: Context, account: Address, program: Slug | None = None, brand: Slug | None = None
    ) -> FreezeState:
        """End what `freeze` with the same arguments began (compliance)."""
        self._set_frozen(ctx, account, program, brand, False)
        return FreezeState(account, False)

    def _set_frozen(self, ctx: Context, account: str, program: str | None, brand: str | None, frozen: bool) -> None:
        if program is None:
            brand = self._authority.acting_brand(ctx, "compliance", brand)
            self._set_frozen_at(ctx, account, brand, frozen)
        else:
            rules = PROGRAMS.require(ctx, program)
            if brand is not None and brand != rules.brand:
                refuse("brand", "the program's brand, or nothing")
            brand = rules.brand
            self._authority.require_role(ctx, brand, "compliance")
            purse = Purse.of(ctx, program, brand, account)
            purse.lock(LOCKED_IN_PROGRAM, frozen)
            purse.save()
        ctx.emit((Frozen if frozen else Unfrozen)(brand, account, program))

    def _set_frozen_at(self, ctx: Context, account: str, brand: str, frozen: bool) -> None:
        """Freeze or unfreeze an account at all programs of a brand; those to come look at the brand's own mark."""
        if frozen:
            FROZEN_AT.put(ctx, True, brand, account)
        else:
            FROZEN_AT.delete(ctx, brand, account)
        for program in list(PROGRAMS_OF.iterate(ctx, account)):
            if PROGRAMS.require(ctx, program).brand == brand:
                purse = Purse.of(ctx, program, brand, account)
                purse.lock(LOCKED_AT_BRAND, frozen)
                purse.save()
