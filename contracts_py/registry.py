"""The contracts that a chain runs, wired to each other, in the order of their system steps."""

from __future__ import annotations

from contracts_py.gov import Gov
from contracts_py.identity import Identity
from contracts_py.token import Token
from vm.contract_api import Contract


def contracts() -> tuple[list[Contract], Identity]:
    """Return the contracts, and the one that answers who may act for whom (`vm.runtime.Authority`)."""
    identity = Identity()
    return [identity, Token(identity), Gov(identity)], identity
