"""The events of the nft contract; docs/standards.md maps them to those of the ERCs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from contracts_py.nft.records import CauseKind, RulePlace, RulePlaces, Symbol, TokenId
from contracts_py.nft.traits import TraitName
from vm.contract_api import Address, BrandId, Count, Hash, Meta, Name, Slug, event

MoveCause = Literal["transfer", "merge", "unmerge"]
FailureText = Annotated[str, Meta(max_length=256)]


@event("nft.collection_created")
class CollectionCreated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has made a collection."""

    collection: Slug
    brand: BrandId
    name: Name
    symbol: Symbol
    soulbound: bool


@event("nft.collection_updated")
class CollectionUpdated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A collection has a new revision, to which its tokens come."""

    collection: Slug
    brand: BrandId
    revision: Count


@event("nft.metadata_frozen")
class MetadataFrozen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """No metadata of a collection changes any more."""

    collection: Slug
    brand: BrandId


@event("nft.minted")
class Minted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An account got a new token."""

    collection: Slug
    brand: BrandId
    token: TokenId
    account: Address
    hash: Hash | None = None


@event("nft.transferred")
class Transferred(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A token has another owner: it was sent, or accounts became one, or two again."""

    collection: Slug
    brand: BrandId
    token: TokenId
    from_account: Address
    to_account: Address
    cause: MoveCause


@event("nft.burned")
class Burned(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A token's owner has destroyed it."""

    collection: Slug
    brand: BrandId
    token: TokenId
    account: Address


@event("nft.metadata_updated")
class MetadataUpdated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A token has a new version, whose metadata have this hash; `rules` are the places of those that applied."""

    collection: Slug
    brand: BrandId
    token: TokenId
    account: Address
    version: Count
    cause: CauseKind
    hash: Hash | None = None
    rules: RulePlaces = ()
    event: Slug | None = None


@event("nft.locked")
class Locked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A token cannot be transferred: it is soulbound, or frozen."""

    collection: Slug
    brand: BrandId
    token: TokenId
    account: Address


@event("nft.unlocked")
class Unlocked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A token is frozen no longer, and can be transferred again."""

    collection: Slug
    brand: BrandId
    token: TokenId
    account: Address


@event("nft.evolution_failed")
class EvolutionFailed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A rule did not come to a result, and was passed over; `trait` where it is what the rule would have set."""

    collection: Slug
    brand: BrandId
    token: TokenId
    account: Address
    rule: RulePlace
    reason: FailureText
    trait: TraitName | None = None
