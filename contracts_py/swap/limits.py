"""What of a treaty's limits is left."""

from __future__ import annotations

from contracts_py.swap.answers import Hop
from contracts_py.swap.records import MEMBER_USES, USES, Treaty, Use
from vm.contract_api import MAX_INT, MS_PER_DAY, Context, Refused

_UNUSED = Use(0, 0)


def available(ctx: Context, name: str, treaty: Treaty, taken: int, out: int) -> bool:
    """Tell whether a treaty's limits, but for an account's own, leave room for an exchange."""
    limits = treaty.terms.limits
    if limits.total_day is None and limits.inventory is None:
        return True
    use = USES.get(ctx, name) or _UNUSED
    today = use.used if use.day == ctx.time // MS_PER_DAY else 0
    fits_today = limits.total_day is None or today + taken <= limits.total_day
    return fits_today and (limits.inventory is None or use.given + out <= limits.inventory)


def use_limits(ctx: Context, hop: Hop, treaty: Treaty, account: str) -> None:
    """Count an exchange against its treaty's limits.

    Raises:
        Refused: LIMIT_EXCEEDED, with the limit and what is left of it.
    """
    limits, today = treaty.terms.limits, ctx.time // MS_PER_DAY
    use = USES.get(ctx, hop.treaty) or _UNUSED
    used = use.used if use.day == today else 0
    if limits.total_day is not None:
        _require(used + hop.taken, limits.total_day, hop.taken, "total_day", hop.treaty)
    if limits.inventory is not None:
        _require(use.given + hop.out, limits.inventory, hop.out, "inventory", hop.treaty)
    USES.put(ctx, Use(today, min(used + hop.taken, MAX_INT), min(use.given + hop.out, MAX_INT)), hop.treaty)
    if limits.member_day is not None:
        own = MEMBER_USES.get(ctx, hop.treaty, account) or _UNUSED
        used = own.used if own.day == today else 0
        _require(used + hop.taken, limits.member_day, hop.taken, "member_day", hop.treaty)
        MEMBER_USES.put(ctx, Use(today, used + hop.taken), hop.treaty, account)


def _require(after: int, limit: int, by: int, name: str, treaty: str) -> None:
    if after > limit:
        left = max(0, limit - (after - by))
        raise Refused(
            "LIMIT_EXCEEDED", f"more than {name} allows", limit=limit, available=left, treaty=treaty, name=name
        )
