"""Pending points: they are issued and count, but cannot be spent before their time.

Invariants:
    1. Holding.pending = the sum of PENDING of the account; the supply's `pending` = that of all.
    2. For each time in an account's PENDING there is an item of UNLOCKS.
    3. Until its time a pending lot is on no date of the supply; it becomes available before its date.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from contracts_py.token.deeds import PENDING, UNLOCKS
from contracts_py.token.purse import Purse
from contracts_py.token.records import Parts
from vm.contract_api import Context, Refused, refuse

LOTS_PER_STEP: Final = 64
"""So many lots become available in one step of the agenda."""


def add(ctx: Context, purse: Purse, until: int, date: int, amount: int) -> None:
    """Add pending points to an account; the caller saves the purse.

    Raises:
        Refused: INVALID_ARGS, the time has come already; EXPIRED, they would expire before it.
    """
    if until <= ctx.time:
        refuse("pending_until", "a time to come")
    if date <= until:
        raise Refused("EXPIRED", "the points would expire before they become available", expires=date)
    program, account = purse.program, purse.account
    before = PENDING.get(ctx, program, account, item=(until, date)) or 0
    PENDING.put(ctx, before + amount, program, account, item=(until, date))
    UNLOCKS.put(ctx, until, program, account, until)
    purse.change(pending=amount)


def take_due(ctx: Context, purse: Purse, until: int) -> tuple[Parts, bool]:
    """Take out lots that were pending until a time, by date; tell whether more of them remain."""
    program, account = purse.program, purse.account
    entries = PENDING.entries(ctx, program, account, start=(until, 0))
    found = [(item, amount) for item, amount in islice(entries, LOTS_PER_STEP + 1) if item[0] == until]
    taken = found[:LOTS_PER_STEP]
    PENDING.change(ctx, [(item, None) for item, _ in taken], program, account)
    purse.change(pending=-sum(amount for _, amount in taken))
    return [(date, amount) for (_, date), amount in taken], len(found) > LOTS_PER_STEP


def take_from(ctx: Context, purse: Purse, until: int, date: int, most: int) -> int:
    """Take up to `most` points out of one pending lot; return how many."""
    program, account = purse.program, purse.account
    there = PENDING.get(ctx, program, account, item=(until, date)) or 0
    part = min(there, most)
    if part:
        PENDING.change(ctx, [((until, date), there - part or None)], program, account)
        purse.change(pending=-part)
    return part
