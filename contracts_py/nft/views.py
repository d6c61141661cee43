"""What can be read of collections and tokens."""

from __future__ import annotations

from typing import Annotated

import msgspec

from contracts_py.identity import Authority
from contracts_py.nft.answers import (
    Attribute,
    CollectionShown,
    Metadata,
    TokenShown,
    TokenVersion,
    TraitsShown,
    VersionShown,
)
from contracts_py.nft.art import Art, shown_art
from contracts_py.nft.badges import waiting_of
from contracts_py.nft.metadata import address_of, document_of, name_of
from contracts_py.nft.records import (
    COLLECTIONS,
    COLLECTIONS_OF,
    HISTORY,
    OWNED,
    REFRESHING,
    SUPPLIES,
    TOKENS,
    TOKENS_OF,
    AtUri,
    Collection,
    Token,
    TokenId,
)
from contracts_py.nft.rulebook import shown_rules
from contracts_py.nft.traits import MAX_TRAITS, Trait, TraitName, TraitSpec, Value
from contracts_py.nft.versions import look_of
from vm.contract_api import (
    DEFAULT_PAGE,
    Address,
    Context,
    Contract,
    Cursor,
    Meta,
    Page,
    PageLimit,
    Refused,
    Slug,
    as_cursor,
    from_cursor,
    paged,
    view,
)

TraitKeys = Annotated[tuple[TraitName, ...], Meta(max_length=MAX_TRAITS)]


class Depicted(msgspec.Struct, frozen=True, gc=False):
    """What a token's picture is drawn from, and the hash of its metadata, which changes whenever that does."""

    art: Art | None
    traits: dict[str, Value]
    collection: str
    name: str
    hash: str | None


def depicted(ctx: Context, name: str, token: int) -> Depicted | None:
    """Return what a token's picture is drawn from; None where the collection's pictures are elsewhere.

    Raises:
        Refused: NOT_FOUND.
    """
    collected, record = COLLECTIONS.require(ctx, name), TOKENS.require(ctx, name, token)
    if isinstance(collected.metadata, AtUri):
        return None
    art = look_of(ctx, name, record.revision).art
    return Depicted(art, dict(record.traits), collected.name, name_of(collected, token), record.hash)


class Views(Contract):
    """The room for views."""

    name = "nft"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @view
    def collection(self, ctx: Context, collection: Slug) -> CollectionShown:
        """Return a collection as it is in force."""
        record, supply = COLLECTIONS.require(ctx, collection), SUPPLIES.require(ctx, collection)
        look = look_of(ctx, collection, record.revision)
        return CollectionShown(
            collection,
            record.brand,
            record.name,
            record.symbol,
            record.soulbound,
            record.transfer,
            record.metadata,
            {trait.name: _spec(trait) for trait in look.traits},
            shown_rules(ctx, collection, look),
            supply.minted,
            supply.burned,
            supply.minted - supply.burned,
            record.revision,
            record.frozen,
            REFRESHING.get(ctx, collection) is not None,
            record.max_supply,
            look.description,
            None if look.art is None else shown_art(look.art),
        )

    @view
    def collections(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[CollectionShown]:
        """Return a brand's collections by name."""
        self._authority.brand_record(ctx, brand)
        return COLLECTIONS_OF.page(
            ctx, brand, cursor=cursor, limit=limit, show=lambda name: self.collection(ctx, name)
        )

    @view
    def token(self, ctx: Context, collection: Slug, token: TokenId) -> TokenShown:
        """Return a token with the traits that are stored."""
        return self._shown(ctx, collection, token)

    @view
    def tokens(
        self,
        ctx: Context,
        owner: Address,
        collection: Slug | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[TokenShown]:
        """Return an account's tokens by collection and number, of one collection or of all."""
        start = None if collection is None else (collection, 0)
        after = None if cursor is None else from_cursor(OWNED.item, cursor)
        found = (
            item
            for item in OWNED.iterate(ctx, owner, start=start, after=after)
            if collection is None or item[0] == collection
        )
        return paged(found, limit, lambda item: self._shown(ctx, *item), lambda _, last: as_cursor(last))

    @view
    def collection_tokens(
        self, ctx: Context, collection: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[TokenVersion]:
        """Return a collection's living tokens by number."""
        COLLECTIONS.require(ctx, collection)

        def show(token: int) -> TokenVersion:
            record = TOKENS.require(ctx, collection, token)
            return TokenVersion(collection, token, record.owner, record.version, record.hash)

        return TOKENS_OF.page(ctx, collection, cursor=cursor, limit=limit, show=show)

    @view
    def metadata(self, ctx: Context, collection: Slug, token: TokenId) -> Metadata:
        """Return a token's ERC-721 metadata, with the SHA-256 of the rest of it in RFC 8785 form.

        Where the document is elsewhere, `uri` is its address, and the hash what `set_uri` has said.
        """
        collected, record = COLLECTIONS.require(ctx, collection), TOKENS.require(ctx, collection, token)
        if isinstance(collected.metadata, AtUri):
            uri = address_of(collected.metadata, token, record.uri)
            return Metadata(name_of(collected, token), record.hash, uri=uri)
        look = look_of(ctx, collection, record.revision)
        document = document_of(collection, collected, look, record.revision, token, dict(record.traits))
        attributes = [Attribute(**attribute) for attribute in document.pop("attributes")]
        return Metadata(**document, attributes=attributes, metadata_hash=record.hash)

    @view
    def traits(self, ctx: Context, collection: Slug, token: TokenId, keys: TraitKeys | None = None) -> TraitsShown:
        """Return the values of a token's traits by key, all or those asked for (ERC-7496)."""
        record = TOKENS.require(ctx, collection, token)
        values = dict(record.traits)
        for key in keys or ():
            if key not in values:
                raise Refused("NOT_FOUND", "the token has no such trait", trait=key)
        return TraitsShown(collection, token, {key: values[key] for key in keys or values})

    @view
    def history(
        self,
        ctx: Context,
        collection: Slug,
        token: TokenId,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[VersionShown]:
        """Return every version of a token, a burned one's too, from the first on."""
        if not HISTORY.length(ctx, collection, token):
            COLLECTIONS.require(ctx, collection)
            raise Refused("NOT_FOUND", "no such token", collection=collection, token=token)
        page = HISTORY.page(ctx, collection, token, cursor=cursor, limit=limit)
        first = 1 if cursor is None else int(cursor) + 1
        shown = [
            VersionShown(first + place, item.height, item.time, item.cause, dict(item.traits), item.hash)
            for place, item in enumerate(page.items)
        ]
        return Page(shown, page.next)

    def _shown(self, ctx: Context, name: str, token: int) -> TokenShown:
        collected: Collection = COLLECTIONS.require(ctx, name)
        record: Token = TOKENS.require(ctx, name, token)
        return TokenShown(
            name,
            token,
            collected.brand,
            record.owner,
            record.minted,
            record.since,
            record.transfers,
            record.version,
            record.revision,
            dict(record.traits),
            record.hash,
            record.frozen or collected.soulbound,
            record.frozen,
            record.uri,
            record.due,
            waiting_of(ctx, record.owner),
        )


def _spec(trait: Trait) -> TraitSpec:
    fields = msgspec.structs.asdict(trait)
    del fields["name"]
    return TraitSpec(**fields)
