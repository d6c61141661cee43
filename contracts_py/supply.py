"""A program's supply: counters, and the dates on which points go out of them by themselves.

Points leave the supply on their date without anybody's doing. So each date has a counter of what is outstanding
with it, and the supply record names the next date; whoever needs the supply first brings it up to date
(`settle`), at a cost in proportion to the dates that have passed. Views do the same without writing (`peek`).

Invariants:
    1. For each live date, expiring/<program>/<date> = the sum of the program's lots with that date.
    2. Calendar.dates are the dates with such a counter; Supply.next_date is the first, or NEVER.
    3. Due.entries hold (next_date, program) of each program whose next_date is not NEVER.
    4. No counter exceeds 2^53 − 1. What comes in, issued + swapped_in + refunded, stays within that altogether; as
       all else is a part of it, so do the dates that pass in a system step, which has no transaction to refuse.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Final

from msgspec.structs import replace

from contracts_py.token_records import (
    DUE,
    NEVER,
    SWEEP,
    Calendar,
    Due,
    Program,
    Supply,
    Sweep,
    calendar_key,
    expiring_key,
    supply_key,
)
from vm.contract_api import MAX_INT, Context, InvariantBroken, Refused

MAX_DATES: Final = 4_096
"""Different dates that one program may have outstanding: ten years of days, and room for explicit ones."""

DATES_PER_BLOCK: Final = 64
"""Dates that the system step settles per block, over all programs; transactions settle what they need."""


def create(ctx: Context, program: str) -> None:
    """Begin a program's counters."""
    ctx.put(supply_key(program), Supply())


def peek(ctx: Context, program: str) -> Supply:
    """Return a program's supply as of the block's time, without writing."""
    supply = _stored(ctx, program)
    if ctx.time < supply.next_date:
        return supply
    return _without_passed(ctx, program, supply, MAX_DATES)[0]


def settle(ctx: Context, program: str, limit: int = MAX_DATES) -> Supply:
    """Return a program's supply as of the block's time, and write it down; at most `limit` dates."""
    supply = _stored(ctx, program)
    if ctx.time < supply.next_date:
        return supply
    settled, passed, remaining = _without_passed(ctx, program, supply, limit)
    for date in passed:
        ctx.delete(expiring_key(program, date))
    ctx.put(calendar_key(program), Calendar(remaining))
    ctx.put(supply_key(program), settled)
    _reschedule(ctx, program, supply.next_date, settled.next_date)
    _queue_sweep(ctx, program)
    return settled


def settle_due(ctx: Context) -> None:
    """Settle the programs whose dates have passed, a bounded number of dates per block."""
    budget = DATES_PER_BLOCK
    while budget > 0:
        due = ctx.get(DUE, Due)
        if due is None or not due.entries or due.entries[0][0] > ctx.time:
            return
        program = due.entries[0][1]
        before = _calendar(ctx, program).dates
        settle(ctx, program, budget)
        budget -= len(before) - len(_calendar(ctx, program).dates)


def credit(ctx: Context, program: str, rules: Program, date: int, amount: int, counter: str) -> None:
    """Count points with this date into the supply, and into the counter that says where they come from.

    Args:
        counter: `issued`, `refunded` or `swapped_in`.

    Raises:
        Refused: CAP_EXCEEDED, LIMIT_EXCEEDED.
    """
    supply = settle(ctx, program)
    outstanding = supply.outstanding + amount
    total = getattr(supply, counter) + amount
    if rules.cap is not None and outstanding > rules.cap:
        available = max(0, rules.cap - supply.outstanding)
        raise Refused("CAP_EXCEEDED", "the program's cap would be passed", cap=rules.cap, available=available)
    _require_countable(supply.issued + supply.swapped_in + supply.refunded + amount)
    supply = _add_to_date(ctx, program, supply, date, amount)
    ctx.put(supply_key(program), replace(supply, outstanding=outstanding, **{counter: total}))


def debit(ctx: Context, program: str, parts: list[tuple[int, int]], counter: str) -> None:
    """Take points, given as (date, amount), out of the supply, and count where they have gone.

    Args:
        counter: `redeemed`, `burned`, `reversed` or `swapped_out`.

    Raises:
        Refused: LIMIT_EXCEEDED.
    """
    supply = settle(ctx, program)
    total = 0
    for date, amount in parts:
        supply = _remove_from_date(ctx, program, supply, date, amount)
        total += amount
    gone = getattr(supply, counter) + total
    _require_countable(gone)
    ctx.put(supply_key(program), replace(supply, outstanding=supply.outstanding - total, **{counter: gone}))


