"""Tokens: minted by their brand, sent and burned by their owner, frozen by compliance."""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.identity import Authority
from contracts_py.nft import held
from contracts_py.nft.answers import TokenGone, TokenLock, TokenVersion, TraitMap
from contracts_py.nft.badges import require_heard
from contracts_py.nft.collections import Collections
from contracts_py.nft.events import Burned, Locked, Minted, Unlocked
from contracts_py.nft.evolver import Evolver
from contracts_py.nft.hooks import Movement, NftHooks
from contracts_py.nft.moving import give
from contracts_py.nft.records import (
    COLLECTIONS,
    HISTORY,
    OWNED,
    SUPPLIES,
    TOKENS,
    TOKENS_OF,
    AtUri,
    Cause,
    Collection,
    Token,
    TokenId,
    Uri,
)
from contracts_py.nft.traits import values_of
from contracts_py.nft.versions import begin, end, hash_now, look_of, put_version
from contracts_py.token import Ledger
from vm.contract_api import Address, Context, Contract, Hash, Refused, Slug, call, refuse


class Tokens(Contract):
    """The room for tokens."""

    name = "nft"

    def __init__(
        self, authority: Authority, ledger: Ledger, evolver: Evolver, hooks: NftHooks, collections: Collections
    ) -> None:
        self._authority = authority
        self._ledger = ledger
        self._evolver = evolver
        self._hooks = hooks
        self._collections = collections

    @call
    def mint(
        self, ctx: Context, collection: Slug, token: TokenId, to: Address, traits: TraitMap | None = None
    ) -> TokenVersion:
        """Make a token (issuer). A merged account's goes to the one into which it was merged."""
        record = COLLECTIONS.require(ctx, collection)
        self._authority.require_active(ctx, record.brand)
        self._authority.require_role(ctx, record.brand, "issuer")
        if HISTORY.length(ctx, collection, token):
            raise Refused("ALREADY_EXISTS", "the token exists, or existed", collection=collection, token=token)
        self._count_minted(ctx, collection, record)
        look = look_of(ctx, collection, record.revision)
        pairs = values_of(look.traits, traits or {})
        digest = hash_now(ctx, collection, record, token, pairs)
        owner = self._authority.current_account(ctx, to)
        minted = Token(owner, ctx.time, ctx.time, pairs, record.revision, digest)
        minted = held.begin(ctx, collection, record, token, minted)
        begin(ctx, collection, token, minted)
        TOKENS_OF.add(ctx, collection, item=token)
        OWNED.add(ctx, owner, item=(collection, token))
        ctx.emit(Minted(collection, record.brand, token, owner, digest))
        if record.soulbound:
            ctx.emit(Locked(collection, record.brand, token, owner))
        return _version(collection, token, minted)

    def _count_minted(self, ctx: Context, collection: str, record: Collection) -> None:
        supply = SUPPLIES.require(ctx, collection)
        if record.max_supply is not None and supply.minted >= record.max_supply:
            raise Refused("CAP_EXCEEDED", "all tokens of the collection are minted", max_supply=record.max_supply)
        SUPPLIES.put(ctx, replace(supply, minted=supply.minted + 1), collection)

    @call
    def transfer(
        self, ctx: Context, collection: Slug, token: TokenId, to: Address, from_: Address | None = None
    ) -> TokenVersion:
        """Send a token to another account (holder)."""
        collected, record = self._require_own(ctx, collection, token, from_)
        receiver = self._authority.current_account(ctx, to)
        if receiver == record.owner:
            refuse("to", "another account than the owner")
        if collected.soulbound:
            raise Refused("NOT_TRANSFERABLE", "the collection is soulbound", collection=collection)
        if collected.transfer == "brand" and not self._authority.is_member(ctx, receiver, collected.brand):
            raise Refused("NOT_TRANSFERABLE", "only to members of the collection's brand", account=receiver)
        self._require_unfrozen(ctx, collected.brand, record, receiver)
        require_heard(ctx, record.owner)
        self._hooks.moving.tell(ctx, Movement(collection, token, record.owner, receiver))
        record = self._evolver.catch_up(ctx, collection, token, ctx.time)
        return _version(collection, token, give(ctx, collection, collected, token, record, receiver, "transfer"))

    @call
    def burn(self, ctx: Context, collection: Slug, token: TokenId, from_: Address | None = None) -> TokenGone:
        """Destroy a token (holder). Its number is not minted again, and its history stays."""
        collected, record = self._require_own(ctx, collection, token, from_)
        self._require_unfrozen(ctx, collected.brand, record)
        self._hooks.moving.tell(ctx, Movement(collection, token, record.owner, None))
        record = self._evolver.catch_up(ctx, collection, token, ctx.time)
        supply = SUPPLIES.require(ctx, collection)
        SUPPLIES.put(ctx, replace(supply, burned=supply.burned + 1), collection)
        TOKENS_OF.discard(ctx, collection, item=token)
        OWNED.discard(ctx, record.owner, item=(collection, token))
        end(ctx, collection, token, held.end(ctx, collection, token, record))
        ctx.emit(Burned(collection, collected.brand, token, record.owner))
        return TokenGone(collection, token)

    def _require_own(
        self, ctx: Context, collection: str, token: int, from_: str | None
    ) -> tuple[Collection, Token]:
        """Return a token whose owner the transaction acts for.

        Raises:
            Refused: NOT_FOUND; NOT_AUTHORISED; NOT_ELIGIBLE, it is not `from_` that owns it.
        """
        collected, record = COLLECTIONS.require(ctx, collection), TOKENS.require(ctx, collection, token)
        self._authority.require_acts_for(ctx, record.owner)
        if from_ is not None and from_ != record.owner:
            raise Refused("NOT_ELIGIBLE", "the token is another account's", owner=record.owner)
        return collected, record

    def _require_unfrozen(self, ctx: Context, brand: str, record: Token, *others: str) -> None:
        if record.frozen:
            raise Refused("FROZEN", "the token is frozen")
        for account in (record.owner, *others):
            if self._ledger.is_frozen_at(ctx, brand, account):
                raise Refused("FROZEN", "the account is frozen at the brand", account=account, brand=brand)

    @call
    def set_uri(self, ctx: Context, collection: Slug, token: TokenId, uri: Uri, hash: Hash) -> TokenVersion:  # noqa: A002
        """Say where a token's document is, and the hash of what is there (marketer, admin)."""
        collected = self._collections.require_changeable(ctx, collection)
        if not isinstance(collected.metadata, AtUri):
            raise Refused("NOT_ELIGIBLE", "the collection's metadata are on chain", collection=collection)
        record = TOKENS.require(ctx, collection, token)
        changed = replace(record, uri=uri, hash=hash)
        cause = Cause("uri", tx=ctx.tx_id or None)
        return _version(collection, token, put_version(ctx, collection, collected, token, changed, cause))

    @call
    def freeze(self, ctx: Context, collection: Slug, token: TokenId) -> TokenLock:
        """Keep a token where it is: neither sent nor burned (compliance). It goes on evolving."""
        return self._set_frozen(ctx, collection, token, True)

    @call
    def unfreeze(self, ctx: Context, collection: Slug, token: TokenId) -> TokenLock:
        """End what `freeze` began (compliance)."""
        return self._set_frozen(ctx, collection, token, False)

    def _set_frozen(self, ctx: Context, collection: str, token: int, frozen: bool) -> TokenLock:
        collected = COLLECTIONS.require(ctx, collection)
        self._authority.require_role(ctx, collected.brand, "compliance")
        record = TOKENS.require(ctx, collection, token)
        if record.frozen != frozen:
            TOKENS.put(ctx, replace(record, frozen=frozen), collection, token)
            if not collected.soulbound:  # A soulbound one was locked before, and stays so.
                ctx.emit((Locked if frozen else Unlocked)(collection, collected.brand, token, record.owner))
        return TokenLock(collection, token, frozen, frozen or collected.soulbound)


def _version(collection: str, token: int, record: Token) -> TokenVersion:
    return TokenVersion(collection, token, record.owner, record.version, record.hash)
