"""Badges that change: collections with typed traits, tokens, rules by which they evolve (docs/nft.md).

    records, traits, art    what is in the state, and under which keys; types of traits; what a picture is made of
    events, answers         what the calls tell; what calls and views answer
    hooks                   what contracts above are told
    metadata, versions      the hashed document; the one way to a new version
    collections             made, changed, frozen; tokens come to a new revision
    tokens, moving          minted, sent, burned, frozen
    rulebook, facts         rules by trigger, checked; what they read
    evolver, held           one token's evolution; when its next one by time falls due
    badges, evolutions      what events and tiers bring about; what is asked for, and happens by itself
    merges                  accounts become one
    views                   what can be read

Invariants:
    1. A token's hash is that of its metadata, and the last version of its history has it.
    2. OWNED and TOKENS_OF hold the living tokens, each once; a collection has minted - burned of them.
    3. `minted` is never above max_supply, and a number is minted once.
    4. A soulbound token changes its owner by merges only.
    5. Of a collection whose metadata are frozen no hash changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts_py.identity import Authority
from contracts_py.nft.art import Art, ArtSpec, BoundKept, Colours, Level, Progress, filled, places_in
from contracts_py.nft.badges import Badges
from contracts_py.nft.collections import Collections
from contracts_py.nft.evolutions import Evolutions
from contracts_py.nft.evolver import Evolver
from contracts_py.nft.facts import Sources
from contracts_py.nft.hooks import Movement, NftHooks
from contracts_py.nft.merges import Merges
from contracts_py.nft.tokens import Tokens
from contracts_py.nft.views import Depicted, Views, depicted
from contracts_py.tier import Tiers
from contracts_py.token import Ledger
from vm.contract_api import Contract

__all__ = [
    "Art",
    "ArtSpec",
    "Badges",
    "BoundKept",
    "Colours",
    "Depicted",
    "Level",
    "Movement",
    "Nft",
    "NftHooks",
    "Progress",
    "depicted",
    "filled",
    "nft_contract",
    "places_in",
]


@dataclass(frozen=True, slots=True)
class Nft:
    """The contract, and what of it others call or tell.

    Attributes:
        badges: for campaign, and for tier's hook.
        merges: for identity's hooks.
    """

    rooms: list[Contract]
    badges: Badges
    merges: Merges


def nft_contract(authority: Authority, ledger: Ledger, tiers: Tiers, hooks: NftHooks) -> Nft:
    """Make the rooms of the nft contract."""
    evolver = Evolver(Sources(authority, tiers))
    badges, merges, collections = Badges(evolver), Merges(authority), Collections(authority)
    tokens = Tokens(authority, ledger, evolver, hooks, collections)
    return Nft([collections, tokens, Evolutions(evolver, badges), merges, Views(authority)], badges, merges)
