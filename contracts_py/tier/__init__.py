"""Status levels: what a brand's members have reached, what that gives them, and until when.

    records     what is in the state
    events      what the calls tell
    answers     what calls and views answer
    hooks       what contracts above are told
    windows     which days count together
    courses     which level follows from dated points, terms and time: pure functions
    seats       a shopper in a ladder: read, changed, told, stored
    tiers       what contracts above ask and tell
    ladders     defining levels, with notice
    statuses    the views
    grants      levels given by a brand's decision
    matches     levels given for another brand's, by treaty
    upkeep      what happens by itself, and what identity tells

Invariants: docs/tiers.md.
"""

from __future__ import annotations

from contracts_py.identity import Authority
from contracts_py.tier.answers import Status
from contracts_py.tier.grants import Grants
from contracts_py.tier.hooks import TierChange, TierHooks
from contracts_py.tier.ladders import Ladders
from contracts_py.tier.matches import Matches
from contracts_py.tier.statuses import Statuses
from contracts_py.tier.tiers import Tiers
from contracts_py.tier.upkeep import Upkeep
from vm.contract_api import Contract

__all__ = ["Status", "TierChange", "TierHooks", "Tiers", "Upkeep", "tier_contract"]


def tier_contract(authority: Authority, hooks: TierHooks, tiers: Tiers, upkeep: Upkeep) -> list[Contract]:
    """Return the rooms of the tier contract; identity's hooks are wired to one of them."""
    return [
        Ladders(authority),
        Statuses(authority, tiers),
        Grants(authority, hooks),
        Matches(authority, hooks),
        upkeep,
    ]
