"""The alliance governs itself.

records      what is in the state, and under which keys
events       what the calls tell
answers      what calls and views answer
voting       proposals and votes
proposals    the life of a proposal in the state
actions      what passed proposals do
upkeep       what needs no vote: key rotation, evidence, parameters
reports      evidence of validators that contradict themselves
"""

from __future__ import annotations

from contracts_py.gov.actions import Actions
from contracts_py.gov.upkeep import Upkeep
from contracts_py.gov.voting import Voting
from contracts_py.identity import Authority, Brands, Exits
from vm.contract_api import Contract


def gov_contract(authority: Authority, brands: Brands, exits: Exits) -> list[Contract]:
    """Return the rooms of the gov contract."""
    actions = Actions(authority, brands, exits)
    return [Voting(authority, actions), Upkeep(actions)]
