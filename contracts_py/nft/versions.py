"""The one way in which a token comes to a new version: traits, revision, hash, history and event together.

Invariants:
    1. A token's `hash` is that of `document_of` its collection, the look of its revision, and its traits; where the
       document is elsewhere, what `set_uri` has said.
    2. The history has as many versions as the token says, and the last one has its traits and hash. That of a
       burned token has one more, with the cause `burn`.
    3. Each version but the first, and a burn, is told by `nft.metadata_updated`.
"""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.nft.events import MetadataUpdated
from contracts_py.nft.metadata import document_of, hash_of
from contracts_py.nft.records import HISTORY, LOOKS, TOKENS, AtUri, Cause, Collection, Look, Token, Version
from contracts_py.nft.traits import Value
from vm.contract_api import Context

Pairs = tuple[tuple[str, Value], ...]


def look_of(ctx: Context, name: str, revision: int) -> Look:
    """Return what a collection's metadata of a revision is made of."""
    return LOOKS.require(ctx, name, revision)


def traits_in(look: Look, pairs: Pairs) -> Pairs:
    """Return a token's values under a look: a trait that was added since has its default."""
    known = dict(pairs)
    return tuple([(trait.name, known.get(trait.name, trait.default)) for trait in look.traits])


def hash_now(ctx: Context, name: str, collection: Collection, token: int, pairs: Pairs) -> str | None:
    """Return the hash of the document that a token has under the present look; None where it is elsewhere."""
    if isinstance(collection.metadata, AtUri):
        return None
    look, revision = look_of(ctx, name, collection.revision), collection.revision
    return hash_of(ctx, document_of(name, collection, look, revision, token, dict(pairs)))


def begin(ctx: Context, name: str, token: int, record: Token) -> None:
    """Write a minted token and its first version."""
    TOKENS.put(ctx, record, name, token)
    _append(ctx, name, token, record, Cause("mint", tx=ctx.tx_id or None))


def change(
    ctx: Context, name: str, collection: Collection, token: int, record: Token, pairs: Pairs, cause: Cause
) -> Token:
    """Give a token other traits, under its collection's present look; return it as it is written.

    The caller has looked that something changes, and that metadata may.
    """
    # What is elsewhere does not change by itself: its brand says what it is, by `set_uri`.
    digest = hash_now(ctx, name, collection, token, pairs) or record.hash
    changed = replace(record, traits=pairs, revision=collection.revision, hash=digest)
    return put_version(ctx, name, collection, token, changed, cause)


def put_version(ctx: Context, name: str, collection: Collection, token: int, record: Token, cause: Cause) -> Token:
    """Write a token as its next version; return it."""
    written = replace(record, version=record.version + 1)
    TOKENS.put(ctx, written, name, token)
    _append(ctx, name, token, written, cause)
    ctx.emit(
        MetadataUpdated(
            name,
            collection.brand,
            token,
            written.owner,
            written.version,
            cause.kind,
            written.hash,
            cause.rules,
            cause.event,
        )
    )
    return written


def end(ctx: Context, name: str, token: int, record: Token) -> None:
    """Remove a burned token; its history stays, and says when it ended."""
    TOKENS.delete(ctx, name, token)
    _append(ctx, name, token, record, Cause("burn", tx=ctx.tx_id or None))


def _append(ctx: Context, name: str, token: int, record: Token, cause: Cause) -> None:
    HISTORY.append(ctx, Version(ctx.height, ctx.time, cause, record.traits, record.hash), name, token)
