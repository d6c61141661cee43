"""The contracts that a chain runs, wired to each other: each knows those below it by their public classes."""

from __future__ import annotations

from contracts_py.campaign import (
    CampaignHooks,
    Challenges,
    Outside,
    Profiles,
    Recorder,
    Schedules,
    campaign_contract,
    further_rooms,
)
from contracts_py.clearing import Clearing, clearing_contract
from contracts_py.gov import gov_contract
from contracts_py.identity import Authority, Brands, Exits, IdentityHooks, identity_contract
from contracts_py.nft import NftHooks, nft_contract
from contracts_py.swap import swap_contract
from contracts_py.tier import TierHooks, Tiers, Upkeep, tier_contract
from contracts_py.token import Households, Ledger, Merges, Moves, token_contract
from vm.contract_api import Contract, once_family_of

__all__ = ["contracts", "once_family_of"]


def contracts() -> tuple[list[Contract], Authority]:
    """Return the contracts' rooms, and who answers who may act for whom (`vm.runtime.Authority`)."""
    authority, hooks = Authority(), IdentityHooks()
    brands, exits = Brands(authority), Exits(authority, hooks)
    clearing, merges = Clearing(), Merges(authority)
    households = Households(authority, merges)
    moves, ledger = Moves(households, merges), Ledger(authority, households)
    levels = TierHooks()
    tiers, upkeep = Tiers(authority, levels), Upkeep(authority, levels)
    nft_hooks = NftHooks()
    nft = nft_contract(authority, ledger, tiers, nft_hooks)
    campaigns = CampaignHooks()
    outside = Outside(tiers, nft.badges)
    campaign_rooms, journal = campaign_contract(authority, clearing, ledger, outside, campaigns)
    recorder = Recorder(journal)
    schedules = Schedules(authority, ledger, recorder)
    challenges = Challenges(authority, recorder, journal.sources)
    rooms = [
        *identity_contract(authority, brands, exits, hooks),
        *clearing_contract(authority, clearing),
        *token_contract(authority, clearing, households, moves),
        *swap_contract(authority, clearing, ledger),
        *tier_contract(authority, levels, tiers, upkeep),
        *nft.rooms,
        *campaign_rooms,
        *further_rooms(authority, recorder),
        schedules,
        challenges,
        *gov_contract(authority, brands, exits),
    ]
    hooks.pool_joined.wire(moves.joined)
    hooks.pool_left.wire(moves.left)
    hooks.merged.wire(moves.merged, upkeep.merged, nft.merges.merged)
    hooks.unmerged.wire(moves.unmerged, upkeep.merged, nft.merges.unmerged)
    hooks.regrouped.wire(upkeep.regrouped)
    hooks.erased.wire(upkeep.erased, Profiles().erased, schedules.erased, challenges.erased)
    hooks.brand_exited.wire()
    levels.changed.wire(nft.badges.on_tier)
    nft_hooks.moving.wire()
    campaigns.recorded.wire(schedules.on_record, challenges.on_record)
    campaigns.reversed.wire(challenges.on_undone)
    return rooms, authority
