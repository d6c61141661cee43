"""Collections: made, changed within what holders were promised, and frozen for good."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from contracts_py.identity import Authority
from contracts_py.nft.answers import CollectionFrozen, CollectionState, EvolutionSpecs, TraitSpecs
from contracts_py.nft.art import ArtSpec, checked_art
from contracts_py.nft.events import CollectionCreated, CollectionUpdated, MetadataFrozen
from contracts_py.nft.held import follow
from contracts_py.nft.records import (
    COLLECTIONS,
    COLLECTIONS_OF,
    LOOKS,
    REFRESHES,
    REFRESHING,
    SUPPLIES,
    TOKENS,
    TOKENS_OF,
    AtUri,
    Cause,
    Collection,
    Description,
    Look,
    Mode,
    OnChain,
    Refresh,
    Supply,
    Symbol,
    TransferRule,
    Uri,
)
from contracts_py.nft.rulebook import checked_rulebook, held_days_of, put_rules
from contracts_py.nft.traits import checked_traits, widened
from contracts_py.nft.versions import change, look_of, traits_in
from vm.contract_api import (
    Amount,
    Context,
    Contract,
    Name,
    Refused,
    Slug,
    call,
    due,
    refuse,
)

TOKENS_OF_STEP: Final = 4
"""Tokens that one step of the agenda brings to a new revision: some 2,000 units."""


class Collections(Contract):
    """The room for collections."""

    name = "nft"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @call
    def create_collection(
        self,
        ctx: Context,
        collection: Slug,
        brand: Slug,
        name: Name,
        symbol: Symbol,
        soulbound: bool,
        max_supply: Amount | None = None,
        traits: TraitSpecs | None = None,
        evolution: EvolutionSpecs = (),
        metadata: Mode | None = None,
        art: ArtSpec | None = None,
        description: Description | None = None,
        transfer: TransferRule = "free",
    ) -> CollectionState:
        """Make a collection (marketer, admin). `max_supply` bounds how many tokens are ever minted."""
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer", "admin")
        self._authority.require_free_name(ctx, collection, brand)
        COLLECTIONS.require_absent(ctx, collection)
        if soulbound and transfer != "free":
            refuse("transfer", "nothing, as a soulbound token is never transferred")
        checked = checked_traits(traits or {})
        if art is not None and isinstance(metadata, AtUri):
            refuse("art", "nothing, as the pictures are where the metadata are")
        book = checked_rulebook(ctx, evolution, checked)
        look = Look(checked, description, None if art is None else checked_art(art, checked), tuple(book))
        days = held_days_of(book)
        record = Collection(brand, name, symbol, soulbound, metadata or OnChain(), transfer, max_supply, held=days)
        COLLECTIONS.put(ctx, record, collection)
        COLLECTIONS_OF.add(ctx, brand, item=collection)
        SUPPLIES.put(ctx, Supply(), collection)
        LOOKS.put(ctx, look, collection, 1)
        put_rules(ctx, brand, collection, book, None)
        ctx.emit(CollectionCreated(collection, brand, name, symbol, soulbound))
        return CollectionState(collection, 1)

    @call
    def update_collection(
        self,
        ctx: Context,
        collection: Slug,
        description: Description | None = None,
        traits: TraitSpecs | None = None,
        evolution: EvolutionSpecs | None = None,
        art: ArtSpec | None = None,
        max_supply: Amount | None = None,
        base: Uri | None = None,
    ) -> CollectionState:
        """Change a collection (marketer, admin); what is left out stays.

        `traits` are added, or take more values than before; `evolution` takes the place of all rules; `max_supply`
        can only fall, to what is minted at the least. Tokens come to the new revision by themselves.
        """
        record = self.require_changeable(ctx, collection)
        if art is not None and isinstance(record.metadata, AtUri):
            refuse("art", "nothing, as the pictures are where the metadata are")
        before = look_of(ctx, collection, record.revision)
        known = before.traits if traits is None else widened(before.traits, traits)
        look = replace(
            before,
            traits=known,
            description=description or before.description,
            art=before.art if art is None else checked_art(art, known),
        )
        if evolution is not None:
            book = checked_rulebook(ctx, evolution, known)
            put_rules(ctx, record.brand, collection, book, before)
            look = replace(look, triggers=tuple(book))
        changed = replace(
            record,
            held=held_days_of(look.triggers),
            revision=record.revision + 1,
            max_supply=_lowered(ctx, collection, record, max_supply),
            metadata=_moved(record, base),
        )
        COLLECTIONS.put(ctx, changed, collection)
        LOOKS.put(ctx, look, collection, changed.revision)
        self._begin_refresh(ctx, collection)
        ctx.emit(CollectionUpdated(collection, record.brand, changed.revision))
        return CollectionState(collection, changed.revision)

    @call
    def freeze_metadata(self, ctx: Context, collection: Slug) -> CollectionFrozen:
        """Let no metadata of a collection change any more, for good (marketer, admin)."""
        record = self.require_changeable(ctx, collection)
        if REFRESHING.get(ctx, collection) is not None:
            raise Refused("NOT_ELIGIBLE", "tokens are still coming to the present revision", collection=collection)
        COLLECTIONS.put(ctx, replace(record, frozen=True), collection)
        ctx.emit(MetadataFrozen(collection, record.brand))
        return CollectionFrozen(collection, True)

    def require_changeable(self, ctx: Context, collection: str) -> Collection:
        """Return a collection whose metadata may change, and that the signers may change.

        Raises:
            Refused: NOT_FOUND, NOT_AUTHORISED, SUSPENDED; FROZEN, its metadata are frozen.
        """
        record = COLLECTIONS.require(ctx, collection)
        self._authority.require_present(ctx, record.brand)
        self._authority.require_role(ctx, record.brand, "marketer", "admin")
        if record.frozen:
            raise Refused("FROZEN", "the collection's metadata are frozen", collection=collection)
        return record

    # Tokens come to the present revision

    def _begin_refresh(self, ctx: Context, collection: str) -> None:
        """Let all tokens come to the present revision, the first of them again where some were on their way."""
        if REFRESHING.get(ctx, collection) is None:
            REFRESHES.put(ctx, ctx.time, collection)
        REFRESHING.put(ctx, Refresh(), collection)

    @due(REFRESHES)
    def refresh(self, ctx: Context, at: int, collection: str) -> bool:
        """Bring some tokens to their collection's revision."""
        del at
        record, begun = COLLECTIONS.require(ctx, collection), REFRESHING.require(ctx, collection)
        after = begun.after
        tokens = []
        for token in TOKENS_OF.iterate(ctx, collection, after=after):
            tokens.append(token)
            if len(tokens) == TOKENS_OF_STEP:
                break
        for token in tokens:
            _refresh_token(ctx, collection, record, token)
        if len(tokens) < TOKENS_OF_STEP:
            REFRESHING.delete(ctx, collection)
            return False
        REFRESHING.put(ctx, Refresh(tokens[-1]), collection)
        return True


def _refresh_token(ctx: Context, name: str, collection: Collection, token: int) -> None:
    record = TOKENS.require(ctx, name, token)
    if record.revision != collection.revision:
        pairs = traits_in(look_of(ctx, name, collection.revision), record.traits)
        record = change(ctx, name, collection, token, record, pairs, Cause("update"))
        # What is due already is not passed over: it is done at the days that it stands for.
        if record.due is None or record.due > ctx.time:
            follow(ctx, name, collection, token, record, ctx.time)


def _lowered(ctx: Context, name: str, record: Collection, max_supply: int | None) -> int | None:
    if max_supply is None:
        return record.max_supply
    if record.max_supply is not None and max_supply > record.max_supply:
        raise Refused("NOT_ELIGIBLE", "max_supply can only fall", max_supply=record.max_supply)
    minted = SUPPLIES.require(ctx, name).minted
    if max_supply < minted:
        raise Refused("LIMIT_EXCEEDED", "more tokens are minted already", minted=minted)
    return max_supply


def _moved(record: Collection, base: str | None) -> Mode:
    if base is None:
        return record.metadata
    if not isinstance(record.metadata, AtUri):
        refuse("base", "nothing, as the metadata are on chain")
    return AtUri(base)
