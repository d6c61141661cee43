"""Badges that change: collections with typed traits, tokens, rules by which they evolve (docs/nft.md).

    records, traits, art    what is in the state, and under which keys; types of traits; what a picture is made of
    events, answers         what the calls tell; what calls and views answer
    hooks                   what contracts above are told
    metadata, versions      the hashed document; the one way to a new version
    collections             made, changed, frozen; tokens come to a new revision
    tokens, moving          minted, sent, burned, frozen
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

from contracts_py.identity import Authority
from contracts_py.nft.art import Art, ArtSpec, BoundKept, Colours, Level, Progress, filled, places_in
from contracts_py.nft.collections import Collections
from contracts_py.nft.hooks import Movement, NftHooks
from contracts_py.nft.merges import Merges
from contracts_py.nft.tokens import Tokens
from contracts_py.nft.views import Views
from contracts_py.token import Ledger
from vm.contract_api import Contract

__all__ = [
    "Art",
    "ArtSpec",
    "BoundKept",
    "Colours",
    "Level",
    "Merges",
    "Movement",
    "NftHooks",
    "Progress",
    "filled",
    "nft_contract",
    "places_in",
]


def nft_contract(authority: Authority, ledger: Ledger, hooks: NftHooks, merges: Merges) -> list[Contract]:
    """Return the rooms of the nft contract; identity tells one of them of merges."""
    collections = Collections(authority)
    return [collections, Tokens(authority, ledger, hooks, collections), merges, Views(authority)]
