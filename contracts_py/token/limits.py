"""Limits per UTC day: what a member, or all, may still use of something today."""

from __future__ import annotations

from typing import Any

from contracts_py.token.deeds import (
    DOOR_USE,
    DOORS,
    IN_MEMBER_DAY,
    IN_TOTAL_DAY,
    MEMBER_DOOR_USE,
    TRANSFER_USE,
    DayUse,
    Hold,
)
from contracts_py.token.records import Program
from vm.contract_api import MS_PER_DAY, Context, Refused, Table


def use_door(ctx: Context, program: str, rules: Program, at_brand: str, account: str, amount: int) -> int:
    """Count points that are to be redeemed or held at a brand against what the issuer has opened there.

    Returns:
        In which limits they count, a sum of IN_TOTAL_DAY and IN_MEMBER_DAY.

    Raises:
        Refused: NOT_AUTHORISED, the issuer has not opened redemption there; LIMIT_EXCEEDED.
    """
    if at_brand == rules.brand:
        return 0
    door = DOORS.get(ctx, program, at_brand)
    if door is None:
        raise Refused("NOT_AUTHORISED", "the issuer has not opened redemption there", at_brand=at_brand)
    counted = 0
    if door.total_day is not None:
        _use(ctx, DOOR_USE, (program, at_brand), door.total_day, amount, "total_day")
        counted |= IN_TOTAL_DAY
    if door.member_day is not None:
        _use(ctx, MEMBER_DOOR_USE, (program, at_brand, account), door.member_day, amount, "member_day")
        counted |= IN_MEMBER_DAY
    return counted


def return_door(ctx: Context, hold: Hold, at_brand: str, amount: int) -> None:
    """Give back what a hold has used and not captured, to the limits in which it counts, if their day is not over.

    Whether there are other limits by now does not matter: it has used nothing of those.
    """
    if hold.counted & IN_TOTAL_DAY:
        _return(ctx, DOOR_USE, (hold.program, at_brand), amount, hold.made)
    if hold.counted & IN_MEMBER_DAY:
        _return(ctx, MEMBER_DOOR_USE, (hold.program, at_brand, hold.account), amount, hold.made)


def use_transfer(ctx: Context, program: str, rules: Program, account: str, amount: int) -> None:
    """Count points that an account transfers against what the program lets it on a day.

    Raises:
        Refused: LIMIT_EXCEEDED.
    """
    if rules.transfer_day is not None:
        _use(ctx, TRANSFER_USE, (program, account), rules.transfer_day, amount, "transfer_day")


def _use(ctx: Context, table: Table[DayUse], key: tuple[Any, ...], limit: int, amount: int, name: str) -> None:
    today = ctx.time // MS_PER_DAY
    use = table.get(ctx, *key)
    used = use.used if use is not None and use.day == today else 0
    if used + amount > limit:
        left = max(0, limit - used)
        raise Refused("LIMIT_EXCEEDED", f"more than {name} allows today", limit=limit, available=left, name=name)
    table.put(ctx, DayUse(today, used + amount), *key)


def _return(ctx: Context, table: Table[DayUse], key: tuple[Any, ...], amount: int, made: int) -> None:
    use = table.get(ctx, *key)
    if use is not None and use.day == made // MS_PER_DAY:
        table.put(ctx, DayUse(use.day, use.used - amount), *key)
