"""Evolution: asked for by anyone, and by itself: after a time held, and when an event or a tier still waits."""

from __future__ import annotations

from contracts_py.nft.answers import TokenVersion
from contracts_py.nft.badges import Badges, require_heard
from contracts_py.nft.evolver import Evolver, refuse_unchanged
from contracts_py.nft.records import COLLECTIONS, HELD_DUE, TOKENS, WAITS_DUE, Cause, TokenId
from contracts_py.nft.rulebook import MANUAL
from vm.contract_api import Context, Contract, Refused, Slug, call, due


class Evolutions(Contract):
    """The room for evolutions."""

    name = "nft"

    def __init__(self, evolver: Evolver, badges: Badges) -> None:
        self._evolver = evolver
        self.badges = badges

    @call
    def evolve(self, ctx: Context, collection: Slug, token: TokenId) -> TokenVersion:
        """Let a token evolve by its collection's manual rules (anyone)."""
        collected = COLLECTIONS.require(ctx, collection)
        before = self._evolver.catch_up(ctx, collection, token, ctx.time)
        if collected.frozen:
            raise Refused("FROZEN", "the collection's metadata are frozen", collection=collection)
        require_heard(ctx, before.owner)
        cause = Cause("manual", tx=ctx.tx_id or None)
        after, failures = self._evolver.evolve(ctx, collection, token, MANUAL, cause, {}, ctx.time)
        if after.version == before.version:
            refuse_unchanged(failures)
        return TokenVersion(collection, token, after.owner, after.version, after.hash)

    @due(HELD_DUE)
    def held(self, ctx: Context, at: int, collection: str, token: int) -> bool:
        """Run a token's rules for the time for which it was held, unless that was done or is no longer so."""
        del at
        record = TOKENS.get(ctx, collection, token)
        if record is not None and record.due is not None and record.due <= ctx.time:
            self._evolver.step(ctx, collection, token, record, record.due)
        return False

    @due(WAITS_DUE)
    def hear(self, ctx: Context, at: int, account: str) -> bool:
        """Let some of an account's tokens hear of what waits first."""
        del at
        return self.badges.hear(ctx, account)
