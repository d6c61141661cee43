"""A token changes hands: its owner, its two indexes, its time."""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.nft import held
from contracts_py.nft.events import MoveCause, Transferred
from contracts_py.nft.records import OWNED, TOKENS, Collection, Token
from vm.contract_api import Context


def give(
    ctx: Context, name: str, collection: Collection, token: int, record: Token, to: str, cause: MoveCause
) -> Token:
    """Let a token have another owner; return it as it is written.

    Where accounts become one, or two again, the shopper stays the same: the time for which it was held goes on, and
    it counts as no transfer.
    """
    OWNED.discard(ctx, record.owner, item=(name, token))
    OWNED.add(ctx, to, item=(name, token))
    changed = replace(record, owner=to)
    if cause == "transfer":
        anew = replace(held.end(ctx, name, token, changed), since=ctx.time, transfers=record.transfers + 1)
        changed = held.begin(ctx, name, collection, token, anew)
    TOKENS.put(ctx, changed, name, token)
    ctx.emit(Transferred(name, collection.brand, token, record.owner, to, cause))
    return changed
