"""Time held: when a token's next rule falls due, and its place on the agenda.

A token's `due` is the first of its collection's days, counted from when its owner got it, that has not been worked
off. It is on the agenda then; where a refusal has put it off there, `due` stays.
"""

from __future__ import annotations

from msgspec.structs import replace

from contracts_py.nft.records import HELD_DUE, TOKENS, Collection, Token
from vm.contract_api import MAX_INT, MS_PER_DAY, Context


def next_due(collection: Collection, since: int, after: int) -> int | None:
    """Return the first time later than `after` at which rules for time held fall due; None where none do."""
    for days in collection.held:
        due = since + days * MS_PER_DAY
        if after < due <= MAX_INT:
            return due
    return None


def held_days_at(record: Token, due: int) -> int:
    """Return for how many days a token has been held when it falls due."""
    return (due - record.since) // MS_PER_DAY


def begin(ctx: Context, name: str, collection: Collection, token: int, record: Token) -> Token:
    """Return a token that its owner has got now, with its place on the agenda; the caller writes it."""
    due = next_due(collection, record.since, record.since)
    if due is not None:
        HELD_DUE.put(ctx, due, name, token)
    return replace(record, due=due)


def end(ctx: Context, name: str, token: int, record: Token) -> Token:
    """Return a token that is on the agenda no more; the caller writes it, or removes it."""
    if record.due is not None:
        HELD_DUE.cancel(ctx, record.due, name, token)
    return replace(record, due=None)


def follow(ctx: Context, name: str, collection: Collection, token: int, record: Token, after: int) -> Token:
    """Put a token on the agenda at the next time later than `after`, in the place of where it stands; write it."""
    due = next_due(collection, record.since, after)
    if due == record.due:
        return record
    moved = replace(end(ctx, name, token, record), due=due)
    if due is not None:
        HELD_DUE.put(ctx, due, name, token)
    TOKENS.put(ctx, moved, name, token)
    return moved
