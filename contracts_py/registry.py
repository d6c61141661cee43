"""The contracts that a chain runs, wired to each other: each knows those below it by their public classes."""

from __future__ import annotations

from contracts_py.clearing import Clearing, clearing_contract
from contracts_py.gov import gov_contract
from contracts_py.identity import Authority, Brands, Exits, IdentityHooks, identity_contract
from contracts_py.swap import swap_contract
from contracts_py.token import Households, Ledger, Merges, Moves, token_contract
from vm.contract_api import Contract, once_family_of

__all__ = ["contracts", "once_family_of"]


def contracts() -> tuple[list[Contract], Authority]:
    """Return the contracts' rooms, and who answers who may act for whom (`vm.runtime.Authority`)."""
    authority, hooks = Authority(), IdentityHooks()
    brands, exits = Brands(authority), Exits(authority, hooks)
    clearing, ledger = Clearing(), Ledger(authority)
    merges = Merges(authority)
    households = Households(authority, merges)
    moves = Moves(households, merges)
    rooms = [
        *identity_contract(authority, brands, exits, hooks),
        *clearing_contract(authority, clearing),
        *token_contract(authority, clearing, households, moves),
        *swap_contract(authority, clearing, ledger),
        *gov_contract(authority, brands, exits),
    ]
    hooks.pool_joined.wire(moves.joined)
    hooks.pool_left.wire(moves.left)
    hooks.merged.wire(moves.merged)
    hooks.unmerged.wire(moves.unmerged)
    hooks.erased.wire()
    hooks.brand_exited.wire()
    return rooms, authority
