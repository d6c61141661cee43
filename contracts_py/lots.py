"""The lots of one account in one program: taking, adding, re-dating, sweeping.

A lot's amount is a key of its own; the account's Holding lists the dates of its lots in order. So moving points
between lots that exist writes two keys, and the Holding changes only when a lot appears or disappears.

Invariants:
    1. Holding.lots are exactly the dates that have a lot key, sorted; each amount is at least 1.
    2. A date that is not after the block's time is expired: its lot is worth nothing, and is only
       waiting for the sweep. Nothing is ever added to it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

from contracts_py import sequences
from contracts_py.token_records import (
    LOCKED_AT_BRAND,
    SWEEP,
    Holding,
    Holdings,
    Sweep,
    frozen_key,
    holders_key,
    holding_key,
    holdings_key,
    lot_key,
)
from vm.contract_api import Context, InvariantBroken, Refused

SWEEP_PER_BLOCK: Final = 64
"""Accounts looked at, and lots removed, by one system step."""

Parts = list[tuple[int, int]]
"""Points as (date, amount), by date."""


def open_holding(ctx: Context, program: str, brand: str, account: str) -> Holding:
    """Return the account's Holding, made now where there was none."""
    holding = ctx.get(holding_key(program, account), Holding)
    if holding is not None:
        return holding
    frozen = ctx.get(frozen_key(brand, account), bool) is not None
    holding = Holding(frozen=LOCKED_AT_BRAND if frozen else 0)
    ctx.put(holding_key(program, account), holding)
    sequences.append(ctx, holders_key(program), account)
    programs = (ctx.get(holdings_key(account), Holdings) or Holdings()).programs
    ctx.charge(len(programs) // 16)
    ctx.put(holdings_key(account), Holdings((*programs, program)))
    return holding


def read(ctx: Context, program: str, account: str) -> Parts:
    """Return the account's live lots."""
    holding = ctx.get(holding_key(program, account), Holding)
    if holding is None:
        return []
    live = holding.lots[bisect_right(holding.lots, ctx.time) :]
    return [(date, _amount(ctx, program, account, date)) for date in live]


def take(ctx: Context, program: str, account: str, holding: Holding, amount: int) -> Parts:
    """Take points from the account's live lots, earliest-expiring first.

    Raises:
        Refused: INSUFFICIENT_BALANCE.
    """
    dates = holding.lots
    first = 0 if not dates or dates[0] > ctx.time else bisect_right(dates, ctx.time)
    taken: Parts = []
    missing = amount
    place = first
    while missing and place < len(dates):
        date = dates[place]
        key = lot_key(program, account, date)
        present = ctx.get(key, int)
        if present is None:
            raise InvariantBroken(f"no amount at {key}")
        if present > missing:
            ctx.put(key, present - missing)
            taken.append((date, missing))
            missing = 0
            break
        ctx.delete(key)
        taken.append((date, present))
        missing -= present
        place += 1
    if missing:
        raise Refused(
            "INSUFFICIENT_BALANCE",
            "the account has fewer available points",
            available=amount - missing,
            needed=amount,
        )
    if place > first:
        _put_lots(ctx, program, account, holding, dates[:first] + dates[place:])
    return taken


def add(ctx: Context, program: str, account: str, holding: Holding, parts: Parts) -> None:
    """Add points to the account; lots of one date merge."""
    dates = holding.lots
    for date, amount in parts:
        key = lot_key(program, account, date)
        if date in dates:
            present = ctx.get(key, int)
            if present is None:
                raise InvariantBroken(f"no amount at {key}")
            ctx.put(key, present + amount)
        else:
            ctx.put(key, amount)
            place = bisect_left(dates, date)
            dates = (*dates[:place], date, *dates[place:])
    if dates is not holding.lots:
        _put_lots(ctx, program, account, holding, dates)


def re_date(ctx: Context, program: str, account: str, holding: Holding, date: int) -> tuple[Parts, Holding]:
    """Put all live lots that expire before `date` on it; return what moved, by old date, and the Holding."""
    dates = holding.lots
    first, last = bisect_right(dates, ctx.time), bisect_left(dates, date)
    moved = [(old, _amount(ctx, program, account, old)) for old in dates[first:last]]
    if not moved:
        return [], holding
    for old, _ in moved:
        ctx.delete(lot_key(program, account, old))
    total = sum(amount for _, amount in moved)
    present = _amount(ctx, program, account, date) if last < len(dates) and dates[last] == date else 0
    ctx.put(lot_key(program, account, date), present + total)
    later = dates[last + 1 :] if present else dates[last:]
    return moved, _put_lots(ctx, program, account, holding, (*dates[:first], date, *later))


def split(parts: Parts, amount: int) -> tuple[Parts, Parts]:
    """Divide parts into the first `amount` points and the rest."""
    first: Parts = []
    rest: Parts = []
    for date, size in parts:
        part = min(size, amount)
        amount -= part
        if part:
            first.append((date, part))
        if size > part:
            rest.append((date, size - part))
    return first, rest


def sweep(ctx: Context) -> None:
    """Remove expired lots from storage, a bounded number per block, without events."""
    queue = ctx.get(SWEEP, Sweep)
    if queue is None or not queue.programs:
        return
    program, position = queue.programs[0], queue.position
    holders = holders_key(program)
    count = sequences.length(ctx, holders)
    accounts_left = lots_left = SWEEP_PER_BLOCK
    while position < count and accounts_left and lots_left:
        removed, finished = _sweep_account(ctx, program, sequences.item_at(ctx, holders, position), lots_left)
        lots_left -= removed
        accounts_left -= 1
        position += finished
    if position < count:
        ctx.put(SWEEP, Sweep(queue.programs, position))
    else:
        ctx.put(SWEEP, Sweep(queue.programs[1:], 0))


def _sweep_account(ctx: Context, program: str, account: str, limit: int) -> tuple[int, bool]:
    holding = ctx.get(holding_key(program, account), Holding)
    if holding is None:
        raise InvariantBroken(f"{account} is listed as a holder of {program} without a record")
    dates = holding.lots
    expired = bisect_right(dates, ctx.time)
    removed = min(expired, limit)
    for date in dates[:removed]:
        ctx.delete(lot_key(program, account, date))
    if removed:
        _put_lots(ctx, program, account, holding, dates[removed:])
    return removed, removed == expired


def _amount(ctx: Context, program: str, account: str, date: int) -> int:
    amount = ctx.get(lot_key(program, account, date), int)
    if amount is None:
        raise InvariantBroken(f"no amount at {lot_key(program, account, date)}")
    return amount


def _put_lots(ctx: Context, program: str, account: str, holding: Holding, dates: tuple[int, ...]) -> Holding:
    ctx.charge(len(dates) // 16)
    changed = Holding(dates, holding.frozen, holding.debt, holding.held, holding.pending)
    ctx.put(holding_key(program, account), changed)
    return changed
