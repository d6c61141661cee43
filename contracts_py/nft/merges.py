"""Two accounts of one shopper become one: the badges move, soulbound ones too; and back again.

The first tokens move in the operation, the others by the agenda, so that an account with thousands of them can be
merged. A second merge, of the target, takes along what has arrived; the rest follows to where that went.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from contracts_py.identity import Authority, Merge
from contracts_py.nft.events import MoveCause
from contracts_py.nft.moving import give
from contracts_py.nft.records import COLLECTIONS, MERGED, MOVES, MOVING, OWNED, TOKENS, Move
from vm.contract_api import Context, Contract, due

MOVED_AT_ONCE: Final = 32
"""Tokens that move within a merge; shoppers have fewer. Each costs some 500 units."""

MOVED_IN_STEP: Final = 8


class Merges(Contract):
    """The room for merges; told by identity."""

    name = "nft"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def merged(self, ctx: Context, merge: Merge) -> None:
        """Move the source's tokens to the target, the first of them at once."""
        if self._move(ctx, merge.source, merge.target, MOVED_AT_ONCE):
            self._go_on(ctx, merge.source, merge.target)

    def unmerged(self, ctx: Context, merge: Merge) -> None:
        """Move back what had come from the source and is still the target's; what has not moved yet stays.

        Where more came than move at once the agenda moves the rest back: what waits has the other direction then.
        """
        if self._move_back(ctx, merge.source, merge.target, MOVED_AT_ONCE):
            self._go_on(ctx, merge.source, merge.target)

    def _go_on(self, ctx: Context, source: str, target: str) -> None:
        if MOVING.get(ctx, source) is None:
            MOVES.put(ctx, ctx.time, source)
        MOVING.put(ctx, Move(target), source)

    @due(MOVES)
    def move(self, ctx: Context, at: int, source: str) -> bool:
        """Move some more tokens of an account that was merged, or back to one that is so no longer."""
        del at
        target = MOVING.require(ctx, source).target
        present = self._authority.current_account(ctx, source)
        if present == source:
            more = self._move_back(ctx, source, target, MOVED_IN_STEP)
        else:
            more = self._move(ctx, source, target, MOVED_IN_STEP)
        if not more:
            MOVING.delete(ctx, source)
        return more

    def _move(self, ctx: Context, source: str, target: str, most: int) -> bool:
        """Move at most so many tokens to the account that the target is now; tell whether more remain."""
        receiver = self._authority.current_account(ctx, target)
        items = _first(OWNED.iterate(ctx, source), most)
        for item in items:
            _give(ctx, item, source, receiver, "merge")
            MERGED.add(ctx, source, item=item)
        return len(items) == most

    def _move_back(self, ctx: Context, source: str, target: str, most: int) -> bool:
        holder = self._authority.current_account(ctx, target)
        items = _first(MERGED.iterate(ctx, source), most)
        for item in items:
            MERGED.discard(ctx, source, item=item)
            _give(ctx, item, holder, source, "unmerge")
        return len(items) == most


def _first(items: Iterator[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    return list(islice(items, most))


def _give(ctx: Context, item: tuple[str, int], owner: str, to: str, cause: MoveCause) -> None:
    """Move a token that is still its owner's."""
    name, token = item
    record = TOKENS.get(ctx, name, token)
    if record is not None and record.owner == owner:
        give(ctx, name, COLLECTIONS.require(ctx, name), token, record, to, cause)
