"""Limits per UTC day: what a member, or all, may still use of something today."""

from __future__ import annotations

from typing import Any

from contracts_py.token.deeds import DOOR_USE, DOORS, MEMBER_DOOR_USE, TRANSFER_USE, DayUse, Door
from contracts_py.token.records import Program
from vm.contract_api import MS_PER_DAY, Context, Refused, Table


def use_door(ctx: Context, program: str, rules: Program, at_brand: str, account: str, amount: int) -> None:
    """Count points that are to be redeemed or held at a brand against what the issuer has opened there.

    Raises:
        Refused: NOT_AUTHORISED, the issuer has not opened redemption there; LIMIT_EXCEEDED.
    """
    if at_brand == rules.brand:
        return
    door = DOORS.get(ctx, program, at_brand)
    if door is None:
        raise Refused("NOT_AUTHORISED", "the issuer has not opened redemption there", at_brand=at_brand)
    if door.total_day is not None:
        _use(ctx, DOOR_USE, (program, at_brand), door.total_day, amount, "total_day")
    if door.member_day is not None:
        _use(ctx, MEMBER_DOOR_USE, (program, at_brand, account), door.member_day, amount, "member_day")


def return_door(ctx: Context, program: str, at_brand: str, account: str, amount: int, made: int) -> None:
    """Give back what a hold made at `made` (ms) has used and not captured, if that day's limits still count."""
    door = DOORS.get(ctx, program, at_brand) or Door()
    if door.total_day is not None:
        _return(ctx, DOOR_USE, (program, at_brand), amount, made)
    if door.member_day is not None:
        _return(ctx, MEMBER_DOOR_USE, (program, at_brand, account), amount, made)


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
        table.put(ctx, DayUse(use.day, max(0, use.used - amount)), *key)
