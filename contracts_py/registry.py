"""The contracts that a chain runs, wired to each other: each knows those below it by their public classes."""

from __future__ import annotations

from contracts_py.clearing import Clearing
from contracts_py.gov import gov_contract
from contracts_py.identity import Authority, Brands, Members
from contracts_py.swap import swap_contract
from contracts_py.token import Ledger, token_contract
from vm.contract_api import Contract, once_family_of

__all__ = ["contracts", "once_family_of"]


def contracts() -> tuple[list[Contract], Authority]:
    """Return the contracts' rooms, and who answers who may act for whom (`vm.runtime.Authority`)."""
    authority = Authority()
    brands = Brands(authority)
    clearing, ledger = Clearing(), Ledger(authority)
    token = token_contract(authority, clearing)
    swap = swap_contract(authority, clearing, ledger)
    return [brands, Members(authority), *token, *swap, *gov_contract(authority, brands)], authority