def move_dates(ctx: Context, program: str, parts: list[tuple[int, int]], date: int) -> None:
    """Give points, listed as (date, amount), another date; the supply must be settled."""
    supply = before = settle(ctx, program)
    for old, amount in parts:
        supply = _add_to_date(ctx, program, supply, date, amount)
        supply = _remove_from_date(ctx, program, supply, old, amount)
    if supply is not before:
        ctx.put(supply_key(program), supply)


def _require_countable(total: int) -> None:
    if total > MAX_INT:
        raise Refused("LIMIT_EXCEEDED", "more points than an integer of the protocol holds", limit=MAX_INT)


def _stored(ctx: Context, program: str) -> Supply:
    supply = ctx.get(supply_key(program), Supply)
    if supply is None:
        raise InvariantBroken(f"the program {program} has no supply record")
    return supply


def _calendar(ctx: Context, program: str) -> Calendar:
    return ctx.get(calendar_key(program), Calendar) or Calendar()


def _without_passed(
    ctx: Context, program: str, supply: Supply, limit: int
) -> tuple[Supply, tuple[int, ...], tuple[int, ...]]:
    dates = _calendar(ctx, program).dates
    count = min(bisect_right(dates, ctx.time), limit)
    expired = 0
    for date in dates[:count]:
        expired += _expiring(ctx, program, date)
    settled = replace(
        supply,
        outstanding=supply.outstanding - expired,
        expired=supply.expired + expired,
        next_date=dates[count] if count < len(dates) else NEVER,
    )
    return settled, dates[:count], dates[count:]


def _expiring(ctx: Context, program: str, date: int) -> int:
    amount = ctx.get(expiring_key(program, date), int)
    if amount is None:
        raise InvariantBroken(f"the program {program} has no counter for its date {date}")
    return amount


def _add_to_date(ctx: Context, program: str, supply: Supply, date: int, amount: int) -> Supply:
    if date == NEVER:
        return supply
    key = expiring_key(program, date)
    present = ctx.get(key, int)
    if present is not None:
        ctx.put(key, present + amount)
        return supply
    ctx.put(key, amount)
    dates = list(_calendar(ctx, program).dates)
    if len(dates) >= MAX_DATES:
        raise Refused("LIMIT_EXCEEDED", "the program has too many different dates", limit=MAX_DATES)
    insort(dates, date)
    return _put_calendar(ctx, program, supply, dates)


def _remove_from_date(ctx: Context, program: str, supply: Supply, date: int, amount: int) -> Supply:
    if date == NEVER:
        return supply
    remaining = _expiring(ctx, program, date) - amount
    if remaining < 0:
        raise InvariantBroken(f"the counter of {program} for {date} is below what its lots hold")
    if remaining:
        ctx.put(expiring_key(program, date), remaining)
        return supply
    ctx.delete(expiring_key(program, date))
    dates = list(_calendar(ctx, program).dates)
    del dates[bisect_left(dates, date)]
    return _put_calendar(ctx, program, supply, dates)


def _put_calendar(ctx: Context, program: str, supply: Supply, dates: list[int]) -> Supply:
    ctx.charge(len(dates) // 16)
    ctx.put(calendar_key(program), Calendar(tuple(dates)))
    next_date = dates[0] if dates else NEVER
    if next_date == supply.next_date:
        return supply
    _reschedule(ctx, program, supply.next_date, next_date)
    return replace(supply, next_date=next_date)


def _reschedule(ctx: Context, program: str, old: int, new: int) -> None:
    entries = list((ctx.get(DUE, Due) or Due()).entries)
    ctx.charge(len(entries) // 16)
    if old != NEVER:
        del entries[bisect_left(entries, (old, program))]
    if new != NEVER:
        insort(entries, (new, program))
    ctx.put(DUE, Due(tuple(entries)))


def _queue_sweep(ctx: Context, program: str) -> None:
    sweep = ctx.get(SWEEP, Sweep) or Sweep()
    # A walk that has begun may have passed accounts whose lots expire only now: it gets a second turn.
    waiting = sweep.programs if sweep.position == 0 else sweep.programs[1:]
    if program not in waiting:
        ctx.put(SWEEP, Sweep((*sweep.programs, program), sweep.position))
