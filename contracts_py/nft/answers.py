"""What the nft contract's calls and views answer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from contracts_py.nft.art import ArtSpec
from contracts_py.nft.records import (
    MAX_RULES,
    MAX_SETS,
    Cause,
    Description,
    HeldDays,
    Mode,
    Source,
    Symbol,
    TokenId,
    TransferRule,
    Uri,
)
from contracts_py.nft.traits import MAX_TRAITS, TraitName, TraitSpec, TraitValue
from vm.contract_api import Address, Count, Hash, Integer, Meta, Name, Slug, TimeMs

TraitMap = Annotated[dict[TraitName, TraitValue], Meta(max_length=MAX_TRAITS)]
TraitSpecs = Annotated[dict[TraitName, TraitSpec], Meta(max_length=MAX_TRAITS)]
SetMap = Annotated[dict[TraitName, Source], Meta(max_length=MAX_SETS)]


class On(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What brings a rule about: an event of the brand, or a time for which the token was held."""

    event: Slug | None = None
    held_days: HeldDays | None = None


class EvolutionSpec(msgspec.Struct, frozen=True, gc=False):
    """A rule, as a brand gives it."""

    on: Literal["tier", "manual"] | On
    when: Source
    set: SetMap


EvolutionSpecs = Annotated[tuple[EvolutionSpec, ...], Meta(max_length=MAX_RULES)]


class CollectionState(msgspec.Struct, frozen=True, gc=False):
    """The collection, and its revision now."""

    collection: Slug
    revision: Count


class CollectionFrozen(msgspec.Struct, frozen=True, gc=False):
    """The collection, whose metadata change no more."""

    collection: Slug
    frozen: bool


class CollectionShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A collection. `minted` counts all tokens there ever were; `refreshing`: some are of an older revision."""

    collection: Slug
    brand: Slug
    name: Name
    symbol: Symbol
    soulbound: bool
    transfer: TransferRule
    metadata: Mode
    traits: TraitSpecs
    evolution: EvolutionSpecs
    minted: Count
    burned: Count
    living: Count
    revision: Count
    frozen: bool
    refreshing: bool
    max_supply: Count | None = None
    description: Description | None = None
    art: ArtSpec | None = None


class TokenVersion(msgspec.Struct, frozen=True, gc=False):
    """A token, its owner, its version and the hash of its metadata."""

    collection: Slug
    token: TokenId
    owner: Address
    version: Count
    metadata_hash: Hash | None


class TokenGone(msgspec.Struct, frozen=True, gc=False):
    """A token that is no more."""

    collection: Slug
    token: TokenId


class TokenLock(msgspec.Struct, frozen=True, gc=False):
    """Whether a token is frozen, and whether it can be transferred (ERC-5192)."""

    collection: Slug
    token: TokenId
    frozen: bool
    locked: bool


class TokenShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A token with its stored traits.

    `due` is when its next evolution by itself falls due; a time that is over means that it waits its turn.
    `waiting` is how many events its owner's tokens are still to hear of.
    """

    collection: Slug
    token: TokenId
    brand: Slug
    owner: Address
    minted: TimeMs
    since: TimeMs
    transfers: Count
    version: Count
    revision: Count
    traits: TraitMap
    metadata_hash: Hash | None
    locked: bool
    frozen: bool
    uri: Uri | None = None
    due: TimeMs | None = None
    waiting: Count = 0


class Attribute(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A trait in the form of ERC-721 metadata."""

    trait_type: Name
    value: TraitValue
    display_type: Literal["number"] | None = None
    max_value: Integer | None = None


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """ERC-721 metadata; of a document that is elsewhere `uri` says where, and the hash is null until known."""

    name: Annotated[str, Meta(max_length=160)]
    metadata_hash: Hash | None
    description: Description | None = None
    image: Annotated[str, Meta(max_length=64)] | None = None
    revision: Count | None = None
    attributes: Annotated[list[Attribute], Meta(max_length=MAX_TRAITS)] | None = None
    uri: Annotated[str, Meta(max_length=1_100)] | None = None


class VersionShown(msgspec.Struct, frozen=True, gc=False):
    """A version of a token, counted from 1."""

    version: Count
    height: Count
    time: TimeMs
    cause: Cause
    traits: TraitMap
    metadata_hash: Hash | None


class TraitsShown(msgspec.Struct, frozen=True, gc=False):
    """Values of a token's traits by key (ERC-7496)."""

    collection: Slug
    token: TokenId
    traits: TraitMap
