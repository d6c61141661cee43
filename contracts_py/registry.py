"""The contracts that a chain runs, wired to each other: each knows those below it by their public classes."""

from __future__ import annotations

from contracts_py.clearing import Clearing, clearing_contract
from contracts_py.gov import gov_contract
from contracts_py.identity import Authority, Brands, Members
from contracts_py.token import token_contract
from vm.contract_api import Contract, once_family_of

__all__ = ["contracts", "once_family_of"]


def contracts() -> tuple[list[Contract], Authority]:
    """Return the contracts' rooms, and who answers who may act for whom (`vm.runtime.Authority`)."""
    authority = Authority()
    brands = Brands(authority)
    clearing = Clearing()
    rooms: list[Contract] = [
        brands,
        Members(authority),
        *clearing_contract(authority, clearing),
        *token_contract(authority),
        *gov_contract(authority, brands),
    ]
    return rooms, authority
