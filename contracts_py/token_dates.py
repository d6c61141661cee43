"""On which date points expire: a program's rule, or an explicit time, in the brand's local days."""

from __future__ import annotations

from contracts_py.calendar import Offsets, end_of_month, next_day_start
from contracts_py.token_records import NEVER, Expiry, MonthEndExpiry, NoExpiry
from vm.contract_api import MAX_INT, MS_PER_DAY, Context, Refused


def explicit_date(ctx: Context, offsets: Offsets, expires: int) -> int:
    """Return the date of points that are to expire at a given time.

    Raises:
        Refused: EXPIRED, LIMIT_EXCEEDED.
    """
    if expires <= ctx.time:
        raise Refused("EXPIRED", "the points would have expired already", expires=expires)
    return _within_range(next_day_start(offsets, expires))


def rule_date(ctx: Context, offsets: Offsets, expiry: Expiry) -> int:
    """Return the date of points that are issued, or whose holder is active, now.

    Raises:
        Refused: LIMIT_EXCEEDED.
    """
    if isinstance(expiry, NoExpiry):
        return NEVER
    if isinstance(expiry, MonthEndExpiry):
        return _within_range(end_of_month(offsets, ctx.time, expiry.months))
    return _within_range(next_day_start(offsets, ctx.time + expiry.days * MS_PER_DAY))


def _within_range(date: int) -> int:
    if date >= NEVER:
        raise Refused("LIMIT_EXCEEDED", "the date is beyond the protocol's times", limit=MAX_INT)
    return date
